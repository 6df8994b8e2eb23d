//! What is not certain of a record: a write that no reading has confirmed, a reading that was older
//! than what is known, or a cell that was not answered.
//!
//! Kept beside the record and only while it lasts, so that a confirmation rewrites no record
//! (RULES.md V1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::value::Value;

/// How old a reading may be where the connector does not say, ms.
pub const LAG_MS: i64 = 60_000;
/// Values from before unconfirmed writes that one field remembers.
const BEFORE_MAX: usize = 8;

/// A record of which a reading may be older than what is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Doubt {
    /// What is known was known at this time of the host's clock, ms.
    pub since_ms: i64,
    /// The record is read by its id from this time on, ms.
    pub due_ms: i64,
    /// A write was answered, and no reading has confirmed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub written: bool,
    /// A reading has confirmed it, and others may still be older.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// That write made the record: before it there was nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// A reading was older than what is known, so the record is read by its id once due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// A column that was asked for was not answered, so the record is read by its id until it is
    /// (RULES.md V13).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// The answer to the write named the time of modification: a later one is another's doing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// How often an archive of the record was answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archives: u32,
    /// The version that the answer to the write named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Versions from before the write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
    /// What stood in the written fields before it, by the field's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, Vec<Value>>,
    /// Which of the unconfirmed writes set each field last, by the field's name, counted from 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub writes: BTreeMap<String, u32>,
    /// The digest of an archive under an empty name, and of each field's write under the field's
    /// ([`super::Failure::digest`]), where it was repeated so often that it counts as refused next
    /// time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Doubt {
    /// A reading was older than what is known.
    pub fn of_stale(now_ms: i64, lag_ms: i64) -> Self {
        let due_ms = now_ms.saturating_add(lag_ms);
        Self { since_ms: now_ms, due_ms, stale: true, ..Self::default() }
    }

    /// What is left of a doubt, where a row that was just taken in left something unread or not:
    /// what was unread before is due when it was.
    pub fn of_row(
        (left, before): (Option<Self>, Option<&Self>),
        unread: bool,
        is_news: bool,
        now_ms: i64,
    ) -> Option<Self> {
        if !unread {
            let others = left.filter(|doubt| doubt.written || doubt.stale || doubt.archives > 0);
            return others.map(|doubt| Self { unread, ..doubt });
        }
        let known = before.filter(|doubt| doubt.unread);
        let due_ms = known.map_or(now_ms.saturating_add(LAG_MS), |doubt| doubt.due_ms);
        let since_ms = known.map_or(now_ms, |doubt| doubt.since_ms);
        let mut left = left.unwrap_or_else(|| Self { since_ms, due_ms, ..Self::default() });
        left.unread = true;
        if is_news {
            left.since_ms = now_ms;
        }
        Some(left)
    }

    /// Remembers what stood in a field before a write.
    pub fn remember(&mut self, field: &str, value: Value) {
        let before = self.before.entry(field.to_owned()).or_default();
        if !before.contains(&value) {
            before.push(value);
            let excess = before.len().saturating_sub(BEFORE_MAX);
            before.drain(..excess);
        }
    }

    /// Notes which fields a write sets, the newest of the unconfirmed ones.
    pub fn count_write<'a>(&mut self, fields: impl Iterator<Item = &'a String>) {
        let newest = self.writes.values().max().copied().unwrap_or_default().saturating_add(1);
        self.writes.extend(fields.map(|field| (field.clone(), newest)));
    }

    /// What stood in a field before the unconfirmed writes; nothing where none of them wrote it.
    pub fn before(&self, field: &str) -> Option<&[Value]> {
        if !self.written {
            return None;
        }
        let known = self.before.get(field).map(Vec::as_slice);
        known.or_else(|| self.created.then_some(&[Value::Null]))
    }

    /// Whether the record is to be read by its id once this is due.
    pub fn asks(&self) -> bool {
        self.is_open() || self.unread
    }

    /// Whether a reading may be older than what is known.
    pub fn is_open(&self) -> bool {
        self.written && !self.confirmed || self.stale
    }
}
