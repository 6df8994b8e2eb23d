//! A connector for a small CRM. `wire.rs` says what its API looks like, `wit/v1/connector.wit` what
//! each function means.
//!
//! Cursors hold the last record seen and the time that the server gave it. `changes` looks back a
//! little, because a record may become visible later than its stamp says; repeats are fine, gaps
//! are not.

mod wire;

use renkei_sdk::http::{Request, Response};
use renkei_sdk::{
    Account, Action, Applied, Attributes, Batch, Connector, Error, Field, Kind, Operation, Outcome,
    Page, PageRequest, Problem, Remedy, Removal, Row, Scan, Schema, Tombstone, Value, WriteRequest,
    cursor,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use wire::{Change, Changed, Contact, FieldInfo, Listing, Me};

/// How much later than its stamp a change may become visible.
const LOOK_BACK_MS: i64 = 60_000;

/// How long to wait where the API says that it wants no more calls, and not until when. The host
/// leaves the whole system alone for a wait of more than a minute.
const BUSY_MS: u64 = 300_000;

/// The most changes that the API takes in one request.
const WRITE_ROWS: usize = 50;

/// The connector; the API needs no settings.
pub struct Crm;

/// Where a scan goes on: behind the record `after`, which changed at `since`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    since: i64,
    after: String,
}

impl Connector for Crm {
    fn configure(_: &Attributes) -> Result<Self, Error> {
        Ok(Self)
    }

    fn check(&mut self) -> Result<Account, Error> {
        let me: Me = expect_success(Request::get("/me").send()?)?.json()?;
        Ok(Account::new(me.id, me.name))
    }

    fn discover(&mut self, objects: &[String]) -> Result<Vec<Schema>, Error> {
        if let Some(unknown) = objects.iter().find(|object| *object != "contacts") {
            return Err(Error::not_found("object", format!("there is no {unknown}")));
        }
        let fields: Vec<FieldInfo> = expect_success(Request::get("/fields").send()?)?.json()?;
        let schema = Schema::new("contacts", "Contacts");
        let schema = schema.fact("creatable", true).fact("archivable", true);
        Ok(vec![fields.into_iter().map(field).fold(schema, Schema::field)])
    }

    fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        let Cursor { since, after } = cursor::decode(request.cursor.as_deref())?;
        let get = Request::get("/contacts")
            .query("since", &since.to_string())
            .query("after", &after)
            .query("limit", &request.limit.min(100).to_string());
        let listing: Listing = expect_success(get.send()?)?.json()?;
        let next = next_cursor(&listing, request.scan, Cursor { since, after });
        let (more, cursor) = (listing.more, cursor::encode(&next)?);
        Ok(Page { more, cursor, ..page(&request.columns, listing) })
    }

    fn read_records(
        &mut self,
        _object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, Error> {
        let post = Request::post("/contacts/read").json(&json!({ "ids": ids })).repeatable();
        Ok(page(columns, expect_success(post.send()?)?.json()?))
    }

    fn find(
        &mut self,
        _object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, Error> {
        let values: Vec<&str> = values.iter().filter_map(Value::as_text).collect();
        let body = json!({ "field": key, "values": values });
        let post = Request::post("/contacts/find").json(&body).repeatable();
        Ok(page(columns, expect_success(post.send()?)?.json()?).batch)
    }

    fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::with_capacity(request.operations.len());
        for operations in request.operations.chunks(WRITE_ROWS) {
            outcomes.extend(write_chunk(request, operations));
        }
        Ok(outcomes)
    }
}

renkei_sdk::export_connector!(Crm);

fn field(info: FieldInfo) -> Field {
    let field = Field::new(info.name, Kind::Text).label(info.label);
    if info.unique { field.unique() } else { field }
}

