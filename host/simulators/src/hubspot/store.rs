//! The state of an account's records and the writes that change it, whoever asks for them.
//!
//! Every write checks first and changes nothing when it refuses. Values are compared and stored
//! as strings; an empty string clears, a JSON null in a write is ignored (unverified: HubSpot
//! documents only the empty string). A write restamps its record even when no value changes.

mod computed;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::associations::{Associations, KeptAssociation};
use super::errors::{ErrorDetail, WriteRefusal};
use super::kinds::ObjectKind;
use super::labels::AssociationLabels;
use super::schema::{LIFE_CYCLE, PropertySchema};
use super::stamp;
use super::table::{HubSpotRecord, HubSpotRow, ReadLag, RecordTable, ValueChange};
use crate::control::Origin;
use crate::faults::{EveryNth, Faults};
use crate::rules::FieldConstraint;

/// Real ids reach 12 digits, so these do not fit 32 bits either.
const FIRST_ID: u64 = 100_000_000_001;

/// Written values in stored form; `None` clears.
pub(super) type CheckedValues = BTreeMap<Arc<str>, Option<Box<str>>>;

/// Records, properties and associations of one account.
#[derive(Debug)]
pub(super) struct HubSpotStore {
    tables: BTreeMap<ObjectKind, RecordTable>,
    schemas: BTreeMap<ObjectKind, PropertySchema>,
    pub associations: Associations,
    pub labels: AssociationLabels,
    next_id: u64,
    pub knobs: Arc<Faults>,
    /// For whom the writes that follow are checked.
    pub viewer: Origin,
    /// Associations of archived records, for the day they are restored.
    kept: HashMap<(ObjectKind, u64), Vec<KeptAssociation>>,
    ignoring: EveryNth,
    /// Calculations of the vendor that are due at a time.
    calculations: VecDeque<(i64, ObjectKind, u64)>,
    /// Records as they were before updates that are answered but not done.
    ignored: Vec<(ObjectKind, HubSpotRecord)>,
}

/// Origin and time of a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordAuthor {
    pub origin: Origin,
    pub now_ms: i64,
}

impl HubSpotStore {
    pub(super) fn new(now_ms: i64, knobs: &Faults) -> Self {
        let kinds = ObjectKind::ALL.map(|(kind, ..)| kind);
        let mut store = Self {
            tables: kinds.iter().map(|kind| (*kind, RecordTable::default())).collect(),
            schemas: kinds
                .iter()
                .map(|kind| (*kind, PropertySchema::standard(*kind, now_ms)))
                .collect(),
            associations: Associations::default(),
            labels: AssociationLabels::new(),
            next_id: FIRST_ID,
            knobs: Arc::default(),
            viewer: Origin::Api,
            kept: HashMap::new(),
            ignoring: EveryNth::default(),
            calculations: VecDeque::new(),
            ignored: Vec::new(),
        };
        store.apply(knobs);
        store
    }

    /// Takes over what the knobs say about properties and lags.
    pub(super) fn apply(&mut self, knobs: &Faults) {
        self.knobs = Arc::new(knobs.clone());
        self.associations.inherit_primary = knobs.hubspot.primary_is_inherited;
        for (kind, table) in &mut self.tables {
            let names = [kind.plural(), kind.singular(), kind.type_id()];
            let of = names.iter().find_map(|name| knobs.hubspot.search_lag_of.get(*name));
            table.lag = ReadLag {
                search_ms: of.copied().unwrap_or(knobs.hubspot.search_lag_ms),
                read_ms: knobs.read_lag_ms,
                spread_ms: knobs.lag_spread_ms,
            };
            let Some(schema) = self.schemas.get_mut(kind) else { continue };
            let before: HashSet<Arc<str>> = schema.unique().cloned().collect();
            schema.apply(&names, knobs);
            for property in schema.unique().filter(|name| !before.contains(*name)) {
                table.enter_unique(property);
            }
        }
    }

    /// True if sharing hides a record from whoever asks.
    pub(super) fn hides(&self, id: u64) -> bool {
        !self.knobs.hidden_records.is_empty()
            && self.viewer == Origin::Api
            && self.knobs.hidden_records.contains(&id.to_string())
    }

