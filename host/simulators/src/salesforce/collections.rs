//! sObject Collections: up to 200 records per call, one result per record in their order, HTTP 200
//! even where all fail (S-collection-2).
//!
//! Records are taken in runs of one type, at most ten runs. Each record stands for itself unless
//! `allOrNone` is set, and then the first fault takes back all.

use super::error::ApiFault;
use super::ids::Serial;
use super::json::{Json, JsonPairs};
use super::org::{CallTally, Org};
use super::reply::{OrgCall, OrgReply};
use super::schema::TableNumber;
use super::sobjects::{UpsertFault, locked, saved};

const RECORDS_MAX: usize = 200;
const CHUNKS_MAX: usize = 10;
/// A retrieve by POST takes more ids than a write takes records.
const IDS_MAX: usize = 2000;

/// Result for one record: its id, and true where an upsert created it.
struct RowOutcome {
    id: String,
    created: Option<bool>,
}

impl Org {
    pub(super) fn collections(
        &mut self,
        call: &OrgCall<'_>,
        path: &[&str],
    ) -> Result<OrgReply, ApiFault> {
        match (call.method, path) {
            ("POST", []) => self.write_many(call, "create", Self::create_row),
            ("PATCH", []) => self.write_many(call, "update", Self::update_row),
            ("DELETE", []) => self.delete_many(call),
            ("PATCH", [name, field]) => self.upsert_many(call, name, field),
            ("POST", [name]) => self.retrieve_many(call, name),
            ("GET", [name]) => self.retrieve_listed(call, name),
            _ => Err(call.refuse("GET,POST,PATCH,DELETE")),
        }
    }

