//! Unpleasant behaviours of a table: each is one field of [`Knobs`], off by default.
//!
//! They combine. A knob says what the system does, never what the engine should make of it.

use std::collections::{BTreeMap, BTreeSet};

use renkei_model::effect::EffectKind;
use renkei_model::value::Value;

use super::Place;

/// Unpleasant behaviours of one table.
#[derive(Debug, Clone, Default)]
pub struct Knobs {
    /// Readings that show what stood there a while ago.
    pub lag: Lag,
    /// Version of a record in rows and in answers to writes.
    pub versions: Versions,
    /// Part of the record that the answer to a write shows.
    pub answers: Answers,
    /// Stamps of modification are cut to whole seconds.
    pub whole_seconds: bool,
    /// Offset of the system's clock, ms; it may be set anew at any time.
    pub clock_ms: i64,
    /// Form that the system gives every value of a column, whoever writes it.
    pub forms: BTreeMap<String, Form>,
    /// Default of the system for a column of a new record.
    pub defaults: BTreeMap<String, Value>,
    /// Values that a column refuses; the refusal names the column, and nothing is written.
    pub refused: BTreeMap<String, Refused>,
    /// A rule over one column that refuses the record as a whole and names no column.
    pub rule: Option<(String, Refused)>,
    /// Columns that refer to this table's records, and what becomes of them when one goes.
    pub referrers: Vec<Referrer>,
    /// Columns that are not there for now: absent in every answer, refused in a write.
    pub vanished: BTreeSet<String>,
    /// Cells that are in no answer for now, by the record's id and the column.
    pub absent: BTreeSet<(String, String)>,
    /// Effects that an admin denies the connector: the host itself refuses them.
    pub denied: BTreeSet<EffectKind>,
    /// The object does not answer, whatever is asked of it.
    pub down: bool,
    /// Records that this account may not see for now: in no answer, and no tombstone either.
    pub invisible: BTreeSet<String>,
    /// The system says of those that they are hidden, in scans of changes and by id.
    pub hides_openly: bool,
    /// Scans of changes come in pages of so many rows, in the order of change, so that a record
    /// that changes meanwhile moves to a later page.
    pub change_rows: Option<usize>,
    /// Tombstones come on a page of their own after all rows of a scan of changes.
    pub removals_apart: bool,
    /// Look-back of a scan of changes, ms: what changed since is shown again and again.
    pub look_back_ms: i64,
}

/// A column of another table that holds ids of this table's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The other table.
    pub at: Place,
    /// Its column.
    pub column: String,
    /// Effect of a removal; a merge always points the column at the survivor.
    pub on_removal: OnRemoval,
}

/// Effect of the removal of a record on one that refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRemoval {
    /// Nothing: the id stays.
    Keep,
    /// The id is taken out.
    Clear,
    /// The record is deleted with it.
    Cascade,
}

/// Age of readings, ms, by the way of reading. Nothing is lost: what changed is shown as
/// soon as it can be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lag {
    /// Scans of changes.
    pub changes_ms: i64,
    /// Scans of everything: backfill and sweep.
    pub list_ms: i64,
    /// Searches by a key.
    pub find_ms: i64,
    /// Readings by id.
    pub by_id_ms: i64,
    /// Each version of each record has a lag of its own, up to those above.
    pub uneven: bool,
}

impl Lag {
    /// Every reading is so old: an effect is seen late wherever one looks.
    pub fn everywhere(ms: i64) -> Self {
        Self { changes_ms: ms, list_ms: ms, find_ms: ms, by_id_ms: ms, uneven: false }
    }

    /// Scans and searches are so old, and a reading by id is current.
    pub fn of_index(ms: i64) -> Self {
        Self { by_id_ms: 0, ..Self::everywhere(ms) }
    }

    pub(super) fn is_off(&self) -> bool {
        self.changes_ms.max(self.list_ms).max(self.find_ms).max(self.by_id_ms) == 0
    }
}

/// Form of a record's version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Versions {
    /// A number that moves with every change, in rows and in the answer to a write.
    #[default]
    Number,
    /// The stamp of modification: two changes within its resolution have the same one.
    Stamp,
    /// The number in rows; the answer to a write has none.
    RowsOnly,
    /// None anywhere.
    None,
}

/// Part of the record that the answer to a write shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answers {
    /// The present record.
    #[default]
    Stored,
    /// The values sent, whatever became of them.
    Sent,
    /// Nothing.
    Empty,
}

/// Form that a system gives a value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A text is cut after so many characters.
    Cut(usize),
    /// A text loses the spaces around it.
    Trim,
    /// A text is written in capitals.
    Capitals,
    /// A decimal is rounded to so many places.
    Round(usize),
    /// An empty value is filled with this one.
    Fill(Value),
    /// A number is written another way: `12` as `12.00`.
    Scale(usize),
    /// A moment loses what is finer than this, ms.
    Coarse(i64),
}

impl Form {
    /// The value as the system keeps it.
    pub fn apply(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Cut(most), Value::Text(text)) => {
                Value::Text(text.trim().chars().take(*most).collect())
            }
            (Self::Trim, Value::Text(text)) => match text.trim() {
                "" => Value::Null,
                trimmed => trimmed.into(),
            },
            (Self::Capitals, Value::Text(text)) => Value::Text(text.to_uppercase().into()),
            (Self::Round(places), Value::Decimal(text)) => {
                Value::Decimal(round(&text, *places).into())
            }
            (Self::Scale(places), Value::Decimal(text)) => {
                Value::Decimal(scale(&text, *places).into())
            }
            (Self::Coarse(unit_ms), Value::Timestamp(ms)) => {
                Value::Timestamp(ms - ms.rem_euclid(*unit_ms))
            }
            (Self::Fill(filler), Value::Null) => filler.clone(),
            (_, value) => value,
        }
    }
}

/// Half away from zero, trailing zeros dropped.
fn round(text: &str, places: usize) -> String {
    let factor = 10_f64.powi(i32::try_from(places).unwrap());
    let number: f64 = text.parse().unwrap();
    let rounded = format!("{:.places$}", (number * factor).round() / factor);
    if !rounded.contains('.') {
        return rounded;
    }
    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn scale(text: &str, places: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if places == 0 || fraction.len() >= places {
        return text.to_owned();
    }
    format!("{whole}.{fraction:0<places$}")
}

/// Values that are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Every value.
    All,
    /// Texts longer than this, in characters.
    Longer(usize),
    /// Texts with this in them.
    With(String),
    /// This value, such as an owner who has left or an option that was renamed.
    Value(Value),
    /// An empty one.
    Empty,
}

impl Refused {
    /// True if it refuses this value.
    pub fn has(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::All, _) => true,
            (Self::Longer(most), Value::Text(text)) => text.chars().count() > *most,
            (Self::With(part), Value::Text(text)) => text.contains(part.as_str()),
            (Self::Value(refused), value) => refused == value,
            (Self::Empty, value) => value.is_null(),
            _ => false,
        }
    }
}
