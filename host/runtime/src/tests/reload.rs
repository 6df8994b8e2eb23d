//! Changes of the plugin folder: at best something better serves, never
//! something worse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use renkei_fixtures::{Fixture, assemble, plugin, plugin_version};
use renkei_model::ports::Systems as _;
use renkei_package::Package;

use super::{House, batch, forward, page_request, replace_file};
use crate::tests::stage::system;
use crate::{Compiler, Pooling, ReloadEvent, SystemAuth};
use renkei_test_servers::{Server, reply};

/// Puts `bytes` over a good `echo.wasm`; the old one must go on and the fault must say `expected`.
async fn check(bytes: &[u8], expected: &str) {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    let mut events = house.runtime.events();
    house.replace_file("echo.wasm", bytes);
    house.runtime.rescan().await;
    let files = house.runtime.list();
    let fault = files[0].fault.clone().unwrap_or_default();
    let hint = files[0].hint.clone().unwrap_or_default();
    assert!(
        (fault.contains(expected) || hint.contains(expected)) && fault.contains("echo.wasm"),
        "{fault}"
    );
    let Ok(ReloadEvent::Refused { file, serving: Some(serving), .. }) = events.try_recv() else {
        panic!("nothing refused");
    };
    assert_eq!((file.as_str(), serving.version.as_str()), ("echo.wasm", "1.0.0"));
    let answer = forward(&house.runtime, "echo", "same", 2).await;
    assert_eq!(answer.unwrap(), batch(2));

    house.runtime.rescan().await;
    assert!(events.try_recv().is_err(), "the same fault is told once");
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "1.1.0"));
    house.runtime.rescan().await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "1.1.0");
    assert_eq!(house.runtime.list()[0].fault, None);
}

fn manifest_json(fixture: Fixture) -> String {
    let package = Package::read("x", plugin(fixture)).unwrap();
    package.manifest.to_json().to_string()
}

/// `RULES.md R1`: what is known begins while a new file is looked at.
#[tokio::test]
async fn a_hasty_start_does_not_wait_for_a_new_file() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    house.replace_file("courier.wasm", &plugin(Fixture::Courier));
    let house = house
        .again(|options| {
            options.hasty = true;
            let arguments = ["-c", "exec sleep 600"].map(Into::into).to_vec();
            options.compiler = Compiler::Child { program: "/bin/sh".into(), arguments };
        })
        .await;
    assert!(house.runtime.generation("echo").is_ok());
    assert!(house.runtime.generation("courier").is_err(), "it is still looked at");
}

