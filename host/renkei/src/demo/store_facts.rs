//! Facts that the judge takes from the store: which records belong together, and which reviews are
//! open or were decided by a rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use renkei_model::reason::Reason;
use renkei_model::state::{
    LinkId, LinkStatus, LinkView, RecordKey, RecordStatus, Review, ReviewStatus, ReviewSubject,
};
use renkei_model::store::port::{JournalQuery, ReviewQuery, Store as _, StoreError};
use renkei_store::SqliteStore;

use super::edits::DemoEdit;

/// Links per query.
const CHUNK: u64 = 500;
/// More journal lines than a record of the demo has.
const JOURNAL_LINES: usize = 100;

/// The host's knowledge of links, conflicts and reviews.
#[derive(Debug, Default)]
pub(crate) struct StoreFacts {
    /// Entity, link and its records.
    pub(crate) links: Vec<(String, LinkId, Vec<RecordKey>)>,
    /// The link of a record.
    pub(crate) link_of: HashMap<RecordKey, LinkId>,
    /// Fields on which an open conflict says why the sides differ, with the rule that asks.
    pub(crate) open: BTreeMap<(LinkId, String), String>,
    /// Fields on which a rule has decided between two edits; the losing value is kept in the
    /// review.
    pub(crate) decided: BTreeMap<(LinkId, String), String>,
    /// Open reviews of any kind.
    pub(crate) reviews_open: usize,
    /// Records that an open review or a refusal names.
    pub(crate) reviewed: BTreeSet<RecordKey>,
    /// Old record -> the record that it became.
    pub(crate) successors: HashMap<RecordKey, RecordKey>,
    /// The journal's lines on the others of a record that a person deleted.
    deletions: HashMap<RecordKey, Deletion>,
}

/// The outcome of a person's deletion.
#[derive(Debug)]
struct Deletion {
    /// The link that the record had.
    link: LinkId,
    /// In plain words.
    reason: String,
}