    fn write_many(
        &mut self,
        call: &OrgCall<'_>,
        kind: &'static str,
        write: fn(&mut Self, &JsonPairs, TableNumber, i64) -> Result<RowOutcome, ApiFault>,
    ) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let (records, all_or_none) = read_body(&body)?;
        let tables: Vec<Result<TableNumber, ApiFault>> =
            records.iter().map(|record| self.type_of(record)).collect();
        let name = self.tally_many(kind, &tables, records.len());
        check_chunks(&name, &tables)?;
        let rows = records.iter().zip(tables);
        let rows =
            rows.map(|(record, table)| (record, table.and_then(|table| pairs(record, table))));
        let rows: Vec<_> = rows.collect();
        self.each(&rows, all_or_none, |org, (_, row)| {
            let (pairs, table) = row.as_ref().map_err(Clone::clone)?;
            write(org, pairs, *table, call.now_ms)
        })
    }

    fn create_row(
        &mut self,
        record: &JsonPairs,
        table: TableNumber,
        now_ms: i64,
    ) -> Result<RowOutcome, ApiFault> {
        let by = self.client(now_ms);
        let serial = self.store.create(table, record, &by)?;
        Ok(RowOutcome { id: self.store.id(table, serial), created: None })
    }

    fn update_row(
        &mut self,
        record: &JsonPairs,
        table: TableNumber,
        now_ms: i64,
    ) -> Result<RowOutcome, ApiFault> {
        let id = record.iter().find(|(key, _)| key.eq_ignore_ascii_case("id"));
        let id = id.and_then(|(_, value)| value.as_str()).ok_or_else(|| {
            ApiFault::on("MISSING_ARGUMENT", "Id not specified in an update call", &["Id"])
        })?;
        let serial = self.member(table, id)?;
        let by = self.client(now_ms);
        self.store.update(table, serial, record, &by)?;
        Ok(RowOutcome { id: self.store.id(table, serial), created: None })
    }

    /// The record an id of a collection names; here a missing record is a cross-reference fault.
    pub(super) fn member(&self, table: TableNumber, id: &str) -> Result<Serial, ApiFault> {
        self.serial(table, id).map_err(|fault| match fault.code {
            "NOT_FOUND" => {
                ApiFault::on("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[])
            }
            _ => fault,
        })
    }

    fn upsert_many(
        &mut self,
        call: &OrgCall<'_>,
        name: &str,
        field: &str,
    ) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        let body = call.json()?;
        let (records, all_or_none) = read_body(&body)?;
        self.tally_many("upsert", &[Ok(table)], records.len());
        let field = self.key_field(table, field)?.1.name;
        let rows: Vec<&Json> = records.iter().collect();
        self.each(&rows, all_or_none, |org, record| {
            if org.type_of(record)? != table {
                let message = "all records of an upsert must be of the type in the URL";
                return Err(ApiFault::new(400, "INVALID_TYPE", message));
            }
            let (mut fields, _) = pairs(record, table)?;
            let place = fields.iter().position(|(key, _)| key.eq_ignore_ascii_case(field));
            let key = place.map(|place| fields.remove(place).1);
            let Some(key) = key.as_ref().and_then(Json::as_str) else {
                let message = format!("{field} not specified");
                return Err(ApiFault::on("MISSING_ARGUMENT", message, &[field]));
            };
            match org.upsert(table, field, key, &fields, false, call.now_ms) {
                Ok(done) => {
                    let id = org.store.id(table, done.serial);
                    Ok(RowOutcome { id, created: Some(done.created) })
                }
                Err(UpsertFault::Fault(fault)) => Err(fault),
                Err(UpsertFault::Several(many)) => {
                    let (_, of) = org.key_field(table, field)?;
                    Err(org.store.several(table, of, &many))
                }
            }
        })
    }

    fn delete_many(&mut self, call: &OrgCall<'_>) -> Result<OrgReply, ApiFault> {
        let list = call.request.query("ids").unwrap_or_default();
        let ids: Vec<&str> = list.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
        check_count(ids.len())?;
        let all_or_none = call.request.query("allOrNone") == Some("true");
        let located = ids.iter().map(|id| self.store.locate(id).map(|(table, _)| table));
        let tables: Vec<Result<TableNumber, ApiFault>> =
            located.map(|table| table.ok_or_else(ApiFault::not_found)).collect();
        self.tally_many("delete", &tables, ids.len());
        self.each(&ids, all_or_none, |org, id| {
            let found = org.store.locate(id).ok_or_else(|| ApiFault::malformed_id(id))?;
            let serial = org.member(found.0, id)?;
            let by = org.client(call.now_ms);
            org.store.delete(found.0, serial, &by)?;
            Ok(RowOutcome { id: org.store.id(found.0, serial), created: None })
        })
    }

    /// Runs a write for each row and lists the results.
    fn each<T>(
        &mut self,
        rows: &[T],
        all_or_none: bool,
        mut write: impl FnMut(&mut Self, &T) -> Result<RowOutcome, ApiFault>,
    ) -> Result<OrgReply, ApiFault> {
        let hit = self.locks.hits(self.faults.lock_error_every);
        let mark = self.store.begin();
        let mut results = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter().enumerate() {
            // Some rows of a batch, not all of it, meet another transaction's lock.
            let done = if hit && place % 3 == 0 { Err(locked("")) } else { write(self, row) };
            results.push(done);
        }
        let failed = results.iter().any(Result::is_err);
        if failed && all_or_none {
            self.store.roll_back(mark);
            let undone = |result: Result<RowOutcome, ApiFault>| match result {
                Ok(_) => Err(ApiFault::rolled_back()),
                fault => fault,
            };
            results = results.into_iter().map(undone).collect();
        }
        Ok(OrgReply::ok(Json::List(results.into_iter().map(shown).collect())))
    }

    fn retrieve_many(&mut self, call: &OrgCall<'_>, name: &str) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let list = |key: &str| -> Vec<&str> {
            let items = body.get(key).and_then(Json::as_list).unwrap_or_default();
            items.iter().filter_map(Json::as_str).collect()
        };
        self.retrieve(call, name, &list("ids"), &list("fields"))
    }

    fn retrieve_listed(&mut self, call: &OrgCall<'_>, name: &str) -> Result<OrgReply, ApiFault> {
        let list = |key: &str| -> Vec<&str> {
            call.request.query(key).unwrap_or_default().split(',').map(str::trim).collect()
        };
        self.retrieve(call, name, &list("ids"), &list("fields"))
    }

    /// The records in the order of their ids, null for each that is not there.
    fn retrieve(
        &mut self,
        call: &OrgCall<'_>,
        name: &str,
        ids: &[&str],
        fields: &[&str],
    ) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        let object = self.store.object(table).map_or("", |object| object.name);
        self.tally =
            CallTally { cap: IDS_MAX, ..CallTally::batch("retrieve-many", object, ids.len()) };
        if ids.len() > IDS_MAX {
            let message = format!("Number of ids exceeds the limit of {IDS_MAX}");
            return Err(ApiFault::new(400, "EXCEEDED_ID_LIMIT", message));
        }
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let serial = self.seen_serial(table, id).ok();
            let row = serial.and_then(|serial| self.seen().row(table, serial));
            records.push(match row.filter(|row| !row.deleted()) {
                Some(row) => self.record(table, row.serial, Some(fields.to_vec()), call.base)?,
                None => Json::Null,
            });
        }
        Ok(OrgReply::ok(Json::List(records)))
    }

    fn type_of(&self, record: &Json) -> Result<TableNumber, ApiFault> {
        let name = record.get("attributes").and_then(|attributes| attributes.text("type"));
        if record.get("attributes").is_none() {
            return Err(no_attributes());
        }
        let name = name.ok_or_else(|| {
            let message = "The Sobject named 'null' does not exist: attributes.type is required";
            ApiFault::new(400, "INVALID_TYPE", message)
        })?;
        let table = self.store.schema.table(name).ok_or_else(|| {
            let message = format!("sObject type '{name}' is not supported.");
            ApiFault::new(400, "INVALID_TYPE", message)
        })?;
        self.check_failing(table)?;
        Ok(table)
    }

    /// Tells the ledger, and returns the object's name; the first record's where they are mixed.
    fn tally_many(
        &mut self,
        kind: &'static str,
        tables: &[Result<TableNumber, ApiFault>],
        rows: usize,
    ) -> String {
        let table = tables.iter().find_map(|table| table.as_ref().ok());
        let object = table.and_then(|table| self.store.object(*table));
        let name = object.map_or("", |object| object.name).to_owned();
        self.tally = CallTally::written(kind, &name, rows);
        name
    }
}

