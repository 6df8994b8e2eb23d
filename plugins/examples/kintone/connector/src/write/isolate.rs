//! The records of a refused request that are to blame.
//!
//! Bad input is named by place (K-error-2). A revision and a missing record are not (K-error-4,
//! K-error-5), so the records are read. A repeated unique value is told from other faults by
//! looking for the record that has it, because messages come in any language (K-error-3).

use std::collections::{BTreeMap, BTreeSet};

use crate::bindings::exports::renkei::plugin::connector::Outcome;
use crate::bindings::renkei::plugin::types::Problem;
use crate::client::form::{FieldKind, FormField, STAMP};
use crate::error::{ApiError, CallFailure, problem};
use crate::find::{list_by_id, list_by_value};

use super::plan::{Item, Lane};
use super::send::make_applied;
use super::{LATER_MS, Writer};

/// Messages about one record, each with the field that it blames.
type Faults = Vec<(Option<String>, String)>;

/// Ids of records that have a unique value, by field and value.
type Holders = BTreeMap<(String, String), u64>;

impl Writer<'_> {
    /// Answers who is to blame; puts the rest into `groups`, of which the last goes out next.
    pub(super) fn isolate(
        &mut self,
        group: Vec<Item>,
        refusal: &ApiError,
        groups: &mut Vec<Vec<Item>>,
    ) {
        let done = match refusal.code.as_str() {
            "GAIA_RE01" | "GAIA_CO02" => self.isolate_stale(&group, groups),
            "CB_VA01" => self.isolate_invalid(&group, refusal, groups),
            _ => Ok(false),
        };
        match done {
            Ok(true) => {}
            Ok(false) => self.halve(group, refusal, groups),
            // Nothing of the group was written, and nobody knows yet whom to blame.
            Err(_) => self.answer_all(&group, &Outcome::RetryAfter(LATER_MS)),
        }
    }

    /// Halves go out, as after a lookup's wrong key (K-error-7); one that is alone is to blame.
    fn halve(&mut self, mut group: Vec<Item>, refusal: &ApiError, groups: &mut Vec<Vec<Item>>) {
        if group.len() > 1 {
            let second = group.split_off(group.len() / 2);
            groups.push(second);
            groups.push(group);
            return;
        }
        let outcome = match refusal.code.as_str() {
            "GAIA_RE01" => Outcome::Gone,
            "GAIA_CO02" => Outcome::Conflict,
            _ => refusal.rejected(),
        };
        self.answer_all(&group, &outcome);
    }

    /// Reads which records are gone and which moved on. False where none is found.
    fn isolate_stale(
        &mut self,
        group: &[Item],
        groups: &mut Vec<Vec<Item>>,
    ) -> Result<bool, CallFailure> {
        let ids: BTreeSet<u64> = group.iter().filter_map(|item| item.id).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        let records = list_by_id(self.job, self.app, &ids, &["$id", "$revision"])?;
        let revisions: BTreeMap<u64, &str> = records
            .iter()
            .filter_map(|record| Some((record.id()?.1, record.revision()?)))
            .collect();
        let mut rest = Vec::new();
        for item in group {
            let stored = item.id.and_then(|id| revisions.get(&id));
            match (stored, &item.revision) {
                (None, _) => self.answer(item.index, Outcome::Gone),
                (Some(stored), Some(wanted)) if stored != wanted => {
                    self.answer(item.index, Outcome::Conflict);
                }
                _ => rest.push(item.clone()),
            }
        }
        if rest.len() == group.len() {
            return Ok(false);
        }
        groups.extend((!rest.is_empty()).then_some(rest));
        Ok(true)
    }

    /// Answers the records whose places are named; the others go out without them. False where no
    /// place names a record.
    fn isolate_invalid(
        &mut self,
        group: &[Item],
        refusal: &ApiError,
        groups: &mut Vec<Vec<Item>>,
    ) -> Result<bool, CallFailure> {
        let mut faults: BTreeMap<usize, Faults> = BTreeMap::new();
        for (place, message) in refusal.places() {
            if place.index < group.len() {
                faults.entry(place.index).or_default().push((place.field, message));
            }
        }
        if faults.is_empty() {
            return Ok(false);
        }
        let holders = self.find_holders(group, &faults)?;
        let (mut good, mut alone) = (Vec::new(), Vec::new());
        for (index, item) in group.iter().enumerate() {
            let Some(faults) = faults.get(&index) else {
                good.push(item.clone());
                continue;
            };
            match self.judge(item, faults, &holders) {
                Some(outcome) => self.answer(item.index, outcome),
                // Perhaps another record of this request has the same value: after it, and alone.
                None if group.len() > 1 => alone.push(vec![item.clone()]),
                None => self.answer(item.index, reject(refusal, faults)),
            }
        }
        groups.extend(alone);
        groups.extend((!good.is_empty()).then_some(good));
        Ok(true)
    }

    /// The outcome of a record with faults; none where a unique value is blamed that nobody has.
    fn judge(&self, item: &Item, faults: &Faults, holders: &Holders) -> Option<Outcome> {
        let suspects: Vec<(&str, &str)> = self.suspects(item, faults).collect();
        let holder = |field: &str, value: &str| {
            let found = holders.get(&(field.to_owned(), value.to_owned())).copied();
            found.filter(|id| Some(*id) != item.id)
        };
        let held =
            suspects.iter().filter_map(|(field, value)| Some((*field, holder(field, value)?)));
        let held: Vec<(&str, u64)> = held.collect();
        if item.lane == Lane::Insert {
            if let Some((_, id)) = held.iter().find(|(field, _)| *field == STAMP) {
                // This very create was done before; it made no second record.
                return Some(Outcome::Applied(make_applied(id.to_string(), None, false)));
            }
            if !held.is_empty() {
                let mut ids: Vec<String> = held.iter().map(|(_, id)| id.to_string()).collect();
                ids.dedup();
                return Some(Outcome::Exists(ids));
            }
        }
        if let Some((field, id)) = held.first() {
            let message = format!("the record {id} has this value already");
            let blame = problem("duplicate", message, "source-data");
            return Some(Outcome::Rejected(vec![Problem {
                field: Some((*field).to_owned()),
                ..blame
            }]));
        }
        match suspects.is_empty() {
            true => Some(Outcome::Rejected(make_problems("CB_VA01", faults))),
            false => None,
        }
    }

    /// Unique fields among those blamed, with the values that the record was to get.
    fn suspects<'b>(
        &'b self,
        item: &'b Item,
        faults: &'b Faults,
    ) -> impl Iterator<Item = (&'b str, &'b str)> {
        faults.iter().filter_map(|(field, _)| {
            let field = field.as_deref()?;
            self.form.field(field).filter(|known| known.unique)?;
            Some((field, item.sent_text(field)?))
        })
    }

    /// The records that have the values that unique fields were refused for: one reading per field.
    fn find_holders(
        &self,
        group: &[Item],
        faults: &BTreeMap<usize, Faults>,
    ) -> Result<Holders, CallFailure> {
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (index, faults) in faults {
            let Some(item) = group.get(*index) else {
                continue;
            };
            for (field, value) in self.suspects(item, faults) {
                wanted.entry(field).or_default().insert(value);
            }
        }
        let mut holders = Holders::new();
        for (code, values) in wanted {
            let Some(field) = self.form.field(code) else {
                continue;
            };
            let texts: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            for record in list_by_value(self.job, self.app, field, &texts, &["$id", code])? {
                let Some(((_, id), stored)) = record.id().zip(record.field_text(code)) else {
                    continue;
                };
                let same = values.iter().find(|value| is_same(field, stored, value));
                if let Some(value) = same {
                    holders.insert((code.to_owned(), (*value).to_owned()), id);
                }
            }
        }
        Ok(holders)
    }
}

fn reject(refusal: &ApiError, faults: &Faults) -> Outcome {
    Outcome::Rejected(make_problems(&refusal.code, faults))
}

fn make_problems(code: &str, faults: &Faults) -> Vec<Problem> {
    let each = faults.iter().map(|(field, message)| Problem {
        field: field.clone(),
        ..problem(code, message.as_str(), "source-data")
    });
    each.collect()
}

/// True for values that kintone would not store in two records.
fn is_same(field: &FormField, stored: &str, sent: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    match field.kind {
        FieldKind::Decimal => number(stored).is_some() && number(stored) == number(sent),
        _ => stored == sent,
    }
}
