//! Association columns of a write, after its properties (`API.md`, H-link-5).
//!
//! Each column costs at most one read, one create and one archive for up to a thousand pairs. A
//! record that was just created has no associations, so nothing is read for it. Repeating all of
//! it comes to the same.

use renkei_sdk::{Applied, Facts, Operation, Outcome, Problem, Remedy, Value, WriteRequest, log};

use crate::associations::{self, Change, Link, NewPair, Relation};
use crate::client::uncertain;
use crate::error::CallFailure;

use super::{Job, relates, wait_of};

/// The wanted associations of one written record.
struct Wish {
    index: usize,
    id: String,
    created: bool,
    wanted: Vec<String>,
    /// What goes; nothing where the host names nothing, so that null clears all.
    removes: Option<Vec<String>>,
}

impl Wish {
    fn loses(&self, to: &str) -> bool {
        match &self.removes {
            Some(removes) => removes.iter().any(|id| id == to),
            None => self.wanted.is_empty(),
        }
    }
}

impl Job<'_> {
    /// Writes the association columns of every operation that was applied or has no others.
    pub(super) fn relate(&mut self) {
        for (index, id) in std::mem::take(&mut self.relate_only) {
            let nothing_known = self.request.columns.iter().map(|_| None).collect();
            self.settle(index, Applied::updated(id).after(nothing_known).into());
        }
        for (column, name) in self.request.columns.iter().enumerate() {
            let Some(relation) = associations::relation_of(&self.request.object, name) else {
                continue;
            };
            let wishes = self.wishes(column);
            if wishes.is_empty() {
                continue;
            }
            if let Err(failure) = self.fulfil(column, relation, &wishes) {
                let outcome = make_outcome(failure);
                for wish in wishes {
                    self.settle(wish.index, outcome.clone());
                }
            }
        }
    }

    /// Marks everything that still lacks its associations as to be repeated.
    pub(super) fn postpone(&mut self, wait_ms: u64) {
        for column in 0..self.request.columns.len() {
            for wish in self.wishes(column) {
                self.settle(wish.index, Outcome::RetryAfter(wait_ms));
            }
        }
    }

    /// The associations to write in a column; none if it is no association column.
    fn wishes(&self, column: usize) -> Vec<Wish> {
        let name = self.request.columns.get(column).map_or("", String::as_str);
        if !associations::is_column(name) {
            return Vec::new();
        }
        let both = self.request.operations.iter().zip(&self.outcomes).enumerate();
        let wish = |(index, (operation, outcome)): (usize, (&_, &Option<Outcome>))| {
            let operation: &Operation = operation;
            let Some(Outcome::Applied(applied)) = outcome else { return None };
            let cell = operation.cells.get(column)?.as_ref()?;
            let wanted = relates(operation.action).then(|| ids(cell))??;
            let (id, created) = (applied.id.clone(), applied.created);
            let removes = removes(self.request, operation, name);
            Some(Wish { index, id, created, wanted, removes })
        };
        both.filter_map(wish).filter(|wish| !(wish.created && wish.wanted.is_empty())).collect()
    }

    fn fulfil(
        &mut self,
        column: usize,
        relation: &Relation,
        wishes: &[Wish],
    ) -> Result<(), CallFailure> {
        let old = wishes.iter().filter(|wish| !wish.created);
        let old: Vec<String> = old.map(|wish| wish.id.clone()).collect();
        let has = relation.read(&old)?;
        let none: &[Link] = &[];
        let changes: Vec<Change> = wishes
            .iter()
            .map(|wish| {
                let has = has.get(&wish.id).map_or(none, Vec::as_slice);
                relation.change(&wish.id, has, &wish.wanted, |to| wish.loses(to))
            })
            .collect();
        let pairs: Vec<NewPair> = changes.iter().flat_map(|change| change.add.clone()).collect();
        let missing = relation.create(&pairs)?;
        let lost = wishes.iter().zip(&changes).filter(|(_, change)| !change.remove.is_empty());
        let lost: Vec<_> =
            lost.map(|(wish, change)| (wish.id.clone(), change.remove.clone())).collect();
        relation.archive(&lost)?;
        for (wish, mut change) in wishes.iter().zip(changes) {
            let wanted = change.after.len();
            change.after.retain(|link| !missing.contains(&(wish.id.clone(), link.to.clone())));
            if change.after.len() < wanted && !wish.created {
                self.settle(wish.index, refused(relation));
                continue;
            }
            if change.after.len() < wanted {
                // The id of the new record matters more to the host than the association.
                let attributes = [("column", &*relation.column()), ("id", &*wish.id)];
                log::warn("HubSpot refused an association of a new record", &attributes);
            }
            self.set_after(wish.index, column, relation.cell(&change.after));
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
fn removes(request: &WriteRequest, operation: &Operation, column: &str) -> Option<Vec<String>> {
    let named = request.options.value("removes")?.as_list()?;
    let start = format!("{} {column} ", operation.intent);
    Some(named.iter().filter_map(|item| item.strip_prefix(&start)).map(str::to_owned).collect())
}

fn ids(cell: &Value) -> Option<Vec<String>> {
    match cell {
        Value::Null => Some(Vec::new()),
        Value::References(ids) => Some(ids.clone()),
        Value::Text(id) => Some(vec![id.clone()]),
        _ => None,
    }
}

fn refused(relation: &Relation) -> Outcome {
    let message = format!("HubSpot does not associate these {} with it", relation.to);
    let problem = Problem::new("association-refused", message, Remedy::TargetData);
    Outcome::rejected(problem.on(relation.column()))
}

fn make_outcome(failure: CallFailure) -> Outcome {
    match failure {
        CallFailure::Refused(_, refusal) => Outcome::Rejected(refusal.problems()),
        CallFailure::Unknown(error) => uncertain(&error),
        CallFailure::Stopped(error) => Outcome::RetryAfter(wait_of(&error)),
    }
}
