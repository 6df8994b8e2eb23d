//! Records as last seen, and their status in their systems.

use serde::{Deserialize, Serialize};

use super::{Awaited, Failure, FieldState, LinkId, RecordKey};
use crate::index::PerField;
use crate::value::Cell;

/// The status of a record in its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordStatus {
    /// Standing in its system, and the active record of its link if it has one.
    Live,
    /// There, but another record of the same system is the active one of the link. Its values are
    /// kept as read but not merged, and it is not written; references to it resolve.
    Surplus,
    /// Neither listed nor answered by its id, without a tombstone: deleted without a trace, or no
    /// longer visible. Neither read nor written until it comes back or a person decides.
    Missing,
    /// Archived: it may come back.
    Archived,
    /// Archived by an operation of the engine's own. Records that went along with it were deleted
    /// by no person (RULES.md V2).
    Withdrawn,
    /// Deleted, as its system says.
    Deleted,
    /// Gone, and its link goes on without it: its place is free, or another record has it. It keeps
    /// its link, to which it belongs again if it comes back.
    Replaced,
    /// It was gone and is there again. The linking step decides its place before any other step
    /// (RULES.md V2).
    Returned,
    /// Merged into another record of the same object.
    MergedInto(RecordKey),
    /// Became a record of another object of the same system.
    ConvertedTo(RecordKey),
    /// Was surplus, and was merged or converted. Its successor is yet to become surplus in its
    /// stead (RULES.md P7).
    SurplusInto(RecordKey),
}

impl RecordStatus {
    /// True if the record is deleted or archived.
    pub fn is_removed(&self) -> bool {
        matches!(self, Self::Archived | Self::Withdrawn | Self::Deleted)
    }

    /// True if the record is gone, whether or not its link has taken that into account.
    pub fn is_gone(&self) -> bool {
        self.is_removed() || *self == Self::Replaced
    }

    /// True if the record stands in its system, as far as known.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Live | Self::Surplus | Self::Missing | Self::Returned)
    }

    /// The successor of a merged or converted record, which its link passes to.
    pub fn successor(&self) -> Option<&RecordKey> {
        match self {
            Self::MergedInto(key) | Self::ConvertedTo(key) | Self::SurplusInto(key) => Some(key),
            _ => None,
        }
    }

    /// True if the record is surplus in its link, or was when it was merged or converted.
    pub fn is_surplus(&self) -> bool {
        matches!(self, Self::Surplus | Self::SurplusInto(_))
    }

    /// True if the record has the place of its system in its link, and keeps it for its successor.
    pub fn has_place(&self) -> bool {
        let there = matches!(self, Self::Live | Self::Missing);
        there || self.successor().is_some() && !self.is_surplus()
    }

    /// The status that it takes when it becomes surplus.
    pub fn to_surplus(&self) -> Self {
        self.successor().map_or(Self::Surplus, |heir| Self::SurplusInto(heir.clone()))
    }
}

/// A record as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordState {
    /// The record's system, object and id.
    pub key: RecordKey,
    /// The entity's name.
    pub entity: String,
    /// The link it belongs to.
    pub link: Option<LinkId>,
    /// Its version, compared for equality only.
    pub version: Option<String>,
    /// The system's own time of its last modification, ms.
    pub modified_ms: Option<i64>,
    /// The status of the record in its system.
    pub status: RecordStatus,
    /// One state per field.
    pub fields: PerField<FieldState>,
    /// Columns as read, kept for mappings that need the present remote value to write back (tables,
    /// transforms).
    pub raw: Vec<(String, Cell)>,
    /// Cells that could not be read.
    pub failures: Vec<Failure>,
}

/// The task of the linking step for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkWork {
    /// Merged or converted, and still in a link.
    Moved,
    /// The record came back and needs its place again.
    Returned,
    /// Live and without a link, so it is matched.
    Unlinked,
    /// Gone before it was ever read: an unanswered create may have made it.
    GoneUnread,
}

impl RecordState {
    /// The event of this record becoming a live member of its link, for the links that wait for it.
    pub fn awaited(&self) -> Option<Awaited> {
        let RecordKey { system, object, .. } = self.key.clone();
        Some(Awaited::Member { link: self.link?, system, object })
    }

    /// The task of the linking step for this record, if any. Stores keep it as an index.
    pub fn link_work(&self) -> Option<LinkWork> {
        match (&self.status, self.link) {
            (status, Some(_)) if status.successor().is_some() => Some(LinkWork::Moved),
            (RecordStatus::Live, None) => Some(LinkWork::Unlinked),
            (RecordStatus::Returned, _) => Some(LinkWork::Returned),
            (status, None) if *status != RecordStatus::Surplus && !self.was_read() => {
                Some(LinkWork::GoneUnread)
            }
            _ => None,
        }
    }

    /// True if any field of it was ever read.
    pub fn was_read(&self) -> bool {
        self.fields.values().any(|field| field.seen.is_some())
    }
}
