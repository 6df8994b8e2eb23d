//! The limit that deletions of an entity have reached, until a person answers.

/// Deletions that wait for a person, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionHold {
    /// How many there are, with what they take along.
    pub count: u64,
    /// How many are allowed in a day.
    pub limit: u64,
    /// How many of them go along.
    pub along: u64,
    /// A person says to leave the others.
    pub leaves: bool,
    /// They wait for the rest of this cycle only.
    pub later: bool,
}
