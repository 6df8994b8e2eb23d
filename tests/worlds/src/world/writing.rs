//! Writes of the engine to the world: each operation with its fault, the answers, and the ledger.

use std::collections::BTreeMap;

use renkei_model::record::{
    Action, Applied, Operation, Outcome, Problem, Remedy, Removal, VendorJob,
};
use renkei_model::value::Value;

use super::knobs::{Answers, Versions};
use super::{Fault, Place, Record, StartedJob, Who, World};

/// The time after which a job is asked about, ms.
const JOB_MS: u64 = 1_000;

impl World {
    pub(super) fn write(
        &mut self,
        at: &Place,
        columns: &[String],
        operation: &Operation,
    ) -> Outcome {
        self.operations += 1;
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        // What is undone before anybody can see it is told from nothing: a limit (RULES.md V1).
        let fault = match fault {
            Fault::LostThenUndone if !self.table(at).knobs.lag.is_off() => Fault::LostReply,
            fault => fault,
        };
        match &fault {
            Fault::Refuse => {
                self.refused_whole = true;
                return Outcome::Rejected(vec![refusal()]);
            }
            Fault::Retry => return Outcome::RetryAfter(500),
            Fault::LostRequest => return Outcome::Uncertain("no answer".to_owned()),
            // Without versions nothing can be written on condition: a limit (RULES.md V1).
            Fault::EditFirst(..) if self.table(at).knobs.versions == Versions::None => {}
            Fault::EditFirst(column, value) => {
                self.edit_target(at, operation.id.as_ref(), column, value);
            }
            Fault::RemoveFirst => {
                if let Some(id) = self.target(at, operation.id.as_ref()) {
                    self.bury(at, &id, Removal::Deleted, Who::Person(2));
                }
            }
            Fault::Pretended => {
                if let Some(id) = self.target(at, operation.id.as_ref()) {
                    return self.pretend(id, operation);
                }
            }
            // What somebody typed unseen could not be told from a form: a limit as above.
            Fault::Ignored | Fault::Touched if self.is_unconditional(at) => {}
            Fault::Ignored | Fault::Touched => {
                let target = self.target(at, operation.id.as_ref());
                if let Some(id) = target.filter(|id| self.is_as_expected(at, id, operation)) {
                    return self.ignore(at, &id, columns, operation, fault == Fault::Touched);
                }
            }
            // Only merges fail as unsupported.
            _ => {}
        }
        if let Some(started) = self.accept_as_job(at, columns, operation, &fault) {
            return started;
        }
        let made = self.ledger.len();
        let outcome = self.perform(at, columns, operation);
        match (&fault, &outcome) {
            (Fault::LostThenUndone | Fault::Undone, _) => self.undo(made, operation.action),
            (Fault::EditAfter(column, value), Outcome::Applied(applied)) => {
                self.edit_target(at, Some(&applied.id), column, value);
            }
            _ => {}
        }
        match fault {
            Fault::LostReply | Fault::LostThenUndone => Outcome::Uncertain("no answer".to_owned()),
            _ => outcome,
        }
    }

    /// Accepts an operation as a job, where the fault says so.
    fn accept_as_job(
        &mut self,
        at: &Place,
        columns: &[String],
        operation: &Operation,
        fault: &Fault,
    ) -> Option<Outcome> {
        let (asks, is_late) = match fault {
            Fault::JobForgotten => {
                self.perform(at, columns, operation);
                let job = VendorJob { token: "forgotten".to_owned(), after_ms: JOB_MS };
                return Some(Outcome::Pending(job));
            }
            // Without versions nothing can be written on condition, and a late deletion may come
            // after somebody made the thing again: limits (RULES.md E24).
            Fault::JobLate(asks) => {
                let on_condition = self.table(at).knobs.versions != Versions::None;
                (*asks, on_condition && operation.action != Action::Archive)
            }
            Fault::JobDone(asks) => (*asks, false),
            _ => return None,
        };
        let outcome = (!is_late).then(|| self.perform(at, columns, operation));
        let token = format!("job {}", self.tick());
        let (columns, operation) = (columns.to_vec(), operation.clone());
        let job = StartedJob { at: at.clone(), columns, operation, asks, outcome };
        self.jobs.insert(token.clone(), job);
        Some(Outcome::Pending(VendorJob { token, after_ms: JOB_MS }))
    }

    /// Every job is done when it is asked about next.
    pub(crate) fn end_jobs(&mut self) {
        self.jobs.values_mut().for_each(|job| job.asks = 0);
    }

