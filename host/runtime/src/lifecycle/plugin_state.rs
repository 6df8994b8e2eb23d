//! Keeps the states of plugins across restarts, and beside a running `serve`.
//!
//! A state says which version serves and which served before, which are not to be taken again, what
//! an admin allowed, and what waits for an approval. Each is one JSON text behind the port
//! [`PluginRecords`]. Records that cannot be understood are an error and never an empty state: the
//! holds and grants in them would be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use renkei_model::plugin::Generation;
use renkei_model::ports::{PluginRecords, PluginRecordsError, PluginTexts, TextsById};

use super::stored_permissions::StoredPermissions;

/// Versions per plugin that can serve again, the one that serves among them.
pub(crate) const VERSIONS_KEPT: usize = 3;

/// Versions per plugin that are known to be bad.
const BAD_KEPT: usize = 16;

/// The state of one plugin. An older Renkei refuses a state with a key that it does not know, so a
/// new key needs a step of the database's layout.
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

/// The states of plugins as this process knows them, and the records that keep them.
pub(crate) struct PluginStates {
    /// None where nothing outlives the process.
    records: Option<Arc<dyn PluginRecords>>,
    plugins: BTreeMap<String, PluginState>,
    /// Plugins whose state could not be written yet. What this process knows of them counts.
    unwritten: BTreeSet<String>,
    /// Nothing is written: what this process does is its own affair.
    read_only: bool,
}

impl PluginStates {
    /// The recorded states, none if there are no records yet.
    pub(crate) fn open(
        records: Option<Arc<dyn PluginRecords>>,
        read_only: bool,
    ) -> Result<Self, PluginRecordsError> {
        let plugins = match &records {
            Some(records) => read(records.as_ref())?,
            None => BTreeMap::new(),
        };
        Ok(Self { records, plugins, unwritten: BTreeSet::new(), read_only })
    }

    pub(crate) fn plugins(&self) -> &BTreeMap<String, PluginState> {
        &self.plugins
    }

    /// A plugin's state; an empty one if it was never seen.
    pub(crate) fn plugin(&self, id: &str) -> PluginState {
        self.plugins.get(id).cloned().unwrap_or_default()
    }

    /// A plugin's state as it is recorded, whoever recorded it; an empty one if it was never seen.
    pub(crate) fn recorded(&self, id: &str) -> Result<PluginState, PluginRecordsError> {
        match &self.records {
            Some(records) => Ok(read(records.as_ref())?.remove(id).unwrap_or_default()),
            None => Ok(self.plugin(id)),
        }
    }

    /// Reads what others wrote, changes a plugin's state, and writes. On an error the change holds
    /// in this process, and is written with the next one or when the folder is looked at.
    pub(crate) fn change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut PluginState),
    ) -> Result<(), PluginRecordsError> {
        let mut change = Some(change);
        self.update(&mut |states| {
            let Some(change) = change.take() else { return };
            let state = states.plugins.entry(id.to_owned()).or_default();
            let before = state.clone();
            change(state);
            if *state != before {
                states.unwritten.insert(id.to_owned());
            }
        })
    }

    /// As [`PluginStates::change`], but on an error nothing is changed.
    pub(crate) fn try_change(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut PluginState),
    ) -> Result<(), PluginRecordsError> {
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
    pub(crate) fn refresh(&mut self) -> Result<(), PluginRecordsError> {
        self.update(&mut |_| {})
    }

    /// True where another process has written what this one does not know.
    pub(crate) fn is_changed_elsewhere(&self) -> bool {
        let recorded = self.records.as_ref().filter(|_| !self.read_only);
        // What cannot be read is reported by the next refresh.
        let recorded = recorded.and_then(|records| read(records.as_ref()).ok());
        recorded.is_some_and(|recorded| recorded != self.plugins)
    }

    /// Reads what others wrote, has `change` done, and writes what is not written yet. `change` may
    /// run twice.
    fn update(&mut self, change: &mut dyn FnMut(&mut Self)) -> Result<(), PluginRecordsError> {
        let kept = match &self.records {
            Some(records) if !self.read_only => Arc::clone(records).update(&mut |texts| {
                self.adopt(texts);
                change(self);
                self.texts_to_write(texts)
            }),
            _ => {
                change(self);
                return Ok(());
            }
        };
        match kept {
            Ok(()) => self.unwritten.clear(),
            // It may have failed before anything was shown.
            Err(_) => change(self),
        }
        kept
    }

    /// Takes over what others wrote. What is not written yet counts more, and so does what this
    /// process knows where the records are damaged.
    fn adopt(&mut self, texts: Option<&PluginTexts>) {
        let Some(texts) = texts else { return };
        if texts.is_new {
            // Somebody removed the file: this process alone knows what was in it.
            self.unwritten.extend(self.plugins.keys().cloned());
            return;
        }
        let own = std::mem::take(&mut self.plugins);
        let read = |(id, text): (&String, &String)| Some((id.clone(), parse(text).ok()?));
        self.plugins = texts.by_id.iter().filter_map(read).collect();
        for (id, state) in own {
            let is_damaged = texts.by_id.contains_key(&id) && !self.plugins.contains_key(&id);
            if is_damaged || self.unwritten.contains(&id) {
                self.plugins.insert(id, state);
            }
        }
    }

    /// The texts of what is not written yet, and with them those of all that this process knows and
    /// that is damaged.
    fn texts_to_write(&self, found: Option<&PluginTexts>) -> Result<TextsById, PluginRecordsError> {
        if self.unwritten.is_empty() {
            return Ok(TextsById::new());
        }
        let is_damaged = |id: &str| match found {
            Some(found) => found.by_id.get(id).is_some_and(|text| parse(text).is_err()),
            None => true,
        };
        let mut texts = TextsById::new();
        for (id, state) in &self.plugins {
            if is_damaged(id) {
                tracing::warn!(plugin = id, "a damaged state of a plugin is written anew");
            } else if !self.unwritten.contains(id) {
                continue;
            }
            let text = serde_json::to_string(state).map_err(|error| {
                PluginRecordsError::Failed { file: None, message: error.to_string(), hint: None }
            })?;
            texts.insert(id.clone(), text);
        }
        Ok(texts)
    }
}

