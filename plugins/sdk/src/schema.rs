//! Making schemas, pages and outcomes: short constructors for the records of the connector world.

use crate::batch::present;
use crate::connector::{
    Account, Action, Applied, Field, Operation, Outcome, Page, Schema, WriteRequest,
};
use crate::http::Failure;
use crate::{Attributes, Cell, Problem, Remedy, Value};

/// The kinds that this version of the contract knows (`field.kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A truth value.
    Boolean,
    /// A whole number.
    Integer,
    /// An exact decimal.
    Decimal,
    /// Text.
    Text,
    /// A day.
    Date,
    /// A moment, in ms.
    Timestamp,
    /// One of a list of values; the cell is text.
    Choice,
    /// Several of a list of values.
    Choices,
    /// The id of one record of another object.
    Reference,
    /// Ids of records of another object, the primary one first.
    References,
}

impl Kind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Choice => "choice",
            Self::Choices => "choices",
            Self::Reference => "reference",
            Self::References => "references",
        }
    }
}

impl Account {
    /// An account without facts.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), facts: Attributes::new() }
    }

    /// The same account with one fact more.
    #[must_use]
    pub fn fact(mut self, code: &str, value: impl Into<Value>) -> Self {
        self.facts.push((code.to_owned(), value.into()));
        self
    }
}

impl Schema {
    /// A schema without fields.
    pub fn new(object: impl Into<String>, label: impl Into<String>) -> Self {
        let facts = Attributes::new();
        Self { object: object.into(), label: label.into(), fields: Vec::new(), facts }
    }

    /// The same schema with one field more.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The same schema with one fact more, such as `stamp` or `creatable`.
    #[must_use]
    pub fn fact(mut self, code: &str, value: impl Into<Value>) -> Self {
        self.facts.push((code.to_owned(), value.into()));
        self
    }
}

impl Field {
    /// A field that may be read, created, changed and emptied, labelled with its name.
    ///
    /// ```
    /// # use renkei_sdk::{Field, Kind};
    /// let email = Field::new("email", Kind::Text).label("E-mail").unique().max_length(254);
    /// let owner = Field::new("owner", Kind::Reference).target("users").read_only();
    /// # assert!(email.unique && !owner.updatable);
    /// ```
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        let name = name.into();
        Self {
            label: name.clone(),
            name,
            kind: kind.as_str().to_owned(),
            readable: true,
            creatable: true,
            updatable: true,
            required: false,
            unique: false,
            nullable: true,
            max_length: None,
            choices: Vec::new(),
            targets: Vec::new(),
            facts: Attributes::new(),
        }
    }

    /// With this label for people.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Neither given at creation nor changed.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.creatable = false;
        self.updatable = false;
        self
    }

    /// A create without it is refused, and it may not be emptied.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self.nullable = false;
        self
    }

    /// No two records have the same value.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// At most so many Unicode scalar values.
    #[must_use]
    pub fn max_length(mut self, length: u32) -> Self {
        self.max_length = Some(length);
        self
    }

    /// With one value more to choose from.
    #[must_use]
    pub fn choice(mut self, value: impl Into<String>, label: impl Into<String>) -> Self {
        self.choices.push((value.into(), label.into()));
        self
    }

    /// May point at records of this object.
    #[must_use]
    pub fn target(mut self, object: impl Into<String>) -> Self {
        self.targets.push(object.into());
        self
    }

    /// With one fact more.
    #[must_use]
    pub fn fact(mut self, code: &str, value: impl Into<Value>) -> Self {
        self.facts.push((code.to_owned(), value.into()));
        self
    }
}

impl Page {
    /// With how old its rows may be, ms: zero where a reading shows every write that was answered.
    #[must_use]
    pub fn lag(mut self, lag_ms: i64) -> Self {
        self.facts.push(("lag-ms".to_owned(), Value::Integer(lag_ms)));
        self
    }

    /// The last page of a scan: rows, and where the next scan goes on.
    pub fn last(batch: crate::Batch, cursor: Vec<u8>) -> Self {
        let (removed, facts) = (Vec::new(), Attributes::new());
        Self { batch, removed, cursor, more: false, server_time: None, facts }
    }

    /// A page with more behind it.
    pub fn more(batch: crate::Batch, cursor: Vec<u8>) -> Self {
        Self { more: true, ..Self::last(batch, cursor) }
    }
}

impl WriteRequest {
    /// The cells of an operation that are to be written (null included) with their columns.
    pub fn present<'a>(
        &'a self,
        operation: &'a Operation,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        present(&self.columns, &operation.cells)
    }

    /// An operation's cell of this column; `None` where it is to be left alone.
    pub fn cell<'a>(&self, operation: &'a Operation, column: &str) -> Option<&'a Value> {
        let index = self.columns.iter().position(|name| name == column)?;
        operation.cells.get(index)?.as_ref()
    }
}

impl Operation {
    /// An operation on the record with this id, or on a new one, without key and version.
    pub fn new(
        intent: impl Into<String>,
        action: Action,
        id: Option<&str>,
        cells: Vec<Cell>,
    ) -> Self {
        let (intent, id) = (intent.into(), id.map(str::to_owned));
        Self { intent, action, id, key: None, if_version: None, cells }
    }
}

impl Applied {
    /// An update of this record, with nothing known of its state.
    pub fn updated(id: impl Into<String>) -> Self {
        Self { id: id.into(), created: false, version: None, modified: None, after: Vec::new() }
    }

    /// A new record, with nothing known of its state.
    pub fn created(id: impl Into<String>) -> Self {
        Self { created: true, ..Self::updated(id) }
    }

    /// With the record's version after the write.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// With the system's own time of the write, ms, as a later row shows it.
    #[must_use]
    pub fn modified(mut self, modified_ms: i64) -> Self {
        self.modified = Some(modified_ms);
        self
    }

    /// With what the system now holds for the request's columns.
    #[must_use]
    pub fn after(mut self, cells: Vec<Cell>) -> Self {
        self.after = cells;
        self
    }
}

impl Outcome {
    /// Refused for one reason.
    pub fn rejected(problem: Problem) -> Self {
        Self::Rejected(vec![problem])
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        Self::Applied(applied)
    }
}

/// The outcome of each operation in a failed request. Nothing was written where the host sent
/// nothing; otherwise the effect is unknown, and the host probes.
impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let problem = |message, remedy| Self::rejected(Problem::new("not-sent", message, remedy));
        match failure {
            Failure::Quota(ms) => Self::RetryAfter(ms),
            Failure::Denied(why) => problem(why, Remedy::Plugin),
            Failure::Unauthorized(why) => problem(why, Remedy::Admin),
            Failure::NoAnswer(why) => Self::Uncertain(why),
            Failure::TooLarge(bytes) => Self::Uncertain(format!("answer of over {bytes} bytes")),
            Failure::Timeout => Self::Uncertain("timeout".to_owned()),
            Failure::Cancelled => Self::Uncertain("cancelled".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_request_says_whether_its_effect_is_known() {
        assert_eq!(Outcome::from(Failure::Quota(9)), Outcome::RetryAfter(9));
        assert_eq!(Outcome::from(Failure::Timeout), Outcome::Uncertain("timeout".into()));
        let rejected = Outcome::rejected(Problem::new("not-sent", "grant", Remedy::Plugin));
        assert_eq!(Outcome::from(Failure::Denied("grant".into())), rejected);
    }
}
