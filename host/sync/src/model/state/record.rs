//! Records as last seen, and what became of them in their systems.

use serde::{Deserialize, Serialize};

use super::{Awaited, Failure, FieldState, LinkId, RecordKey};
use crate::model::value::Cell;

/// What became of a record in its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordStatus {
    /// There.
    Live,
    /// There, but another record of the same system is the active one of the link: never read for
    /// values, never written, kept so that references to it resolve.
    Surplus,
    /// Neither listed nor answered by its id, without a tombstone: deleted without a trace, or no
    /// longer visible. Neither read nor written until it comes back or a person decides.
    Missing,
    /// Put away.
    Archived,
    /// Put away by an operation of the engine's own: what goes along with it is no person's doing.
    Withdrawn,
    /// Gone.
    Deleted,
    /// Gone, and its link goes on without it: its place is free, or another record has it. It keeps
    /// its link, so that it is known where it belongs should it come back.
    Replaced,
    /// It was gone and is there again: the linking step says where it belongs before anything else
    /// (RULES.md V2).
    Returned,
    /// Merged into another record of the same object.
    MergedInto(RecordKey),
    /// Became a record of another object of the same system.
    ConvertedTo(RecordKey),
    /// Was surplus, and was merged or converted: what it became is yet to stand in its stead
    /// (RULES.md P7).
    SurplusInto(RecordKey),
}

impl RecordStatus {
    /// Deleted or archived.
    pub fn is_removed(&self) -> bool {
        matches!(self, Self::Archived | Self::Withdrawn | Self::Deleted)
    }

    /// Gone, whether or not that is still news for its link.
    pub fn is_gone(&self) -> bool {
        self.is_removed() || *self == Self::Replaced
    }

    /// Whether its system has the record, as far as known.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Live | Self::Surplus | Self::Missing | Self::Returned)
    }

    /// Merged or converted: its link passes to its successor.
    pub fn successor(&self) -> Option<&RecordKey> {
        match self {
            Self::MergedInto(key) | Self::ConvertedTo(key) | Self::SurplusInto(key) => Some(key),
            _ => None,
        }
    }

    /// Stands aside in its link, or did when it was merged or converted.
    pub fn is_aside(&self) -> bool {
        matches!(self, Self::Surplus | Self::SurplusInto(_))
    }

    /// Has the place of its system in its link, and keeps it for its successor.
    pub fn has_place(&self) -> bool {
        let there = matches!(self, Self::Live | Self::Missing);
        there || self.successor().is_some() && !self.is_aside()
    }

    /// What becomes of it when it stands aside from now on.
    pub(crate) fn aside(&self) -> Self {
        self.successor().map_or(Self::Surplus, |heir| Self::SurplusInto(heir.clone()))
    }
}

/// A record as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordState {
    /// Which.
    pub key: RecordKey,
    /// The entity's name.
    pub entity: String,
    /// The link it belongs to.
    pub link: Option<LinkId>,
    /// Its version, compared for equality only.
    pub version: Option<String>,
    /// Its own stamp, ms.
    pub modified_ms: Option<i64>,
    /// Whether it is there.
    pub status: RecordStatus,
    /// In the order of the entity's fields.
    pub fields: Vec<FieldState>,
    /// Columns as read, kept for mappings that need the present remote value to write back (tables,
    /// transforms).
    pub raw: Vec<(String, Cell)>,
    /// Cells that could not be read.
    pub failures: Vec<Failure>,
}

/// Why the linking step looks at a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkWork {
    /// Merged or converted, and still in a link.
    Moved,
    /// It came back.
    Returned,
    /// Live without a link.
    Unlinked,
    /// Gone before it was ever read: perhaps what a create made that was never answered.
    Stray,
}

impl RecordState {
    /// What others wait for that want a record of this member in its link.
    pub fn awaited(&self) -> Option<Awaited> {
        let RecordKey { system, object, .. } = self.key.clone();
        Some(Awaited::Member { link: self.link?, system, object })
    }

    /// Whether the linking step must look at it. Stores keep this as an index.
    pub fn link_work(&self) -> Option<LinkWork> {
        match (&self.status, self.link) {
            (status, Some(_)) if status.successor().is_some() => Some(LinkWork::Moved),
            (RecordStatus::Live, None) => Some(LinkWork::Unlinked),
            (RecordStatus::Returned, _) => Some(LinkWork::Returned),
            (status, None) if *status != RecordStatus::Surplus && !self.was_read() => {
                Some(LinkWork::Stray)
            }
            _ => None,
        }
    }

    /// Whether any field of it was ever seen.
    pub fn was_read(&self) -> bool {
        self.fields.iter().any(|field| field.seen.is_some())
    }
}
