//! The hold on deletions of an entity, until a person answers.

/// Deletions that wait, with the numbers that the question names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionHold {
    /// The number of deletions, with those that they take along.
    pub count: u64,
    /// The number of deletions that the guard allows in 24 hours.
    pub limit: u64,
    /// The number of those that go along.
    pub along: u64,
    /// A person answered `leave`: the other records stay.
    pub leaves: bool,
    /// They wait only until all else of this cycle was planned once.
    pub later: bool,
}
