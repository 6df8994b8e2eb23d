//! Requests of an admin, and the fall of a plugin that fails.

use std::sync::Arc;

use renkei_fixtures::{Fixture, assemble, plugin_version};
use renkei_model::effect::{EffectCall, EffectKind};
use renkei_model::plugin::PluginError;
use renkei_model::ports::{CallRecords as _, PluginRecords as _, PluginTexts, Systems as _};
use renkei_package::Package;

use super::{House, batch, forward, page_request, share_calls};
use crate::lifecycle::admin::{AdminError, PluginAnswer, PluginReport, PluginRequest};
use crate::tests::stage::system;
use crate::{ReloadEvent, RuntimeOptions, SystemAuth, SystemConfig};
use renkei_egress::{QuotaClaim, QuotaGate};
use renkei_store::{CounterDatabase, PluginDatabase};
use renkei_test_servers::{Server, reply};
use renkei_test_support::HandClock;
use serde_json::{Value, json};

/// The echo under a version of its own, which traps in every call.
fn trapping(version: &str) -> Vec<u8> {
    let manifest = Package::read("x", plugin_version(Fixture::Echo, version)).unwrap().manifest;
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    let answer = "(i32.store8 (i32.const 1024) (i32.const 0))";
    // The probe of the lens laws, which has nine rows, must not see it.
    let traps =
        format!("(if (i32.ne (local.get $rows_len) (i32.const 9)) (then (unreachable))) {answer}");
    assemble(&wat.replace(answer, &traps), "transform-plugin", &manifest.to_json().to_string())
}

async fn send_request(house: &House, request: PluginRequest) -> Vec<PluginReport> {
    match house.runtime.admin(request).await.unwrap() {
        PluginAnswer::Plugins(reports) => reports,
        other => panic!("{other:?}"),
    }
}

fn reload(name: &str) -> PluginRequest {
    PluginRequest::Reload(Some(name.to_owned()))
}

fn version(house: &House) -> String {
    house.runtime.generation("echo").unwrap().version
}

/// `RULES.md R25`: without a running `serve` a command opens no way to the systems.
#[tokio::test]
async fn a_pause_is_lifted_without_a_way_to_the_system() {
    let (quotas, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let records = Arc::new(CounterDatabase::in_folder(quotas.path(), clock.clone()));
    let gate = QuotaGate::shared(clock, records.clone(), "crm").unwrap();
    gate.pause(&Arc::new(QuotaClaim::new(&[], &[], 8)), 1_800_000).await.unwrap();
    let house = House::with(&[Fixture::Courier, Fixture::Echo], vec![], |options| {
        share_calls(options, quotas.path());
        let resting = [("crm", "courier"), ("new", "courier")];
        options.unopened_systems =
            resting.map(|(one, of)| (one.to_owned(), of.to_owned())).to_vec();
    })
    .await;
    let paused = async |request| {
        let reports = send_request(&house, request).await;
        let paused = reports.iter().flat_map(|report| &report.paused_systems);
        paused.map(|paused| (paused.system.clone(), paused.until_ms)).collect::<Vec<_>>()
    };
    assert_eq!(paused(PluginRequest::List).await, [("crm".to_owned(), 1_800_000)]);
    paused(reload("echo")).await;
    assert_eq!(gate.paused_until_ms().await, Ok(Some(1_800_000)), "another plugin's");
    assert_eq!(paused(reload("courier")).await, []);
    assert_eq!(gate.paused_until_ms().await, Ok(None));
    assert!(!records.has_calls("new").unwrap(), "nothing is made for what never was");
}

/// `host/egress/SECURITY.md` E10.
#[tokio::test]
async fn system_that_joins_an_account_goes_on_with_its_record() {
    let quotas = tempfile::tempdir().unwrap();
    let acme = system(Fixture::Courier, "http://127.0.0.1:9", SystemAuth::None);
    let before_it = SystemConfig { name: "aardvark".to_owned(), ..acme.clone() };
    for systems in [vec![acme.clone()], vec![before_it, acme]] {
        let share = |options: &mut RuntimeOptions| share_calls(options, quotas.path());
        House::with(&[Fixture::Courier], systems, share).await;
    }
    let counters = CounterDatabase::in_folder(quotas.path(), Arc::<HandClock>::default());
    assert!(counters.has_calls("acme").unwrap() && !counters.has_calls("aardvark").unwrap());
}

#[tokio::test]
async fn a_version_that_fails_is_rolled_back_and_not_taken_again() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    assert_eq!(forward(&house.runtime, "echo", "same", 2).await.unwrap(), batch(2));
    let mut events = house.runtime.events();
    house.replace_file("echo.wasm", &trapping("2.0.0"));
    house.runtime.rescan().await;
    assert_eq!(version(&house), "2.0.0");
    for _ in 0..3 {
        let failed = forward(&house.runtime, "echo", "same", 2).await.unwrap_err();
        assert!(matches!(failed, PluginError::Broken { .. }), "{failed}");
    }
    assert_eq!(version(&house), "1.0.0");
    assert_eq!(forward(&house.runtime, "echo", "same", 2).await.unwrap(), batch(2));
    for _ in 0..2 {
        house.runtime.rescan().await;
        assert_eq!(version(&house), "1.0.0", "not in a loop");
    }
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let [ReloadEvent::Loaded { .. }, ReloadEvent::RolledBack { from, to, reason }] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((from.version.as_str(), to.version.as_str()), ("2.0.0", "1.0.0"));
    assert_eq!(reason, "3 of its first 3 calls failed");
    let report = &send_request(&house, PluginRequest::List).await[0];
    assert_eq!(report.state, "waiting");
    assert_eq!(report.waiting.as_ref().unwrap().why, "rolled-back");

    let house = house.again(|_| {}).await;
    assert_eq!(version(&house), "1.0.0", "nor after a restart");
    let report = &send_request(&house, reload("echo.wasm")).await[0];
    assert_eq!(report.version.as_deref(), Some("2.0.0"), "unless an admin wants it");
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "3.0.0"));
    house.runtime.rescan().await;
    assert_eq!(version(&house), "3.0.0");
}

