//! `/sobjects`: one record at a time (S-record-1, S-record-2), and the way to describe and
//! replication below the same path.
//!
//! Single-record calls count as batches of one, so a client that writes row by row shows as
//! wasteful in the ledger.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::describe;
use super::error::ApiFault;
use super::ids::{self, Serial};
use super::json::{Json, JsonPairs};
use super::org::{CallTally, Org};
use super::reply::{OrgCall, OrgReply};
use super::schema::{OrgField, OrgFieldKind, SLOT_MODIFIED, TableNumber};
use super::soql;
use super::write::body_object;

/// Result of an upsert.
pub(super) struct Upserted {
    pub(super) serial: Serial,
    pub(super) created: bool,
}

/// Reason why an upsert did nothing.
pub(super) enum UpsertFault {
    /// Several records have the key.
    Several(Vec<Serial>),
    Fault(ApiFault),
}

impl From<ApiFault> for UpsertFault {
    fn from(fault: ApiFault) -> Self {
        Self::Fault(fault)
    }
}

impl Org {
    pub(super) fn sobjects(
        &mut self,
        call: &OrgCall<'_>,
        path: &[&str],
    ) -> Result<OrgReply, ApiFault> {
        match (call.method, path) {
            ("GET", []) => {
                Ok(self.conditional(call, describe::global(&self.store.schema, call.base)))
            }
            ("GET", [name]) => self.basic(call, name),
            ("GET", [name, "describe"]) => {
                let table = self.table(name)?;
                let text = describe::object(&self.store, table, call.base);
                Ok(self.conditional(call, text.ok_or_else(ApiFault::not_found)?))
            }
            ("GET", [name, "updated"]) => self.updated(call, name),
            ("GET", [name, "deleted"]) => self.deleted(call, name),
            ("POST", [name]) => self.create_one(call, name),
            ("GET", [name, id]) => self.read_one(call, name, id),
            ("PATCH", [name, id]) => self.update_one(call, name, id),
            ("DELETE", [name, id]) => self.delete_one(call, name, id),
            ("GET", [name, field, key]) => self.read_by_key(call, name, field, key),
            ("PATCH", [name, field, key]) => self.upsert_one(call, name, field, key),
            ("DELETE", [name, field, key]) => {
                let id = self.id_by_key(name, field, key)?;
                self.delete_one(call, name, &id)
            }
            (_, [_] | []) => Err(call.refuse("HEAD,GET,POST")),
            _ => Err(call.refuse("HEAD,GET,PATCH,DELETE")),
        }
    }

    /// Answers metadata with its validators, or 304 where the client has it already.
    fn conditional(&self, call: &OrgCall<'_>, body: Json) -> OrgReply {
        let etag = describe::etag(&body);
        let header = |name| call.request.header(name);
        let same = header("if-none-match").map_or_else(
            || {
                header("if-modified-since")
                    .and_then(http_time)
                    .is_some_and(|at| at >= self.born_ms / 1000)
            },
            |known| known.split(',').any(|known| known.trim() == etag),
        );
        let reply = if same { OrgReply::empty(304) } else { OrgReply::ok(body) };
        reply.with_header("etag", etag).with_header("last-modified", http_date(self.born_ms))
    }

    fn basic(&self, call: &OrgCall<'_>, name: &str) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        let info = describe::basic(&self.store.schema, table, call.base);
        Ok(OrgReply::ok(Json::object([
            ("objectDescribe", info.ok_or_else(ApiFault::not_found)?),
            ("recentItems", Json::List(Vec::new())),
        ])))
    }

    /// The serial an id of this object names; a wrong shape is another error than a wrong id.
    pub(super) fn serial(&self, table: TableNumber, id: &str) -> Result<Serial, ApiFault> {
        let (prefix, serial) = ids::parse(id).ok_or_else(|| ApiFault::malformed_id(id))?;
        let own = self.store.object(table).is_some_and(|object| object.prefix == prefix);
        let serial = serial.filter(|_| own).ok_or_else(ApiFault::not_found)?;
        self.store.shared(table, serial).map(|row| row.serial).ok_or_else(ApiFault::not_found)
    }

