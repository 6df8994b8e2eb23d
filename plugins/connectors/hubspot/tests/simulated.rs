//! The connector against the simulated HubSpot over loopback HTTP.
//!
//! The simulator's clock is manual: searches see a write once the test has moved it by the lag.
//! Quota windows are off, because pacing is the host's business.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

#[path = "simulated/reads.rs"]
mod reads;
#[path = "simulated/writes.rs"]
mod writes;

use renkei_connector_hubspot::HubSpot;
use renkei_sdk::http::Request;
use renkei_sdk::testing::{loopback, texts, with_http};
use renkei_sdk::{
    Action, Attributes, Connector, FindRequest, Operation, Outcome, Page, PageRequest,
    RecordsRequest, Row, Scan, Value, WriteRequest,
};
use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::hubspot;
use renkei_simulators::serve::RunningSimulator;
use renkei_simulators::simulator::SimOptions;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

const START_MS: i64 = 1_773_309_857_000;
/// Longer than the simulator's search lag.
const LAG_MS: i64 = 21_000;

/// An ordinary day without quota windows.
fn calm() -> Faults {
    Faults { rate_limits: false, ..Faults::default() }
}

/// A running simulator.
struct Sim {
    running: RunningSimulator,
    _runtime: Runtime,
}

impl Sim {
    fn start(people: u32, faults: Faults) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = SimOptions { seed: 7, people, clock: SimClock::manual(START_MS), faults };
        let running = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            hubspot::serve(listener, options).unwrap()
        });
        Self { running, _runtime: runtime }
    }

    /// Runs a test with a fresh connector.
    fn with<T>(&self, test: impl FnOnce(&mut HubSpot) -> T) -> T {
        let token = self.running.credentials["private_app_token"].as_str().unwrap();
        with_http(loopback(&self.running.base_url, token), || {
            test(&mut HubSpot::configure(&Vec::new()).unwrap())
        })
    }

    fn post(&self, path: &str, body: &Json) -> Json {
        self.with(|_| {
            let response = Request::post(path).json(body).send().unwrap();
            assert!(response.is_success(), "{path}: {}", String::from_utf8_lossy(&response.body));
            response.json().unwrap()
        })
    }

    fn get(&self, path: &str) -> Json {
        self.with(|_| Request::get(path).send().unwrap().json().unwrap())
    }

    fn advance(&self, ms: i64) {
        self.post("/_sim/advance", &json!({ "ms": ms }));
    }

    fn edit(&self, id: &str, fields: &Json) {
        self.post("/_sim/edit", &json!({ "object": "contacts", "id": id, "fields": fields }));
    }

    fn set(&self, faults: &Json) {
        self.post("/_sim/faults", faults);
    }

    /// Live ids as the simulator knows them, in order.
    fn live(&self, object: &str) -> Vec<String> {
        let records = self.get(&format!("/_sim/records?object={object}"));
        let live = records.as_array().unwrap().iter().filter(|one| one["archived"] == false);
        sorted(live.map(|record| record["id"].as_str().unwrap().to_owned()).collect())
    }

    /// Requests made since the last reset, apart from metadata.
    fn calls(&self) -> u64 {
        self.get("/_sim/ledger")["made"].as_u64().unwrap()
    }

    fn reset(&self) {
        self.post("/_sim/ledger/reset", &json!({}));
    }

    /// All pages of a scan, each read by a fresh connector; and the cursor after it.
    fn scan(
        &self,
        scan: Scan,
        cursor: Option<Vec<u8>>,
        columns: &[&str],
        limit: u32,
    ) -> (Vec<Page>, Vec<u8>) {
        self.scan_of("contacts", scan, cursor, columns, limit)
    }

    fn scan_of(
        &self,
        object: &str,
        scan: Scan,
        mut cursor: Option<Vec<u8>>,
        columns: &[&str],
        limit: u32,
    ) -> (Vec<Page>, Vec<u8>) {
        let mut pages = Vec::new();
        loop {
            let request = PageRequest {
                cursor: cursor.take(),
                limit,
                ..PageRequest::new(object, columns.iter().copied(), scan.clone())
            };
            let page = self.with(|hubspot| hubspot.read_page(&request)).unwrap();
            let (more, next) = (page.more, page.cursor.clone());
            pages.push(page);
            if !more {
                return (pages, next);
            }
            cursor = Some(next);
        }
    }

    fn write(&self, columns: &[&str], operations: Vec<Operation>) -> Vec<Outcome> {
        self.write_with(columns, operations, Vec::new())
    }

    fn write_with(
        &self,
        columns: &[&str],
        operations: Vec<Operation>,
        options: Attributes,
    ) -> Vec<Outcome> {
        let request = WriteRequest::new("contacts", columns.iter().copied(), operations);
        let request = WriteRequest { options, ..request };
        self.with(|hubspot| hubspot.write(&request)).unwrap()
    }

    fn read_records(&self, columns: &[&str], ids: &[String]) -> Page {
        let request = RecordsRequest::new("contacts", columns.iter().copied(), ids);
        self.with(|hubspot| hubspot.read_records(&request)).unwrap()
    }

    fn find(&self, columns: &[&str], key: &str, values: &[Value]) -> Vec<Row> {
        let values = values.iter().cloned();
        self.find_by(&FindRequest::new("contacts", columns.iter().copied(), key, values))
    }

    fn find_by(&self, request: &FindRequest) -> Vec<Row> {
        let found = self.with(|hubspot| hubspot.find(request)).unwrap();
        assert_eq!(found.cursor, None, "these are all");
        found.batch.rows
    }
}

fn ids(pages: &[Page]) -> Vec<String> {
    let rows = pages.iter().flat_map(|page| &page.batch.rows);
    sorted(rows.map(|row| row.id.clone()).collect())
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn operation(intent: &str, action: Action, id: Option<&str>, cells: Vec<Value>) -> Operation {
    Operation::new(intent, action, id, cells.into_iter().map(Some).collect())
}
