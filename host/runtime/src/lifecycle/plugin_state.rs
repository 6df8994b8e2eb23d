//! Keeps the state of plugins across restarts, and beside a running `serve`: `plugins.json`.
//!
//! One JSON object, replaced as a whole under a lock, for this user alone. Which version serves and
//! which served before, which are not to be taken again, what an admin allowed, and what waits for
//! an approval. A file that cannot be understood is an error and never an empty state: the holds
//! and grants in it would be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use renkei_model::plugin::Generation;

use super::stored_permissions::StoredPermissions;

/// Versions per plugin that can serve again, the one that serves among them.
pub(crate) const VERSIONS_KEPT: usize = 3;

/// Versions per plugin that are known to be bad.
const BAD_KEPT: usize = 16;

/// The states, by plugin id.
pub(crate) type PluginStates = BTreeMap<String, PluginState>;

/// The state of one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PluginState {
    /// The file in the plugin folder that it came from.
    pub(crate) file: String,
    /// The digest that serves; none when its file was removed.
    pub(crate) serving: Option<String>,
    /// Those that served last, the last one first: what serves is at the front.
    pub(crate) versions: Vec<KeptVersion>,
    /// Digests that are not taken again by themselves, with the reason.
    pub(crate) bad: Vec<(String, String)>,
    /// New versions wait for an approval.
    pub(crate) hold: bool,
    /// The digest that an admin approved before it could serve.
    pub(crate) approved: Option<String>,
    /// The digest that serves again if what serves fails on probation; none when that has passed.
    pub(crate) fallback: Option<String>,
    /// The permissions that were given; none before its first version.
    pub(crate) allowed: Option<StoredPermissions>,
    /// The permissions that an admin denied.
    pub(crate) denied: StoredPermissions,
}

/// A version whose bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptVersion {
    pub(crate) version: String,
    pub(crate) digest: String,
}

impl PluginState {
    /// Records that `generation` serves from now on, on probation if there is a fallback.
    pub(crate) fn serve(&mut self, file: &str, generation: &Generation, fallback: Option<String>) {
        let Generation { version, digest, .. } = generation;
        file.clone_into(&mut self.file);
        self.serving = Some(digest.clone());
        self.fallback = fallback;
        self.approved = None;
        let version = KeptVersion { version: version.clone(), digest: digest.clone() };
        self.move_first(version);
        while self.versions.len() > VERSIONS_KEPT {
            let Some(at) = self.least_needed() else { break };
            self.versions.remove(at);
        }
        debug_assert!(self.has_version_that_serves(), "what serves is among the versions");
    }

    /// True where what serves, if anything does, is the first version.
    fn has_version_that_serves(&self) -> bool {
        let first = self.versions.first().map(|known| &known.digest);
        self.serving.as_ref().is_none_or(|serving| first == Some(serving))
    }

    /// The index of the version that can go first: the oldest bad one, or else the oldest, but not
    /// what serves nor what would serve instead.
    fn least_needed(&self) -> Option<usize> {
        let others = || self.versions.iter().enumerate().skip(1).rev();
        let free = |known: &KeptVersion| self.fallback.as_deref() != Some(&*known.digest);
        let is_bad = |known: &KeptVersion| self.why_bad(&known.digest).is_some();
        let bad = others().find(|(_, known)| free(known) && is_bad(known));
        bad.or_else(|| others().find(|(_, known)| free(known))).map(|(at, _)| at)
    }

    fn move_first(&mut self, version: KeptVersion) {
        self.versions.retain(|known| known.digest != version.digest);
        self.versions.insert(0, version);
    }

