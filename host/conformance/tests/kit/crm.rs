//! A small CRM in memory with its connector, which keeps every rule but one.
//!
//! Cursors are texts: `b:SINCE:ID` inside a backfill, `c:SEQ` in changes, `s:ID` inside a sweep.
//! A change has a number of its own; what is archived stays as a tombstone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use renkei_conformance::SimulatorControl;
use renkei_model::effect::EffectCall;
use renkei_model::plugin::{Account, Generation, PluginError, Schema, SchemaField};
use renkei_model::ports::{Connector, Systems};
use renkei_model::record::{
    Action, Applied, Batch, Operation, Outcome, Page, PageRequest, Problem, Remedy, Removal, Row,
    Scan, Tombstone, WriteRequest,
};
use renkei_model::value::Value;

/// The rule that a connector breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrmFlaw {
    None,
    NoAccount,
    KnowsEveryObject,
    StampOfNothing,
    RepeatsRows,
    SkipsARow,
    NeverEnds,
    LargePages,
    RemembersItself,
    SweepMisses,
    TakesAnyCursor,
    StaleById,
    FindsNothing,
    CreatesTwice,
    UpsertCreates,
    NullIsAbsent,
    AbsentIsNull,
    ForgetsChanges,
    AllOrNothing,
    WritesGone,
    Unordered,
    LosesOutcomes,
    SilentArchive,
    TakesAnyCredentials,
    QuotaIsInvalid,
    WritesWithoutQuota,
    OtherIds,
}

#[derive(Debug, Clone, Default)]
struct CrmRecord {
    cells: BTreeMap<String, Value>,
    gone: bool,
    changed: u64,
}

#[derive(Debug, Default)]
struct CrmData {
    records: BTreeMap<String, CrmRecord>,
    changes: u64,
    no_quota: bool,
}

/// The CRM, its control and its clock in one; clones share it.
#[derive(Clone)]
pub(crate) struct Crm {
    flaw: CrmFlaw,
    data: Arc<Mutex<CrmData>>,
}

const COLUMNS: [&str; 4] = ["key", "name", "city", "stage"];

impl Crm {
    /// With this many records.
    pub(crate) fn new(flaw: CrmFlaw, records: usize) -> Self {
        let crm = Self { flaw, data: Arc::default() };
        for number in 0..records {
            let cells = [("name", format!("人 {number}")), ("city", "東京".to_owned())];
            let cells = cells.map(|(name, text)| (name.to_owned(), Value::Text(text.into())));
            crm.data().add(cells.into());
        }
        crm
    }

    fn data(&self) -> MutexGuard<'_, CrmData> {
        self.data.lock().unwrap()
    }
}

impl CrmData {
    fn add(&mut self, cells: BTreeMap<String, Value>) -> String {
        self.changes += 1;
        let id = format!("r{:05}", self.records.len());
        let record = CrmRecord { cells, gone: false, changed: self.changes };
        self.records.insert(id.clone(), record);
        id
    }

    fn by_key(&self, key: &Value) -> Option<String> {
        let mut all = self.records.iter().filter(|(_, record)| !record.gone);
        all.find(|(_, record)| record.cells.get("key") == Some(key)).map(|(id, _)| id.clone())
    }

    fn row(&self, id: &str, columns: &[String]) -> Row {
        let record = &self.records[id];
        let cell = |name: &String| Some(record.cells.get(name).cloned().unwrap_or(Value::Null));
        let cells = columns.iter().map(cell).collect();
        Row {
            id: id.to_owned(),
            version: Some(record.changed.to_string()),
            cells,
            ..Row::default()
        }
    }
}

#[async_trait]
impl SimulatorControl for Crm {
    async fn live_records(&self, _: &str) -> Option<BTreeSet<String>> {
        let data = self.data();
        let live = data.records.iter().filter(|(_, record)| !record.gone);
        Some(live.map(|(id, _)| id.clone()).collect())
    }

    async fn set_faults(&self, patch: &serde_json::Value) -> bool {
        self.data().no_quota = patch["rate_limits"] == true;
        true
    }
}

