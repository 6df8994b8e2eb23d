//! Keeps on disk what is known of bytes, so that no process looks at them a second time: the
//! checked facts and the compiled code of a plugin, or why the bytes are refused.
//!
//! Loading compiled code runs it: an artefact is native code, and wasmtime trusts it. So the
//! directory belongs to this user alone, each file carries a keyed hash under a key made here, and
//! what does not verify is made again. The name holds the plugin's digest and everything that
//! wasmtime's compatibility and the checks depend on; a file is never changed, only replaced by a
//! rename, and it is read rather than mapped. A refusal also holds under which limits it is true.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use renkei_files::FileAccess;
use renkei_package::{CONTRACT, PackageFacts};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::sandbox::compiler::ARTEFACT_BYTES_MAX;

const KEY_BYTES: usize = 32;
/// One more than a key has.
const KEY_BYTES_READ: u64 = 33;
const TAG_BYTES: usize = 32;
/// How often the images of a component are made before that fails, each after 150 ms of waiting.
const SEALING_TRIES: u32 = 10;
/// The largest file here, bytes: the largest artefact, its facts and its hash.
const FILE_BYTES_MAX: u64 = ARTEFACT_BYTES_MAX + (1 << 20);
const COMPILED: &str = "cwasm";
const REFUSED: &str = "refused";

/// The reason why bytes do not become a generation, for every process with the same limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CachedRefusal {
    /// The id that they have; empty where they do not get so far.
    pub(crate) plugin: String,
    /// The name of the cause.
    pub(crate) cause: String,
    /// Without the name of the file.
    pub(crate) reason: String,
    /// The next step.
    #[serde(default)]
    pub(crate) hint: Option<String>,
    /// The limits under which it is true.
    pub(crate) limits: String,
}

/// The verdicts and artefacts, by the digest of the bytes.
pub(crate) struct ArtefactCache {
    folder: PathBuf,
    key: Vec<u8>,
    compatibility: u64,
}

