//! Doubts about a record: a write that no reading has confirmed, a reading that was older than the
//! stored state, or a cell that was not answered.
//!
//! A doubt stands beside the record and only while it lasts, so that a confirmation rewrites no
//! record (RULES.md V1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// The age that a reading may have where the connector names none, ms.
pub const READING_LAG_MS: i64 = 60_000;
/// Values from before unconfirmed writes that one field remembers.
const BEFORE_MAX: usize = 8;

/// A doubt about a record: a reading of it may be older than the stored state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Doubt {
    /// The host's time from which the stored state dates, ms.
    pub since_ms: i64,
    /// The record is read by its id from this time on, ms.
    pub due_ms: i64,
    /// A write was answered, and no reading has confirmed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub written: bool,
    /// A reading has confirmed the write; other readings may still be older.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// That write made the record: before it there was nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// A reading was older than the stored state, so the record is read by its id once due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// A column that was asked for was not answered, so the record is read by its id until it is
    /// (RULES.md V13).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// The answer to the write named the time of modification; a later one comes from another edit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// Answered archives of the record.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archives: u32,
    /// The version that the answer to the write named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Versions from before the write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
    /// Values of the written fields from before the write, by the field's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, Vec<Value>>,
    /// The number of the unconfirmed write that set each field last, by the field's name, counted
    /// from 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub writes: BTreeMap<String, u32>,
    /// Digests of writes whose next failure counts as refused, because they were repeated so often
    /// ([`super::Failure::digest`]). An archive stands under an empty name, a field's write under
    /// the field's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Doubt {
    /// A doubt that begins with a reading older than the stored state.
    pub fn of_stale(now_ms: i64, lag_ms: i64) -> Self {
        let due_ms = now_ms.saturating_add(lag_ms);
        Self { since_ms: now_ms, due_ms, stale: true, ..Self::default() }
    }

    /// The doubt that remains after a row was taken in; `unread` says that the row left a cell
    /// unanswered. A doubt that was unread before keeps its due time.
    pub fn of_row(
        (remaining, before): (Option<Self>, Option<&Self>),
        unread: bool,
        is_news: bool,
        now_ms: i64,
    ) -> Option<Self> {
        if !unread {
            let others =
                remaining.filter(|doubt| doubt.written || doubt.stale || doubt.archives > 0);
            return others.map(|doubt| Self { unread, ..doubt });
        }
        let known = before.filter(|doubt| doubt.unread);
        let due_ms = known.map_or(now_ms.saturating_add(READING_LAG_MS), |doubt| doubt.due_ms);
        let since_ms = known.map_or(now_ms, |doubt| doubt.since_ms);
        let mut remaining =
            remaining.unwrap_or_else(|| Self { since_ms, due_ms, ..Self::default() });
        remaining.unread = true;
        if is_news {
            remaining.since_ms = now_ms;
        }
        Some(remaining)
    }

    /// Keeps the value of a field from before a write; at most `BEFORE_MAX` of them.
    pub fn remember(&mut self, field: &str, value: Value) {
        let before = self.before.entry(field.to_owned()).or_default();
        if !before.contains(&value) {
            before.push(value);
            let excess = before.len().saturating_sub(BEFORE_MAX);
            before.drain(..excess);
        }
    }

    /// Gives the fields of a write the next number, so that the newest unconfirmed write is known.
    pub fn count_write<'a>(&mut self, fields: impl Iterator<Item = &'a String>) {
        let newest = self.writes.values().max().copied().unwrap_or_default().saturating_add(1);
        self.writes.extend(fields.map(|field| (field.clone(), newest)));
    }

    /// Values of a field from before the unconfirmed writes; `None` where none of them wrote it.
    pub fn before(&self, field: &str) -> Option<&[Value]> {
        if !self.written {
            return None;
        }
        let known = self.before.get(field).map(Vec::as_slice);
        known.or_else(|| self.created.then_some(&[Value::Null]))
    }

    /// True if the record is to be read by its id once the doubt is due.
    pub fn asks(&self) -> bool {
        self.is_open() || self.unread
    }

    /// True if a reading may be older than the stored state.
    pub fn is_open(&self) -> bool {
        self.written && !self.confirmed || self.stale
    }
}