#[async_trait]
impl Systems for Crm {
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError> {
        let refused = system == "refused" && self.flaw != CrmFlaw::TakesAnyCredentials;
        let (crm, generation) = (self.clone(), generation());
        Ok(Box::new(CrmJob { crm, generation, refused, place: Mutex::default() }))
    }
}

fn generation() -> Generation {
    let (plugin, version, digest) = ("double".to_owned(), "1.0.0".to_owned(), String::new());
    Generation { plugin, version, digest }
}

struct CrmJob {
    crm: Crm,
    generation: Generation,
    refused: bool,
    /// The place of the scan, which a connector must not keep in its instance.
    place: Mutex<String>,
}

fn problem(code: &str) -> Problem {
    let (code, message) = (code.to_owned(), "as told".to_owned());
    Problem { code, message, field: None, remedy: Remedy::SourceData }
}

/// A position in a scan.
enum ScanPosition {
    Backfill { since: u64, after: String },
    Changes(u64),
    Sweep { after: String },
}

fn decode(scan: Scan, cursor: Option<&[u8]>) -> Option<ScanPosition> {
    let Some(bytes) = cursor else {
        return Some(match scan {
            Scan::Backfill => ScanPosition::Backfill { since: u64::MAX, after: String::new() },
            Scan::Changes => ScanPosition::Changes(0),
            Scan::Sweep => ScanPosition::Sweep { after: String::new() },
        });
    };
    let text = std::str::from_utf8(bytes).ok()?;
    let parts: Vec<&str> = text.split(':').collect();
    Some(match (scan, parts.as_slice()) {
        (Scan::Backfill, ["b", since, after, "."]) => {
            ScanPosition::Backfill { since: since.parse().ok()?, after: (*after).to_owned() }
        }
        (_, ["c", since, "."]) => ScanPosition::Changes(since.parse().ok()?),
        (Scan::Sweep, ["s", after, "."]) => ScanPosition::Sweep { after: (*after).to_owned() },
        _ => return None,
    })
}

impl CrmJob {
    fn ready(&self) -> Result<(), PluginError> {
        let plugin = self.generation.clone();
        if self.refused {
            let (code, message) = ("401".to_owned(), "no".to_owned());
            return Err(PluginError::Unauthorized { plugin, code, message });
        }
        match (self.crm.data().no_quota, self.crm.flaw) {
            (true, CrmFlaw::QuotaIsInvalid) => {
                Err(PluginError::Invalid { plugin, problem: problem("429") })
            }
            (true, _) => Err(PluginError::RetryAfter { plugin, after_ms: 1_000 }),
            (false, _) => Ok(()),
        }
    }

    fn live_after(&self, after: &str, wanted: &PageRequest) -> (Vec<Row>, bool, String) {
        let data = self.crm.data();
        let large = self.crm.flaw == CrmFlaw::LargePages && !wanted.columns.is_empty();
        let limit = if large { 100 } else { wanted.limit as usize };
        let ids = data.records.iter().filter(|(_, record)| !record.gone).map(|(id, _)| id);
        let rest: Vec<&String> = ids.filter(|id| id.as_str() > after).collect();
        let page = &rest[..limit.min(rest.len())];
        let more = rest.len() > page.len();
        let last = page.last().map_or(after.to_owned(), |id| (*id).clone());
        let skip = usize::from(self.crm.flaw == CrmFlaw::SkipsARow && more);
        let mut rows: Vec<Row> =
            page.iter().skip(skip).map(|id| data.row(id, &wanted.columns)).collect();
        if self.crm.flaw == CrmFlaw::RepeatsRows {
            rows.extend(page.first().map(|id| data.row(id, &wanted.columns)));
            rows.truncate(limit);
            rows.sort_by(|one, other| one.id.cmp(&other.id));
        }
        (rows, more, last)
    }

    fn changed(&self, since: u64, wanted: &PageRequest) -> Page {
        let data = self.crm.data();
        let mut page = Page { cursor: format!("c:{}:.", data.changes).into(), ..Page::default() };
        page.batch.columns = wanted.columns.clone();
        for (id, record) in data.records.iter().filter(|(_, record)| record.changed > since) {
            if record.gone && self.crm.flaw != CrmFlaw::SilentArchive {
                page.removed.push(tombstone(id));
            } else if !record.gone && self.crm.flaw != CrmFlaw::ForgetsChanges {
                page.batch.rows.push(data.row(id, &wanted.columns));
            }
        }
        page
    }
}