impl ArtefactCache {
    /// Opens or makes the directory and its key.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        (env!("CARGO_PKG_VERSION"), CONTRACT).hash(&mut hasher);
        Ok(Self {
            folder: folder.to_owned(),
            key: key(&folder.join("key"))?,
            compatibility: hasher.finish(),
        })
    }

    /// The compiled form of the plugin with this digest, if it is there and untouched.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<(PackageFacts, Component)> {
        let content = self.read(digest, COMPILED)?;
        let end = memchr::memchr(b'\n', &content)?;
        let (facts, artefact) = content.split_at_checked(end.saturating_add(1))?;
        let facts = serde_json::from_slice(facts).ok()?;
        let component = revive(engine, artefact);
        let component = component
            .inspect_err(|error| tracing::warn!(digest, %error, "the cache is unusable"))
            .ok()?;
        Some((facts, component))
    }

    /// Takes what the compiler just made of the plugin with this digest, and keeps it.
    pub(crate) fn adopt(
        &self,
        engine: &Engine,
        digest: &str,
        facts: &PackageFacts,
        artefact: &[u8],
    ) -> wasmtime::Result<Component> {
        if let Err(error) = self.store(digest, facts, artefact) {
            tracing::warn!(digest, %error, "the compiled plugin cannot be cached");
        }
        revive(engine, artefact)
    }

    /// True where anything is known of the bytes with this digest.
    pub(crate) fn knows(&self, digest: &str) -> bool {
        [COMPILED, REFUSED].iter().any(|kind| self.folder.join(self.name(digest, kind)).exists())
    }

    /// The reason why the bytes with this digest are refused under these limits, if that is known.
    pub(crate) fn refusal(&self, digest: &str, limits: &str) -> Option<CachedRefusal> {
        let refusal: CachedRefusal = serde_json::from_slice(&self.read(digest, REFUSED)?).ok()?;
        (refusal.limits == limits).then_some(refusal)
    }

    /// Remembers why the bytes with this digest are refused.
    pub(crate) fn refuse(&self, digest: &str, refusal: &CachedRefusal) {
        let content = serde_json::to_vec(refusal).map_err(io::Error::from);
        let kept = content.and_then(|content| self.write(digest, REFUSED, &[&content]));
        if let Err(error) = kept {
            tracing::warn!(digest, %error, "a refusal cannot be remembered");
        }
    }

    /// Forgets why the bytes with this digest are refused, so that they are tried again.
    pub(crate) fn forget_refusal(&self, digest: &str) {
        fs::remove_file(self.folder.join(self.name(digest, REFUSED))).ok();
    }

    /// Keeps the compiled form of the plugin with this digest.
    fn store(&self, digest: &str, facts: &PackageFacts, artefact: &[u8]) -> io::Result<()> {
        let mut facts = serde_json::to_vec(facts)?;
        facts.push(b'\n');
        self.write(digest, COMPILED, &[&facts, artefact])
    }

    /// The content of a file of ours; nothing where it is not there or was tampered with.
    fn read(&self, digest: &str, kind: &str) -> Option<Vec<u8>> {
        let name = self.name(digest, kind);
        let place = self.folder.join(&name);
        let mut file = match renkei_files::read_at_most(&place, FILE_BYTES_MAX) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(digest, %error, "a file of the plugin cache is made again");
                return None;
            }
        };
        let (tag, content) = file.split_at(TAG_BYTES.min(file.len()));
        if self.mac(&name, &[content])?.verify_slice(tag).is_err() {
            tracing::warn!(digest, "a file of the plugin cache was tampered with; making it again");
            return None;
        }
        // An artefact is large: it is moved, not copied.
        file.drain(..TAG_BYTES);
        Some(file)
    }

    fn write(&self, digest: &str, kind: &str, parts: &[&[u8]]) -> io::Result<()> {
        let name = self.name(digest, kind);
        let mac = self.mac(&name, parts).ok_or(io::ErrorKind::InvalidData)?;
        let tag = mac.finalize().into_bytes();
        let parts: Vec<&[u8]> = [&tag[..]].into_iter().chain(parts.iter().copied()).collect();
        renkei_files::replace_with(&self.folder.join(&name), FileAccess::Private, &parts)
    }

    /// Removes what is known of all bytes but these; what comes back is looked at again. What
    /// cannot be removed stays for the next time.
    pub(crate) fn retain(&self, digests: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.rsplit_once('.'));
            let stem = stem.filter(|(_, kind)| [COMPILED, REFUSED].contains(kind));
            let stem = stem.map(|(stem, _)| stem);
            let digest = stem.and_then(|stem| stem.rsplit_once('-'));
            if digest.is_some_and(|(digest, _)| !digests(digest)) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }

    fn name(&self, digest: &str, kind: &str) -> String {
        format!("{digest}-{:016x}.{kind}", self.compatibility)
    }

    fn mac(&self, name: &str, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?.chain_update(name);
        Some(parts.iter().fold(mac, |mac, part| mac.chain_update(part)))
    }
}

/// Native code from bytes that this program made: both callers say why they know.
fn revive(engine: &Engine, artefact: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "only bytes of our own compiler come here")]
    // SAFETY: `deserialize` trusts its input to come from wasmtime's own compiler. `load` gives
    // what `store` wrote: its keyed hash, over name and content, verifies under a key that only
    // this user can read. `adopt` gives what this program's compiler wrote into a pipe that nobody
    // else holds.
    let component = unsafe { Component::deserialize(engine, artefact) }?;
    make_images(&component)?;
    Ok(component)
}

/// Makes the images that instances of this component start from, which the first instance would
/// make otherwise. Linux refuses to seal an image while it moves a page of it (`EBUSY`, after 150
/// ms of waiting), which has nothing to do with the component.
fn make_images(component: &Component) -> wasmtime::Result<()> {
    for _ in 1..SEALING_TRIES {
        match component.initialize_copy_on_write_image() {
            Err(error) if is_busy(&error) => {}
            other => return other,
        }
    }
    component.initialize_copy_on_write_image()
}

fn is_busy(error: &wasmtime::Error) -> bool {
    let error = error.root_cause().downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
}

/// The key in `place`, made at first use and readable by this user only.
fn key(place: &Path) -> io::Result<Vec<u8>> {
    match renkei_files::open(OpenOptions::new().read(true), place) {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600))?;
            let mut key = Vec::new();
            // A longer file is no key either.
            file.take(KEY_BYTES_READ).read_to_end(&mut key)?;
            if key.len() == KEY_BYTES { Ok(key) } else { new_key(place) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_key(place),
        Err(error) => Err(error),
    }
}