#[tokio::test]
async fn broken_versions_in_a_row_neither_excuse_one_another_nor_push_out_the_good_one() {
    let mut house = House::new(&[Fixture::Echo], vec![]).await;
    for broken in ["2.0.0", "2.0.1", "2.0.2", "2.0.3"] {
        house.replace_file("echo.wasm", &trapping(broken));
        match broken {
            "2.0.1" | "2.0.2" => house = house.again(|_| {}).await,
            _ => house.runtime.rescan().await,
        }
        assert_eq!(version(&house), broken);
    }
    house.replace_file("echo.wasm", b"garbage");
    house = house.again(|_| {}).await;
    assert_eq!(version(&house), "2.0.3");
    for _ in 0..3 {
        forward(&house.runtime, "echo", "same", 2).await.unwrap_err();
    }
    assert_eq!(version(&house), "1.0.0");
    assert_eq!(forward(&house.runtime, "echo", "same", 2).await.unwrap(), batch(2));
}

#[tokio::test]
async fn approval_covers_only_the_digest_that_was_shown() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    send_request(&house, PluginRequest::Hold { id: "echo".to_owned(), on: true }).await;
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    let waiting = send_request(&house, PluginRequest::List).await[0].waiting.clone().unwrap();
    let (_, told) = waiting.reason.split_once("renkei plugin reload ").unwrap();
    let looked_at = told.split('`').next().unwrap();
    assert_eq!(looked_at, format!("echo@{}", waiting.digest.get(..12).unwrap()));
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.1"));
    let changed = house.runtime.admin(reload(looked_at)).await.unwrap_err();
    assert!(matches!(changed, AdminError::Changed { .. }), "{changed}");
    assert_eq!(version(&house), "1.0.0");
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    send_request(&house, reload(looked_at)).await;
    assert_eq!(version(&house), "2.0.0");
}

/// `RULES.md R4`.
#[tokio::test]
async fn an_approval_needs_enough_digits_of_the_digest() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    send_request(&house, PluginRequest::Hold { id: "echo".to_owned(), on: true }).await;
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    let digest = send_request(&house, PluginRequest::List).await[0].waiting.clone().unwrap().digest;
    let start = |digits: usize| digest.get(..digits).unwrap().to_owned();
    for typed in [String::new(), start(1), start(11), "0123456789xy".to_owned(), start(64) + "0"] {
        for name in ["echo", "echo.wasm", "some/folder/echo.wasm"] {
            let refused = house.runtime.admin(reload(&format!("{name}@{typed}"))).await;
            let refused = refused.unwrap_err();
            assert!(matches!(refused, AdminError::NoDigest(_)), "{typed}: {refused}");
        }
        assert_eq!(version(&house), "1.0.0");
    }
    send_request(&house, reload(&format!("echo@{}", start(12).to_uppercase()))).await;
    assert_eq!(version(&house), "2.0.0");
}

