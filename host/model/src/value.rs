//! One cell of a record, as it crosses every edge of the engine.
//!
//! Three states are kept apart everywhere: *absent* (`None`: not read, or no right to read), *null*
//! (`Some(Value::Null)`: read and empty) and a value. In a write, absent means "leave alone" and
//! null means "clear".

use std::fmt;

use serde::{Deserialize, Serialize};

pub use smol_str::SmolStr;

/// A flat value. Mirrors `renkei:plugin/types.value`; the runtime converts at the Wasm edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Read and empty.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An exact decimal as text, `-?[0-9]+(\.[0-9]+)?`.
    Decimal(SmolStr),
    /// UTF-8 text without NUL.
    Text(SmolStr),
    /// A day, `YYYY-MM-DD`.
    Date(SmolStr),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Multi-select values, in the order that the system gives.
    Choices(Vec<SmolStr>),
    /// Ids of records of the object that the column points at; the first is the primary one, and
    /// empty where there could be one and is none.
    References(Vec<SmolStr>),
    /// A value of a kind without a case of its own: the kind's word (`time`, `money`, `file` ...),
    /// then its parts. It is shown as [`text_of_parts`].
    Other(Vec<SmolStr>),
}

/// The text of a value of another kind: its parts without the kind's word.
pub fn text_of_parts(kind_and_parts: &[SmolStr]) -> String {
    kind_and_parts.iter().skip(1).map(SmolStr::as_str).collect::<Vec<_>>().join(" ")
}

/// A value that may not have been read at all.
pub type Cell = Option<Value>;

impl Value {
    /// True if the cell was read and is empty.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a text-like value (text, decimal, date), else nothing.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Date(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// Prints a cell for people: `(unknown)`, `(empty)`, or the value.
#[derive(Debug, Clone, Copy)]
pub struct DisplayedValue<'a>(pub &'a Cell);

impl fmt::Display for DisplayedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => write!(f, "(unknown)"),
            Some(Value::Null) => write!(f, "(empty)"),
            Some(Value::Boolean(truth)) => write!(f, "{truth}"),
            Some(Value::Integer(number) | Value::Timestamp(number)) => write!(f, "{number}"),
            Some(Value::Decimal(text) | Value::Text(text) | Value::Date(text)) => {
                write!(f, "{text:?}")
            }
            Some(Value::Other(parts)) => write!(f, "{:?}", text_of_parts(parts)),
            Some(Value::Choices(items)) => write!(f, "{items:?}"),
            Some(Value::References(links)) => write!(f, "link {}", links.join(", ")),
        }
    }
}
