//! Checks of writing: creates that are made once, upserts, updates, a bad row among good ones, many
//! rows in order, archiving, and `changes` after each.
//!
//! The checks of an object build on each other's records. A check that cannot be tried because an
//! earlier one failed is not applicable, and names the earlier one.

use std::collections::{BTreeMap, BTreeSet};

use renkei_model::effect::EffectCall;
use renkei_model::plugin::Schema;
use renkei_model::record::{
    Action, Applied, Operation, Outcome as Written, PageRequest, Scan, WriteRequest,
};
use renkei_model::value::{Cell, Value};
use renkei_package::{ManifestObject, ObjectAction};

use super::fields::{ChosenFields, choose_fields};
use super::requests::{
    create_request, describe, kit_text, new_operation, require_applied, row_cells, write_columns,
};
use super::trial::{ConnectorTrial, ids, page_request};
use crate::report::{CheckResult, ConformanceReport, NotPassed, none_of};
use crate::rules::{self, ContractRule};

/// Records that most checks work on.
const FEW: usize = 3;
/// Rows of the write of many rows: more than one request of most APIs takes.
const MANY: usize = 230;
/// The number of scans of `changes` for records that may show late, and the pause between them, ms.
const LATE: (usize, u64) = (7, 10_000);

/// The write checks of one object.
struct WriteChecks<'a> {
    trial: &'a ConnectorTrial<'a>,
    object: &'a ManifestObject,
    chosen: ChosenFields,
    /// The cursor at which the changes since the backfill begin.
    since: Option<Vec<u8>>,
    /// Records made so far that are still there.
    made: Vec<String>,
    /// Records that the kit archived.
    gone: Vec<String>,
}

/// All checks of one object.
pub(super) async fn check(
    trial: &ConnectorTrial<'_>,
    object: &ManifestObject,
    schema: &Schema,
    since: Option<Vec<u8>>,
    report: &mut ConformanceReport,
) {
    let name = &object.name;
    let skip = |reason: &str| Err(NotPassed::not_applicable(reason));
    if !object.actions.contains(&ObjectAction::Create) {
        return report.add(&rules::CREATE, name, skip("the manifest has no action `create`"));
    }
    let chosen = match choose_fields(schema) {
        Ok(chosen) => chosen,
        Err(reason) => return report.add(&rules::CREATE, name, skip(&reason)),
    };
    let (made, gone) = (Vec::new(), Vec::new());
    let mut writing = WriteChecks { trial, object, chosen, since, made, gone };
    let created = writing.create_once().await;
    report.add(&rules::CREATE, name, created);
    if writing.made.len() < FEW {
        let reason = "`create-once` made no records to work on";
        return report.add(&rules::UPDATE, name, skip(reason));
    }
    report.add(&rules::FIND, name, writing.find().await);
    report.add(&rules::UPSERT, name, writing.upsert().await);
    report.add(&rules::UPDATE, name, writing.update().await);
    report.add(&rules::CHANGES, name, writing.changes().await);
    let partial = writing.partial().await;
    report.add(&rules::PARTIAL, name, partial);
    let order = writing.many().await;
    report.add(&rules::ORDER, name, order);
    let rule: &ContractRule = &rules::ARCHIVE;
    report.add(rule, name, writing.archive().await);
}