    /// Records that `to` serves again instead of the version with the digest `from`, which is not
    /// taken again by itself.
    pub(crate) fn roll_back(&mut self, from: &str, to: &Generation, reason: &str) {
        let Generation { version, digest, .. } = to;
        self.bad.retain(|(bad, _)| bad != from && bad != digest);
        self.bad.insert(0, (from.to_owned(), reason.to_owned()));
        self.bad.truncate(BAD_KEPT);
        self.move_first(KeptVersion { version: version.clone(), digest: digest.clone() });
        self.serving = Some(digest.clone());
        self.approved = None;
        self.fallback = None;
        debug_assert!(self.has_version_that_serves(), "what serves is among the versions");
    }

    /// The version that served before the one that serves.
    pub(crate) fn earlier(&self) -> Option<&KeptVersion> {
        let serving = self.serving.as_deref();
        let mut older = self.versions.iter().skip_while(|known| Some(&*known.digest) != serving);
        older.next()?;
        older.find(|known| self.why_bad(&known.digest).is_none())
    }

    /// The reason why a digest is not taken again by itself.
    pub(crate) fn why_bad(&self, digest: &str) -> Option<&str> {
        self.bad.iter().find(|(bad, _)| bad == digest).map(|(_, reason)| reason.as_str())
    }

    /// Records that an admin approved this digest.
    pub(crate) fn approve(&mut self, digest: &str) {
        self.bad.retain(|(bad, _)| bad != digest);
        self.approved = Some(digest.to_owned());
    }
}

/// The reason why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginStateError {
    /// The file system refuses.
    #[error("{}: cannot be read or written: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Not what Renkei writes.
    #[error("{}: damaged ({source})", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: serde_json::Error,
    },
}

impl PluginStateError {
    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::Damaged { .. }).then_some(
            "restore it, or remove it: holds and grants are then forgotten and each plugin is \
             taken as if it were new",
        )
    }
}

/// `plugins.json` and what this process knows of it.
pub(crate) struct PluginStateFile {
    path: PathBuf,
    plugins: PluginStates,
    /// Plugins whose state could not be written yet. What this process knows of them counts.
    unwritten: BTreeSet<String>,
    /// Nothing is written: what this process does is its own affair.
    read_only: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredStates<P> {
    format: u32,
    plugins: P,
}

impl PluginStateFile {
    /// The file in `home`, empty if there is none yet.
    pub(crate) fn open(home: &Path, read_only: bool) -> Result<Self, PluginStateError> {
        if !read_only {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(home);
            made.map_err(|source| PluginStateError::Io { path: home.to_owned(), source })?;
        }
        let path = home.join("plugins.json");
        let plugins = read(&path)?;
        Ok(Self { path, plugins, unwritten: BTreeSet::new(), read_only })
    }

    pub(crate) fn plugins(&self) -> &PluginStates {
        &self.plugins
    }

    /// A plugin's state; an empty one if it was never seen.
    pub(crate) fn plugin(&self, id: &str) -> PluginState {
        self.plugins.get(id).cloned().unwrap_or_default()
    }