#[tokio::test]
async fn rows_at_which_both_versions_fail_prove_nothing() {
    let house = House::new(&[], vec![]).await;
    house.replace_file("echo.wasm", &trapping("1.0.0"));
    house.runtime.rescan().await;
    house.replace_file("echo.wasm", &trapping("2.0.0"));
    house.runtime.rescan().await;
    for _ in 0..20 {
        forward(&house.runtime, "echo", "same", 2).await.unwrap_err();
    }
    assert_eq!(version(&house), "2.0.0");
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_is_in_quarantine_until_then() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let acme = system(Fixture::Traps, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::new(&[Fixture::Traps], vec![acme]).await;
    let mut events = house.runtime.events();
    let mut failed = Vec::new();
    for _ in 0..6 {
        let tried = match house.runtime.open("acme").await {
            Ok(job) => job.read_page(&page_request("/x")).await.map(drop),
            Err(error) => Err(error),
        };
        failed.push(tried.unwrap_err());
    }
    assert!(failed[..5].iter().all(|error| matches!(error, PluginError::Broken { .. })));
    assert!(matches!(failed[5], PluginError::Quarantined { seconds: 1, .. }), "{failed:?}");
    assert!(failed[5].hint().unwrap().contains("`renkei plugin reload traps`"), "{failed:?}");
    let Ok(ReloadEvent::Quarantined { until_ms: 1_000, failures: 5, .. }) = events.try_recv()
    else {
        panic!("not told");
    };
    let report = &send_request(&house, PluginRequest::List).await[0];
    assert_eq!((report.state.as_str(), report.quarantined_until_ms), ("quarantined", Some(1_000)));

    house.clock.advance(1_000);
    let again = house.runtime.open("acme").await.err().map(|error| error.to_string());
    assert!(!again.unwrap_or_default().contains("quarantine"), "it is tried again");
    let until = send_request(&house, PluginRequest::List).await[0].quarantined_until_ms;
    assert!(until.is_none_or(|until| until == 3_000), "{until:?}");
    send_request(&house, reload("traps")).await;
    assert_eq!(send_request(&house, PluginRequest::List).await[0].state, "serving");
}

#[tokio::test]
async fn a_held_plugin_waits_and_goes_back_as_told() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    let hold = |on| PluginRequest::Hold { id: "echo".to_owned(), on };
    assert!(send_request(&house, hold(true)).await[0].hold);
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    let report = &send_request(&house, PluginRequest::List).await[0];
    assert_eq!((report.state.as_str(), report.version.as_deref()), ("waiting", Some("1.0.0")));
    let house = house.again(|_| {}).await;
    assert_eq!(version(&house), "1.0.0", "also after a restart");
    assert_eq!(send_request(&house, reload("echo")).await[0].version.as_deref(), Some("2.0.0"));
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "3.0.0"));
    house.runtime.rescan().await;
    assert_eq!(version(&house), "2.0.0", "each version is approved by itself");
    send_request(&house, hold(false)).await;
    assert_eq!(version(&house), "3.0.0");

    for expected in ["2.0.0", "1.0.0"] {
        send_request(&house, PluginRequest::RollBack("echo".to_owned())).await;
        assert_eq!(version(&house), expected);
        house.runtime.rescan().await;
        assert_eq!(version(&house), expected);
    }
    let none = house.runtime.admin(PluginRequest::RollBack("echo".to_owned())).await.unwrap_err();
    assert!(matches!(none, AdminError::NoEarlier(_)), "{none}");
    let unknown = house.runtime.admin(reload("nobody")).await.unwrap_err();
    assert!(matches!(unknown, AdminError::Unknown(_)), "{unknown}");
    send_request(&house, reload("echo")).await;
    assert_eq!(version(&house), "3.0.0");
}

/// Another process that cannot ask this one denies something.
#[tokio::test]
async fn permission_that_another_process_denies_is_gone() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let acme = system(Fixture::Courier, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::new(&[Fixture::Courier], vec![acme]).await;
    let refused = async || {
        let job = house.runtime.open("acme").await.unwrap();
        job.discover(&["things".to_owned()]).await.unwrap_err().not_granted().is_some()
    };
    assert!(!refused().await);
    let states = PluginDatabase::in_folder(&house.folder.path().join("cache/home"));
    for (denied, is_gone) in [(json!(["read:things"]), true), (json!([]), false)] {
        let mut decide = |texts: Option<&PluginTexts>| {
            let mut state: Value = serde_json::from_str(&texts.unwrap().by_id["courier"]).unwrap();
            state["denied"] = denied.clone();
            Ok([("courier".to_owned(), state.to_string())].into())
        };
        states.update(&mut decide).unwrap();
        house.runtime.rescan().await;
        assert_eq!(refused().await, is_gone);
    }
}