#[tokio::test]
async fn file_that_another_file_is_already_leaves_the_old_one_serving() {
    let mut house = House::new(&[Fixture::Echo, Fixture::Courier], vec![]).await;
    house.replace_file("echo.wasm", &plugin(Fixture::Courier));
    for _ in 0..2 {
        house.runtime.rescan().await;
        for id in ["echo", "courier"] {
            assert_eq!(house.runtime.generation(id).unwrap().plugin, id);
        }
        let files = house.runtime.list();
        let file = files.iter().find(|file| file.file == "echo.wasm").unwrap();
        assert_eq!(file.serving.as_ref().unwrap().plugin, "echo");
        let fault = file.fault.as_ref().unwrap();
        assert!(fault.contains("the plugin `courier` too"), "{fault}");
        house = house.again(|_| {}).await;
    }
    // The other file goes: this one is that plugin now, and nothing is the old one any more.
    std::fs::remove_file(house.plugins().join("courier.wasm")).unwrap();
    house.runtime.rescan().await;
    house.clock.advance(60_000);
    house.runtime.rescan().await;
    assert!(house.runtime.generation("courier").is_ok());
    assert!(house.runtime.generation("echo").is_err());
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_one_serving() {
    check(b"garbage", "not a WebAssembly file").await;
    check(b"", "not a WebAssembly file").await;
    check(b"\0asm\x01\0\0\0", "a core module").await;
    let good = plugin(Fixture::Echo);
    check(&good[..good.len() / 2], "echo.wasm").await;
    let engine = crate::sandbox::engine::start(Pooling::Off).unwrap();
    let native = wasmtime::component::Component::from_binary(&engine, &good).unwrap();
    check(&native.serialize().unwrap(), "precompiled native code").await;
}

#[tokio::test]
async fn a_plugin_of_another_contract_says_what_to_do() {
    let newer = manifest_json(Fixture::Echo).replace(r#""contract":"0.2""#, r#""contract":"9.9""#);
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    check(&assemble(wat, "transform-plugin", &newer), "update Renkei").await;
    let connector = manifest_json(Fixture::Courier);
    check(&assemble(wat, "transform-plugin", &connector), "exports no renkei:plugin/connector")
        .await;
}

#[tokio::test]
async fn a_plugin_that_cannot_start_is_not_taken() {
    let echo = include_str!("../../../../tests/fixtures/wat/echo.wat");
    let memory = r#"(memory (export "memory") 2)"#;
    for (instead, expected) in [
        (&*format!("{memory} (func $s (loop $l (br $l))) (start $s)"), "it ran longer"),
        (&*format!("{memory} (func $s (unreachable)) (start $s)"), "it does not start: it trapped"),
        (r#"(memory (export "memory") 2000)"#, "it wanted more than its memory limit of 64 MiB"),
    ] {
        let wat = echo.replace(memory, instead);
        check(&assemble(&wat, "transform-plugin", &manifest_json(Fixture::Echo)), expected).await;
    }
}

#[tokio::test]
async fn a_job_keeps_its_generation() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let acme = system(Fixture::Courier, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::new(&[Fixture::Courier], vec![acme]).await;
    let mut events = house.runtime.events();
    let old = house.runtime.open("acme").await.unwrap();
    house.replace_file("courier.wasm", &plugin_version(Fixture::Courier, "2.0.0"));
    house.runtime.rescan().await;
    let new = house.runtime.open("acme").await.unwrap();
    for (job, version) in [(&old, "1.0.0"), (&new, "2.0.0")] {
        assert_eq!(job.generation().version, version);
        assert_eq!(job.read_page(&page_request("/x")).await.unwrap().cursor, b"here");
    }
    let Ok(ReloadEvent::Loaded { replaced, .. }) = events.try_recv() else { panic!("not loaded") };
    assert_eq!(replaced.as_ref(), Some(old.generation()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_files_are_swapped() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers = (0..4).map(|_| {
        let (runtime, stop) = (Arc::clone(&house.runtime), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut calls = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = forward(&runtime, "echo", "same", 5).await;
                assert_eq!(answer.unwrap(), batch(5));
                calls += 1;
            }
            calls
        })
    });
    let callers = callers.collect::<Vec<_>>();
    for round in 1..=10 {
        house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, &format!("1.{round}.0")));
        house.runtime.rescan().await;
        assert_eq!(house.runtime.generation("echo").unwrap().version, format!("1.{round}.0"));
        house.replace_file("echo.wasm", b"half a fi");
        house.runtime.rescan().await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn one_id_in_two_files_is_an_error_that_names_both() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    house.replace_file("copy.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    house.runtime.rescan().await;
    let files = house.runtime.list();
    let fault = files[0].fault.clone().unwrap();
    assert_eq!(fault, "`copy.wasm` is the plugin `echo` too, which `echo.wasm` is already");
    assert_eq!(files[0].hint.as_deref(), Some("keep one of these files and remove the others"));
    assert_eq!(house.runtime.generation("echo").unwrap().version, "1.0.0");
    assert_eq!(files[1].fault, None);

    std::fs::remove_file(house.plugins().join("echo.wasm")).unwrap();
    house.runtime.rescan().await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "1.0.0", "it may come back");
    house.clock.advance(10_000);
    house.runtime.rescan().await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "2.0.0");

    std::fs::remove_file(house.plugins().join("copy.wasm")).unwrap();
    let mut events = house.runtime.events();
    house.runtime.rescan().await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "2.0.0", "for a moment, perhaps");
    house.clock.advance(10_000);
    house.runtime.rescan().await;
    assert!(matches!(events.try_recv(), Ok(ReloadEvent::Removed { .. })));
    assert!(house.runtime.generation("echo").is_err());

    let folder = house.plugins();
    for name in ["one.wasm", "two.wasm"] {
        replace_file(&folder, name, &plugin(Fixture::Echo));
    }
    house.runtime.rescan().await;
    assert!(house.runtime.generation("echo").is_err(), "neither is a guess worth taking");
}

#[tokio::test]
async fn a_stranger_with_a_known_id_is_never_the_plugin() {
    let mut house = House::new(&[Fixture::Echo], vec![]).await;
    let stranger = plugin_version(Fixture::Echo, "6.6.6");
    house.replace_file("aaa.wasm", &stranger);
    house.replace_file("zzz.wasm", &stranger);
    for new in ["1.0.0", "1.1.0"] {
        // Also while its file is replaced by removing it first.
        std::fs::remove_file(house.plugins().join("echo.wasm")).unwrap();
        house.runtime.rescan().await;
        house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, new));
        house.runtime.rescan().await;
        assert_eq!(house.runtime.generation("echo").unwrap().version, new);
        house = house.again(|_| {}).await;
        assert_eq!(house.runtime.generation("echo").unwrap().version, new);
        let files = house.runtime.list();
        let refused = |at: usize| files[at].fault.as_ref().unwrap().contains("already");
        assert!(refused(0) && refused(2) && files[1].fault.is_none(), "{files:?}");
    }
    house.replace_file("echo.wasm", b"garbage");
    let house = house.again(|_| {}).await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "1.1.0", "its private copy");
}