    /// The serial an id names, of a row that reads show already.
    pub(super) fn seen_serial(&self, table: TableNumber, id: &str) -> Result<Serial, ApiFault> {
        let serial = self.serial(table, id)?;
        self.seen().row(table, serial).map(|row| row.serial).ok_or_else(ApiFault::not_found)
    }

    fn tally_one(&mut self, kind: &'static str, table: TableNumber) {
        let name = self.store.object(table).map_or("", |object| object.name);
        self.tally = match kind {
            "retrieve" => CallTally::batch(kind, name, 1),
            _ => CallTally::written(kind, name, 1),
        };
    }

    fn create_one(&mut self, call: &OrgCall<'_>, name: &str) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        self.tally_one("create", table);
        let body = call.json()?;
        self.refuse_lock(&[])?;
        self.store.begin();
        let serial = self.store.create(table, body_object(&body)?, &self.client(call.now_ms))?;
        let id = self.store.id(table, serial);
        let location = format!("{}/sobjects/{name}/{id}", call.base);
        Ok(OrgReply::json(201, saved(&id)).with_header("location", location))
    }

    fn read_one(&mut self, call: &OrgCall<'_>, name: &str, id: &str) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        let fields = call.request.query("fields").map(|fields| fields.split(',').collect());
        self.tally_one("retrieve", table);
        let serial = self.seen_serial(table, id)?;
        let row = self.seen().row(table, serial).ok_or_else(ApiFault::not_found)?;
        if row.deleted() {
            return Err(ApiFault::deleted());
        }
        let modified_ms = row.cell(SLOT_MODIFIED).as_time().unwrap_or_default();
        let since = call.request.header("if-modified-since").and_then(http_time);
        let reply = if since.is_some_and(|since| since >= modified_ms / 1000) {
            OrgReply::empty(304)
        } else {
            OrgReply::ok(self.record(table, serial, fields, call.base)?)
        };
        Ok(reply
            .with_header("etag", record_etag(modified_ms))
            .with_header("last-modified", http_date(modified_ms)))
    }