    /// Reads what others wrote, changes a plugin's state, and writes. On an error the change holds
    /// in this process, and is written with the next one or when the folder is looked at.
    pub(crate) fn change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut PluginState),
    ) -> Result<(), PluginStateError> {
        let lock = self.lock_and_read();
        let state = self.plugins.entry(id.to_owned()).or_default();
        let before = state.clone();
        change(state);
        if *state != before {
            self.unwritten.insert(id.to_owned());
        }
        self.keep(lock)
    }

    /// As [`PluginStateFile::change`], but on an error nothing is changed.
    pub(crate) fn try_change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut PluginState),
    ) -> Result<(), PluginStateError> {
        let (before, unwritten) = (self.plugins.get(id).cloned(), self.unwritten.clone());
        self.change(id, change).inspect_err(|_| {
            match before {
                Some(before) => self.plugins.insert(id.to_owned(), before),
                None => self.plugins.remove(id),
            };
            self.unwritten = unwritten;
        })
    }

    /// Reads what another process wrote meanwhile, and writes what could not be written before.
    pub(crate) fn refresh(&mut self) -> Result<(), PluginStateError> {
        let lock = self.lock_and_read();
        self.keep(lock)
    }

    /// Takes the lock and reads what others wrote.
    fn lock_and_read(&mut self) -> Option<Result<File, PluginStateError>> {
        if self.read_only {
            return None;
        }
        let lock = self.lock();
        if let Ok(mut plugins) = read(&self.path) {
            for id in &self.unwritten {
                if let Some(own) = self.plugins.get(id) {
                    plugins.insert(id.clone(), own.clone());
                }
            }
            self.plugins = plugins;
        }
        Some(lock)
    }

    /// Writes what is not written yet, under the lock if there is to be one.
    fn keep(
        &mut self,
        lock: Option<Result<File, PluginStateError>>,
    ) -> Result<(), PluginStateError> {
        if let Some(lock) = lock
            && !self.unwritten.is_empty()
        {
            let _locked = lock?;
            self.write()?;
            self.unwritten.clear();
        }
        Ok(())
    }

    fn lock(&self) -> Result<File, PluginStateError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let path = self.path.with_extension("lock");
        let file = renkei_files::open(&options, &path).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        file.map_err(|source| PluginStateError::Io { path, source })
    }

    fn write(&self) -> Result<(), PluginStateError> {
        let written = StoredStates { format: 1, plugins: &self.plugins };
        let text = serde_json::to_vec_pretty(&written).map_err(io::Error::other);
        text.and_then(|text| renkei_files::replace(&self.path, &text))
            .map_err(|source| PluginStateError::Io { path: self.path.clone(), source })
    }
}

