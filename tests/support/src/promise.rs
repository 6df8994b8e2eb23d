//! The promises that every judge of a history watches, under one name each: the judge of random
//! histories, the judge of the black box, and the contest. The demo's JSON counts two of them.

use std::fmt;

/// A promise of the program to the people whose records it keeps in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// Writes end after people stop.
    Quiet,
    /// No system has the same person or company twice, and no create is done twice.
    Duplicate,
    /// A value that a person typed last stands somewhere, or people can read what overruled it.
    LostEdit,
    /// No value is written again after a person replaced it.
    ReturnedValue,
    /// A deletion by a person is carried out.
    MissedDeletion,
    /// Nothing is deleted that no person deleted.
    UnwantedDeletion,
    /// A deleted record stays deleted.
    Resurrected,
    /// An opt-out stays until a person takes it back.
    Consent,
    /// Only columns that are mapped for writing are written.
    Direction,
    /// Systems are equal, or an open review, a refusal or a wait says why not.
    Unexplained,
    /// Associations beside the primary one stay.
    Association,
    /// A refused column does not hold back columns that the system would take.
    HeldBack,
    /// No quota of a system is exceeded.
    Quota,
    /// The same seed makes the same history.
    Determinism,
    /// Nothing panics.
    Panic,
    /// The judge can look at everything.
    Judged,
}

impl Promise {
    /// The name in reports and in JSON: the way in which the promise is broken.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Duplicate => "duplicate",
            Self::LostEdit => "lost-edit",
            Self::ReturnedValue => "returned-value",
            Self::MissedDeletion => "missed-deletion",
            Self::UnwantedDeletion => "unwanted-deletion",
            Self::Resurrected => "resurrected",
            Self::Consent => "consent",
            Self::Direction => "direction",
            Self::Unexplained => "unexplained",
            Self::Association => "association",
            Self::HeldBack => "held-back",
            Self::Quota => "quota",
            Self::Determinism => "determinism",
            Self::Panic => "panic",
            Self::Judged => "not-judged",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
