//! The whole connector against the simulated org, over real loopback HTTP.
//!
//! The simulator is written from `API.md` alone, not from the connector. Its clock is manual, so a
//! test passes hours at once; its control API plays the people who use the org.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

#[path = "simulated/bulk.rs"]
mod bulk;
#[path = "simulated/changes.rs"]
mod changes;
#[path = "simulated/duplicates.rs"]
mod duplicates;
#[path = "simulated/reads.rs"]
mod reads;
#[path = "simulated/writes.rs"]
mod writes;

use renkei_connector_salesforce::Salesforce;
use renkei_sdk::http::{Failure, Request, Response};
use renkei_sdk::testing::{loopback, with_http, with_wait};
use renkei_sdk::{
    Action, Attributes, Batch, Connector, Facts, FindRequest, Operation, Outcome, Page,
    PageRequest, RecordsRequest, Scan, Value, WriteRequest,
};
use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::simulator::SimOptions;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// The tools of a test: the connector, the org's clock, and the host's limits.
struct OrgSession {
    connector: Salesforce,
    clock: SimClock,
    limit: u32,
    /// The host's clock, where the host tells it.
    now_ms: Option<i64>,
}

/// A host that passes every request on.
fn pass(_: &Request) -> Option<Failure> {
    None
}

/// Runs `test` against an org of so many people.
fn with_org<T>(people: u32, faults: Faults, test: impl FnOnce(&mut OrgSession) -> T) -> T {
    with_host(people, faults, pass, test)
}

/// The same, where `fails` may say that a request failed after the org answered it.
fn with_host<T>(
    people: u32,
    faults: Faults,
    mut fails: impl FnMut(&Request) -> Option<Failure> + 'static,
    test: impl FnOnce(&mut OrgSession) -> T,
) -> T {
    let clock = SimClock::manual(1_790_000_000_000);
    // The host renews sessions; here one lasts for ever.
    let faults = Faults { token_lifetime_ms: i64::MAX / 4, ..faults };
    let options = SimOptions { seed: 7, people, clock: clock.clone(), faults };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let running = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        renkei_simulators::salesforce::serve(listener, options).unwrap()
    });
    let token = with_http(loopback(&running.base_url, ""), || token(&running.credentials));
    let mut network = loopback(&running.base_url, &token);
    let host = move |request: &Request| -> Result<Response, Failure> {
        let answer = network(request)?;
        fails(request).map_or(Ok(answer), Err)
    };
    let moved = clock.clone();
    let sleeper = move |ms: u64| {
        moved.advance(i64::try_from(ms).unwrap());
        Ok(())
    };
    with_http(host, || {
        let connector = Salesforce::configure(&settings()).unwrap();
        let now_ms = None;
        with_wait(sleeper, || test(&mut OrgSession { connector, clock, limit: 2000, now_ms }))
    })
}

/// Jobs for everything; what they are not used for by default has a test of its own.
fn settings() -> Attributes {
    vec![("bulk_changes".to_owned(), true.into())]
}

fn token(credentials: &Json) -> String {
    let text = |name: &str| credentials[name].as_str().unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("client_id"),
        text("client_secret")
    );
    let request = Request::post("/services/oauth2/token")
        .body(form.into_bytes(), "application/x-www-form-urlencoded");
    let answer: Json = request.send().unwrap().json().unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A call of the simulator's control API.
fn control(what: &str, body: &Json) -> Json {
    Request::post(format!("/_sim/{what}")).json(body).send().unwrap().json().unwrap()
}

/// The ledger's counts since the last time: calls made, and the fewest possible.
fn calls() -> (u64, u64) {
    let report: Json = Request::get("/_sim/ledger").send().unwrap().json().unwrap();
    control("ledger/reset", &json!({}));
    (report["made"].as_u64().unwrap(), report["minimum"].as_u64().unwrap())
}

