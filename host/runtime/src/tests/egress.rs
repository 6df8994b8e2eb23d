//! Attacks on the way out (`host/egress/SECURITY.md`): real guests, the production client, hostile
//! servers on loopback.
//!
//! In every case [`Street`] holds a second system with an honest server beside the hostile one.
//! After each refusal it looks that the refusal was counted by its reason, that it left exactly one
//! line for the audit, that the neighbour's work is done, and that the same runtime serves on. Only
//! the answers of name servers are made up: a resolver is injected where the client takes one.

mod answers;
mod places;
mod secrets;

use std::sync::Arc;

use renkei_fixtures::Fixture;
use renkei_model::plugin::PluginError;
use renkei_model::ports::{Connector, Systems as _};
use renkei_model::record::{Page, PageRequest};

use super::{House, page_request};
use crate::RuntimeOptions;
use crate::tests::stage::system;
use renkei_egress::{NetworkOverrides, RefusalReason, SystemAuth, SystemConfig};
use renkei_test_servers::{NameServer, RawServer, Server, reply};
use renkei_test_support::CapturedLog;

const TOKEN: &str = "fixed-token-1/with+signs";

/// A hostile system and its neighbour, both served by the courier.
struct Street {
    house: House,
    audit: CapturedLog,
    neighbour: Server,
}

impl Street {
    /// `base` is what the admin says; without, it is the manifest's `https://api.example.com`.
    async fn new(base: Option<&str>, network: Option<NetworkOverrides>) -> Self {
        Self::with(base, SystemAuth::Bearer(TOKEN.into()), network).await
    }

    async fn with(base: Option<&str>, auth: SystemAuth, network: Option<NetworkOverrides>) -> Self {
        let audit = CapturedLog::start("renkei::audit");
        let neighbour = Server::start(|_, _, _| reply(200, "honest")).await;
        let hostile = SystemConfig {
            base_url: base.map(str::to_owned),
            ..system(Fixture::Courier, "", auth)
        };
        let honest = SystemConfig {
            name: "neighbour".to_owned(),
            ..system(
                Fixture::Courier,
                &neighbour.base,
                SystemAuth::Bearer("neighbours-token".into()),
            )
        };
        let change = |options: &mut RuntimeOptions| options.network = network.unwrap_or_default();
        let house = House::with(&[Fixture::Courier], vec![hostile, honest], change).await;
        Self { house, audit, neighbour }
    }

    async fn open(&self) -> Box<dyn Connector> {
        self.house.runtime.open("acme").await.unwrap()
    }

    /// The guest sends this and gets an answer.
    async fn send(&self, request: &PageRequest) -> Page {
        self.open().await.read_page(request).await.unwrap()
    }

    /// The guest sends this and is refused for `reason`; `told` is among what it learns.
    async fn refused(&self, request: &PageRequest, reason: RefusalReason, told: &str) {
        let before = self.counted(reason);
        let error = self.open().await.read_page(request).await.unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(told), "{}: {shown}", request.object);
        assert!(!shown.contains(TOKEN), "{shown}");
        self.was_refused(before, reason).await;
    }

    /// The counter moved by one, one line was left, and the neighbour's work is done.
    async fn was_refused(&self, before: u64, reason: RefusalReason) {
        assert_eq!(self.counted(reason), before + 1, "{reason}");
        let lines = refusals(&self.audit);
        let [line] = &lines[..] else { panic!("one line, not {lines:?}") };
        let plugin = self.house.runtime.generation("courier").unwrap();
        assert_eq!(
            line,
            &format!(
                "message=egress refused plugin=courier version=1.0.0 digest={} system=acme \
                 reason={reason}",
                plugin.digest
            )
        );
        self.neighbour_works().await;
    }

    async fn neighbour_works(&self) {
        let before = self.neighbour.seen("/things").len();
        let job = self.house.runtime.open("neighbour").await.unwrap();
        assert_eq!(job.read_page(&page_request("/things")).await.unwrap().cursor, b"honest");
        assert_eq!(self.neighbour.seen("/things").len(), before + 1);
        assert_eq!(self.house.runtime.traffic("neighbour").unwrap().refused.total(), 0);
    }

    fn counted(&self, reason: RefusalReason) -> u64 {
        self.house.runtime.traffic("acme").unwrap().refused.count(reason)
    }

    /// The number of requests that left for the hostile system.
    fn requests(&self) -> u64 {
        self.house.runtime.traffic("acme").unwrap().requests
    }
}

/// As [`page_request`], by another method of the contract: 0 get, 1 head, 2 post, 3 put, 4 patch,
/// 5 delete.
fn by(method: u32, path: &str) -> PageRequest {
    PageRequest { limit: method, cursor: Some(b"x".to_vec()), ..page_request(path) }
}

/// As [`page_request`], with a header of the guest.
fn with_header(name: &str, value: &str) -> PageRequest {
    let columns = ["primary", name, value].map(str::to_owned).to_vec();
    PageRequest { columns, limit: 512, ..page_request("/things") }
}

/// As [`page_request`], over after so many ms.
fn within(ms: u32, path: &str) -> PageRequest {
    PageRequest { limit: ms << 16, ..page_request(path) }
}

/// The error of a job that does not open.
async fn unopened(street: &Street) -> String {
    let outcome: Result<_, PluginError> = street.house.runtime.open("acme").await;
    outcome.err().map(|error| error.to_string()).unwrap_or_default()
}

/// The lines of a head that begin like this, in lower case.
fn lines<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines().filter(|line| line.to_ascii_lowercase().starts_with(name)).collect()
}

/// The names and the certificates of a hostile server.
fn network(server: &RawServer, names: &Arc<NameServer>) -> NetworkOverrides {
    let names = Arc::clone(names);
    NetworkOverrides::to_one_place(move |name| names.look_up(name), server.place, server.roots())
}

/// The lines about refusals since the last time; those about plugins that are loaded are not among
/// them.
fn refusals(audit: &CapturedLog) -> Vec<String> {
    let mut lines = audit.drain_lines();
    lines.retain(|line| line.starts_with("message=egress refused"));
    lines
}