fn read(path: &Path) -> Result<PluginStates, PluginStateError> {
    let text = match renkei_files::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PluginStates::new()),
        Err(source) => return Err(PluginStateError::Io { path: path.to_owned(), source }),
    };
    let damaged = |source| PluginStateError::Damaged { path: path.to_owned(), source };
    let written: StoredStates<PluginStates> = serde_json::from_slice(&text).map_err(damaged)?;
    Ok(written.plugins)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn generation(digest: &str) -> Generation {
        let (plugin, version) = ("echo".to_owned(), format!("1.{digest}"));
        Generation { plugin, version, digest: digest.to_owned() }
    }

    fn digests(state: &PluginState) -> Vec<&str> {
        state.versions.iter().map(|version| version.digest.as_str()).collect()
    }

    #[test]
    fn three_versions_are_kept_and_a_bad_one_is_not_gone_back_to() {
        let mut state = PluginState::default();
        assert_eq!(state.earlier(), None);
        for digest in ["a", "b", "c", "d", "b"] {
            state.serve("echo.wasm", &generation(digest), None);
        }
        assert_eq!(digests(&state), ["b", "d", "c"]);
        state.roll_back("b", &generation("d"), "it failed");
        assert_eq!(state.serving.as_deref(), Some("d"));
        assert_eq!(state.why_bad("b"), Some("it failed"));
        assert_eq!(state.earlier().unwrap().digest, "c");
        state.roll_back("d", &generation("c"), "it failed too");
        assert_eq!(state.earlier(), None);
        state.approve("b");
        assert_eq!((state.why_bad("b"), state.approved.as_deref()), (None, Some("b")));
        state.serve("echo.wasm", &generation("b"), None);
        assert_eq!(state.approved, None);
        assert_eq!(state.earlier().unwrap().digest, "c", "d is bad");
    }

    #[test]
    fn serving_version_is_kept_however_many_bad_ones_come() {
        let mut state = PluginState::default();
        state.serve("echo.wasm", &generation("older"), None);
        state.serve("echo.wasm", &generation("good"), None);
        for bad in ["b", "c", "d", "e"] {
            state.serve("echo.wasm", &generation(bad), Some("good".to_owned()));
            assert_eq!(state.earlier().unwrap().digest, "good");
            state.roll_back(bad, &generation("good"), "it failed");
            assert_eq!(state.serving.as_deref(), Some("good"));
            assert_eq!(digests(&state), ["good", bad, "older"]);
            assert_eq!(state.earlier().unwrap().digest, "older");
        }
    }

    #[test]
    fn fallback_is_kept_however_many_untried_ones_come() {
        let mut state = PluginState::default();
        state.serve("echo.wasm", &generation("good"), None);
        for untried in ["b", "c", "d", "e"] {
            state.serve("echo.wasm", &generation(untried), Some("good".to_owned()));
        }
        assert_eq!(digests(&state), ["e", "d", "good"]);
    }

    #[test]
    fn unwritten_state_is_not_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut states = PluginStateFile::open(home.path(), false).unwrap();
        states.change("a", |state| state.serve("a.wasm", &generation("one"), None)).unwrap();
        let lock = home.path().join("plugins.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        let bad =
            |state: &mut PluginState| state.bad = vec![("two".to_owned(), "it failed".to_owned())];
        states.change("a", bad).unwrap_err();
        states.try_change("a", |state| state.hold = true).unwrap_err();
        states.refresh().unwrap_err();
        assert!(states.plugin("a").why_bad("two").is_some() && !states.plugin("a").hold);
        fs::remove_dir(&lock).unwrap();
        states.refresh().unwrap();
        let state = PluginStateFile::open(home.path(), true).unwrap().plugin("a");
        assert!(state.why_bad("two").is_some() && !state.hold && state.versions.len() == 1);
    }

    /// `RULES.md R27`.
    #[test]
    fn pipes_in_the_place_of_its_files_are_errors_and_no_waits() {
        let home = tempfile::tempdir().unwrap();
        let pipe = |name| {
            let path = home.path().join(name);
            let made = std::process::Command::new("mkfifo").arg("-m600").arg(&path).status();
            assert!(made.unwrap().success());
            path
        };
        let lock = pipe("plugins.lock");
        let mut states = PluginStateFile::open(home.path(), false).unwrap();
        let error = states.change("a", |state| state.hold = true).unwrap_err().to_string();
        assert!(error.contains("plugins.lock") && error.contains("not a regular file"), "{error}");
        fs::remove_file(&lock).unwrap();
        pipe("plugins.json");
        let error = PluginStateFile::open(home.path(), true).err().unwrap().to_string();
        assert!(error.contains("plugins.json") && error.contains("not a regular file"), "{error}");
        fs::remove_file(home.path().join("plugins.json")).unwrap();
        File::create(home.path().join("plugins.json")).unwrap().set_len(3 << 30).unwrap();
        let error = PluginStateFile::open(home.path(), true).err().unwrap().to_string();
        assert!(error.contains("larger than 16 MiB"), "{error}");
    }

    #[test]
    fn two_processes_write_one_state_file() {
        let home = tempfile::tempdir().unwrap();
        let mut one = PluginStateFile::open(home.path(), false).unwrap();
        let mut two = PluginStateFile::open(home.path(), false).unwrap();
        let mut looker = PluginStateFile::open(home.path(), true).unwrap();
        one.change("a", |state| state.hold = true).unwrap();
        two.change("b", |state| state.hold = true).unwrap();
        looker.change("c", |state| state.hold = true).unwrap();
        assert!(two.plugin("a").hold && looker.plugin("c").hold);
        let read = PluginStateFile::open(home.path(), false).unwrap();
        assert_eq!(read.plugins().keys().collect::<Vec<_>>(), ["a", "b"]);

        fs::write(home.path().join("plugins.json"), b"{\"format\":1,\"plugins\":{\"a\":").unwrap();
        let refused = PluginStateFile::open(home.path(), false).err().unwrap();
        assert!(matches!(&refused, PluginStateError::Damaged { .. }), "{refused}");
        one.change("a", |state| state.hold = false).unwrap();
        assert!(
            PluginStateFile::open(home.path(), false).is_ok(),
            "what runs knows better than the file"
        );
    }
}