/// Ids of all records that are there, converted leads aside.
fn ids_in_org(object: &str) -> Vec<String> {
    let request = Request::get(format!("/_sim/records?object={object}"));
    let records: Vec<Json> = request.send().unwrap().json().unwrap();
    let live = records
        .iter()
        .filter(|record| record["archived"] == false && record["fields"]["IsConverted"] != true);
    let mut ids: Vec<String> =
        live.map(|record| record["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Everything that a scan of some pages found.
#[derive(Default)]
struct Scanned {
    pages: Vec<Page>,
}

impl Scanned {
    fn ids(&self) -> Vec<String> {
        let rows = self.pages.iter().flat_map(|page| &page.batch.rows);
        let mut ids: Vec<String> = rows.map(|row| row.id.clone()).collect();
        ids.sort();
        ids
    }

    fn removed(&self) -> Vec<renkei_sdk::Tombstone> {
        self.pages.iter().flat_map(|page| page.removed.clone()).collect()
    }

    fn cursor(&self) -> Vec<u8> {
        self.pages.last().unwrap().cursor.clone()
    }

    /// The texts of a column, sorted.
    fn texts(&self, column: &str) -> Vec<String> {
        let rows = self.pages.iter().flat_map(|page| page.batch.iter());
        let mut texts: Vec<String> =
            rows.filter_map(|row| row.text(column).map(str::to_owned)).collect();
        texts.sort();
        texts
    }
}

impl OrgSession {
    /// Another job: the same org, with nothing remembered.
    fn restart(&mut self) {
        self.connector = Salesforce::configure(&settings()).unwrap();
    }

    fn request(&self, object: &str, scan: Scan, cursor: Option<Vec<u8>>) -> PageRequest {
        let columns = if scan == Scan::Sweep { Vec::new() } else { columns(object) };
        PageRequest {
            cursor,
            limit: self.limit,
            options: self.now_ms.map(|now| ("now-ms".to_owned(), now.into())).into_iter().collect(),
            ..PageRequest::new(object, columns, scan)
        }
    }

    /// Reads a scan to its end, as the host does: a page that asks to wait is waited for.
    fn scan(&mut self, object: &str, scan: Scan, cursor: Option<Vec<u8>>) -> Scanned {
        let mut request = self.request(object, scan, cursor);
        let mut scanned = Scanned::default();
        loop {
            let page = self.connector.read_page(&request).unwrap();
            self.clock.advance(page.facts.integer("wait-ms").unwrap_or(0));
            request.cursor = Some(page.cursor.clone());
            let more = page.more;
            scanned.pages.push(page);
            if !more {
                return scanned;
            }
        }
    }

    fn backfill(&mut self, object: &str) -> Scanned {
        self.scan(object, Scan::Backfill, None)
    }

    fn changes(&mut self, object: &str, since: &Scanned) -> Scanned {
        self.scan(object, Scan::Changes, Some(since.cursor()))
    }

    fn read_records(&mut self, object: &str, ids: &[String]) -> Page {
        let request = RecordsRequest::new(object, columns(object), ids);
        self.connector.read_records(&request).unwrap()
    }

    fn find(&mut self, request: &FindRequest) -> Batch {
        let found = self.connector.find(request).unwrap();
        assert_eq!(found.cursor, None, "these are all");
        found.batch
    }

    fn write(&mut self, object: &str, operations: Vec<Operation>) -> Vec<Outcome> {
        self.connector.write(&written(object, operations)).unwrap()
    }
}

fn columns(object: &str) -> Vec<String> {
    let names: &[&str] = match object {
        "Lead" => &["LastName", "Company", "Email", "Description"],
        "Contact" => &["LastName", "AccountId", "Email", "Description"],
        "Opportunity" => &["Name", "Amount", "CloseDate", "AccountId"],
        _ => &["Name"],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

fn written(object: &str, operations: Vec<Operation>) -> WriteRequest {
    WriteRequest::new(object, columns(object), operations)
}

/// An operation whose cells are the given columns, the others left alone.
fn operation(
    action: Action,
    name: &str,
    object: &str,
    cells: &[(&str, impl Into<Value> + Clone)],
) -> Operation {
    let cell = |column: &String| {
        let given = cells.iter().find(|(name, _)| name == column);
        given.map(|(_, value)| value.clone().into())
    };
    let id = (action != Action::Create).then_some(name);
    Operation::new(name, action, id, columns(object).iter().map(cell).collect())
}

fn applied_id(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Applied(applied) => &applied.id,
        other => panic!("{other:?}"),
    }
}
