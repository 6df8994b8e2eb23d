//! A plugin does not choose its own acquittal: whatever error it answers with, and in whatever
//! words, a version that does no work is rolled back or isolated, and one that meets an outage is
//! not.

use renkei_fixtures::{Fixture, assemble, plugin_version};
use renkei_model::plugin::PluginError;
use renkei_model::ports::Systems as _;
use renkei_model::record::{Page, PageRequest};
use renkei_package::Package;

use super::{House, batch, forward, page_request};
use crate::lifecycle::admin::PluginRequest;
use crate::tests::stage::system;
use crate::{ReloadEvent, SystemAuth};
use renkei_test_servers::{Server, reply};

const RETRY_AFTER: u8 = 0;
const INVALID: u8 = 4;
const CURSOR_LOST: u8 = 5;
const UNSUPPORTED: u8 = 6;
const HOST: u8 = 7;
const BUG: u8 = 8;

const WORDS: &str = "maximum concurrent";

/// Leaves the function with the contract's error of this number, [`WORDS`] its first text.
fn answers(error: u8) -> String {
    let (kind, length) = (u32::from(error), WORDS.len());
    format!(
        "(memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
         (i32.store8 (i32.const 1024) (i32.const 1))
         (i32.store8 (i32.const 1032) (i32.const {kind}))
         (i32.store (i32.const 1040) (i32.const 512))
         (i32.store (i32.const 1044) (i32.const {length}))
         (return (i32.const 1024))"
    )
}

fn changed(
    fixture: Fixture,
    version: &str,
    wat: &str,
    at: &str,
    world: &str,
    code: &str,
) -> Vec<u8> {
    let manifest = Package::read("x", plugin_version(fixture, version)).unwrap().manifest;
    assert!(wat.contains(at));
    let text = format!("(data (i32.const 512) \"{WORDS}\")");
    let wat = wat.replacen(at, &format!("{at} {code}"), 1);
    let (whole, _) = wat.rsplit_once(')').unwrap();
    assemble(&format!("{whole} {text})"), world, &manifest.to_json().to_string())
}

/// The echo, which refuses every batch; the probe of the lens laws, which has nine rows, must not
/// see it.
fn echo(version: &str, error: u8) -> Vec<u8> {
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    let code =
        format!("(if (i32.ne (local.get $rows_len) (i32.const 9)) (then {}))", answers(error));
    let at = "(param $rows i32) (param $rows_len i32)\n    (result i32)";
    changed(Fixture::Echo, version, wat, at, "transform-plugin", &code)
}

/// The courier, which refuses every page without asking anybody.
fn courier(version: &str, error: u8) -> Vec<u8> {
    let wat = include_str!("../../../../tests/fixtures/wat/courier.wat");
    let at = "(local $more i32) (local $headers i32) (local $timeout i32)";
    changed(Fixture::Courier, version, wat, at, "connector-plugin", &answers(error))
}

fn version(house: &House, id: &str) -> String {
    house.runtime.generation(id).unwrap().version
}

async fn read(house: &House) -> Result<Page, PluginError> {
    house.runtime.open("acme").await?.read_page(&page_request("/x")).await
}

/// A courier in version 1.0.0 that serves a system there.
async fn couriers(base: &str) -> House {
    let acme = system(Fixture::Courier, base, SystemAuth::Bearer("fixed-token-1".into()));
    House::new(&[Fixture::Courier], vec![acme]).await
}

#[tokio::test]
async fn no_error_of_a_transform_saves_it_from_a_roll_back() {
    for error in [BUG, HOST, UNSUPPORTED, INVALID, RETRY_AFTER] {
        let house = House::new(&[Fixture::Echo], vec![]).await;
        let mut events = house.runtime.events();
        house.replace_file("echo.wasm", &echo("2.0.0", error));
        house.runtime.rescan().await;
        assert_eq!(version(&house, "echo"), "2.0.0");
        for _ in 0..3 {
            let failed = forward(&house.runtime, "echo", "same", 2).await.unwrap_err();
            assert!(error == RETRY_AFTER || error == INVALID || failed.to_string().contains(WORDS));
        }
        assert_eq!(version(&house, "echo"), "1.0.0", "{error}");
        assert_eq!(forward(&house.runtime, "echo", "same", 2).await.unwrap(), batch(2));
        let told = std::iter::from_fn(|| events.try_recv().ok());
        assert!(told.into_iter().any(|told| matches!(told, ReloadEvent::RolledBack { .. })));
    }
}

#[tokio::test]
async fn a_first_version_that_never_works_is_in_quarantine_but_bad_rows_are_no_reason() {
    for (error, expected) in [(HOST, true), (BUG, true), (INVALID, false)] {
        let house = House::new(&[], vec![]).await;
        house.replace_file("echo.wasm", &echo("1.0.0", error));
        house.runtime.rescan().await;
        for _ in 0..64 {
            forward(&house.runtime, "echo", "same", 2).await.unwrap_err();
        }
        let failed = forward(&house.runtime, "echo", "same", 2).await.unwrap_err();
        assert_eq!(failed.to_string().contains("in quarantine"), expected, "{error}: {failed}");
    }
}