/// Behind the last item; at the end of a scan, a little before it, where `changes` begins.
fn next_cursor(listing: &Listing, scan: Scan, here: Cursor) -> Cursor {
    let Some(last) = listing.items.last() else { return here };
    if listing.more || scan == Scan::Sweep {
        return Cursor { since: last.changed, after: last.id.clone() };
    }
    Cursor { since: (last.changed - LOOK_BACK_MS).max(0), after: String::new() }
}

/// The columns asked for, in their order. A field that the API does not send stays absent.
fn page(columns: &[String], listing: Listing) -> Page {
    let mut batch = Batch::new(columns);
    let mut removed = Vec::new();
    for Contact { id, changed, deleted, fields } in listing.items {
        if deleted {
            removed.push(Tombstone { id, removal: Removal::Deleted, at: Some(changed) });
            continue;
        }
        let cells = columns.iter().map(|column| fields.get(column).map(value)).collect();
        batch.rows.push(Row {
            version: Some(changed.to_string()),
            modified: Some(changed),
            ..Row::new(id, cells)
        });
    }
    Page { removed, server_time: Some(listing.now), ..Page::last(batch, Vec::new()) }
}

fn value(json: &Json) -> Value {
    Value::text_or_null(json.as_str().unwrap_or_default())
}

/// One request. Whatever happens to it, each operation has its outcome.
fn write_chunk(request: &WriteRequest, operations: &[Operation]) -> Vec<Outcome> {
    let changes: Vec<Change> = operations.iter().map(|it| change(request, it)).collect();
    // Keys make it safe to repeat: the host may send it again.
    let post = Request::post("/contacts/write").json(&changes).repeatable();
    let all = |outcome: Outcome| vec![outcome; operations.len()];
    let answer = match post.send() {
        Ok(answer) => answer,
        Err(failure) => return all(failure.into()),
    };
    if !answer.is_success() {
        if answer.status == 429 {
            return all(Outcome::RetryAfter(BUSY_MS));
        }
        let code = answer.status.to_string();
        return all(Outcome::rejected(Problem::new(code, "the API refused", Remedy::Plugin)));
    }
    match answer.json::<Vec<Changed>>() {
        Ok(changed) if changed.len() == operations.len() => {
            changed.into_iter().map(outcome).collect()
        }
        _ => all(Outcome::Uncertain("the answer does not fit the request".to_owned())),
    }
}

fn change(request: &WriteRequest, operation: &Operation) -> Change {
    let json = |value: &Value| value.as_text().map_or(Json::Null, Json::from);
    let fields: Map<String, Json> = request
        .present(operation)
        .map(|(column, value)| (column.to_owned(), json(value)))
        .collect();
    Change {
        key: operation.intent.clone(),
        id: operation.id.clone(),
        delete: operation.action == Action::Archive,
        fields,
    }
}

fn outcome(changed: Changed) -> Outcome {
    match changed {
        Changed::Created { id } => Applied::created(id).into(),
        Changed::Updated { id } | Changed::Deleted { id } => Applied::updated(id).into(),
        Changed::Gone => Outcome::Gone,
        Changed::Exists { id } => Outcome::Exists(id),
        Changed::Invalid { code, message, field } => {
            let problem = Problem::new(code, message, Remedy::SourceData);
            Outcome::rejected(Problem { field, ..problem })
        }
    }
}

/// The answer, or the error that its status means. The host has dealt with 401 and 5xx before, and
/// has waited out a 429 that does not last.
fn expect_success(answer: Response) -> Result<Response, Error> {
    let code = answer.status.to_string();
    match answer.status {
        200..=299 => Ok(answer),
        401 => Err(Error::unauthorized(code, "the token was refused")),
        403 => Err(Error::forbidden(code, "the token lacks a right")),
        404 => Err(Error::not_found(code, "there is no such thing")),
        429 => Err(Error::RetryAfter(BUSY_MS)),
        _ => Err(Error::invalid(code, "the API refused")),
    }
}

#[cfg(test)]
mod tests;