    /// The record that a read shows: it may lag, and sharing may hide it.
    pub(super) fn shown(&self, kind: ObjectKind, id: u64, now_ms: i64) -> Option<&HubSpotRecord> {
        let record = self.table(kind)?.shown(id, now_ms)?;
        if self.hides(id) || self.hides(record.row.id) { None } else { Some(record) }
    }

    /// The live record that a read by this name shows.
    pub(super) fn shown_as(
        &self,
        kind: ObjectKind,
        text: &str,
        id_property: Option<&str>,
        now_ms: i64,
    ) -> Option<&HubSpotRecord> {
        let id = match id_property {
            None | Some("hs_object_id") => text.parse().ok()?,
            _ => self.find(kind, text, id_property)?,
        };
        self.shown(kind, id, now_ms).filter(|record| record.archived_ms.is_none())
    }

    pub(super) fn table(&self, kind: ObjectKind) -> Option<&RecordTable> {
        self.tables.get(&kind)
    }

    pub(super) fn table_mut(&mut self, kind: ObjectKind) -> Option<&mut RecordTable> {
        self.tables.get_mut(&kind)
    }

    /// Brings every search index up to what it shows at `now_ms`.
    pub(super) fn catch_up(&mut self, now_ms: i64) {
        while let Some((due_ms, kind, id)) = self.calculations.front().copied()
            && due_ms <= now_ms
        {
            self.calculations.pop_front();
            self.touch(kind, id, false, due_ms);
        }
        for table in self.tables.values_mut() {
            table.catch_up(now_ms);
        }
    }

    pub(super) fn schema(&self, kind: ObjectKind) -> Option<&PropertySchema> {
        self.schemas.get(&kind)
    }

    pub(super) fn schema_mut(&mut self, kind: ObjectKind) -> Option<&mut PropertySchema> {
        self.schemas.get_mut(&kind)
    }

    /// The live record with an id, through merges.
    pub(super) fn live(&self, kind: ObjectKind, id: u64) -> Option<&HubSpotRecord> {
        self.table(kind)?.live(id)
    }

    /// The id of the live record that `text` names, by id or by the unique property given.
    pub(super) fn find(
        &self,
        kind: ObjectKind,
        text: &str,
        id_property: Option<&str>,
    ) -> Option<u64> {
        let found = match id_property {
            None | Some("hs_object_id") => {
                self.live(kind, text.parse().ok()?).map(|record| record.row.id)
            }
            Some("email") => self.table(kind)?.holder("email", &text.trim().to_lowercase()),
            Some(property) => self.table(kind)?.holder(property, text),
        };
        found.filter(|id| !self.hides(*id))
    }

    /// True if records of a type can be named by this property.
    pub(super) fn identifies(&self, kind: ObjectKind, property: &str) -> bool {
        property == "hs_object_id"
            || self.schema(kind).and_then(|s| s.get(property)).is_some_and(|p| p.unique)
    }

    /// Written values in stored form, or all complaints about them.
    pub(super) fn check(
        &self,
        kind: ObjectKind,
        fields: &Map<String, Value>,
    ) -> Result<CheckedValues, WriteRefusal> {
        let mut checked = CheckedValues::new();
        let mut complaints = Vec::new();
        for (name, value) in fields {
            let property = self.schema(kind).and_then(|schema| schema.known(name, self.viewer));
            let Some(property) = property else {
                let message = format!("Property \"{name}\" does not exist");
                complaints.push(ErrorDetail::for_property(name, "PROPERTY_DOESNT_EXIST", message));
                continue;
            };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let stored = if text.is_empty() && !property.read_only {
                property.clear(self.viewer).map(|()| None)
            } else {
                property.check(&text, &self.knobs, self.viewer).map(|stored| Some(stored.into()))
            };
            match stored {
                Ok(stored) => drop(checked.insert(Arc::clone(&property.name), stored)),
                Err(complaint) => complaints.push(complaint),
            }
        }
        if complaints.is_empty() { Ok(checked) } else { Err(WriteRefusal::Invalid(complaints)) }
    }

    /// Refuses values that another live record has; `own` is the record that is written.
    pub(super) fn check_unique(
        &self,
        kind: ObjectKind,
        checked: &CheckedValues,
        own: Option<u64>,
    ) -> Result<(), WriteRefusal> {
        for property in self.unique_properties(kind) {
            let Some(Some(value)) = checked.get(&property) else { continue };
            let holder = self.table(kind).and_then(|table| table.holder(&property, value));
            let Some(existing) = holder.filter(|holder| Some(*holder) != own) else { continue };
            if &*property == "email" {
                return Err(WriteRefusal::Conflict { existing });
            }
            return Err(WriteRefusal::Held {
                existing,
                own: own.unwrap_or_default(),
                property: property.to_string(),
                value: value.to_string(),
            });
        }
        Ok(())
    }