/// The recorded states.
fn read(records: &dyn PluginRecords) -> Result<BTreeMap<String, PluginState>, PluginRecordsError> {
    let PluginTexts { file, by_id, .. } = records.read()?;
    let mut states = BTreeMap::new();
    for (id, text) in by_id {
        let state = parse(&text).map_err(|error| PluginRecordsError::Damaged {
            file: file.clone(),
            reason: format!("the state of `{id}`: {error}"),
        })?;
        states.insert(id, state);
    }
    Ok(states)
}

fn parse(text: &str) -> serde_json::Result<PluginState> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use renkei_model::ports::PluginTextsChange;
    use renkei_store::PluginDatabase;
    use tempfile::TempDir;

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

    fn open(home: &TempDir, read_only: bool) -> Result<PluginStates, PluginRecordsError> {
        let records = PluginDatabase::in_folder(home.path());
        PluginStates::open(Some(Arc::new(records)), read_only)
    }

    /// Records of which writes fail, once all was shown, while the switch is on.
    struct FailingRecords {
        records: PluginDatabase,
        is_on: AtomicBool,
    }

    impl PluginRecords for FailingRecords {
        fn read(&self) -> Result<PluginTexts, PluginRecordsError> {
            self.records.read()
        }

        fn update(&self, change: &mut PluginTextsChange<'_>) -> Result<(), PluginRecordsError> {
            self.records.update(&mut |texts| {
                let changed = change(texts)?;
                let failure = PluginRecordsError::Failed {
                    file: None,
                    message: "disk full".to_owned(),
                    hint: None,
                };
                if self.is_on.load(Ordering::Relaxed) { Err(failure) } else { Ok(changed) }
            })
        }
    }

    /// Changes states while writes fail, then while they do not.
    fn check_unwritten(states: &mut PluginStates, home: &TempDir, repair: impl FnOnce()) {
        let bad =
            |state: &mut PluginState| state.bad = vec![("two".to_owned(), "it failed".to_owned())];
        states.change("a", bad).unwrap_err();
        states.try_change("a", |state| state.hold = true).unwrap_err();
        states.refresh().unwrap_err();
        assert!(states.plugin("a").why_bad("two").is_some() && !states.plugin("a").hold);
        repair();
        states.refresh().unwrap();
        let state = open(home, true).unwrap().plugin("a");
        assert!(state.why_bad("two").is_some() && !state.hold && state.versions.len() == 1);
    }

    #[test]
    fn unwritten_state_is_not_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let (records, is_on) = (PluginDatabase::in_folder(home.path()), AtomicBool::new(false));
        let records = Arc::new(FailingRecords { records, is_on });
        let mut states = PluginStates::open(Some(records.clone()), false).unwrap();
        states.change("a", |state| state.serve("a.wasm", &generation("one"), None)).unwrap();
        records.is_on.store(true, Ordering::Relaxed);
        check_unwritten(&mut states, &home, || records.is_on.store(false, Ordering::Relaxed));
    }

    #[test]
    fn state_is_not_forgotten_while_the_records_cannot_be_opened() {
        let home = tempfile::tempdir().unwrap();
        let mut states = open(&home, false).unwrap();
        states.change("a", |state| state.serve("a.wasm", &generation("one"), None)).unwrap();
        let lock = home.path().join("plugins.db.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        check_unwritten(&mut states, &home, || fs::remove_dir(&lock).unwrap());
    }

    #[test]
    fn two_processes_write_the_same_records() {
        let home = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (open(&home, false).unwrap(), open(&home, false).unwrap());
        let mut looker = open(&home, true).unwrap();
        one.change("a", |state| state.hold = true).unwrap();
        two.change("b", |state| state.hold = true).unwrap();
        looker.change("c", |state| state.hold = true).unwrap();
        assert!(two.plugin("a").hold && looker.plugin("c").hold);
        assert!(looker.recorded("b").unwrap().hold && !looker.recorded("c").unwrap().hold);
        let read = open(&home, false).unwrap();
        assert_eq!(read.plugins().keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(one.is_changed_elsewhere() && !two.is_changed_elsewhere());
        one.refresh().unwrap();
        assert!(!one.is_changed_elsewhere());

        fs::write(home.path().join("plugins.db"), b"garbage").unwrap();
        let refused = open(&home, false).err().unwrap();
        assert!(matches!(&refused, PluginRecordsError::Damaged { .. }), "{refused}");
        two.refresh().unwrap();
        assert!(open(&home, true).is_err(), "nothing is to be written");
        two.change("a", |state| state.hold = false).unwrap();
        let read = open(&home, false).unwrap();
        assert!(!read.plugin("a").hold && read.plugin("b").hold, "what runs knows better");

        fs::remove_file(home.path().join("plugins.db")).unwrap();
        assert!(two.is_changed_elsewhere());
        two.refresh().unwrap();
        let read = open(&home, false).unwrap();
        assert!(read.plugin("b").hold, "what runs writes what was removed");
    }

    #[test]
    fn damaged_state_is_an_error_until_a_process_that_knows_it_writes() {
        let home = tempfile::tempdir().unwrap();
        let mut running = open(&home, false).unwrap();
        running.change("a", |state| state.hold = true).unwrap();
        let damage = |id: &str| {
            let text = (id.to_owned(), r#"{"held":true}"#.to_owned());
            let records = PluginDatabase::in_folder(home.path());
            records.update(&mut |_| Ok([text.clone()].into())).unwrap();
        };
        damage("a");
        let error = open(&home, true).err().unwrap();
        assert!(error.to_string().contains("plugins.db: damaged (the state of `a`: "), "{error}");
        assert!(error.hint().unwrap().starts_with("restore it, or remove it"));
        running.change("b", |state| state.hold = true).unwrap();
        assert!(open(&home, true).unwrap().plugin("a").hold);
        damage("c");
        running.change("b", |state| state.hold = false).unwrap();
        assert!(open(&home, true).is_err(), "nobody knows what `c` was");
    }

    #[test]
    fn states_of_an_older_renkei_are_taken_over() {
        let home = tempfile::tempdir().unwrap();
        let old = home.path().join("plugins.json");
        fs::write(&old, r#"{"format":1,"plugins":{"a":{"hold":true},"b":{}}}"#).unwrap();
        assert!(open(&home, true).unwrap().plugin("a").hold && old.exists());
        open(&home, false).unwrap().refresh().unwrap();
        assert!(open(&home, true).unwrap().plugin("a").hold && !old.exists());
        fs::write(&old, r#"{"format":1,"plugins":{"a":{"held":true}}}"#).unwrap();
        fs::remove_file(home.path().join("plugins.db")).unwrap();
        let error = open(&home, false).err().unwrap().to_string();
        assert!(error.contains("plugins.json: damaged (the state of `a`: "), "{error}");
    }

    #[test]
    fn states_without_records_last_as_long_as_the_process() {
        let mut states = PluginStates::open(None, false).unwrap();
        states.change("a", |state| state.hold = true).unwrap();
        states.refresh().unwrap();
        assert!(states.recorded("a").unwrap().hold && !states.recorded("b").unwrap().hold);
    }
}
