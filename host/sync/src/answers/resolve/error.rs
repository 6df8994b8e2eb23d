//! The reasons for which an answer is refused.

use crate::store::port::StoreError;

/// The reason for which a choice is refused.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no such review.
    #[error("there is no review {0}; `renkei status` lists those that are open")]
    Unknown(String),
    /// It is over.
    #[error("review {0} is closed: the records have changed since; edit a record to change it")]
    Closed(String),
    /// It was answered, and a cycle has acted on that.
    #[error("review {0} was answered already, by {1}; edit a record to change it")]
    Answered(String, String),
    /// A rule had decided, and the field has changed since.
    #[error("the field has changed since a rule decided review {0}; edit a record to change it")]
    Moved(String),
    /// The choice does not fit the question.
    #[error("review {review} cannot be answered that way; possible: {possible}")]
    Unfit {
        /// The review's id.
        review: String,
        /// The answers that it takes.
        possible: &'static str,
    },
    /// The value is none of those that can be written.
    #[error("`{value}` is none of the values of `{field}`, which are: {possible}")]
    Strange {
        /// The field.
        field: String,
        /// The text that was given.
        value: String,
        /// The values that can be written.
        possible: String,
    },
    /// The value is no link that a reference can point at.
    #[error("`{value}` cannot be the value of `{field}`: {why}; give {possible}")]
    Pointless {
        /// The field.
        field: String,
        /// The text that was given.
        value: String,
        /// The reason.
        why: String,
        /// The forms that can be given.
        possible: String,
    },
    /// The value is none of the field's kind.
    #[error("`{value}` does not fit the field `{field}`")]
    Misfit {
        /// The field.
        field: String,
        /// The text that was given.
        value: String,
    },
    /// No value was given.
    #[error("no value was given for `{0}`; `clear` empties it")]
    Empty(String),
    /// A field of consent was to be emptied.
    #[error(
        "emptying `{0}` takes no opt-out back; give its value, as `value true` or `value false`"
    )]
    Consent(String),
    /// The mapping never empties the field (`clear = "ignore"`).
    #[error("`{0}` is not emptied: the mapping says `clear = \"ignore\"`; give a value")]
    NeverEmptied(String),
    /// A system requires the field.
    #[error("{system} makes no {object} without `{field}`, so it cannot be emptied; give a value")]
    Insists {
        /// The system.
        system: String,
        /// Its object.
        object: String,
        /// The field.
        field: String,
    },
    /// A value answers a question about something else.
    #[error("review {0} is not about a field")]
    NoField(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