fn tombstone(id: &str) -> Tombstone {
    Tombstone { id: id.to_owned(), removal: Removal::Archived, at_ms: None }
}

#[async_trait]
impl Connector for CrmJob {
    fn generation(&self) -> &Generation {
        &self.generation
    }

    async fn check(&self) -> Result<Account, PluginError> {
        self.ready()?;
        let id = if self.crm.flaw == CrmFlaw::NoAccount { "" } else { "A1" };
        Ok(Account { id: id.to_owned(), ..Account::default() })
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        self.ready()?;
        if objects != ["contacts"] && self.crm.flaw != CrmFlaw::KnowsEveryObject {
            let plugin = self.generation.clone();
            return Err(PluginError::NotFound { plugin, problem: problem("object") });
        }
        let field = |name: &str| SchemaField {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: if name == "stage" { "choice" } else { "text" }.to_owned(),
            readable: true,
            creatable: true,
            updatable: true,
            required: false,
            unique: name == "key",
            nullable: true,
            max_length: None,
            choices: vec![("new".to_owned(), "New".to_owned())],
            targets: Vec::new(),
            facts: Vec::new(),
        };
        let plain = |name: &&str| SchemaField {
            choices: if *name == "stage" { field(name).choices } else { Vec::new() },
            ..field(name)
        };
        let stamp = if self.crm.flaw == CrmFlaw::StampOfNothing { "nothing" } else { "key" };
        Ok(vec![Schema {
            object: objects[0].clone(),
            label: String::new(),
            fields: COLUMNS.iter().map(plain).collect(),
            facts: vec![("stamp".to_owned(), Value::from(stamp))],
        }])
    }

    async fn read_page(&self, wanted: &PageRequest) -> Result<Page, PluginError> {
        self.ready()?;
        let flaw = self.crm.flaw;
        let place = decode(wanted.scan, wanted.cursor.as_deref());
        let place = match place {
            Some(place) => place,
            None if flaw == CrmFlaw::TakesAnyCursor => ScanPosition::Changes(0),
            None => {
                let plugin = self.generation.clone();
                return Err(PluginError::CursorLost { plugin, problem: problem("cursor") });
            }
        };
        let changes = self.crm.data().changes;
        let page = |rows: Vec<Row>, cursor: String, more: bool| Page {
            batch: Batch { columns: wanted.columns.clone(), rows },
            cursor: cursor.into(),
            more,
            ..Page::default()
        };
        Ok(match place {
            ScanPosition::Changes(since) => self.changed(since, wanted),
            ScanPosition::Backfill { since, after } => {
                let own = self.place.lock().unwrap().clone();
                let after = if flaw == CrmFlaw::RemembersItself { own } else { after };
                let (rows, more, last) = self.live_after(&after, wanted);
                self.place.lock().unwrap().clone_from(&last);
                let more = more || flaw == CrmFlaw::NeverEnds;
                let since = since.min(changes);
                let on = format!("b:{since}:{last}:.");
                page(rows, if more { on } else { format!("c:{since}:.") }, more)
            }
            ScanPosition::Sweep { after } => {
                let (mut rows, more, last) = self.live_after(&after, wanted);
                rows.truncate(if flaw == CrmFlaw::SweepMisses { 1 } else { usize::MAX });
                let on = format!("s:{last}:.");
                page(rows, if more { on } else { format!("c:{changes}:.") }, more)
            }
        })
    }

    async fn read_records(
        &self,
        _: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        self.ready()?;
        let data = self.crm.data();
        let mut page = Page::default();
        page.batch.columns = columns.to_vec();
        for id in ids {
            match data.records.get(id) {
                Some(record) if !record.gone => page.batch.rows.push(data.row(id, columns)),
                Some(_) if self.crm.flaw != CrmFlaw::SilentArchive => {
                    page.removed.push(tombstone(id))
                }
                _ => {}
            }
        }
        let first = page.batch.rows.first_mut();
        if let Some(row) = first.filter(|_| self.crm.flaw == CrmFlaw::StaleById && ids.len() == 25)
        {
            row.cells[0] = Some(Value::from("older"));
        }
        Ok(page)
    }