    /// The engine asks about a job.
    pub(super) fn finish(&mut self, token: &str) -> Outcome {
        let Some(job) = self.jobs.get_mut(token) else {
            return Outcome::Uncertain("no such job".to_owned());
        };
        if job.asks > 0 {
            job.asks -= 1;
            return Outcome::Pending(VendorJob { token: token.to_owned(), after_ms: JOB_MS });
        }
        let job = job.clone();
        let outcome =
            job.outcome.unwrap_or_else(|| self.perform(&job.at, &job.columns, &job.operation));
        self.jobs.remove(token);
        outcome
    }

    /// The record that an operation is about, if it is there.
    fn target(&self, at: &Place, id: Option<&String>) -> Option<String> {
        let record = self.tables.get(at)?.records.get(id?)?;
        record.gone.is_none().then(|| id.cloned())?
    }

    /// Another person edits the record of an operation.
    fn edit_target(&mut self, at: &Place, id: Option<&String>, column: &str, value: &Value) {
        if let Some(id) = self.target(at, id) {
            self.set(at, &id, column, value.clone(), Who::Person(2));
        }
    }

    /// The answer to a write that is not done.
    fn pretend(&mut self, id: String, operation: &Operation) -> Outcome {
        self.pretended = true;
        let version = Some(self.tick().to_string());
        let (after, modified_ms) = (operation.cells.clone(), Some(self.now_ms));
        Outcome::Applied(Applied { id, created: false, version, modified_ms, after })
    }

    /// True if nothing can be written on condition, while readings are late.
    fn is_unconditional(&self, at: &Place) -> bool {
        let knobs = self.tables.get(at).map(|table| &table.knobs);
        knobs.is_some_and(|knobs| knobs.versions == Versions::None && !knobs.lag.is_off())
    }

    /// True if the record has the version on whose condition the operation writes.
    fn is_as_expected(&self, at: &Place, id: &str, operation: &Operation) -> bool {
        let table = self.tables.get(at);
        let version = table.and_then(|table| table.version(table.records.get(id)?));
        operation.if_version.is_none() || operation.if_version == version
    }

    /// The answer to a write that is not done, as the system answers others.
    fn ignore(
        &mut self,
        at: &Place,
        id: &str,
        columns: &[String],
        operation: &Operation,
        touches: bool,
    ) -> Outcome {
        self.pretended = true;
        if touches {
            self.touch(at, id, Who::System);
        }
        let cells = columns.iter().cloned().zip(operation.cells.clone());
        let sent = cells.filter_map(|(column, cell)| Some((column, cell?))).collect();
        self.applied(at, id, columns, &sent, false)
    }

    /// A person takes back what the engine has just written.
    fn undo(&mut self, from: usize, action: Action) {
        let Some(entry) = self.ledger.get(from).filter(|entry| !entry.human).cloned() else {
            return;
        };
        match (action, &entry.column) {
            (Action::Create, _) => {
                self.bury(&entry.place, &entry.id, Removal::Deleted, Who::Person(2))
            }
            (Action::Update, Some(column)) => {
                self.set(&entry.place, &entry.id, column, entry.before.clone(), Who::Person(2));
            }
            _ => {}
        }
    }

    fn perform(&mut self, at: &Place, columns: &[String], operation: &Operation) -> Outcome {
        let mut cells = BTreeMap::new();
        for (column, cell) in columns.iter().zip(&operation.cells) {
            let Some(value) = cell else { continue };
            if self.table(at).read_only.contains(column) {
                self.violations.push(format!("{at:?} {column} is read-only"));
            }
            cells.insert(column.clone(), self.cut(at, value.clone()));
        }
        if let Some(problems) = self.refuse(at, operation, &cells) {
            return Outcome::Rejected(problems);
        }
        match (operation.action, &operation.id) {
            (Action::Create, None) => self.create_stamped(at, columns, cells, &operation.intent),
            (Action::Update | Action::Archive, Some(id)) => {
                self.change(at, id, columns, cells, operation)
            }
            other => {
                self.violations.push(format!("{at:?} cannot {other:?}"));
                Outcome::Rejected(vec![refusal()])
            }
        }
    }