#[tokio::test]
async fn a_connector_that_asks_nobody_has_nobody_to_blame() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    for error in [BUG, HOST, UNSUPPORTED, RETRY_AFTER, INVALID, CURSOR_LOST] {
        let house = couriers(&server.base).await;
        read(&house).await.unwrap();
        house.replace_file("courier.wasm", &courier("2.0.0", error));
        house.runtime.rescan().await;
        for _ in 0..3 {
            assert_eq!(version(&house, "courier"), "2.0.0", "{error}");
            read(&house).await.unwrap_err();
        }
        assert_eq!(version(&house, "courier"), "1.0.0", "{error}");
        read(&house).await.unwrap();
    }
}

/// The courier with another answer to `objects`.
fn lister(version: &str, code: &str) -> Vec<u8> {
    let wat = include_str!("../../../../tests/fixtures/wat/courier.wat");
    let at = "(func (export \"renkei:plugin/connector@0.2.0#objects\") (result i32)";
    changed(Fixture::Courier, version, wat, at, "connector-plugin", code)
}

/// Leaves the function with one object, which has no name.
const NAMELESS: &str = "(memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 72))
    (i32.store (i32.const 1032) (i32.const 2048))
    (i32.store (i32.const 1036) (i32.const 1))
    (return (i32.const 1024))";

/// The answer of version 2.0.0 about the objects.
async fn list(house: &House, code: &str) -> PluginError {
    house.replace_file("courier.wasm", &lister("2.0.0", code));
    house.runtime.rescan().await;
    house.runtime.open("acme").await.unwrap().objects().await.unwrap_err()
}

#[tokio::test]
async fn connector_that_lists_no_objects_is_not_at_fault_and_a_nameless_object_is() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let house = couriers(&server.base).await;
    for _ in 0..8 {
        let failed = list(&house, &answers(UNSUPPORTED)).await;
        assert!(matches!(failed, PluginError::Unsupported { .. }), "{failed}");
        assert_eq!(version(&house, "courier"), "2.0.0");
    }
    let house = couriers(&server.base).await;
    let failed = list(&house, NAMELESS).await;
    assert!(matches!(failed, PluginError::Broken { .. }), "{failed}");
    assert!(failed.to_string().contains("an object has no name"), "{failed}");
}

#[tokio::test]
async fn input_that_the_version_before_refuses_is_no_fault() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let acme = system(Fixture::Courier, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::new(&[], vec![acme]).await;
    for version in ["1.0.0", "2.0.0"] {
        house.replace_file("courier.wasm", &courier(version, INVALID));
        house.runtime.rescan().await;
        for _ in 0..8 {
            let failed = read(&house).await.unwrap_err();
            assert!(matches!(failed, PluginError::Invalid { .. }), "{failed}");
        }
    }
    assert_eq!(version(&house, "courier"), "2.0.0");
    assert_eq!(server.paths().len(), 0);
}

#[tokio::test]
async fn an_outage_is_no_fault() {
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let busy =
        Server::start(|_, _, _| (429, vec![("retry-after", "900".to_owned())], vec![])).await;
    for base in [format!("http://{gone}"), busy.base.clone()] {
        let house = couriers(&base).await;
        house.replace_file("courier.wasm", &plugin_version(Fixture::Courier, "2.0.0"));
        house.runtime.rescan().await;
        for _ in 0..8 {
            let failed = read(&house).await.unwrap_err();
            assert!(!matches!(failed, PluginError::Broken { .. }), "{failed}");
            assert!(!failed.to_string().contains("quarantine"), "{failed}");
        }
        assert_eq!(version(&house, "courier"), "2.0.0");
    }
}

#[tokio::test]
async fn denied_permission_is_an_excuse_and_an_undeclared_one_is_none() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    for (denied, expected) in [(None, "1.0.0"), (Some("slot:primary"), "2.0.0")] {
        let house = couriers(&server.base).await;
        house.replace_file("courier.wasm", &plugin_version(Fixture::Courier, "2.0.0"));
        house.runtime.rescan().await;
        let (id, deny) = (Some("courier".to_owned()), denied.map(str::to_owned));
        let deny = deny.into_iter().collect();
        house.runtime.admin(PluginRequest::Grants { id, allow: vec![], deny }).await.unwrap();
        let slot = if denied.is_some() { "primary" } else { "nobody's" };
        let page_request = PageRequest { columns: vec![slot.to_owned()], ..page_request("/y") };
        for _ in 0..3 {
            let failed = house.runtime.open("acme").await.unwrap().read_page(&page_request).await;
            assert!(matches!(failed, Err(PluginError::Host { .. })), "{failed:?}");
        }
        assert_eq!(version(&house, "courier"), expected, "{denied:?}");
    }
    assert_eq!(server.seen("/y").len(), 0);
}
