//! The state of an account's records and the writes that change it, whoever asks for them.
//!
//! Every write checks first and changes nothing when it refuses. Values are compared and stored
//! as strings; an empty string clears, a JSON null in a write is ignored (unverified: HubSpot
//! documents only the empty string). A write restamps its record even when no value changes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::associations::Associations;
use super::errors::{Detail, Refusal};
use super::kinds::Kind;
use super::schema::{DEAL_STAGES, LIFE_CYCLE, Schema};
use super::stamp;
use super::table::{Change, Record, Row, Table};
use crate::control::Origin;

/// Real ids reach 12 digits, so these do not fit 32 bits either.
const FIRST_ID: u64 = 100_000_000_001;

/// Written values in stored form; `None` clears.
pub(super) type Checked = BTreeMap<Arc<str>, Option<Box<str>>>;

/// Records, properties and associations of one account.
#[derive(Debug)]
pub(super) struct Store {
    tables: BTreeMap<Kind, Table>,
    schemas: BTreeMap<Kind, Schema>,
    pub associations: Associations,
    next_id: u64,
}

/// Who writes and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Author {
    pub origin: Origin,
    pub now_ms: i64,
}

impl Store {
    pub(super) fn new(now_ms: i64) -> Self {
        let kinds = Kind::ALL.map(|(kind, ..)| kind);
        Self {
            tables: kinds.iter().map(|kind| (*kind, Table::default())).collect(),
            schemas: kinds.iter().map(|kind| (*kind, Schema::standard(*kind, now_ms))).collect(),
            associations: Associations::default(),
            next_id: FIRST_ID,
        }
    }

