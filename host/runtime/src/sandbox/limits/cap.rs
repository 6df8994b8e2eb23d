//! Counts and logs what stopped a guest or was refused. The caps by name are the engine's
//! ([`Cap`]): it reads them in its errors.
//!
//! [`LimitReached`] is the error where a cap is passed, [`StopCounters`] counts it per plugin and
//! system, and [`StopCounters::record`] writes one line for target `renkei::audit`. Counters are a
//! struct of the runtime and not a global recorder: their owner is plain, tests read them, and
//! `renkei plugin list` shows them without a second registry. Their labels are ids that the host
//! checked, names of the configuration and names of this file, so that no guest makes a new label
//! (`SECURITY.md` S14). The way out counts its own refusals (`renkei_egress::Traffic`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use renkei_model::plugin::{Cap, Generation, StopCause};

use renkei_egress::RefusalReason;
use renkei_egress::escape::words;

/// The most plugins that are counted apart; what comes later counts as [`OTHERS`].
const PLUGINS_MAX: usize = 1_000;
/// The most labels of one plugin beyond which no other file is counted apart.
const FILES_MAX: usize = 1_000;
const OTHERS: &str = "(others)";

/// A cap that was passed, in words for the person who runs the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub struct LimitReached {
    /// The cap.
    pub cap: Cap,
    /// Its limit, in the unit of the cap; 0 where wasmtime keeps it by itself.
    pub limit: u64,
}

impl LimitReached {
    pub(crate) fn new(cap: Cap, limit: impl TryInto<u64>) -> Self {
        Self { cap, limit: limit.try_into().unwrap_or(u64::MAX) }
    }

    fn words(&self) -> String {
        let (limit, mib) = (self.limit, self.limit >> 20);
        match self.cap {
            Cap::Memory => format!("it wanted more than its memory limit of {mib} MiB"),
            Cap::Tables => format!("it wanted more than its limit of {limit} table elements"),
            Cap::Instances => "it has more instances, tables or memories than its limit".to_owned(),
            Cap::RunTime => format!("it ran longer than its limit of {limit} ms"),
            Cap::CallTime => format!("its call took longer than {limit} ms"),
            Cap::Stack => "it ran out of stack (endless recursion?)".to_owned(),
            Cap::Crossing => {
                format!("it moved more data in one call than its limit of {limit} bytes")
            }
            Cap::Handles => format!("it held more than its limit of {limit} handles"),
            Cap::Requests => format!("it sent more than its limit of {limit} requests in one call"),
            Cap::Log => "it wrote more lines than it may, and the rest is dropped".to_owned(),
            Cap::Cursor => format!("its cursor is larger than {limit} bytes"),
            Cap::Memo => format!("the memo of a schema is larger than {limit} bytes"),
            Cap::Token => format!("the token of its job is larger than {limit} bytes"),
            Cap::Places => format!("no place for an instance became free in {limit} ms"),
            Cap::File => "its file is larger than the limit".to_owned(),
            Cap::CompileMemory => format!("compiling it took more than {mib} MiB of memory"),
            Cap::CompileTime => format!("compiling it took longer than {limit} s"),
        }
    }
}

/// The reason why something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CountedCause {
    /// A plugin was stopped.
    Stopped(StopCause),
    /// A file is not a plugin for this host.
    Refused,
    /// A guest's request, or the answer to it, was refused by the way out; the guest was
    /// told.
    Egress(RefusalReason),
    /// A guest told allowed hosts far more than any API needs; it was sent.
    Unusual,
}

impl CountedCause {
    /// The cause with this name, of those for which a file is refused.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let caps = [
            Cap::Memory,
            Cap::Tables,
            Cap::Instances,
            Cap::RunTime,
            Cap::Stack,
            Cap::Crossing,
            Cap::Handles,
            Cap::Requests,
            Cap::File,
            Cap::CompileMemory,
            Cap::CompileTime,
        ];
        let caps = caps.into_iter().map(Self::from);
        let mut all = caps.chain([Self::Refused, StopCause::Trap.into()]);
        all.find(|cause| cause.name() == name)
    }

    /// The name in audit lines and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped(cause) => cause.name(),
            Self::Refused => "refused",
            Self::Egress(reason) => reason.name(),
            Self::Unusual => "unusual",
        }
    }
}

impl From<StopCause> for CountedCause {
    fn from(cause: StopCause) -> Self {
        Self::Stopped(cause)
    }
}