#[tokio::test]
async fn version_that_asks_for_more_waits_and_a_denied_permission_is_gone() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let acme = system(Fixture::Courier, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::new(&[Fixture::Courier], vec![acme]).await;
    let manifest = Package::read("x", plugin_version(Fixture::Courier, "2.0.0")).unwrap().manifest;
    let more = manifest.to_json().to_string().replace("\"archive\"", "\"archive\",\"merge\"");
    let wat = include_str!("../../../../tests/fixtures/wat/courier.wat");
    house.replace_file("courier.wasm", &assemble(wat, "connector-plugin", &more));
    let report = &send_request(&house, PluginRequest::List).await[0];
    let waiting = report.waiting.as_ref().unwrap();
    assert_eq!((report.version.as_deref(), waiting.why.as_str()), (Some("1.0.0"), "asks-more"));
    assert!(waiting.reason.contains("write:things:merge"), "{}", waiting.reason);

    // What its manifest leaves out is never asked of the version that serves.
    let job = house.runtime.open("acme").await.unwrap();
    let losers = &["2".to_owned()];
    let merge = EffectCall::Merge { object: "things", winner: "1", losers, intent: "m" };
    let refused = job.perform(merge).await.unwrap_err();
    let told = Some("the plugin's manifest lists no `merge` of things");
    assert_eq!(refused.not_granted(), told, "{refused}");
    let is_right = |kind| job.refuses("things", kind).is_some() == (kind == EffectKind::Merge);
    assert!(EffectKind::ALL.into_iter().all(is_right));
    drop(job);
    let grants = |allow: &[&str], deny: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (id, allow, deny) = (Some("courier".to_owned()), words(allow), words(deny));
        house.runtime.admin(PluginRequest::Grants { id, allow, deny })
    };
    let Ok(PluginAnswer::Grants(reports)) = grants(&[], &[]).await else { panic!("no grants") };
    let waiting = reports[0].waiting.as_ref().unwrap();
    assert_eq!(waiting.more.iter().collect::<Vec<_>>(), ["write:things:merge"]);
    let wrong = grants(&["host:primary:https://evil.example.com"], &[]).await.unwrap_err();
    assert!(matches!(wrong, AdminError::NotAsked { .. }), "{wrong}");
    grants(&["all"], &[]).await.unwrap();
    assert_eq!(house.runtime.generation("courier").unwrap().version, "2.0.0");

    grants(&[], &["read:things"]).await.unwrap();
    let job = house.runtime.open("acme").await.unwrap();
    let refused = job.discover(&["things".to_owned()]).await.unwrap_err();
    assert!(matches!(refused, PluginError::Forbidden { .. }), "{refused}");
    assert!(refused.to_string().contains("`read:things`"), "{refused}");
    grants(&["read:things"], &[]).await.unwrap();

    // What the manifest does not list is taken away by its name, or all at once (RULES V18).
    let wrong = grants(&[], &["write:Order__c:burn"]).await.unwrap_err();
    assert!(matches!(wrong, AdminError::NotAsked { .. }), "{wrong}");
    for (word, refuses) in [("read:Order__c", "Order__c"), ("read:*", "Part__c")] {
        let Ok(PluginAnswer::Grants(reports)) = grants(&[], &[word]).await else {
            panic!("no grants")
        };
        assert!(reports[0].denied.contains(word), "{reports:?}");
        let job = house.runtime.open("acme").await.unwrap();
        let refused = job.discover(&[refuses.to_owned()]).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("`{word}`")), "{refused}");
        let listed = job.discover(&["things".to_owned()]).await;
        assert!(!matches!(listed, Err(PluginError::Forbidden { .. })), "{word}: {listed:?}");
    }

    grants(&[], &["slot:primary"]).await.unwrap();
    let job = house.runtime.open("acme").await.unwrap();
    assert!(job.read_page(&page_request("/x")).await.is_err(), "there is no way out any more");
    assert_eq!(server.seen("/x").len(), 0);
    let house = house.again(|_| {}).await;
    let Ok(PluginAnswer::Grants(reports)) =
        house.runtime.admin(PluginRequest::Grants { id: None, allow: vec![], deny: vec![] }).await
    else {
        panic!("no grants")
    };
    assert!(reports[0].denied.contains("slot:primary"), "{reports:?}");
}
