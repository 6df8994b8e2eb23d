//! The policies of an admin: conflicts, emptied fields, first links, deletions and merges.

use crate::spec::function::TransformRef;

/// The rule for two members that were edited to different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Winner {
    /// The value of this system, whatever it is.
    Always(String),
    /// This system, unless its value is empty.
    UnlessBlank(String),
    /// The later edit, where the modification times prove which one it is; else a person decides.
    Newest,
    /// A person decides.
    Manual,
    /// A merge function of a transform makes one value of both.
    Merge(TransformRef),
    /// Consent: an opt-out wins, and only a person takes it back (RULES.md P5).
    OptOut {
        /// The value that means opted out: `true` of "no mail please", `false` of "may be mailed".
        when: bool,
    },
}

impl Winner {
    /// The merge function, where one decides.
    pub fn merge_function(&self) -> Option<&TransformRef> {
        match self {
            Self::Merge(function) => Some(function),
            _ => None,
        }
    }

    /// The value that means opted out, in a field of consent.
    pub fn opted_out(&self) -> Option<bool> {
        match self {
            Self::OptOut { when } => Some(*when),
            _ => None,
        }
    }
}

/// The effect of an emptied field on the other members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// The others are emptied, too.
    Propagate,
    /// Nothing; it stays empty where it was emptied.
    Ignore,
    /// A person decides.
    Review,
}

/// The rule for values that differ at the first link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstLink {
    /// The value of this system.
    Prefer(String),
    /// A person decides.
    Review,
}

/// The effect of a deletion on the other systems' records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// They are archived, within the limit of a day.
    Archive,
    /// They stay and are no longer kept in step.
    Unlink,
    /// A person decides.
    Review,
}

/// The rule for an archive that takes other records along in its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCascade {
    /// A person decides.
    Ask,
    /// The archive is made, within the limit of a day, which counts the records that go along.
    Allow,
}

/// The effect of a merge on the other systems' records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMerge {
    /// The surplus record is kept as an alias and a person is asked.
    Review,
    /// The surplus record is merged too, where the object can.
    Follow,
}

/// The guard on deletions in 24 hours: the larger of both numbers. More of them wait for approval
/// (RULES.md P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteGuard {
    /// A number that is always fine.
    pub count: u64,
    /// A share of the entity's links, in percent.
    pub percent: u64,
}

impl Default for DeleteGuard {
    fn default() -> Self {
        Self { count: 20, percent: 1 }
    }
}

impl DeleteGuard {
    /// The most deletions allowed among this many links.
    pub fn limit(self, links: u64) -> u64 {
        self.count.max(links.saturating_mul(self.percent) / 100)
    }
}