    fn read_by_key(
        &mut self,
        call: &OrgCall<'_>,
        name: &str,
        field: &str,
        key: &str,
    ) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        let found = self.by_key(table, field, key)?;
        match found.as_slice() {
            [serial] => self.read_one(call, name, &self.store.id(table, *serial)),
            [] => Err(ApiFault::not_found()),
            many => Ok(self.choices(table, many, call.base)),
        }
    }

    fn id_by_key(&self, name: &str, field: &str, key: &str) -> Result<String, ApiFault> {
        let table = self.table(name)?;
        match self.by_key(table, field, key)?.as_slice() {
            [serial] => Ok(self.store.id(table, *serial)),
            _ => Err(ApiFault::not_found()),
        }
    }

    /// A record with the named fields, or with all of them.
    pub(super) fn record(
        &self,
        table: TableNumber,
        serial: Serial,
        fields: Option<Vec<&str>>,
        base: &str,
    ) -> Result<Json, ApiFault> {
        let object = self.store.object(table).ok_or_else(ApiFault::not_found)?;
        let row = self.seen().row(table, serial).ok_or_else(ApiFault::not_found)?;
        let mut pairs: JsonPairs =
            vec![("attributes".into(), soql::attributes(&self.store, table, serial, base))];
        let wanted: Vec<(usize, &OrgField)> = match fields {
            None => object.visible().collect(),
            Some(names) => names
                .iter()
                .map(|name| {
                    let found = object.field(name.trim());
                    found.ok_or_else(|| ApiFault::no_such_column(name.trim(), object.name))
                })
                .collect::<Result<_, _>>()?,
        };
        for (slot, field) in wanted {
            if !pairs.iter().any(|(name, _)| name == field.name) {
                pairs.push((field.name.into(), soql::field(row, slot, field.kind)));
            }
        }
        Ok(Json::Object(pairs))
    }

    fn update_one(
        &mut self,
        call: &OrgCall<'_>,
        name: &str,
        id: &str,
    ) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        self.tally_one("update", table);
        let serial = self.serial(table, id)?;
        let body = call.json()?;
        self.check_unmodified(call, table, serial)?;
        self.refuse_lock(&[id])?;
        self.store.begin();
        self.store.update(table, serial, body_object(&body)?, &self.client(call.now_ms))?;
        Ok(OrgReply::empty(204))
    }

    /// Both validators are made of whole seconds, so two edits in one second pass.
    fn check_unmodified(
        &self,
        call: &OrgCall<'_>,
        table: TableNumber,
        serial: Serial,
    ) -> Result<(), ApiFault> {
        let since = call.request.header("if-unmodified-since").and_then(http_time);
        let row = self.store.row(table, serial);
        let modified_ms = row.and_then(|row| row.cell(SLOT_MODIFIED).as_time()).unwrap_or_default();
        let known = call.request.header("if-match");
        let other = known.is_some_and(|known| known != "*" && known != record_etag(modified_ms));
        if other || since.is_some_and(|since| modified_ms / 1000 > since) {
            let message = "The record has been modified since it was read";
            return Err(ApiFault::new(412, "PRECONDITION_FAILED", message));
        }
        Ok(())
    }

    fn delete_one(
        &mut self,
        call: &OrgCall<'_>,
        name: &str,
        id: &str,
    ) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        self.tally_one("delete", table);
        let serial = self.serial(table, id)?;
        self.refuse_lock(&[id])?;
        self.store.begin();
        self.store.delete(table, serial, &self.client(call.now_ms))?;
        Ok(OrgReply::empty(204))
    }

    fn upsert_one(
        &mut self,
        call: &OrgCall<'_>,
        name: &str,
        field: &str,
        key: &str,
    ) -> Result<OrgReply, ApiFault> {
        let table = self.table(name)?;
        self.tally_one("upsert", table);
        let body = call.json()?;
        let fields = body_object(&body)?;
        let update_only = call.request.query("updateOnly") == Some("true");
        self.refuse_lock(&[])?;
        self.store.begin();
        let done = match self.upsert(table, field, key, fields, update_only, call.now_ms) {
            Ok(done) => done,
            Err(UpsertFault::Several(many)) => return Ok(self.choices(table, &many, call.base)),
            Err(UpsertFault::Fault(fault)) => return Err(fault),
        };
        let id = self.store.id(table, done.serial);
        if call.version() < 46.0 && !done.created {
            return Ok(OrgReply::empty(204));
        }
        let mut body = saved(&id);
        if let (Json::Object(pairs), true) = (&mut body, call.version() >= 46.0) {
            pairs.push(("created".into(), done.created.into()));
        }
        let location = format!("{}/sobjects/{name}/{id}", call.base);
        let status = if done.created { 201 } else { 200 };
        Ok(OrgReply::json(status, body).with_header("location", location))
    }

    /// Creates or updates the record whose `field` is `key`.
    pub(super) fn upsert(
        &mut self,
        table: TableNumber,
        field: &str,
        key: &str,
        fields: &JsonPairs,
        update_only: bool,
        now_ms: i64,
    ) -> Result<Upserted, UpsertFault> {
        let (slot, of) = self.key_field(table, field)?;
        let (name, kind) = (of.name, of.kind);
        if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(of.name)) {
            let message = format!("The {name} field should not be specified in the sobject data.");
            return Err(ApiFault::new(400, "INVALID_FIELD", message).into());
        }
        let by = self.client(now_ms);
        match self.by_key(table, field, key)?.as_slice() {
            [serial] => {
                self.store.update(table, *serial, fields, &by)?;
                Ok(Upserted { serial: *serial, created: false })
            }
            [] if update_only || kind == OrgFieldKind::Id || !self.createable(table, slot) => {
                Err(ApiFault::not_found().into())
            }
            [] => {
                let mut fields = fields.clone();
                fields.push((name.into(), key.into()));
                let serial = self.store.create(table, &fields, &by)?;
                Ok(Upserted { serial, created: true })
            }
            many => Err(UpsertFault::Several(many.to_vec())),
        }
    }

    fn createable(&self, table: TableNumber, slot: usize) -> bool {
        let object = self.store.object(table);
        object.and_then(|object| object.fields.get(slot)).is_some_and(|field| field.createable)
    }

    /// The field that may serve as a key of records.
    pub(super) fn key_field(
        &self,
        table: TableNumber,
        name: &str,
    ) -> Result<(usize, &OrgField), ApiFault> {
        let object = self.store.object(table).ok_or_else(ApiFault::not_found)?;
        object.field(name).filter(|(_, field)| field.lookup).ok_or_else(|| {
            let message =
                format!("Provided external ID field does not exist or is not accessible: {name}");
            ApiFault::new(404, "NOT_FOUND", message)
        })
    }

    /// The records that are not deleted and whose `field` is `key`.
    pub(super) fn by_key(
        &self,
        table: TableNumber,
        field: &str,
        key: &str,
    ) -> Result<Vec<Serial>, ApiFault> {
        let (slot, of) = self.key_field(table, field)?;
        if of.kind != OrgFieldKind::Id {
            let mut found = self.store.live(table, slot, key);
            found.retain(|serial| !self.store.hides(table, *serial));
            return Ok(found);
        }
        let serial = self.serial(table, key)?;
        let gone = self.store.row(table, serial).is_some_and(|row| row.deleted());
        if gone { Err(ApiFault::deleted()) } else { Ok(vec![serial]) }
    }

    /// HTTP 300 with the paths of all records that have the key.
    fn choices(&self, table: TableNumber, serials: &[Serial], base: &str) -> OrgReply {
        let name = self.store.object(table).map_or("", |object| object.name);
        let url = |serial: &Serial| {
            Json::from(format!("{base}/sobjects/{name}/{}", self.store.id(table, *serial)))
        };
        OrgReply::json(300, Json::List(serials.iter().map(url).collect()))
    }

    /// Fails a single write now and then as if another transaction held the row.
    fn refuse_lock(&mut self, ids: &[&str]) -> Result<(), ApiFault> {
        if self.locks.hits(self.faults.lock_error_every) {
            return Err(locked(&ids.join(", ")));
        }
        Ok(())
    }

    /// `GET /limits`.
    pub(super) fn limits(&self) -> OrgReply {
        let limit = |max: u32, left: u32| {
            Json::object([
                ("Max", Json::Number(max.into())),
                ("Remaining", Json::Number(left.into())),
            ])
        };
        OrgReply::ok(Json::object([
            ("DailyApiRequests", limit(self.faults.daily_limit, self.calls_left)),
            ("DailyBulkApiBatches", limit(15_000, 15_000)),
            ("DailyBulkV2QueryFileStorageMB", limit(976_562, 976_562)),
            ("DailyBulkV2QueryJobs", limit(10_000, 10_000)),
            ("DailyStreamingApiEvents", limit(10_000, 10_000)),
        ]))
    }
}

/// The fault of a row that another transaction holds.
pub(super) fn locked(ids: &str) -> ApiFault {
    let message = format!("unable to obtain exclusive access to this record or 1 records: {ids}");
    ApiFault::on("UNABLE_TO_LOCK_ROW", message, &[])
}

/// `{id, success, errors}` of a write that was done.
pub(super) fn saved(id: &str) -> Json {
    Json::object([("id", id.into()), ("success", true.into()), ("errors", Json::List(Vec::new()))])
}

/// The validator of a record.
fn record_etag(modified_ms: i64) -> String {
    format!("\"{}\"", modified_ms / 1000)
}

/// `Fri, 01 May 2026 07:25:37 GMT`.
fn http_date(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Seconds since 1970 of an HTTP date.
fn http_time(text: &str) -> Option<i64> {
    rfc2822::parse(text).ok().map(|at| at.timestamp().as_second())
}
