//! The records and links that a link waits for.

use serde::{Deserialize, Serialize};

use super::{LinkId, RecordKey};

/// An event that a link waits for before it, or a part of it, can be planned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// This record gets a link.
    Linked(RecordKey),
    /// This link gets a live record of this object of this system.
    Member {
        /// The link.
        link: LinkId,
        /// The system.
        system: String,
        /// The object.
        object: String,
    },
}
