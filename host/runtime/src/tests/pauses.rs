//! A pause that only a guest can read in an answer (`RULES.md R25`): kept for the whole account, by
//! every process, and no longer than an hour.

use std::path::Path;

use renkei_fixtures::{Fixture, assemble, plugin_version};
use renkei_model::effect::EffectCall;
use renkei_model::plugin::PluginError;
use renkei_model::ports::Systems as _;
use renkei_model::record::{Action, Operation, Outcome, WriteRequest};
use renkei_package::Package;

use super::{House, page_request, share_calls};
use crate::SystemAuth;
use crate::lifecycle::admin::{PluginAnswer, PluginRequest};
use crate::tests::stage::system;
use renkei_test_servers::{Server, reply};

const PAUSE_MS: u64 = 900_000;

/// The courier, which reads in the status 403 that the system wants no calls for so long, and puts
/// off what it writes for as long.
fn courier(pause_ms: u64) -> Vec<u8> {
    let version = plugin_version(Fixture::Courier, "1.0.0");
    let manifest = Package::read("x", version).unwrap().manifest;
    let wat = include_str!("../../../../tests/fixtures/wat/courier.wat");
    let at = "(if (i32.load8_u (i32.const 2048)) (then (return (call $failed))))";
    let reads = format!(
        "(if (i32.eq (i32.load16_u (i32.const 2056)) (i32.const 403))
           (then
             (memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
             (i32.store8 (i32.const 1024) (i32.const 1))
             (i64.store (i32.const 1040) (i64.const {pause_ms}))
             (return (i32.const 1024))))"
    );
    let (late, later) = ("(i64.const 5000)", format!("(i64.const {pause_ms})"));
    assert!(wat.contains(at) && wat.contains(late));
    let wat = wat.replacen(at, &format!("{at} {reads}"), 1).replace(late, &later);
    assemble(&wat, "connector-plugin", &manifest.to_json().to_string())
}

/// One process of a data directory.
async fn process(base: &str, quotas: &Path, pause_ms: u64) -> House {
    let acme = system(Fixture::Courier, base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::with(&[], vec![acme], |options| share_calls(options, quotas)).await;
    house.replace_file("courier.wasm", &courier(pause_ms));
    house.runtime.rescan().await;
    house
}

/// The wait that a read of this path is told, ms; nothing where it is answered.
async fn read(house: &House, path: &str) -> Option<u64> {
    match house.runtime.open("acme").await.unwrap().read_page(&page_request(path)).await {
        Ok(_) => None,
        Err(PluginError::RetryAfter { after_ms, .. }) => Some(after_ms),
        Err(error) => panic!("{error}"),
    }
}

async fn write(house: &House) -> Vec<Outcome> {
    let operation = Operation {
        intent: "i-1".to_owned(),
        action: Action::Archive,
        id: Some("1".to_owned()),
        key: vec![],
        if_version: None,
        cells: vec![],
    };
    let (object, options) = ("/things".to_owned(), vec![]);
    let request = WriteRequest { object, columns: vec![], operations: vec![operation], options };
    perform(house, EffectCall::Write(&request)).await
}

async fn merge(house: &House) -> Vec<Outcome> {
    let losers = ["2".to_owned()];
    perform(
        house,
        EffectCall::Merge { object: "/things", winner: "1", losers: &losers, intent: "m" },
    )
    .await
}

async fn perform(house: &House, call: EffectCall<'_>) -> Vec<Outcome> {
    house.runtime.open("acme").await.unwrap().perform(call).await.unwrap()
}

async fn paused_until(house: &House, request: PluginRequest) -> Option<i64> {
    match house.runtime.admin(request).await.unwrap() {
        PluginAnswer::Plugins(reports) => reports[0].paused_systems.first().map(|one| one.until_ms),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pause_that_only_the_guest_can_read_is_kept_by_all() {
    let server = Server::start(|_, _, before| reply(if before == 0 { 403 } else { 200 }, "")).await;
    let quotas = tempfile::tempdir().unwrap();
    let (serve, sync) = (
        process(&server.base, quotas.path(), PAUSE_MS).await,
        process(&server.base, quotas.path(), PAUSE_MS).await,
    );
    assert_eq!(read(&serve, "/things").await, Some(PAUSE_MS));
    for house in [&serve, &sync] {
        assert_eq!(read(house, "/things").await, Some(PAUSE_MS));
        assert_eq!(read(house, "/others").await, Some(PAUSE_MS));
        assert_eq!(write(house).await, [Outcome::RetryAfter(PAUSE_MS)]);
        assert_eq!(paused_until(house, PluginRequest::List).await, Some(900_000));
    }
    assert_eq!(server.paths().len(), 1, "the system is left alone");
    sync.clock.advance(300_000);
    assert_eq!(read(&sync, "/things").await, Some(600_000), "until the time that was said");
    assert_eq!(paused_until(&serve, PluginRequest::List).await, Some(900_000), "and no longer");
    serve.clock.advance(900_000);
    assert_eq!(read(&serve, "/things").await, None);
    assert_eq!(paused_until(&serve, PluginRequest::List).await, None);
}

#[tokio::test]
async fn an_admins_word_lifts_a_pause_that_a_guest_read() {
    let server = Server::start(|_, _, before| reply(if before == 0 { 403 } else { 200 }, "")).await;
    let quotas = tempfile::tempdir().unwrap();
    let house = process(&server.base, quotas.path(), 36_000_000).await;
    read(&house, "/things").await;
    assert_eq!(paused_until(&house, PluginRequest::List).await, Some(3_600_000), "an hour at most");
    let reload = PluginRequest::Reload(Some("courier".to_owned()));
    assert_eq!(paused_until(&house, reload).await, None);
    assert_eq!(read(&house, "/things").await, None);
}

#[tokio::test]
async fn an_effect_that_is_put_off_for_long_pauses_the_account() {
    let server = Server::start(|_, _, _| reply(200, "")).await;
    for (wait_ms, paused) in [(60_000, None), (60_001, Some(60_001))] {
        for merges in [false, true] {
            let quotas = tempfile::tempdir().unwrap();
            let house = process(&server.base, quotas.path(), wait_ms).await;
            let outcomes = if merges { merge(&house).await } else { write(&house).await };
            assert_eq!(outcomes, [Outcome::RetryAfter(wait_ms)]);
            assert_eq!(paused_until(&house, PluginRequest::List).await, paused, "{merges}");
        }
    }
}

/// A quota of the manifest that is used up is the host's own word, and no pause that was asked for.
#[tokio::test]
async fn wait_that_the_host_reported_is_no_pause() {
    let server = Server::start(|_, _, _| reply(200, "")).await;
    let quotas = tempfile::tempdir().unwrap();
    let acme = system(Fixture::Courier, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::with(&[], vec![acme], |options| share_calls(options, quotas.path())).await;
    let scarce = |manifest: String| manifest.replace("calls = 100\nper_ms = 10000", DAILY);
    house.replace_file(
        "courier.wasm",
        &renkei_fixtures::plugin_with(Fixture::Courier, "1.0.0", scarce),
    );
    house.runtime.rescan().await;
    assert_eq!(read(&house, "/things").await, None);
    let told = read(&house, "/things").await;
    assert!(told.is_some_and(|ms| ms > 3_600_000), "{told:?}");
    assert_eq!(paused_until(&house, PluginRequest::List).await, None);
}

/// One call a day.
const DAILY: &str = "calls = 1\nper_ms = 86400000";