    pub(super) fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables.get(&kind)
    }

    pub(super) fn table_mut(&mut self, kind: Kind) -> Option<&mut Table> {
        self.tables.get_mut(&kind)
    }

    /// Brings every search index up to what was written until `written_until_ms`.
    pub(super) fn catch_up(&mut self, written_until_ms: i64) {
        for table in self.tables.values_mut() {
            table.catch_up(written_until_ms);
        }
    }

    pub(super) fn schema(&self, kind: Kind) -> Option<&Schema> {
        self.schemas.get(&kind)
    }

    pub(super) fn schema_mut(&mut self, kind: Kind) -> Option<&mut Schema> {
        self.schemas.get_mut(&kind)
    }

    /// The live record with an id, through merges.
    pub(super) fn live(&self, kind: Kind, id: u64) -> Option<&Record> {
        self.table(kind)?.live(id)
    }

    /// The id of the live record that `text` names, by id or by the unique property given.
    pub(super) fn find(&self, kind: Kind, text: &str, id_property: Option<&str>) -> Option<u64> {
        match id_property {
            None | Some("hs_object_id") => {
                self.live(kind, text.parse().ok()?).map(|record| record.row.id)
            }
            Some("email") => self.table(kind)?.holder("email", &text.trim().to_lowercase()),
            Some(property) => self.table(kind)?.holder(property, text),
        }
    }

    /// Whether records of a type can be named by this property.
    pub(super) fn identifies(&self, kind: Kind, property: &str) -> bool {
        property == "hs_object_id"
            || self.schema(kind).and_then(|s| s.get(property)).is_some_and(|p| p.unique)
    }

    /// Written values in stored form, or all complaints about them.
    pub(super) fn check(
        &self,
        kind: Kind,
        fields: &Map<String, Value>,
    ) -> Result<Checked, Refusal> {
        let mut checked = Checked::new();
        let mut complaints = Vec::new();
        for (name, value) in fields {
            let Some(property) = self.schema(kind).and_then(|schema| schema.get(name)) else {
                let message = format!("Property \"{name}\" does not exist");
                complaints.push(Detail::of(name, "PROPERTY_DOESNT_EXIST", message));
                continue;
            };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if text.is_empty() && !property.read_only {
                checked.insert(Arc::clone(&property.name), None);
                continue;
            }
            match property.check(&text) {
                Ok(stored) => {
                    checked.insert(Arc::clone(&property.name), Some(stored.into()));
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        if complaints.is_empty() { Ok(checked) } else { Err(Refusal::Invalid(complaints)) }
    }

    /// Refuses values that another live record has; `own` is the record that is written.
    pub(super) fn check_unique(
        &self,
        kind: Kind,
        checked: &Checked,
        own: Option<u64>,
    ) -> Result<(), Refusal> {
        for property in self.unique_properties(kind) {
            let Some(Some(value)) = checked.get(&property) else { continue };
            let holder = self.table(kind).and_then(|table| table.holder(&property, value));
            let Some(existing) = holder.filter(|holder| Some(*holder) != own) else { continue };
            if &*property == "email" {
                return Err(Refusal::Conflict { existing });
            }
            let message = format!("{existing} already has that value.");
            let detail = Detail::of(&property, "CONFLICTING_UNIQUE_VALUE", message);
            return Err(Refusal::Invalid(vec![detail]));
        }
        Ok(())
    }

    /// Creates a record; returns its id.
    pub(super) fn create(
        &mut self,
        kind: Kind,
        fields: &Map<String, Value>,
        by: Author,
    ) -> Result<u64, Refusal> {
        let checked = self.check(kind, fields)?;
        self.check_unique(kind, &checked, None)?;
        self.check_required(kind, &checked)?;
        Ok(self.insert(kind, checked, by))
    }

    /// Creates a record from values that have passed all checks.
    pub(super) fn insert(&mut self, kind: Kind, checked: Checked, by: Author) -> u64 {
        let id = self.take_id();
        let mut row = Row {
            id,
            created_ms: by.now_ms,
            modified_ms: by.now_ms,
            values: checked.into_iter().filter_map(|(name, v)| Some((name, v?))).collect(),
        };
        self.derive(kind, &mut row);
        let record = Record {
            row: Arc::new(row),
            archived_ms: None,
            origin: by.origin,
            history: Vec::new(),
        };
        self.put(kind, record, by.now_ms);
        id
    }

    /// Changes a live record.
    pub(super) fn update(
        &mut self,
        kind: Kind,
        id: u64,
        fields: &Map<String, Value>,
        by: Author,
    ) -> Result<(), Refusal> {
        let checked = self.check(kind, fields)?;
        self.check_unique(kind, &checked, Some(id))?;
        self.change(kind, id, checked, by)
    }

    /// Changes a live record by values that have passed all checks.
    pub(super) fn change(
        &mut self,
        kind: Kind,
        id: u64,
        checked: Checked,
        by: Author,
    ) -> Result<(), Refusal> {
        let Some(mut record) = self.live(kind, id).cloned() else {
            return Err(Refusal::Missing { id: id.to_string() });
        };
        let mut row = Row::clone(&record.row);
        for (name, value) in checked {
            if goes_back_in_life_cycle(&name, row.value(&name), value.as_deref()) {
                continue;
            }
            if row.value(&name) == value.as_deref() {
                continue;
            }
            remember_first(&mut record, &row, &name);
            record.history.push(Change {
                name: Arc::clone(&name),
                value: value.clone().unwrap_or_default(),
                at_ms: by.now_ms,
                by: by.origin,
            });
            match value {
                Some(value) => row.values.insert(name, value),
                None => row.values.remove(&name),
            };
        }
        row.modified_ms = by.now_ms;
        self.derive(kind, &mut row);
        record.row = Arc::new(row);
        self.put(kind, record, by.now_ms);
        Ok(())
    }

    /// Restamps a record without a change of its own, as a new association does; one with an
    /// activity also moves a contact's last activity.
    pub(super) fn touch(&mut self, kind: Kind, id: u64, activity: bool, now_ms: i64) {
        let Some(mut record) = self.live(kind, id).cloned() else { return };
        let mut row = Row::clone(&record.row);
        row.modified_ms = now_ms;
        if activity && kind == Kind::Contact {
            row.values.insert("notes_last_updated".into(), stamp::iso(now_ms).into());
        }
        self.derive(kind, &mut row);
        record.row = Arc::new(row);
        self.put(kind, record, now_ms);
    }

    /// Archives a live record and forgets its associations; a merged-away id archives nothing.
    pub(super) fn archive(&mut self, kind: Kind, id: u64, now_ms: i64) {
        if self.live(kind, id).is_none_or(|record| record.row.id != id) {
            return;
        }
        self.associations.forget(kind, id);
        let unique = self.unique_properties(kind);
        if let Some(table) = self.table_mut(kind) {
            table.archive(id, &unique, now_ms);
        }
    }

    /// Stores a record as it is, after its read-only values are brought up to date.
    pub(super) fn put(&mut self, kind: Kind, record: Record, written_ms: i64) {
        let unique = self.unique_properties(kind);
        if let Some(table) = self.table_mut(kind) {
            table.put(record, &unique, written_ms);
        }
    }

    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(super) fn unique_properties(&self, kind: Kind) -> Vec<Arc<str>> {
        self.schema(kind).into_iter().flat_map(Schema::unique).cloned().collect()
    }

    /// Required values: a note or another activity needs its time.
    pub(super) fn check_required(&self, kind: Kind, checked: &Checked) -> Result<(), Refusal> {
        let required = match kind {
            Kind::Note | Kind::Task => "hs_timestamp",
            _ => return Ok(()),
        };
        if matches!(checked.get(required), Some(Some(_))) {
            return Ok(());
        }
        let message = format!("Some required properties were not set: {required}");
        let code = "MISSING_REQUIRED_PROPERTY";
        Err(Refusal::Invalid(vec![Detail::of(required, code, message)]))
    }

    /// Sets the values that HubSpot computes itself.
    pub(super) fn derive(&self, kind: Kind, row: &mut Row) {
        let mut set = |name: &str, value: String| {
            let known = self.schema(kind).and_then(|schema| schema.get(name));
            if let Some(property) = known {
                row.values.insert(Arc::clone(&property.name), value.into());
            }
        };
        set("hs_object_id", row.id.to_string());
        set(kind.created_property(), stamp::iso(row.created_ms));
        set(kind.modified_property(), stamp::iso(row.modified_ms));
        match kind {
            Kind::Deal => derive_deal(row),
            Kind::Note => {
                let preview = row.value("hs_note_body").unwrap_or_default().chars().take(200);
                let preview: String = preview.collect();
                row.values.insert("hs_body_preview".into(), preview.into());
            }
            _ => {}
        }
    }
}

/// Keeps the value that a property had before its first change.
fn remember_first(record: &mut Record, row: &Row, name: &Arc<str>) {
    let known = record.history.iter().any(|change| change.name == *name);
    if let (false, Some(value)) = (known, row.value(name)) {
        let (value, at_ms, by) = (value.into(), row.created_ms, record.origin);
        record.history.push(Change { name: Arc::clone(name), value, at_ms, by });
    }
}

fn derive_deal(row: &mut Row) {
    let Some(stage) = row.value("dealstage").map(str::to_owned) else { return };
    let found = DEAL_STAGES.iter().find(|(id, ..)| *id == stage);
    let probability = found.map_or("0.0", |(.., probability)| probability);
    let (won, lost) = (stage == "closedwon", stage == "closedlost");
    row.values.insert("hs_deal_stage_probability".into(), probability.into());
    row.values.insert("hs_is_closed".into(), (won || lost).to_string().into());
    row.values.insert("hs_is_closed_won".into(), won.to_string().into());
    row.values.entry("pipeline".into()).or_insert_with(|| "default".into());
}

/// HubSpot leaves the life cycle stage as it is when a write would move it back.
fn goes_back_in_life_cycle(name: &str, old: Option<&str>, new: Option<&str>) -> bool {
    let place = |value| LIFE_CYCLE.iter().position(|stage| Some(*stage) == value);
    name == "lifecyclestage" && place(new).is_some() && place(new) < place(old)
}

/// Texts of a batch that were there before.
pub(super) fn repeated<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.filter(|id| !seen.insert(*id)).map(str::to_owned).collect()
}