    /// Creates a record; returns its id.
    pub(super) fn create(
        &mut self,
        kind: ObjectKind,
        fields: &Map<String, Value>,
        by: RecordAuthor,
    ) -> Result<u64, WriteRefusal> {
        let checked = self.check(kind, fields)?;
        self.check_unique(kind, &checked, None)?;
        self.check_required(kind, &checked)?;
        Ok(self.insert(kind, checked, by))
    }

    /// Creates a record from values that have passed all checks.
    pub(super) fn insert(
        &mut self,
        kind: ObjectKind,
        mut checked: CheckedValues,
        by: RecordAuthor,
    ) -> u64 {
        let id = self.take_id();
        if kind == ObjectKind::Contact && by.origin == Origin::Api {
            let stage = checked.entry("lifecyclestage".into());
            stage.or_insert_with(|| Some("lead".into()));
        }
        let mut row = HubSpotRow {
            id,
            created_ms: by.now_ms,
            modified_ms: by.now_ms,
            values: checked.into_iter().filter_map(|(name, v)| Some((name, v?))).collect(),
        };
        self.derive(kind, &mut row);
        let record = HubSpotRecord {
            row: Arc::new(row),
            archived_ms: None,
            origin: by.origin,
            history: Vec::new(),
        };
        self.store_record(kind, record, by.now_ms);
        self.plan_calculation(kind, id, by.now_ms);
        if self.knobs.hubspot.companies_by_domain && kind == ObjectKind::Contact {
            self.link_domain(id, by.now_ms);
        }
        id
    }

    /// Changes a live record.
    pub(super) fn update(
        &mut self,
        kind: ObjectKind,
        id: u64,
        fields: &Map<String, Value>,
        by: RecordAuthor,
    ) -> Result<(), WriteRefusal> {
        let checked = self.check(kind, fields)?;
        self.check_unique(kind, &checked, Some(id))?;
        self.change(kind, id, checked, by)
    }