impl From<Cap> for CountedCause {
    fn from(cap: Cap) -> Self {
        Self::Stopped(StopCause::Limit(cap))
    }
}

/// The times that a plugin was stopped, or something of it refused, for one cause since the program
/// started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopCount {
    /// The plugin's id; empty for a file that does not say which plugin it is.
    pub plugin: String,
    /// The system that it worked on; empty for a transform and while a file is loaded.
    pub system: String,
    /// The file of the plugin folder that was refused; empty for what a plugin did.
    pub file: String,
    /// Why.
    pub cause: CountedCause,
    /// The number of times, at least 1.
    pub times: u64,
}

/// The counts of one plugin.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CountLabel {
    system: String,
    file: String,
    cause: CountedCause,
}

/// The counts of one plugin.
type Own = BTreeMap<CountLabel, u64>;

/// Counts and records what is stopped, by plugin. One per runtime.
#[derive(Debug, Default)]
pub(crate) struct StopCounters(Mutex<BTreeMap<String, Own>>);

impl StopCounters {
    /// One more stop of `plugin` while it worked on `system` (empty: on none).
    pub(crate) fn record(&self, plugin: &Generation, system: &str, cause: impl Into<CountedCause>) {
        let (cause, file) = (cause.into(), String::new());
        self.count(&plugin.plugin, CountLabel { system: system.to_owned(), file, cause });
        let (cause, Generation { plugin, version, digest }) = (cause.name(), plugin);
        tracing::warn!(target: "renkei::audit", plugin, version, digest, system, cause,
            "a plugin was stopped");
    }

    /// A file that was not taken; its line is that of [`crate::ReloadEvent::Refused`]. `plugin` is
    /// its id, empty where the file does not get so far.
    pub(crate) fn refused(&self, file: &str, plugin: &str, cause: CountedCause) {
        self.count(plugin, CountLabel { system: String::new(), file: words(file), cause });
    }

    fn count(&self, plugin: &str, mut label: CountLabel) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.contains_key(plugin) || counts.len() < PLUGINS_MAX;
        let plugin = if known { plugin } else { OTHERS };
        let own = counts.entry(plugin.to_owned()).or_default();
        if !label.file.is_empty() && own.len() >= FILES_MAX && !own.contains_key(&label) {
            OTHERS.clone_into(&mut label.file);
        }
        *own.entry(label).or_default() += 1;
    }

    /// All counts that are not 0.
    pub(crate) fn counts(&self) -> Vec<StopCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = counts.iter().flat_map(|(plugin, own)| own.iter().map(move |one| (plugin, one)));
        let count = |(plugin, (label, times)): (&String, (&CountLabel, &u64))| StopCount {
            plugin: plugin.clone(),
            system: label.system.clone(),
            file: label.file.clone(),
            cause: label.cause,
            times: *times,
        };
        all.map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_few() {
        let stops = StopCounters::default();
        for number in 0..PLUGINS_MAX + 50 {
            let plugin = Generation {
                plugin: format!("p{number}"),
                version: "1.0.0".to_owned(),
                digest: String::new(),
            };
            stops.record(&plugin, "", StopCause::Trap);
            stops.record(&plugin, "", StopCause::Limit(Cap::Memory));
            stops.record(&plugin, "crm", StopCause::Limit(Cap::Memory));
        }
        let counts = stops.counts();
        assert_eq!(counts.len(), (PLUGINS_MAX + 1) * 3);
        let others = counts.iter().find(|count| count.plugin == OTHERS).unwrap();
        let found = (others.system.as_str(), others.cause, others.times);
        assert_eq!(found, ("", CountedCause::from(Cap::Memory), 50));
        assert_eq!(counts.iter().filter(|count| count.system == "crm").count(), PLUGINS_MAX + 1);
    }

    #[test]
    fn refused_files_are_counted_by_name_and_few() {
        let stops = StopCounters::default();
        for number in 0..FILES_MAX + 50 {
            stops.refused(&format!("{number}.wasm"), "", CountedCause::Refused);
        }
        stops.refused("0.wasm", "", CountedCause::Refused);
        let counts = stops.counts();
        let times = |file: &str| counts.iter().find(|count| count.file == file).unwrap().times;
        assert_eq!((counts.len(), times("0.wasm"), times(OTHERS)), (FILES_MAX + 1, 2, 50));
    }
}
