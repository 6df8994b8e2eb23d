//! Planned effects: committed before they are sent, removed with their outcome.
//!
//! An entry holds the facts that a probe after a crash needs: the cells that were sent, and the
//! record's version and modification time at planning. It is stored as one JSON body, so a new
//! field has a default.

use serde::{Deserialize, Serialize};

use super::{JournalEntry, LinkId, RecordKey};
use crate::effect::Effect;
use crate::plugin::Generation;
use crate::reason::Reason;
use crate::value::Cell;

/// The time that a system may take to show a record that it has made, ms.
pub const VISIBLE_AFTER_MS: i64 = 60_000;

/// The distance that a vendor's clock and the host's may have, ms.
pub const SKEW_MS: i64 = 60_000;

/// The progress of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutboxState {
    /// To be sent, not before `not_before_ms`.
    Planned,
    /// Sent, or about to be; the outcome is not known. Probed after a crash, never sent again
    /// blindly.
    Sent,
}

/// One column to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnWrite {
    /// The column.
    pub column: String,
    /// The cell to write there.
    pub cell: Cell,
}

/// One canonical field that an operation brings to a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldWrite {
    /// The field's name.
    pub field: String,
    /// The member's canonical value before, as far as known.
    pub before: Cell,
    /// The hub's value, which the member gets.
    pub after: Cell,
    /// The reason.
    pub reason: Reason,
    /// Records that the member refers to now and no longer afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<RecordKey>,
}

/// A planned effect: committed before it is sent, removed when its outcome is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Unique for ever (RULES.md P1): a stamp for a create, else a hash over the store, its epoch,
    /// the link, its version, member and kind of effect.
    pub intent: String,
    /// The entity's name.
    pub entity: String,
    /// The link it is for.
    pub link: LinkId,
    /// The system to write to.
    pub system: String,
    /// The object to write to.
    pub object: String,
    /// The change, with the records that it is about.
    #[serde(flatten)]
    pub effect: Effect,
    /// The record's version when it was planned.
    pub if_version: Option<String>,
    /// The record's modification time when it was planned, ms. It stands in for the version where
    /// there is none.
    #[serde(default)]
    pub if_modified_ms: Option<i64>,
    /// Columns to write; columns that are not listed are left alone.
    pub columns: Vec<ColumnWrite>,
    /// The fields that they stand for, with reasons.
    pub fields: Vec<FieldWrite>,
    /// The reason for this operation.
    pub reason: Reason,
    /// The progress of the operation.
    pub state: OutboxState,
    /// Planned: not to be sent before, ms; zero is at once. Sent: the time of sending plus
    /// [`VISIBLE_AFTER_MS`].
    pub not_before_ms: i64,
    /// The number of creates without an answer that it repeats.
    pub attempts: u32,
    /// The job at the vendor that carries it out, where one was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<PendingJob>,
}

/// A job at the vendor that carries an operation out (`RULES.md` E20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingJob {
    /// The connector's own word for it.
    pub token: String,
    /// The time at which it is asked about, ms.
    pub due_ms: i64,
}

impl OutboxEntry {
    /// The time of sending, ms: `not_before_ms` less [`VISIBLE_AFTER_MS`], the time that a system
    /// may take to show the effect.
    pub fn sent_ms(&self) -> i64 {
        self.not_before_ms.saturating_sub(VISIBLE_AFTER_MS)
    }

    /// The record that it writes to; a create has none yet.
    pub fn record(&self) -> Option<RecordKey> {
        let id = self.effect.id()?.to_owned();
        Some(RecordKey { system: self.system.clone(), object: self.object.clone(), id })
    }

    /// A journal line about the operation; `generation` is the one that acted.
    pub fn line(&self, at_ms: i64, generation: &Generation, reason: Reason) -> JournalEntry {
        JournalEntry {
            at_ms,
            entity: self.entity.clone(),
            link: Some(self.link),
            record: self.record(),
            field: None,
            intent: Some(self.intent.clone()),
            generation: Some(generation.in_full()),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::effect::Effect;
    use crate::state::{EntityPlan, OutboxEntry, Review, ReviewSubject};

    fn entry(action: &str, records: &str) -> OutboxEntry {
        let text = format!(
            r#"{{"intent":"1","entity":"person","link":1,"system":"a","object":"people",
            "action":"{action}",{records}"if_version":null,"columns":[],"fields":[],
            "reason":"new-record","state":"sent","not_before_ms":5,"attempts":0}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// Rows that were stored before an operation carried an effect, and a review its subject.
    #[test]
    fn stored_forms_of_earlier_versions_are_read() {
        let [one, two] = ["1", "2"].map(str::to_owned);
        for (action, records, effect) in [
            ("create", r#""id":null,"#, Effect::Create),
            ("update", r#""id":"1","#, Effect::Update { id: one.clone() }),
            ("archive", r#""id":"1","#, Effect::Archive { id: one.clone() }),
            ("merge", r#""id":"1","loser":"2","#, Effect::Merge { winner: one, loser: two }),
        ] {
            let found = entry(action, records);
            assert_eq!(found.effect, effect);
            let again = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<OutboxEntry>(&again).unwrap(), found);
        }
        let counts = r#"{"entity":"person","matched":0,"single":1,"ambiguous":0,"held":0,"writes":
            [{"system":"a","object":"people","create":2,"update":1,"archive":0,"merge":0}]}"#;
        let plan: EntityPlan = serde_json::from_str(counts).unwrap();
        assert_eq!(plan.creations(), 2);
        let review = r#"{"id":"1","entity":"person","link":null,"record":null,"matter":
            {"creations":{"limit":1,"count":2}},"status":"open","choice":null,"at_ms":1}"#;
        let review: Review = serde_json::from_str(review).unwrap();
        assert_eq!(review.subject, ReviewSubject::Creations { limit: 1, count: 2 });
    }
}