impl StoreFacts {
    /// Reads the whole store, and what became of the records that these edits removed.
    pub(crate) async fn read(store: &SqliteStore, edits: &[DemoEdit]) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let last = store.last_link().await?.0;
        let mut first = 1;
        while first <= last {
            let ids: Vec<LinkId> = (first..=last.min(first + CHUNK - 1)).map(LinkId).collect();
            for view in store.links(&ids).await? {
                known.add(&view);
            }
            first += CHUNK;
        }
        let all = ReviewQuery::default();
        for review in store.reviews(&all).await? {
            known.add_review(&review);
        }
        let removed: Vec<RecordKey> =
            edits.iter().filter(|edit| edit.field.is_none()).map(DemoEdit::key).collect();
        known.successors.extend(store.aliases(&removed).await?);
        for key in removed {
            if let Some(found) = deletion(store, &key).await? {
                known.deletions.insert(key, found);
            }
        }
        Ok(known)
    }

    fn add(&mut self, view: &LinkView) {
        let id = match view.link.status {
            LinkStatus::MergedInto(into) => into,
            _ => view.link.id,
        };
        for record in &view.records {
            self.link_of.insert(record.key.clone(), id);
            if let Some(successor) = record.status.successor() {
                self.successors.insert(record.key.clone(), successor.clone());
            }
            let surplus = record.status == RecordStatus::Surplus;
            if surplus || !view.link.failures.is_empty() {
                self.reviewed.insert(record.key.clone());
            }
        }
        // A surplus record is kept so that references to it resolve; a review proposes to merge it.
        // One that is gone was replaced by another.
        let is_inactive =
            |status: &RecordStatus| status.is_surplus() || *status == RecordStatus::Replaced;
        let active = view.records.iter().filter(|record| !is_inactive(&record.status));
        let records = active.map(|record| record.key.clone()).collect();
        self.links.push((view.link.entity.clone(), id, records));
    }

    fn add_review(&mut self, review: &Review) {
        let open = review.status == ReviewStatus::Open;
        let field = match &review.subject {
            ReviewSubject::Conflict { field, policy, .. } => Some((field, policy.as_str())),
            ReviewSubject::Oscillation { field, .. } => Some((field, "oscillation breaker")),
            ReviewSubject::Cleared { field, .. } => Some((field, "clear policy")),
            _ => None,
        };
        if let (Some((field, rule)), Some(link)) = (field, review.link) {
            let fields = if open { &mut self.open } else { &mut self.decided };
            fields.insert((link, field.clone()), rule.to_owned());
        }
        if !open {
            return;
        }
        self.reviews_open += 1;
        self.reviewed.extend(review.record.clone());
        match &review.subject {
            ReviewSubject::Ambiguous { records, .. } | ReviewSubject::Uncertain { records, .. } => {
                self.reviewed.extend(records.iter().cloned());
            }
            ReviewSubject::Missing { record } | ReviewSubject::Taken { record } => {
                self.reviewed.extend([record.clone()]);
            }
            ReviewSubject::Successor { gone, records } => {
                self.reviewed.extend(records.iter().chain([gone]).cloned());
            }
            ReviewSubject::Surplus { active, surplus, .. } => {
                self.reviewed.extend([active.clone(), surplus.clone()]);
            }
            ReviewSubject::Deleted { gone } => {
                let link = self.link_of.get(gone).copied();
                let others = self.link_of.iter().filter(|(_, of)| Some(**of) == link);
                self.reviewed.extend(others.map(|(key, _)| key.clone()));
            }
            _ => {}
        }
    }

    /// The reason why a field does not hold a person's value, in plain words.
    pub(crate) fn why(&self, link: LinkId, field: &str) -> String {
        let place = (link, field.to_owned());
        if let Some(rule) = self.open.get(&place) {
            return format!("open conflict: {rule}");
        }
        match self.decided.get(&place) {
            Some(rule) => format!("decided by rule: {rule}"),
            None => String::new(),
        }
    }

    /// The fate of a removed record, or of the others after its deletion.
    pub(crate) fn why_gone(&self, key: &RecordKey) -> String {
        match (self.successors.get(key), self.deletions.get(key)) {
            (Some(successor), _) => format!("now {successor}"),
            (None, Some(deletion)) => deletion.reason.clone(),
            (None, None) => format!("`renkei why {key}` tells"),
        }
    }

    /// The others of its system that the link of a removed record has.
    pub(crate) fn others<'a>(&'a self, key: &'a RecordKey) -> impl Iterator<Item = &'a RecordKey> {
        let link = self.deletions.get(key).map(|deletion| deletion.link);
        let of_link = self.links.iter().filter(move |(_, id, _)| Some(*id) == link);
        let others = of_link.flat_map(|(_, _, records)| records);
        others.filter(move |other| other.system == key.system && *other != key)
    }
}

/// The newest line about a deletion in the journal of the link that the record had: carried over to
/// another record, or beaten by an edit.
async fn deletion(store: &SqliteStore, key: &RecordKey) -> Result<Option<Deletion>, StoreError> {
    let of_record = JournalQuery { link: None, record: Some(key.clone()), limit: JOURNAL_LINES };
    let link = store.journal(&of_record).await?.into_iter().find_map(|line| line.link);
    let Some(link) = link else { return Ok(None) };
    let of_link = JournalQuery { link: Some(link), record: None, limit: JOURNAL_LINES };
    let lines = store.journal(&of_link).await?;
    let reason = lines.into_iter().find_map(|line| match (&line.reason, &line.record) {
        (Reason::DeletedIn(_), Some(other)) => Some(format!("{other} too: {}", line.reason)),
        (Reason::EditBeatsDelete | Reason::AddedBeatsDelete(_), _) => Some(line.reason.to_string()),
        _ => None,
    });
    Ok(reason.map(|reason| Deletion { link, reason }))
}
