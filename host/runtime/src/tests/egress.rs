//! Cases 33 to 42 of TRUST.md 2.6: real guests, the production client, hostile servers on loopback.
//!
//! In every case [`Street`] holds a second system with an honest server beside the hostile one.
//! After each refusal it looks that the refusal was counted by its reason, that it left exactly one
//! line for the audit, that the neighbour's work is done, and that the same runtime serves on. Only
//! the answers of name servers are made up: a resolver is injected where the client takes one.

mod answers;
mod places;
mod secrets;

use renkei_fixtures::Fixture;
use renkei_sync::model::plugin::PluginError;
use renkei_sync::model::record::{Page, PageRequest};
use renkei_sync::ports::{Connector, Systems as _};

use super::{House, errand};
use crate::egress::lookup::Ways;
use crate::stage::audit::Audit;
use crate::stage::{Server, reply, system};
use crate::{Auth, Options, Reason, SystemConfig};

const TOKEN: &str = "fixed-token-1/with+signs";

/// A hostile system and its neighbour, both served by the courier.
struct Street {
    house: House,
    audit: Audit,
    neighbour: Server,
}

impl Street {
    /// `base` is what the admin says; without, it is the manifest's `https://api.example.com`.
    async fn new(base: Option<&str>, ways: Option<Ways>) -> Self {
        Self::with(base, Auth::Bearer(TOKEN.into()), ways).await
    }

    async fn with(base: Option<&str>, auth: Auth, ways: Option<Ways>) -> Self {
        let audit = Audit::listen();
        let neighbour = Server::start(|_, _, _| reply(200, "honest")).await;
        let hostile = SystemConfig {
            base_url: base.map(str::to_owned),
            ..system(Fixture::Courier, "", auth)
        };
        let honest = SystemConfig {
            name: "neighbour".to_owned(),
            ..system(Fixture::Courier, &neighbour.base, Auth::Bearer("neighbours-token".into()))
        };
        let change = |options: &mut Options| options.ways = ways.unwrap_or_default();
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
    async fn refused(&self, request: &PageRequest, reason: Reason, told: &str) {
        let before = self.counted(reason);
        let error = self.open().await.read_page(request).await.unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(told), "{}: {shown}", request.object);
        assert!(!shown.contains(TOKEN), "{shown}");
        self.was_refused(before, reason).await;
    }

    /// The counter moved by one, one line was left, and the neighbour's work is done.
    async fn was_refused(&self, before: u64, reason: Reason) {
        assert_eq!(self.counted(reason), before + 1, "{reason}");
        let lines = self.audit.refusals();
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
        assert_eq!(job.read_page(&errand("/things")).await.unwrap().cursor, b"honest");
        assert_eq!(self.neighbour.seen("/things").len(), before + 1);
        assert_eq!(self.house.runtime.traffic("neighbour").unwrap().refused.total(), 0);
    }

    fn counted(&self, reason: Reason) -> u64 {
        self.house.runtime.traffic("acme").unwrap().refused.of(reason)
    }

    /// How many requests left for the hostile system.
    fn requests(&self) -> u64 {
        self.house.runtime.traffic("acme").unwrap().requests
    }
}

/// As [`errand`], by another method of the contract: 0 get, 1 head, 2 post, 3 put, 4 patch,
/// 5 delete.
fn by(method: u32, path: &str) -> PageRequest {
    PageRequest { limit: method, cursor: Some(b"x".to_vec()), ..errand(path) }
}

/// As [`errand`], with a header of the guest.
fn with_header(name: &str, value: &str) -> PageRequest {
    let columns = ["primary", name, value].map(str::to_owned).to_vec();
    PageRequest { columns, limit: 512, ..errand("/things") }
}

/// As [`errand`], over after so many ms.
fn within(ms: u32, path: &str) -> PageRequest {
    PageRequest { limit: ms << 16, ..errand(path) }
}

/// What a job says that does not open.
async fn unopened(street: &Street) -> String {
    let outcome: Result<_, PluginError> = street.house.runtime.open("acme").await;
    outcome.err().map(|error| error.to_string()).unwrap_or_default()
}

/// The lines of a head that begin like this, in lower case.
fn lines<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines().filter(|line| line.to_ascii_lowercase().starts_with(name)).collect()
}
