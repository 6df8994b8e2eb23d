//! Compiled code on disk, so that a start does not compile what was compiled before.
//!
//! Loading compiled code runs it: an artefact is native code, and wasmtime trusts it. So the
//! directory belongs to this user alone, each file carries a keyed hash under a key made here, and
//! what does not verify is compiled again. The name holds the plugin's digest and everything that
//! wasmtime's compatibility depends on; a file is never changed, only replaced by a rename, and it
//! is read rather than mapped.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// See the module's text.
pub(crate) struct Cache {
    folder: PathBuf,
    key: Vec<u8>,
    compatibility: u64,
}

impl Cache {
    /// Opens or makes the directory and its key.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            folder: folder.to_owned(),
            key: key(&folder.join("key"))?,
            compatibility: hasher.finish(),
        })
    }

    /// The compiled form of the plugin with this digest, if it is there and untouched.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let name = self.name(digest);
        let mut file = fs::read(self.folder.join(&name)).ok()?;
        let artefact = file.split_off(TAG_BYTES.min(file.len()));
        if self.mac(&name, &artefact)?.verify_slice(&file).is_err() {
            tracing::warn!(
                digest,
                "a compiled plugin in the cache was tampered with; compiling it again"
            );
            return None;
        }
        let component = revive(engine, &artefact);
        component.inspect_err(|error| tracing::warn!(digest, %error, "the cache is unusable")).ok()
    }

    /// Takes what the compiler just made of the plugin with this digest, and keeps it.
    pub(crate) fn adopt(
        &self,
        engine: &Engine,
        digest: &str,
        artefact: &[u8],
    ) -> wasmtime::Result<Component> {
        if let Err(error) = self.store(digest, artefact) {
            tracing::warn!(digest, %error, "the compiled plugin cannot be cached");
        }
        revive(engine, artefact)
    }

    /// Keeps the compiled form of the plugin with this digest.
    fn store(&self, digest: &str, artefact: &[u8]) -> io::Result<()> {
        let name = self.name(digest);
        let mac = self.mac(&name, artefact).ok_or(io::ErrorKind::InvalidData)?;
        let (draft, place) = (self.folder.join(format!("{name}.tmp")), self.folder.join(&name));
        fs::remove_file(&draft).ok();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(&mac.finalize().into_bytes())?;
        file.write_all(artefact)?;
        file.sync_all()?;
        fs::rename(&draft, &place)
    }

    /// Removes the compiled forms of all plugins but these; a plugin that comes back is compiled
    /// again. What cannot be removed stays for the next time.
    pub(crate) fn retain(&self, digests: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".cwasm"));
            let digest = stem.and_then(|stem| stem.rsplit_once('-'));
            if digest.is_some_and(|(digest, _)| !digests(digest)) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{:016x}.cwasm", self.compatibility)
    }

    fn mac(&self, name: &str, artefact: &[u8]) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        Some(mac.chain_update(name).chain_update(artefact))
    }
}

/// Native code from bytes that this program made: both callers say why they know.
fn revive(engine: &Engine, artefact: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "only bytes of our own compiler come here")]
    // SAFETY: `deserialize` trusts its input to come from wasmtime's own compiler. `load` gives
    // what `store` wrote: its keyed hash, over name and content, verifies under a key that only
    // this user can read. `adopt` gives what this program's compiler wrote into a pipe that nobody
    // else holds.
    unsafe {
        Component::deserialize(engine, artefact)
    }
}

/// The key in `place`, made at first use and readable by this user only.
fn key(place: &Path) -> io::Result<Vec<u8>> {
    match File::open(place) {
        Ok(mut file) => {
            file.set_permissions(Permissions::from_mode(0o600))?;
            let mut key = Vec::new();
            file.read_to_end(&mut key)?;
            if key.len() == KEY_BYTES { Ok(key) } else { new_key(place) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_key(place),
        Err(error) => Err(error),
    }
}

fn new_key(place: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    let draft = place.with_extension("tmp");
    fs::remove_file(&draft).ok();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&draft, place)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{self, Pooling};

    fn compiled(engine: &Engine) -> Vec<u8> {
        let wasm = wat::parse_str("(component (core module (func)))").unwrap();
        Component::from_binary(engine, &wasm).unwrap().serialize().unwrap()
    }

    #[test]
    fn keeps_what_it_wrote_and_nothing_else() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache"), &engine).unwrap();
        assert!(cache.load(&engine, "aa").is_none());
        cache.store("aa", &compiled(&engine)).unwrap();
        assert!(cache.load(&engine, "aa").is_some());

        let place = cache.folder.join(cache.name("aa"));
        let other = cache.folder.join(cache.name("bb"));
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

    #[test]
    fn belongs_to_this_user_alone() {
        let engine = engine::start(Pooling::Off).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &engine).unwrap();
        cache.store("aa", &compiled(&engine)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("key")), 0o600);
        assert_eq!(mode(&folder.path().join(cache.name("aa"))), 0o600);
        let again = Cache::open(folder.path(), &engine).unwrap();
        assert!(again.load(&engine, "aa").is_some(), "the key outlives the program");
    }
}
