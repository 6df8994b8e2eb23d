//! Making accounts, schemas and pages: short constructors for what a reading answers.

use crate::connector::{Account, Action, Field, Found, ObjectInfo, Page, Schema};
use crate::{Attributes, Batch, Value};

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
    /// A time of the day; the cell is made by [`Value::time`].
    Time,
    /// An amount of a currency; the cell is made by [`Value::money`].
    Money,
    /// A file, under a name that the same plugin understands; the cell is [`Value::other`].
    File,
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
            Self::Time => "time",
            Self::Money => "money",
            Self::File => "file",
        }
    }
}

/// The finest that a system keeps of a moment (field fact `resolution`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Milliseconds; a field that says nothing has this.
    Millisecond,
    /// Whole seconds.
    Second,
    /// Whole minutes.
    Minute,
    /// Whole days.
    Day,
}

impl Resolution {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Millisecond => "ms",
            Self::Second => "s",
            Self::Minute => "minute",
            Self::Day => "day",
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

impl ObjectInfo {
    /// An object of the vendor's that can be read and no more.
    ///
    /// ```
    /// # use renkei_sdk::{Action, ObjectInfo};
    /// let lines = ObjectInfo::new("line_items", "Line items").part_of("deals");
    /// let people = ObjectInfo::new("people", "People").action(Action::Create).merges();
    /// # assert_eq!((lines.actions.len(), people.actions.join(" ")), (0, "create merge".into()));
    /// let pets = ObjectInfo::new("pets__c", "Pets").custom();
    /// # assert!(pets.custom);
    /// ```
    pub fn new(name: impl Into<String>, label: impl Into<String>) -> Self {
        let (name, label) = (name.into(), label.into());
        Self { name, label, actions: Vec::new(), custom: false, facts: Attributes::new() }
    }

    /// This account may also do this to its records.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action.as_str().to_owned());
        self
    }

    /// This account may also merge its records.
    #[must_use]
    pub fn merges(mut self) -> Self {
        self.actions.push("merge".to_owned());
        self
    }

    /// Made by the account's people, not by the vendor.
    #[must_use]
    pub fn custom(mut self) -> Self {
        self.custom = true;
        self
    }

    /// Its records are parts of records of this object.
    #[must_use]
    pub fn part_of(self, object: &str) -> Self {
        self.fact("parent", object)
    }

    /// With one fact more.
    #[must_use]
    pub fn fact(mut self, code: &str, value: impl Into<Value>) -> Self {
        self.facts.push((code.to_owned(), value.into()));
        self
    }
}

impl Action {
    /// The word on the wire, such as in `object-info.actions`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Archive => "archive",
            Self::Restore => "restore",
        }
    }
}

impl Schema {
    /// A schema without fields.
    pub fn new(object: impl Into<String>, label: impl Into<String>) -> Self {
        let (object, label, fields) = (object.into(), label.into(), Vec::new());
        Self { object, label, fields, memo: None, facts: Attributes::new() }
    }

    /// The same schema with whatever the connector would otherwise ask for again in each job, at
    /// most 64 KiB. It comes back in requests about this object; a job may still come without.
    #[must_use]
    pub fn memo(mut self, memo: Vec<u8>) -> Self {
        self.memo = Some(memo);
        self
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

    /// How fine the system keeps this moment; `ms` where nothing is said.
    ///
    /// ```
    /// # use renkei_sdk::{Facts as _, Field, Kind, Resolution};
    /// let changed = Field::new("changed", Kind::Timestamp).resolution(Resolution::Second);
    /// assert_eq!(changed.facts.text("resolution"), Some("s"));
    /// ```
    #[must_use]
    pub fn resolution(self, resolution: Resolution) -> Self {
        self.fact("resolution", resolution.as_str())
    }

    /// The record that this reference names has this one as a part, and takes it along when it
    /// goes.
    #[must_use]
    pub fn parent(self) -> Self {
        self.fact("parent", true)
    }

    /// This integer orders the parts of one parent.
    #[must_use]
    pub fn position(self) -> Self {
        self.fact("position", true)
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
    pub fn last(batch: Batch, cursor: Vec<u8>) -> Self {
        let (removed, facts) = (Vec::new(), Attributes::new());
        Self { batch, removed, cursor, more: false, server_time: None, facts }
    }

    /// A page with more behind it.
    pub fn more(batch: Batch, cursor: Vec<u8>) -> Self {
        Self { more: true, ..Self::last(batch, cursor) }
    }
}

impl Found {
    /// All records that were looked for.
    pub fn all(batch: Batch) -> Self {
        Self { batch, cursor: None, facts: Attributes::new() }
    }

    /// Some of the records, and where a later request for the same goes on.
    pub fn more(batch: Batch, cursor: Vec<u8>) -> Self {
        Self { cursor: Some(cursor), ..Self::all(batch) }
    }
}