    /// Changes a live record by values that have passed all checks.
    pub(super) fn change(
        &mut self,
        kind: ObjectKind,
        id: u64,
        checked: CheckedValues,
        by: RecordAuthor,
    ) -> Result<(), WriteRefusal> {
        let Some(mut record) = self.live(kind, id).cloned() else {
            return Err(WriteRefusal::Missing { id: id.to_string() });
        };
        let id = record.row.id;
        if by.origin == Origin::Api && self.knobs.read_only_records.contains(&id.to_string()) {
            return Err(WriteRefusal::Forbidden);
        }
        if by.origin == Origin::Api && self.ignoring.hits(self.knobs.ignore_update_every) {
            self.ignored.push((kind, record.clone()));
        }
        let mut row = HubSpotRow::clone(&record.row);
        let checked = self.completed(kind, &row, checked, by.now_ms);
        let bound = !self.knobs.hubspot.life_cycle_moves_back;
        for (name, value) in checked {
            if bound && goes_back_in_life_cycle(&name, row.value(&name), value.as_deref()) {
                continue;
            }
            if row.value(&name) == value.as_deref() {
                continue;
            }
            remember_first(&mut record, &row, &name);
            record.history.push(ValueChange {
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
        self.store_record(kind, record, by.now_ms);
        self.plan_calculation(kind, id, by.now_ms);
        Ok(())
    }

    /// Lets updates that were answered but not done never have been.
    pub(super) fn take_back_ignored(&mut self) {
        for (kind, before) in std::mem::take(&mut self.ignored).into_iter().rev() {
            let unique = self.unique_properties(kind);
            if let Some(table) = self.table_mut(kind) {
                table.take_back(before, &unique);
            }
        }
    }

    /// Restamps a record without a change of its own, as a new association does; one with an
    /// activity also moves a contact's last activity.
    pub(super) fn touch(&mut self, kind: ObjectKind, id: u64, activity: bool, now_ms: i64) {
        let Some(mut record) = self.live(kind, id).cloned() else { return };
        let mut row = HubSpotRow::clone(&record.row);
        row.modified_ms = now_ms;
        if activity && kind == ObjectKind::Contact {
            row.values.insert("notes_last_updated".into(), stamp::iso(now_ms).into());
        }
        self.derive(kind, &mut row);
        record.row = Arc::new(row);
        self.store_record(kind, record, now_ms);
    }

    /// Archives a live record and forgets its associations; a merged-away id archives nothing.
    pub(super) fn archive(&mut self, kind: ObjectKind, id: u64, now_ms: i64) {
        if self.live(kind, id).is_none_or(|record| record.row.id != id) {
            return;
        }
        if self.viewer == Origin::Api && self.knobs.read_only_records.contains(&id.to_string()) {
            return;
        }
        let kept = self.associations.forget(kind, id);
        self.kept.insert((kind, id), kept);
        let unique = self.unique_properties(kind);
        if let Some(table) = self.table_mut(kind) {
            table.archive(id, &unique, now_ms);
        }
    }

    /// Takes an archived record out of the bin, with its associations to records that live.
    ///
    /// The error says why not: nothing to restore, or another record has its address now.
    pub(super) fn restore(&mut self, kind: ObjectKind, id: u64, now_ms: i64) -> Result<(), String> {
        let archived = self.table(kind).and_then(|table| table.resolve(id));
        let archived =
            archived.filter(|record| record.archived_ms.is_some() && record.row.id == id);
        let mut record = archived.cloned().ok_or_else(|| format!("{id} is not archived"))?;
        for property in self.unique_properties(kind) {
            let value = record.row.value(&property);
            let table = self.table(kind);
            if let Some(holder) = value.and_then(|value| table?.holder(&property, value)) {
                return Err(format!("{holder} has the {property} of {id}"));
            }
        }
        let mut row = HubSpotRow::clone(&record.row);
        row.modified_ms = now_ms;
        self.derive(kind, &mut row);
        record.row = Arc::new(row);
        record.archived_ms = None;
        self.store_record(kind, record, now_ms);
        for kept in self.kept.remove(&(kind, id)).unwrap_or_default() {
            if self.live(kept.pair.to, kept.partner).is_some() {
                self.associations.bring_back(id, &kept);
            }
        }
        Ok(())
    }

    /// Stores a record as it is, after its read-only values are brought up to date.
    pub(super) fn store_record(
        &mut self,
        kind: ObjectKind,
        record: HubSpotRecord,
        written_ms: i64,
    ) {
        let unique = self.unique_properties(kind);
        if let Some(table) = self.table_mut(kind) {
            table.insert_record(record, &unique, written_ms);
        }
    }

    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(super) fn unique_properties(&self, kind: ObjectKind) -> Vec<Arc<str>> {
        self.schema(kind).into_iter().flat_map(PropertySchema::unique).cloned().collect()
    }

    /// Required values: a note or another activity needs its time.
    pub(super) fn check_required(
        &self,
        kind: ObjectKind,
        checked: &CheckedValues,
    ) -> Result<(), WriteRefusal> {
        let has = |name: &str| matches!(checked.get(name), Some(Some(_)));
        let activity = match kind {
            ObjectKind::Project => Some("project_name"),
            ObjectKind::Communication | ObjectKind::PostalMail => Some("hs_timestamp"),
            ObjectKind::Note | ObjectKind::Task => Some("hs_timestamp"),
            _ => None,
        };
        let schema = self.schema(kind).into_iter();
        let ruled = schema.flat_map(|schema| schema.live.values());
        let ruled = ruled.filter(|property| property.overlay.has(&FieldConstraint::Required));
        let required = activity.into_iter().chain(ruled.map(|property| &*property.name));
        let missing: Vec<ErrorDetail> =
            required.filter(|name| !has(name)).map(ErrorDetail::missing).collect();
        if missing.is_empty() { Ok(()) } else { Err(WriteRefusal::Invalid(missing)) }
    }
}

/// Keeps the value that a property had before its first change.
fn remember_first(record: &mut HubSpotRecord, row: &HubSpotRow, name: &Arc<str>) {
    let known = record.history.iter().any(|change| change.name == *name);
    if let (false, Some(value)) = (known, row.value(name)) {
        let (value, at_ms, by) = (value.into(), row.created_ms, record.origin);
        record.history.push(ValueChange { name: Arc::clone(name), value, at_ms, by });
    }
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