impl WriteChecks<'_> {
    fn create(&self, word: &str) -> Operation {
        let request = create_request(self.trial, &self.object.name, &self.chosen, word);
        request
            .operations
            .into_iter()
            .next()
            .unwrap_or_else(|| new_operation("", Action::Create, None, Vec::new()))
    }

    /// An update of one record's text.
    fn rename(&self, id: &str, word: &str) -> Operation {
        let columns = write_columns(&self.chosen);
        let cells = row_cells(&columns, &[], &[(&self.chosen.text, kit_text(word))]);
        let intent = format!("{}-{}-{word}", self.trial.run, self.object.name);
        new_operation(&intent, Action::Update, Some(id), cells)
    }

    /// Writes in a job of its own.
    async fn write(&self, operations: Vec<Operation>) -> Result<Vec<Written>, NotPassed> {
        let (object, columns) = (self.object.name.clone(), write_columns(&self.chosen));
        let count = operations.len();
        let request = WriteRequest { object, columns, operations, options: Vec::new() };
        let outcomes = self.trial.open().await?.perform(EffectCall::Write(&request)).await?;
        if outcomes.len() != count {
            let found = outcomes.len();
            return Err(NotPassed::failed(format!("{found} outcomes for {count} operations")));
        }
        Ok(outcomes)
    }

    /// The current text of each of these records, and the records that are reported as removed.
    async fn texts(
        &self,
        ids: &[String],
    ) -> Result<(BTreeMap<String, Cell>, BTreeSet<String>), NotPassed> {
        self.cells_now(&self.chosen.text, ids).await
    }

    async fn cells_now(
        &self,
        column: &str,
        ids: &[String],
    ) -> Result<(BTreeMap<String, Cell>, BTreeSet<String>), NotPassed> {
        let columns = [column.to_owned()];
        let job = self.trial.open().await?;
        let page = job.read_records(&self.object.name, &columns, ids).await?;
        let cell = |cells: Vec<Cell>| cells.into_iter().next().flatten();
        let now = page.batch.rows.into_iter().map(|row| (row.id, cell(row.cells))).collect();
        Ok((now, page.removed.into_iter().map(|gone| gone.id).collect()))
    }

    async fn live(&self) -> Option<BTreeSet<String>> {
        self.trial.control.live_records(&self.object.name).await
    }

    async fn create_once(&mut self) -> CheckResult {
        let before = self.live().await;
        let all = || (0..FEW).map(|n| self.create(&format!("one {n}"))).collect::<Vec<_>>();
        let first = require_applied(self.write(all()).await?)?;
        if let Some(other) = first.iter().find(|one| !one.created) {
            return Err(NotPassed::failed(format!(
                "record {} is new, but not `created`",
                other.id
            )));
        }
        let made: Vec<String> = first.into_iter().map(|one| one.id).collect();
        if self.chosen.stamp.is_none() {
            self.made = made;
            return Err(NotPassed::not_applicable("the schema has no `stamp` for the intent"));
        }
        let again = self.write(all()).await?;
        let mut found = Vec::new();
        for (id, outcome) in made.iter().zip(&again) {
            match outcome {
                Written::Applied(Applied { id: same, created: false, .. }) if same == id => {}
                Written::Exists(same) if *same == [id.clone()] => {}
                other => found.push(format!("{id} made again: {}", describe(other))),
            }
        }
        if let (Some(before), Some(after)) = (before, self.live().await) {
            let more = after.len().saturating_sub(before.len());
            if more != FEW {
                found.push(format!("{FEW} intents, each sent twice, made {more} records"));
            }
        }
        self.made = made;
        none_of(found, "")
    }

    async fn find(&self) -> CheckResult {
        let Some(stamp) = &self.chosen.stamp else {
            return Err(NotPassed::not_applicable("the schema has no `stamp` to find by"));
        };
        let columns = [stamp.clone(), self.chosen.text.clone()];
        let value = |word: &str| Value::Text(self.create(word).intent.into());
        let values = [value("one 0"), value("one 1"), value("nobody has this")];
        let job = self.trial.open().await?;
        let batch = job.find(&self.object.name, &columns, stamp, &values).await?;
        let found: BTreeSet<&String> = batch.rows.iter().map(|row| &row.id).collect();
        let expected: BTreeSet<&String> = self.made.iter().take(2).collect();
        if found != expected || batch.rows.len() != expected.len() {
            return Err(NotPassed::failed(format!("found {found:?} instead of {expected:?}")));
        }
        Ok(format!("by {stamp}"))
    }

    async fn upsert(&mut self) -> CheckResult {
        if !self.object.actions.contains(&ObjectAction::Upsert) {
            return Err(NotPassed::not_applicable("the manifest has no action `upsert`"));
        }
        let Some(stamp) = self.chosen.stamp.clone() else {
            return Err(NotPassed::not_applicable("the schema has no `stamp` to upsert by"));
        };
        let before = self.live().await;
        let key = format!("{}-{}-upsert", self.trial.run, self.object.name);
        let upsert = |word: &str| {
            let set =
                [(&self.chosen.text, kit_text(word)), (&stamp, Value::Text(key.clone().into()))];
            let cells = row_cells(&write_columns(&self.chosen), &self.chosen.fill, &set);
            let operation = new_operation(&format!("{key}-{word}"), Action::Upsert, None, cells);
            Operation { key: vec![stamp.clone()], ..operation }
        };
        let first = require_applied(self.write(vec![upsert("first")]).await?)?;
        let second = require_applied(self.write(vec![upsert("second")]).await?)?;
        let (Some(first), Some(second)) = (first.first(), second.first()) else {
            return Err(NotPassed::failed("no outcome"));
        };
        let mut found = Vec::new();
        if (first.created, second.created) != (true, false) || first.id != second.id {
            found.push(format!("{first:?}, then {second:?}"));
        }
        if let (Some(before), Some(after)) = (before, self.live().await) {
            let more = after.len().saturating_sub(before.len());
            if more != 1 {
                found.push(format!("one key, sent twice, made {more} records"));
            }
        }
        let (now, _) = self.texts(std::slice::from_ref(&first.id)).await?;
        if now.get(&first.id) != Some(&Some(kit_text("second"))) {
            found.push(format!("the second upsert changed nothing: {now:?}"));
        }
        self.made.push(first.id.clone());
        none_of(found, format!("by {stamp}"))
    }

    async fn update(&self) -> CheckResult {
        let Some(id) = self.made.first() else {
            return Err(NotPassed::not_applicable("there is no record to change"));
        };
        require_applied(self.write(vec![self.rename(id, "renamed")]).await?)?;
        let one = std::slice::from_ref(id);
        self.expect(&self.chosen.text, one, &kit_text("renamed")).await?;
        let Some(other) = &self.chosen.other else {
            return Ok("there is no second text, so null and absent are not tried".to_owned());
        };
        let columns = write_columns(&self.chosen);
        for (word, value) in [("set", kit_text("other")), ("cleared", Value::Null)] {
            let cells = row_cells(&columns, &[], &[(other, value.clone())]);
            let intent = format!("{}-{}-{word}", self.trial.run, self.object.name);
            require_applied(
                self.write(vec![new_operation(&intent, Action::Update, Some(id), cells)]).await?,
            )?;
            self.expect(other, one, &value).await?;
            self.expect(&self.chosen.text, one, &kit_text("renamed")).await?;
        }
        Ok(String::new())
    }

    async fn expect(&self, column: &str, ids: &[String], value: &Value) -> Result<(), NotPassed> {
        let (now, _) = self.cells_now(column, ids).await?;
        match now.values().next() {
            Some(Some(found)) if found == value => Ok(()),
            found => Err(NotPassed::failed(format!("{column} is {found:?} instead of {value:?}"))),
        }
    }

    async fn changes(&self) -> CheckResult {
        let wanted: BTreeSet<String> = self.made.iter().cloned().collect();
        let (seen, _) = self.changed(|seen, _| wanted.is_subset(seen)).await?;
        let missed: Vec<&String> = wanted.difference(&seen).collect();
        if !missed.is_empty() {
            return Err(NotPassed::failed(format!(
                "{missed:?} were written and are never reported"
            )));
        }
        Ok(format!("{} records", wanted.len()))
    }

    /// The rows and the removals that `changes` gives since the backfill, scan after scan, until
    /// they are enough.
    async fn changed(
        &self,
        enough: impl Fn(&BTreeSet<String>, &BTreeSet<String>) -> bool,
    ) -> Result<(BTreeSet<String>, BTreeSet<String>), NotPassed> {
        let Some(since) = self.since.clone() else {
            return Err(NotPassed::not_applicable(
                "`pages` failed, so there is no cursor to begin at",
            ));
        };
        let columns = [self.chosen.text.clone()];
        let limit = self.object.read_rows;
        let wanted = page_request(&self.object.name, Scan::Changes, &columns, limit);
        let mut wanted = PageRequest { cursor: Some(since), ..wanted };
        let (mut seen, mut removed) = (BTreeSet::new(), BTreeSet::new());
        let (times, pause_ms) = LATE;
        for time in 0..times {
            if time > 0 {
                self.trial.clock.sleep_ms(pause_ms).await;
            }
            let pages = self.trial.scan(wanted.clone()).await?;
            seen.extend(ids(&pages));
            let gone = pages.iter().flat_map(|page| &page.removed).map(|gone| gone.id.clone());
            removed.extend(gone);
            if let Some(last) = pages.last() {
                wanted.cursor = Some(last.cursor.clone());
            }
            if enough(&seen, &removed) {
                break;
            }
        }
        Ok((seen, removed))
    }

    /// Archives one record, then writes it and a bad value among good rows.
    async fn partial(&mut self) -> CheckResult {
        let [one, two, three] = self.three()?;
        let mut operations =
            vec![self.rename(&one, "good 1"), self.create("good 2"), self.rename(&two, "good 3")];
        let mut bad = Vec::new();
        if let Some((column, value, what)) = self.chosen.bad.clone() {
            let mut operation = self.create("bad value");
            let place = write_columns(&self.chosen).iter().position(|name| *name == column);
            if let Some(cell) = place.and_then(|place| operation.cells.get_mut(place)) {
                *cell = Some(value);
            }
            operations.insert(1, operation);
            bad.push((1, what));
        }
        if self.object.actions.contains(&ObjectAction::Archive) {
            require_applied(self.write(vec![self.away(&three)]).await?)?;
            self.made.retain(|id| *id != three);
            self.gone.push(three.clone());
            operations.insert(3, self.rename(&three, "gone"));
            bad.push((3, "a record that is gone"));
        }
        if bad.is_empty() {
            return Err(NotPassed::not_applicable(
                "the schema names no value that must be refused",
            ));
        }
        let outcomes = self.write(operations).await?;
        let mut found = Vec::new();
        for (place, outcome) in outcomes.iter().enumerate() {
            let expected = bad.iter().find(|(bad, _)| *bad == place);
            match (expected, outcome) {
                (None, Written::Applied(applied)) if applied.created => {
                    self.made.push(applied.id.clone());
                }
                (None, Written::Applied(_)) | (Some(_), Written::Gone) => {}
                (Some(_), Written::Rejected(problems)) if !problems.is_empty() => {}
                (Some((_, what)), other) => found.push(format!("{what}: {}", describe(other))),
                (None, other) => found.push(format!("good row {place}: {}", describe(other))),
            }
        }
        let (now, _) = self.texts(&[one.clone(), two.clone()]).await?;
        for (id, word) in [(one, "good 1"), (two, "good 3")] {
            if now.get(&id) != Some(&Some(kit_text(word))) {
                found.push(format!("the good row of {id} was not written"));
            }
        }
        let what: Vec<&str> = bad.into_iter().map(|(_, what)| what).collect();
        none_of(found, what.join(" and "))
    }

    fn three(&self) -> Result<[String; 3], NotPassed> {
        match self.made.as_slice() {
            [one, two, three, ..] => Ok([one.clone(), two.clone(), three.clone()]),
            _ => Err(NotPassed::not_applicable("there are too few records to work on")),
        }
    }

    async fn many(&mut self) -> CheckResult {
        let most = usize::try_from(self.object.write_rows).unwrap_or(usize::MAX);
        let rows = MANY.min(most);
        let word = |row: usize| format!("many {row}");
        let outcomes = self.write((0..rows).map(|row| self.create(&word(row))).collect()).await?;
        let made: Vec<String> = require_applied(outcomes)?.into_iter().map(|one| one.id).collect();
        self.made.extend(made.iter().cloned());
        let (now, _) = self.texts(&made).await?;
        let wrong = made
            .iter()
            .enumerate()
            .filter(|(row, id)| now.get(*id) != Some(&Some(kit_text(&word(*row)))));
        let wrong =
            wrong.map(|(row, id)| format!("outcome {row} names {id}, which is another row"));
        none_of(wrong.collect(), format!("{rows} rows"))
    }

    fn away(&self, id: &str) -> Operation {
        let cells = write_columns(&self.chosen).iter().map(|_| None).collect();
        let intent = format!("{}-{}-archive-{id}", self.trial.run, self.object.name);
        new_operation(&intent, Action::Archive, Some(id), cells)
    }

    async fn archive(&self) -> CheckResult {
        if !self.object.actions.contains(&ObjectAction::Archive) {
            return Err(NotPassed::not_applicable("the manifest has no action `archive`"));
        }
        let most = usize::try_from(self.object.write_rows).unwrap_or(usize::MAX).max(1);
        for part in self.made.chunks(most) {
            require_applied(self.write(part.iter().map(|id| self.away(id)).collect()).await?)?;
        }
        let all: BTreeSet<String> = self.made.iter().chain(&self.gone).cloned().collect();
        let asked: Vec<String> = all.iter().cloned().collect();
        let (now, removed) = self.texts(&asked).await?;
        let mut found = Vec::new();
        let still: Vec<&String> = now.keys().collect();
        if !still.is_empty() {
            found.push(format!("`read-records` still gives {still:?}"));
        }
        let unreported = all.difference(&removed).count();
        if unreported > 0 {
            found.push(format!(
                "`read-records` does not report {unreported} of {} as removed",
                all.len()
            ));
        }
        let (_, removed) = self.changed(|_, removed| all.is_subset(removed)).await?;
        let reported = all.intersection(&removed).count();
        let sweep = page_request(&self.object.name, Scan::Sweep, &[], self.object.read_rows);
        let swept = ids(&self.trial.scan(sweep).await?);
        let swept = swept.iter().filter(|id| all.contains(*id)).count();
        if swept > 0 {
            found.push(format!("a sweep still gives {swept} of them"));
        }
        for outcome in
            self.write(self.made.first().map(|id| self.away(id)).into_iter().collect()).await?
        {
            if !matches!(outcome, Written::Applied(_) | Written::Gone) {
                found.push(format!("archived once more: {}", describe(&outcome)));
            }
        }
        none_of(found, format!("{reported} of {} are reported by `changes`", all.len()))
    }
}
