//! The reasons for which an answer is refused.

use renkei_model::store::port::StoreError;

/// The reason for which a choice is refused.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no such review.
    #[error("there is no review {0}")]
    Unknown(String),
    /// It is over.
    #[error("review {0} is closed: the records have changed since")]
    Closed(String),
    /// It was answered, and a cycle has acted on that.
    #[error("review {0} was answered already, by {1}")]
    Answered(String, String),
    /// A rule had decided, and the field has changed since.
    #[error("the field has changed since a rule decided review {0}")]
    Moved(String),
    /// The choice does not fit the question.
    #[error("review {review} cannot be answered that way")]
    Unfit {
        /// The review's id.
        review: String,
        /// The answers that it takes.
        possible: &'static str,
    },
    /// The value is none of those that can be written.
    #[error("`{value}` is none of the values of `{field}`")]
    Strange {
        /// The field.
        field: String,
        /// The text that was given.
        value: String,
        /// The values that can be written.
        possible: String,
    },
    /// The value is no link that a reference can point at.
    #[error("`{value}` cannot be the value of `{field}`: {why}")]
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
    #[error("no value was given for `{0}`")]
    Empty(String),
    /// A field of consent was to be emptied.
    #[error("emptying `{0}` takes no opt-out back")]
    Consent(String),
    /// The mapping never empties the field (`clear = "ignore"`).
    #[error("`{0}` is not emptied: the mapping says `clear = \"ignore\"`")]
    NeverEmptied(String),
    /// A system requires the field.
    #[error("{system} makes no {object} without `{field}`, so it cannot be emptied")]
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

impl ResolveError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unknown(_) => "`renkei status` lists open reviews",
            Self::Closed(_) | Self::Answered(..) | Self::Moved(_) => {
                "edit a record to change the value"
            }
            Self::Unfit { possible, .. } => return Some(format!("possible: {possible}")),
            Self::Strange { field, possible, .. } => {
                return Some(format!("the values of `{field}` are {possible}"));
            }
            Self::Pointless { possible, .. } => return Some(format!("give {possible}")),
            Self::Empty(field) => return Some(format!("`clear` empties `{field}`")),
            Self::Consent(_) => "give its value, as `value true` or `value false`",
            Self::NeverEmptied(_) | Self::Insists { .. } => "give a value",
            Self::Store(error) => error.hint()?,
            Self::Misfit { .. } | Self::NoField(_) => return None,
        };
        Some(hint.to_owned())
    }
}
