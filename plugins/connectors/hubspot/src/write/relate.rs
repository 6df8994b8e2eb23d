//! Association columns of a write, after its properties (`API.md`, H-link-5).
//!
//! Each column costs at most one read, one create and one archive for up to a thousand pairs. A
//! record that was just created has no associations, so nothing is read for it. Repeating all of
//! it comes to the same.

use renkei_sdk::{
    Action, Applied, Facts, Operation, Outcome, Problem, Remedy, Value, WriteRequest, log,
};

use crate::associations::{self, Link, LinkChange, NewPair, Relation};
use crate::client::make_uncertain;
use crate::error::CallFailure;

use super::{WriteJob, may_relate, read_wait_ms};

/// The wanted associations of one written record.
struct WantedLinks {
    index: usize,
    id: String,
    /// The record has no associations yet.
    created: bool,
    /// The operation makes the record, now or in an earlier attempt whose answer was lost: then
    /// HubSpot calls it an old one.
    makes: bool,
    wanted: Vec<String>,
    /// The ids to remove; none where the host names none, so that null clears all.
    removes: Option<Vec<String>>,
}

impl WantedLinks {
    fn loses(&self, to: &str) -> bool {
        match &self.removes {
            Some(removes) => removes.iter().any(|id| id == to),
            None => self.wanted.is_empty(),
        }
    }
}

impl WriteJob<'_> {
    /// Writes the association columns of every operation that was applied or has no others.
    pub(super) fn write_associations(&mut self) {
        for (index, id) in std::mem::take(&mut self.relate_only) {
            let nothing_known = self.request.columns.iter().map(|_| None).collect();
            self.set_outcome(index, Applied::updated(id).after(nothing_known).into());
        }
        for (column, name) in self.request.columns.iter().enumerate() {
            let Some(relation) = associations::find_relation(&self.request.object, name) else {
                continue;
            };
            let records = self.collect_wanted(column);
            if records.is_empty() {
                continue;
            }
            if let Err(failure) = self.associate(column, relation, &records) {
                let outcome = make_outcome(failure);
                for record in records {
                    self.set_outcome(record.index, outcome.clone());
                }
            }
        }
    }

    /// Marks everything that still lacks its associations as to be repeated.
    pub(super) fn postpone(&mut self, wait_ms: u64) {
        for column in 0..self.request.columns.len() {
            for record in self.collect_wanted(column) {
                self.set_outcome(record.index, Outcome::RetryAfter(wait_ms));
            }
        }
    }

    /// The associations to write in a column; none if it is no association column.
    fn collect_wanted(&self, column: usize) -> Vec<WantedLinks> {
        let name = self.request.columns.get(column).map_or("", String::as_str);
        if !associations::is_column(name) {
            return Vec::new();
        }
        let both = self.request.operations.iter().zip(&self.outcomes).enumerate();
        let record = |(index, (operation, outcome)): (usize, (&_, &Option<Outcome>))| {
            let operation: &Operation = operation;
            let Some(Outcome::Applied(applied)) = outcome else { return None };
            let cell = operation.cells.get(column)?.as_ref()?;
            let wanted = may_relate(operation.action).then(|| read_ids(cell))??;
            let (id, created) = (applied.id.clone(), applied.created);
            let makes = operation.action != Action::Update;
            let removes = read_removed(self.request, operation, name);
            Some(WantedLinks { index, id, created, makes, wanted, removes })
        };
        both.filter_map(record)
            .filter(|record| !(record.created && record.wanted.is_empty()))
            .collect()
    }

    fn associate(
        &mut self,
        column: usize,
        relation: &Relation,
        records: &[WantedLinks],
    ) -> Result<(), CallFailure> {
        let old = records.iter().filter(|record| !record.created);
        let old: Vec<String> = old.map(|record| record.id.clone()).collect();
        let has = relation.read_links(&old)?;
        let none: &[Link] = &[];
        let changes: Vec<LinkChange> = records
            .iter()
            .map(|record| {
                let has = has.get(&record.id).map_or(none, Vec::as_slice);
                relation.plan_change(&record.id, has, &record.wanted, |to| record.loses(to))
            })
            .collect();
        let pairs: Vec<NewPair> = changes.iter().flat_map(|change| change.add.clone()).collect();
        let missing = relation.create_pairs(&pairs)?;
        let lost = records.iter().zip(&changes).filter(|(_, change)| !change.remove.is_empty());
        let lost: Vec<_> =
            lost.map(|(record, change)| (record.id.clone(), change.remove.clone())).collect();
        relation.archive_pairs(&lost)?;
        for (record, mut change) in records.iter().zip(changes) {
            let wanted = change.after.len();
            change.after.retain(|link| !missing.contains(&(record.id.clone(), link.to.clone())));
            if change.after.len() < wanted && !record.makes {
                self.set_outcome(record.index, refuse_association(relation));
                continue;
            }
            if change.after.len() < wanted {
                // The id of the new record matters more to the host than the association: a host
                // that heard of a rejection would make the record again.
                let attributes = [("column", &*relation.column()), ("id", &*record.id)];
                log::warn("HubSpot refused an association of a new record", &attributes);
            }
            self.set_after(record.index, column, relation.make_cell(&change.after));
        }
        Ok(())
    }

    fn set_after(&mut self, index: usize, column: usize, value: Value) {
        if let Some(Some(Outcome::Applied(Applied { after, .. }))) = self.outcomes.get_mut(index)
            && let Some(cell) = after.get_mut(column)
        {
            *cell = Some(value);
        }
    }
}

/// The ids that an operation removes from a column, if the host names any in this request: items of
/// the option `removes`, each an intent, a column and an id.
fn read_removed(
    request: &WriteRequest,
    operation: &Operation,
    column: &str,
) -> Option<Vec<String>> {
    let named = request.options.value("removes")?.as_list()?;
    let start = format!("{} {column} ", operation.intent);
    Some(named.iter().filter_map(|item| item.strip_prefix(&start)).map(str::to_owned).collect())
}

fn read_ids(cell: &Value) -> Option<Vec<String>> {
    match cell {
        Value::Null => Some(Vec::new()),
        Value::References(ids) => Some(ids.clone()),
        Value::Text(id) => Some(vec![id.clone()]),
        _ => None,
    }
}

fn refuse_association(relation: &Relation) -> Outcome {
    let message = format!("HubSpot does not associate these {} with it", relation.to);
    let problem = Problem::new("association-refused", message, Remedy::TargetData);
    Outcome::rejected(problem.on(relation.column()))
}

fn make_outcome(failure: CallFailure) -> Outcome {
    match failure {
        CallFailure::Refused(_, refusal) => Outcome::Rejected(refusal.problems()),
        CallFailure::Unknown(error) => make_uncertain(&error),
        CallFailure::Stopped(error) => Outcome::RetryAfter(read_wait_ms(&error)),
    }
}