fn new_key(place: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    renkei_files::replace(place, &key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::engine::{self, Pooling};

    fn facts() -> PackageFacts {
        PackageFacts { manifest: "\n".into(), imports: vec![], exports: vec![] }
    }

    fn compiled(engine: &Engine) -> Vec<u8> {
        let wasm = wat::parse_str("(component (core module (func)))").unwrap();
        Component::from_binary(engine, &wasm).unwrap().serialize().unwrap()
    }

    #[test]
    fn cache_keeps_what_it_wrote_and_nothing_else() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(&folder.path().join("cache"), &engine).unwrap();
        assert!(cache.load(&engine, "aa").is_none());
        cache.store("aa", &facts(), &compiled(&engine)).unwrap();
        assert_eq!(cache.load(&engine, "aa").unwrap().0, facts());

        let place = cache.folder.join(cache.name("aa", COMPILED));
        let other = cache.folder.join(cache.name("bb", COMPILED));
        fs::copy(&place, &other).unwrap();
        assert!(cache.load(&engine, "bb").is_none(), "moved to another plugin's name");
        cache.retain(|digest| digest == "aa");
        assert!(!other.exists() && cache.load(&engine, "aa").is_some());
        let good = fs::read(&place).unwrap();
        for at in [0, TAG_BYTES, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&place, bad).unwrap();
            assert!(cache.load(&engine, "aa").is_none(), "byte {at}");
        }
        fs::write(&place, b"x").unwrap();
        assert!(cache.load(&engine, "aa").is_none());
    }

    /// `RULES.md R27`: a file of the cache that claims gigabytes is not read.
    #[test]
    fn a_sparse_file_is_not_read() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(folder.path(), &engine).unwrap();
        cache.store("aa", &facts(), &compiled(&engine)).unwrap();
        let file =
            OpenOptions::new().write(true).open(folder.path().join(cache.name("aa", COMPILED)));
        file.unwrap().set_len(3 << 30).unwrap();
        assert!(cache.load(&engine, "aa").is_none());
        cache.store("aa", &facts(), &compiled(&engine)).unwrap();
        assert!(cache.load(&engine, "aa").is_some(), "it is made again");
    }

    /// `RULES.md R27`.
    #[test]
    fn an_odd_key_is_an_error_and_no_wait() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("key");
        let made = std::process::Command::new("mkfifo").arg("-m600").arg(&place).status();
        assert!(made.unwrap().success());
        let error = ArtefactCache::open(folder.path(), &engine).err().unwrap();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        fs::remove_file(&place).unwrap();
        fs::File::create(&place).unwrap().set_len(3 << 30).unwrap();
        let key = ArtefactCache::open(folder.path(), &engine).unwrap().key;
        assert_eq!(key.len(), KEY_BYTES);
        assert_eq!(ArtefactCache::open(folder.path(), &engine).unwrap().key, key);
    }

    #[test]
    fn a_refusal_is_remembered_for_its_limits() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(folder.path(), &engine).unwrap();
        let text = str::to_owned;
        let (plugin, cause) = (text("p"), text("refused"));
        let (reason, hint, limits) = (text("bad"), Some(text("build it")), text("small"));
        let refusal = CachedRefusal { plugin, cause, reason, hint, limits };
        cache.refuse("aa", &refusal);
        let again = ArtefactCache::open(folder.path(), &engine).unwrap();
        assert_eq!(again.refusal("aa", "small"), Some(refusal));
        assert_eq!(again.refusal("aa", "large"), None);
        assert_eq!(again.refusal("bb", "small"), None);
        cache.forget_refusal("aa");
        assert_eq!(again.refusal("aa", "small"), None);
    }

    #[test]
    fn cache_belongs_to_this_user_alone() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtefactCache::open(folder.path(), &engine).unwrap();
        cache.store("aa", &facts(), &compiled(&engine)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("key")), 0o600);
        assert_eq!(mode(&folder.path().join(cache.name("aa", COMPILED))), 0o600);
        let again = ArtefactCache::open(folder.path(), &engine).unwrap();
        assert!(again.load(&engine, "aa").is_some(), "the key outlives the program");
    }
}