#[tokio::test]
async fn a_change_is_noticed_without_being_asked() {
    let house = House::with(&[Fixture::Echo], vec![], |options| {
        options.watch = true;
        options.debounce = Duration::from_millis(20);
    })
    .await;
    let mut events = house.runtime.events();
    // The watch starts with the task; a rescan is answered only after that.
    house.runtime.rescan().await;
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap();
    let Ok(ReloadEvent::Loaded { generation, .. }) = event else { panic!("{event:?}") };
    assert_eq!(generation.version, "2.0.0");
}

#[tokio::test]
async fn a_law_that_is_broken_is_told() {
    let house = House::new(&[], vec![]).await;
    let mut events = house.runtime.events();
    house.replace_file("forgetful.wasm", &plugin(Fixture::Forgetful));
    house.runtime.rescan().await;
    assert!(matches!(events.try_recv(), Ok(ReloadEvent::Loaded { .. })));
    let Ok(ReloadEvent::OneWay { function, .. }) = events.try_recv() else { panic!("not told") };
    assert_eq!(function, "same");
    assert_eq!(house.runtime.list()[0].one_way.len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_made_again_is_watched_again() {
    let house = House::with(&[Fixture::Echo], vec![], |options| {
        options.watch = true;
        options.debounce = Duration::from_millis(20);
    })
    .await;
    let mut events = house.runtime.events();
    house.runtime.rescan().await;
    for round in 1..4 {
        std::fs::remove_dir_all(house.plugins()).unwrap();
        assert!(house.runtime.generation("echo").is_ok());
        std::fs::create_dir(house.plugins()).unwrap();
        house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, &format!("2.{round}.0")));
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap();
        let Ok(ReloadEvent::Loaded { generation, .. }) = event else { panic!("{event:?}") };
        assert_eq!(generation.version, format!("2.{round}.0"));
    }
}

/// No notice comes of a link that is turned: nobody watches the folder that it stands in.
#[tokio::test]
async fn a_folder_that_another_takes_the_place_of_is_found_by_the_poll() {
    let house = House::with(&[Fixture::Echo], vec![], |options| {
        options.watch = true;
        options.debounce = Duration::from_millis(20);
    })
    .await;
    let mut events = house.runtime.events();
    house.runtime.rescan().await;
    let place = |name: &str| house.folder.path().join(name);
    std::fs::rename(house.plugins(), place("0")).unwrap();
    for round in 1..4 {
        let (next, version) = (place(&round.to_string()), format!("2.{round}.0"));
        std::fs::create_dir(&next).unwrap();
        replace_file(&next, "echo.wasm", &plugin_version(Fixture::Echo, &version));
        std::os::unix::fs::symlink(&next, place("link")).unwrap();
        std::fs::rename(place("link"), house.plugins()).unwrap();
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap();
        let Ok(ReloadEvent::Loaded { generation, .. }) = event else { panic!("{event:?}") };
        assert_eq!(generation.version, version);
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_what_served() {
    let house = House::new(&[Fixture::Echo], vec![]).await;
    house.replace_file("echo.wasm", b"garbage");
    let house = house.again(|_| {}).await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "1.0.0");
    assert!(house.runtime.list()[0].fault.is_some());
    assert_eq!(forward(&house.runtime, "echo", "same", 2).await.unwrap(), batch(2));

    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    let house = house.again(|options| options.read_only = true).await;
    let files = house.runtime.list();
    assert_eq!(files[0].serving.as_ref().unwrap().version, "2.0.0");
    assert!(files[0].on_probation, "what served before can serve again");
    let house = house.again(|_| {}).await;
    let file = &house.runtime.list()[0];
    assert!(file.on_probation, "who only looks leaves no trace");
    assert_eq!(file.versions.len(), 2);
}

#[tokio::test]
async fn a_probation_outlives_a_restart_until_it_is_over() {
    let mut house = House::new(&[Fixture::Echo], vec![]).await;
    house.replace_file("echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    house.runtime.rescan().await;
    for _ in 0..2 {
        assert!(house.runtime.list()[0].on_probation);
        house = house.again(|_| {}).await;
        assert_eq!(house.runtime.generation("echo").unwrap().version, "2.0.0");
    }
    assert!(house.runtime.list()[0].on_probation, "the version before can serve again");
    forward(&house.runtime, "echo", "same", 2).await.unwrap();
    house.clock.advance(600_000);
    house.runtime.rescan().await;
    let house = house.again(|_| {}).await;
    assert_eq!(house.runtime.generation("echo").unwrap().version, "2.0.0");
    assert!(!house.runtime.list()[0].on_probation, "it has passed");
}