    fn create_stamped(
        &mut self,
        at: &Place,
        columns: &[String],
        cells: BTreeMap<String, Value>,
        intent: &str,
    ) -> Outcome {
        let table = self.table(at);
        let deleted =
            |record: &Record| record.gone.is_some() && record.intent.as_deref() == Some(intent);
        if let Some((id, _)) = table.records.iter().find(|(_, record)| deleted(record)) {
            let violation = format!("{at:?} {id} is made again although it was deleted");
            self.violations.push(violation);
        }
        let table = self.table(at);
        let stamped = table.stamped;
        let same =
            |record: &Record| record.gone.is_none() && record.stamp.as_deref() == Some(intent);
        if stamped && let Some((id, _)) = table.records.iter().find(|(_, record)| same(record)) {
            let id = id.clone();
            // An upsert, as vendors do it: it overwrites what stands there.
            let mut news = cells.clone();
            news.retain(|column, value| self.cell(at, &id, column) != *value);
            self.set_at_once(at, &id, &news);
            return self.applied(at, &id, columns, &cells, false);
        }
        if let Some(id) = table.holder(&cells, None) {
            return Outcome::Exists(vec![id]);
        }
        let id = self.insert(at, cells.clone(), stamped.then(|| intent.to_owned()), Who::Engine);
        if let Some(record) = self.table(at).records.get_mut(&id) {
            record.intent = Some(intent.to_owned());
        }
        self.applied(at, &id, columns, &cells, true)
    }

    fn change(
        &mut self,
        at: &Place,
        id: &str,
        columns: &[String],
        cells: BTreeMap<String, Value>,
        operation: &Operation,
    ) -> Outcome {
        let table = &*self.table(at);
        let Some(record) = table.records.get(id) else { return Outcome::Gone };
        if record.gone.is_some() {
            return Outcome::Gone;
        }
        if !self.is_as_expected(at, id, operation) {
            return Outcome::Conflict;
        }
        let table = &self.tables[at];
        if let Some(id) = table.holder(&cells, Some(id)).filter(|_| table.unique_in_changes) {
            return Outcome::Exists(vec![id]);
        }
        if operation.action == Action::Archive {
            self.bury(at, id, Removal::Archived, Who::Engine);
        }
        self.set_at_once(at, id, &cells);
        self.applied(at, id, columns, &cells, false)
    }

    /// One write is one version, however many columns it changes.
    fn set_at_once(&mut self, at: &Place, id: &str, cells: &BTreeMap<String, Value>) {
        let known = self.tables[at].records[id].past.len();
        for (column, value) in cells {
            self.set(at, id, column, value.clone(), Who::Engine);
        }
        if let Some(record) = self.table(at).records.get_mut(id) {
            record.past.truncate(known + 1);
        }
    }

    pub(super) fn applied(
        &self,
        at: &Place,
        id: &str,
        columns: &[String],
        sent: &BTreeMap<String, Value>,
        created: bool,
    ) -> Outcome {
        let table = &self.tables[at];
        let row = table.row(id, &table.records[id], columns);
        let (version, modified_ms) = match table.knobs.versions {
            Versions::Number | Versions::Stamp => (row.version, row.modified_ms),
            Versions::RowsOnly | Versions::None => (None, None),
        };
        let after = match table.knobs.answers {
            Answers::Stored => row.cells,
            Answers::Sent => columns.iter().map(|column| sent.get(column).cloned()).collect(),
            Answers::Empty => Vec::new(),
        };
        Outcome::Applied(Applied { id: row.id, created, version, modified_ms, after })
    }

    /// Reason why the table refuses these values, if it does.
    fn refuse(
        &self,
        at: &Place,
        operation: &Operation,
        cells: &BTreeMap<String, Value>,
    ) -> Option<Vec<Problem>> {
        let knobs = &self.tables.get(at)?.knobs;
        if operation.id.as_ref().is_some_and(|id| knobs.invisible.contains(id)) {
            return Some(vec![refusal()]);
        }
        let record = operation.id.as_ref().and_then(|id| self.tables[at].records.get(id));
        let will_be = |column: &String| {
            let stands = || record.and_then(|record| record.cells.get(column)).cloned();
            cells.get(column).cloned().or_else(stands).unwrap_or(Value::Null)
        };
        if let Some((column, refused)) = &knobs.rule
            && operation.action != Action::Archive
            && refused.has(&will_be(column))
        {
            return Some(vec![refusal()]);
        }
        let by_column = cells.iter().filter(|(column, value)| {
            let refused = knobs.refused.get(*column);
            knobs.vanished.contains(*column) || refused.is_some_and(|refused| refused.has(value))
        });
        let problems: Vec<Problem> = by_column
            .map(|(column, _)| Problem { field: Some(column.clone()), ..refusal() })
            .collect();
        (!problems.is_empty()).then_some(problems)
    }

    fn cut(&self, at: &Place, value: Value) -> Value {
        match (self.tables.get(at).and_then(|table| table.cut), value) {
            (Some(cut), Value::Text(text)) => Value::Text(text.chars().take(cut).collect()),
            (_, value) => value,
        }
    }
}

pub(super) fn refusal() -> Problem {
    Problem {
        code: "REFUSED".to_owned(),
        message: String::new(),
        field: None,
        remedy: Remedy::TargetData,
    }
}
