//! The names of records and links, and spans of time.

use serde::{Deserialize, Serialize};

/// One record of one object of one system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// The system's name in the configuration.
    pub system: String,
    /// The object's name there.
    pub object: String,
    /// The record's id there.
    pub id: String,
}

impl std::fmt::Display for RecordKey {
    /// For people: an id of the vendor's stays on its line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}/", self.system, self.object)?;
        if !self.id.contains(char::is_control) {
            return f.write_str(&self.id);
        }
        self.id.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => write!(f, "{c}"),
        })
    }
}

/// A link's number, unique in one store and never used again. Zero is no link and sorts before all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LinkId(pub u64);

impl std::fmt::Display for LinkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A span of time in ms: later than `after`, not later than `until`. A missing bound is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// The record's modification time when the former value was still there.
    pub after: Option<i64>,
    /// The record's modification time when the present value was first there.
    pub until: Option<i64>,
}