    async fn find(
        &self,
        _: &str,
        columns: &[String],
        _key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        self.ready()?;
        let data = self.crm.data();
        let found = values.iter().filter_map(|value| data.by_key(value));
        let rows: Vec<Row> = found.map(|id| data.row(&id, columns)).collect();
        let rows = if self.crm.flaw == CrmFlaw::FindsNothing { Vec::new() } else { rows };
        Ok(Batch { columns: columns.to_vec(), rows })
    }

    async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
        match call {
            EffectCall::Write(request) => self.write(request).await,
            EffectCall::Merge { .. } => Ok(vec![Outcome::Gone]),
        }
    }
}

impl CrmJob {
    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError> {
        let flaw = self.crm.flaw;
        if flaw == CrmFlaw::WritesWithoutQuota {
            let mut data = self.crm.data();
            let told = PluginError::RetryAfter { plugin: self.generation.clone(), after_ms: 1_000 };
            if std::mem::take(&mut data.no_quota) {
                data.add(BTreeMap::new());
                data.no_quota = true;
                return Err(told);
            }
        }
        self.ready()?;
        let mut data = self.crm.data();
        let kept = data.records.clone();
        let mut outcomes: Vec<Outcome> =
            request.operations.iter().map(|one| written(&mut data, flaw, request, one)).collect();
        let bad = outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Applied(_)));
        if flaw == CrmFlaw::AllOrNothing && bad && outcomes.len() > 1 {
            data.records = kept;
            outcomes.fill(Outcome::Rejected(vec![problem("batch")]));
        }
        if flaw == CrmFlaw::Unordered && outcomes.len() > 5 {
            outcomes.reverse();
        }
        if flaw == CrmFlaw::LosesOutcomes && outcomes.len() > 5 {
            outcomes.pop();
        }
        Ok(outcomes)
    }
}

fn written(data: &mut CrmData, flaw: CrmFlaw, request: &WriteRequest, one: &Operation) -> Outcome {
    let pairs = request.columns.iter().zip(&one.cells);
    let mut cells: BTreeMap<String, Value> = BTreeMap::new();
    for (name, cell) in pairs {
        match cell {
            Some(Value::Null) if flaw == CrmFlaw::NullIsAbsent => {}
            Some(value) => drop(cells.insert(name.clone(), value.clone())),
            None if flaw == CrmFlaw::AbsentIsNull && name != "key" => {
                cells.insert(name.clone(), Value::Null);
            }
            None => {}
        }
    }
    if cells.get("stage").is_some_and(|stage| ![Value::from("new"), Value::Null].contains(stage)) {
        return Outcome::Rejected(vec![problem("choice")]);
    }
    let id = match one.action {
        Action::Create => {
            let key = Value::Text(one.intent.clone().into());
            let known = data.by_key(&key).filter(|_| flaw != CrmFlaw::CreatesTwice);
            cells.insert("key".to_owned(), key);
            known
        }
        Action::Upsert => {
            let known = cells.get("key").and_then(|key| data.by_key(key));
            known.filter(|_| flaw != CrmFlaw::UpsertCreates)
        }
        _ => one.id.clone(),
    };
    let Some(id) = id else {
        let id = data.add(cells);
        return Outcome::Applied(Applied { id, created: true, ..Applied::default() });
    };
    data.changes += 1;
    let changes = data.changes;
    let Some(record) = data.records.get_mut(&id) else { return Outcome::Gone };
    if record.gone && flaw != CrmFlaw::WritesGone {
        return Outcome::Gone;
    }
    record.gone = one.action == Action::Archive;
    record.changed = changes;
    record.cells.extend(cells);
    let id = if flaw == CrmFlaw::OtherIds && one.action == Action::Create {
        format!("{id}-again")
    } else {
        id
    };
    Outcome::Applied(Applied { id, ..Applied::default() })
}