/// The records of a body and whether one fault takes back all.
fn read_body(body: &Json) -> Result<(&[Json], bool), ApiFault> {
    let records = body.get("records").and_then(Json::as_list).unwrap_or_default();
    check_count(records.len())?;
    let all_or_none = body.get("allOrNone").and_then(Json::as_bool).unwrap_or_default();
    Ok((records, all_or_none))
}

fn check_count(count: usize) -> Result<(), ApiFault> {
    if count == 0 {
        let message = "At least 1 record is required";
        return Err(ApiFault::new(400, "REQUIRED_FIELD_MISSING", message));
    }
    if count > RECORDS_MAX {
        let message = format!(
            "record limit reached. cannot submit more than {RECORDS_MAX} records into this call"
        );
        return Err(ApiFault::new(400, "EXCEEDED_MAX_RECORDS", message));
    }
    Ok(())
}

/// At most ten runs of records of one type.
fn check_chunks(name: &str, tables: &[Result<TableNumber, ApiFault>]) -> Result<(), ApiFault> {
    let known: Vec<&TableNumber> = tables.iter().filter_map(|table| table.as_ref().ok()).collect();
    let changes = known.windows(2).filter(|pair| pair.first() != pair.last()).count();
    if changes < CHUNKS_MAX {
        return Ok(());
    }
    let message = format!(
        "Cannot have more than {CHUNKS_MAX} chunks in a single operation. Please rearrange the \
         data to reduce chunking; the first is of {name}."
    );
    Err(ApiFault::new(400, "LIMIT_EXCEEDED", message))
}

/// The fields of a record; `attributes` may stand anywhere among them, as clients sort keys.
fn pairs(record: &Json, table: TableNumber) -> Result<(JsonPairs, TableNumber), ApiFault> {
    let pairs = record.as_object().map(Vec::as_slice).unwrap_or_default();
    if pairs.iter().any(|(name, _)| name == "attributes") {
        return Ok((pairs.to_vec(), table));
    }
    Err(no_attributes())
}

fn no_attributes() -> ApiFault {
    ApiFault::parser(
        "Nested object for polymorphic foreign key must have an attributes field before any other \
         fields.",
    )
}

fn shown(result: Result<RowOutcome, ApiFault>) -> Json {
    match result {
        Ok(RowOutcome { id, created }) => {
            let mut body = saved(&id);
            if let (Json::Object(pairs), Some(created)) = (&mut body, created) {
                pairs.push(("created".into(), created.into()));
            }
            body
        }
        Err(fault) => {
            Json::object([("success", false.into()), ("errors", Json::List(vec![fault.in_row()]))])
        }
    }
}
