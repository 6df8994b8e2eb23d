//! Calls of the host without end or with wrong sizes: log, settings, waits, requests.

use std::time::Duration;

use renkei_fixtures::{Guest, OK};
use renkei_model::plugin::PluginError;
use renkei_model::ports::Systems as _;
use renkei_model::record::{Page, PageRequest};
use renkei_package::WIT;
use renkei_runtime::{InstanceCounts, LimitChanges};

use crate::stand::{Stand, in_time, page_request};

const LOG: &str = r#"(import "renkei:plugin/log@0.2.0" "write"
    (func $log (param i32 i32 i32 i32 i32)))"#;
const WAIT: &str = r#"(import "renkei:plugin/http@0.2.0" "wait" (func $wait (param i64 i32)))"#;
const SEND: &str = r#"(import "renkei:plugin/http@0.2.0" "send" (func $send
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;

/// Runs `call` so many times.
fn times(count: u32, call: &str) -> String {
    format!(
        "(local $left i32) (local.set $left (i32.const {count}))
         (loop $more {call}
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $more (local.get $left)))"
    )
}

/// Sends GET `path` of slot `primary`; the text needs [`data`].
fn get(path: &str) -> String {
    format!(
        "(call $send (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 80) (i32.const {})
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 2048))",
        path.len()
    )
}

fn data(path: &str) -> String {
    format!(r#"(data (i32.const 64) "primary") (data (i32.const 80) "{path}")"#)
}

#[tokio::test]
async fn log_flood_is_cut_off() {
    let flood = times(
        100_000,
        "(call $log (i32.const 2) (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 0))",
    );
    let rogue = Guest::connector("rogue")
        .imports(LOG)
        .items(&data("/"))
        .body("check", &format!("{flood} {OK}"));
    let stand = Stand::new(Some(&rogue.file()), |options| {
        options.connector_limits.run_ms = 20_000;
    })
    .await;
    let job = stand.job().await;
    for _ in 0..2 {
        in_time(stand.beside(job.check())).await.unwrap();
    }
    drop(job);
    let lines = stand.lines("renkei::plugin");
    let written = lines.iter().filter(|line| line.contains("primary")).count();
    assert_eq!(written, 400, "200 lines per call");
    let dropped = lines.iter().filter(|line| line.contains("dropped=99800")).count();
    assert_eq!(dropped, 2, "one line per call says how many are missing");
    stand.audited("rogue", "log");
    stand.within(1);
}

#[tokio::test]
async fn log_line_of_10_mb_is_cut() {
    let line = "(memory.fill (i32.const 131072) (i32.const 65) (i32.const 10485760))
        (call $log (i32.const 2) (i32.const 131072) (i32.const 10485760) (i32.const 0) (i32.const 0))";
    let rogue = Guest::connector("rogue")
        .imports(LOG)
        .memory(r#"(memory (export "memory") 200)"#)
        .body("check", &format!("{} {OK}", times(10, line)));
    let stand = Stand::with(&rogue.file()).await;
    let job = stand.job().await;
    // One line passes; ten together are more than may cross the boundary in one call or, where
    // each crossing counts by itself, more than the log takes.
    in_time(stand.beside(job.check())).await.ok();
    drop(job);
    let lines = stand.lines("renkei::plugin");
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(!lines.is_empty() && bytes < 80 << 10, "{bytes} bytes in {} lines", lines.len());
    assert!(lines.iter().all(|line| line.len() < 9 << 10));
    stand.audited("rogue", "log");
    stand.within(64);
}

const EVIL: &str = "ok\u{1b}[2J\r\nERROR all is lost\u{202e}gpj.exe\u{9b}31m\u{2028}\u{7}";

fn is_harmless(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Every way by which a guest's words reach a log or an error.
#[tokio::test]
async fn control_and_bidi_text_is_escaped() {
    let evil: String = EVIL.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let len = EVIL.len();
    // A problem of its own: code at 1040, message at 1048, remedy at 1068 (empty).
    let refuse = |kind: u32| {
        format!(
            "(memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
             (i32.store8 (i32.const 1024) (i32.const 1))
             (i32.store8 (i32.const 1032) (i32.const {kind}))
             (i32.store (i32.const 1040) (i32.const 64))
             (i32.store (i32.const 1044) (i32.const {len}))
             (i32.store (i32.const 1048) (i32.const 64))
             (i32.store (i32.const 1052) (i32.const {len}))
             (i32.const 1024)"
        )
    };
    let log = format!(
        "(call $log (i32.const 2) (i32.const 64) (i32.const {len}) (i32.const 0) (i32.const 0))"
    );
    for kind in 1..=8 {
        let rogue = Guest::connector("rogue")
            .imports(LOG)
            .items(&format!(r#"(data (i32.const 64) "{evil}")"#))
            .body("check", &format!("{log} {}", refuse(kind)));
        let stand = Stand::with(&rogue.file()).await;
        let job = stand.job().await;
        let error = in_time(job.check()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(is_harmless(&error.to_string()), "kind {kind}: {error}");
        assert!(shown.contains("all is lost"), "kind {kind}: the words are still there: {shown}");
        let log = stand.lines("renkei::plugin");
        assert!(log.iter().any(|line| line.contains("all is lost")), "{log:?}");
        assert!(log.iter().all(|line| is_harmless(line)), "{log:?}");
        assert!(log[0].contains("\\u{1b}[2J\\u{d}\\u{a}ERROR"), "{log:?}");
        stand.neighbours_work().await;
        stand.within(1);
    }
}

/// A host call costs the guest its own time: what runs as often as it can is stopped by the clock
/// or by the cap on requests, and starves nobody.
#[tokio::test]
async fn million_host_calls_are_stopped() {
    let call = "(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let rogue = Guest::connector("rogue")
        .imports(LOG)
        .imports(WAIT)
        .body("check", &format!("(loop $more {call} (br $more)) (unreachable)"))
        .body(
            "discover",
            "(loop $more (call $wait (i64.const 0) (i32.const 2048)) (br $more)) (unreachable)",
        )
        .body("read-page", &format!("{} {OK}", times(1_000_000, call)));
    let stand = Stand::new(Some(&rogue.file()), |options| {
        options.connector_limits.requests = 1_000;
    })
    .await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "ran longer than its limit of 300 ms", "run-time");
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.discover(&[]))).await;
    stand.stopped(outcome, "more than its limit of 1000 requests", "requests");
    stand.within(1);
    drop(stand);

    // A million calls are no fault in themselves where there is time for them.
    let stand = Stand::new(Some(&rogue.file()), |options| {
        options.connector_limits.run_ms = 30_000;
    })
    .await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.read_page(&page_request("/")))).await;
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("instead of"), "it came to its answer: {error}");
    stand.within(1);
}

#[tokio::test]
async fn sleep_in_a_host_call_past_the_deadline_is_stopped() {
    let rogue = Guest::connector("rogue")
        .imports(SEND)
        .items(&data("/hang"))
        .body("check", &format!("{} {OK}", get("/hang")));
    let stand = Stand::new(Some(&rogue.file()), |options| {
        let mut changes = LimitChanges::default();
        changes.set("call_ms", 400).unwrap();
        options.limit_changes.insert("rogue".to_owned(), changes);
    })
    .await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "its call took longer than 400 ms", "call-time");
    stand.within(0);
}

#[tokio::test]
async fn call_cancelled_during_a_host_call_ends_the_job() {
    let rogue = Guest::connector("rogue")
        .imports(SEND)
        .items(&data("/hang"))
        .body("check", &format!("{} {OK}", get("/hang")));
    let one = InstanceCounts { jobs: 2, calls: 2 };
    let stand = Stand::new(Some(&rogue.file()), |options| options.instances = one).await;
    for _ in 0..20 {
        // Each job takes one of two places; a place that leaked would be missed in the third.
        let job = stand.job().await;
        let pending = tokio::time::timeout(Duration::from_millis(20), job.check()).await;
        assert!(pending.is_err(), "the server answers /hang");
        let error = job.check().await.unwrap_err();
        assert!(matches!(&error, PluginError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("an earlier call was cancelled"), "{error}");
    }
    in_time(stand.beside(async {})).await;
    stand.audited("rogue", "cancelled");
    stand.within(8);
}

/// No host function calls back and the contract has no callbacks, so a guest is only ever entered
/// by the host from outside. What is left are host calls where none may be made: while the host
/// asks for memory, and before the instance is ready.
#[tokio::test]
async fn re_entrant_calls_are_refused() {
    let call = "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let in_realloc = Guest::connector("rogue").imports(LOG).realloc(&format!(
        r#"(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            {call} (i32.const 4096))"#
    ));
    let stand = Stand::with(&in_realloc.file()).await;
    let outcome = in_time(stand.beside(stand.runtime.open("rogue"))).await;
    stand.stopped(outcome, "cannot leave component instance", "trap");
    drop(stand);

    let in_start =
        Guest::transform("rogue").imports(LOG).items(&format!("(func $s {call}) (start $s)"));
    let stand = Stand::empty().await;
    stand.replace_plugin("rogue.wasm", &in_start.file()).await;
    let fault = stand.fault("rogue.wasm");
    assert!(fault.contains("it does not start: it trapped"), "{fault}");
    stand.audited("rogue", "trap");
    stand.neighbours_work().await;
    stand.within(0);
    drop(stand);

    let after = Guest::connector("rogue").imports(LOG).body("check", OK).after("check", call);
    let stand = Stand::with(&after.file()).await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "cannot leave component instance", "trap");
}

/// A guest can name nothing in a counter or an audit line: 500 calls with as many codes, texts and
/// attributes make no label more.
#[tokio::test]
async fn labels_of_a_guest_reach_no_counter() {
    // The message, the code and an attribute's name are four bytes that change with each call.
    let next = "(i32.store (i32.const 64) (i32.add (i32.const 0x30303030)
            (i32.and (global.get $calls) (i32.const 0x07070707))))
        (global.set $calls (i32.add (global.get $calls) (i32.const 0x00413277)))";
    let body = format!(
        "{next}
         (i32.store (i32.const 96) (i32.const 64)) (i32.store (i32.const 100) (i32.const 4))
         (i32.store (i32.const 104) (i32.const 64)) (i32.store (i32.const 108) (i32.const 4))
         (call $log (i32.const 2) (i32.const 64) (i32.const 4) (i32.const 96) (i32.const 1))
         (memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
         (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 4))
         (i32.store (i32.const 1040) (i32.const 64)) (i32.store (i32.const 1044) (i32.const 4))
         (i32.const 1024)"
    );
    let rogue = Guest::connector("rogue")
        .imports(LOG)
        .items("(global $calls (mut i32) (i32.const 0))")
        .body("check", &body)
        .body("discover", "(unreachable)");
    let stand = Stand::with(&rogue.file()).await;
    let job = stand.job().await;
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let Err(PluginError::Invalid { problem, .. }) = job.check().await else { panic!("taken") };
        codes.insert(problem.code);
    }
    assert!(codes.len() > 100, "{}", codes.len());
    let outcome = in_time(stand.beside(job.discover(&[]))).await;
    stand.stopped(outcome, "it trapped", "trap");
    // An id that is no id does not come in by the file either.
    let named = rogue.text();
    let manifest = rogue.manifest().replace("\"rogue\"", "\"rogue\\u001b[2J plugin=x\"");
    stand
        .replace_plugin(
            "named.wasm",
            &renkei_fixtures::assemble(&named, "connector-plugin", &manifest),
        )
        .await;
    assert!(is_harmless(&stand.fault("named.wasm")), "{}", stand.fault("named.wasm"));
    drop(job);
    for stop in stand.runtime.stops() {
        assert!(["rogue", ""].contains(&stop.plugin.as_str()), "{stop:?}");
    }
    assert!(stand.runtime.stops().len() <= 3, "{:?}", stand.runtime.stops());
    stand.within(1);
}

/// Does not apply: there are no state keys. A plugin has no storage of its own; what lasts is the
/// cursor, which the host keeps by system and object and hands only to the connector that serves
/// that system. So the test is that nothing else can be reached: the contract offers no storage, a
/// component that imports one is refused, and a cursor goes back only where it came from. (WASI's
/// files may be listed and end the guest when they are called; `src/tests/wasi.rs`.)
#[tokio::test]
async fn plugin_gets_no_state_keys() {
    let text = WIT.map(|(_, text)| text.to_lowercase()).concat();
    let imports: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("import ")).collect();
    assert_eq!(imports, ["log;", "http;", "signing;", "log;"]);

    let manifest = Guest::transform("rogue").manifest();
    let importing = |interface: &str| {
        let text = format!(
            r#"(component (import "{interface}" (instance
                 (export "get" (func (param "key" string) (result string))))))"#
        );
        let mut component = wat::parse_str(text).unwrap();
        wasm_encoder::ComponentSection::append_to_component(
            &wasm_encoder::CustomSection {
                name: renkei_package::SECTION.into(),
                data: manifest.as_bytes().into(),
            },
            &mut component,
        );
        component
    };
    let stand = Stand::empty().await;
    for interface in ["renkei:plugin/state@0.2.0", "wasi:keyvalue/store@0.2.0"] {
        stand.replace_plugin("rogue.wasm", &importing(interface)).await;
        let fault = stand.fault("rogue.wasm");
        assert!(fault.contains(&format!("imports {interface}")), "{fault}");
    }
    stand.audited("", "refused");
    stand.neighbours_work().await;
    stand.within(0);
}

/// A page with the request's columns, no rows, and `cursor` (address and length) to go on from.
fn page(more: bool, cursor: &str) -> String {
    format!(
        "(memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
         (i32.store (i32.const 1032) (local.get 2)) (i32.store (i32.const 1036) (local.get 3))
         {cursor}
         (i32.store8 (i32.const 1064) (i32.const {}))
         (i32.const 1024)",
        u8::from(more)
    )
}

const THERE: &str =
    "(i32.store (i32.const 1056) (i32.const 64)) (i32.store (i32.const 1060) (i32.const 4))";

/// Reads pages as the engine does, each from where the last one ended, until there is an error.
async fn scan(stand: &Stand, pages: usize) -> Result<Page, PluginError> {
    let job = stand.job().await;
    let mut request = page_request("things");
    let mut read = 0;
    loop {
        let page = job.read_page(&request).await?;
        read += 1;
        if read == pages {
            return Ok(page);
        }
        request = PageRequest { cursor: Some(page.cursor), ..request };
    }
}

#[tokio::test]
async fn oversized_cursor_is_refused() {
    let large =
        "(i32.store (i32.const 1056) (i32.const 0)) (i32.store (i32.const 1060) (i32.const 65537))";
    let rogue = Guest::connector("rogue").body("read-page", &page(true, large));
    let stand = Stand::with(&rogue.file()).await;
    let outcome = in_time(stand.beside(scan(&stand, 1))).await;
    stand.stopped(outcome, "its cursor is larger than 65536 bytes", "cursor");
    stand.within(0);
}

#[tokio::test]
async fn cursor_that_goes_in_circles_is_stopped() {
    // 5, 4, 3, 2, 1, 0 and then 5 again.
    let body = format!(
        "(i32.store (i32.const 64) (global.get $at))
         (global.set $at (i32.rem_u (i32.add (global.get $at) (i32.const 5)) (i32.const 6)))
         {}",
        page(true, THERE)
    );
    let rogue = Guest::connector("rogue")
        .items("(global $at (mut i32) (i32.const 5))")
        .body("read-page", &body);
    let stand = Stand::with(&rogue.file()).await;
    let page = in_time(scan(&stand, 6)).await.unwrap();
    assert_eq!(page.cursor, [0, 0, 0, 0], "going back is allowed as long as it ends");
    let outcome = in_time(stand.beside(scan(&stand, 1_000))).await;
    stand.stopped(outcome, "its cursor comes back to where the scan was before", "contract");
    stand.within(0);
}

#[tokio::test]
async fn cursor_that_never_advances_is_stopped() {
    let rogue = Guest::connector("rogue").body("read-page", &page(true, THERE));
    let stand = Stand::with(&rogue.file()).await;
    let outcome = in_time(stand.beside(scan(&stand, 1_000))).await;
    stand.stopped(outcome, "its cursor does not move", "contract");
    stand.within(0);
}

/// Two pages with rows whose cursors point at each other; what a bad paging token of an API does.
#[tokio::test]
async fn page_token_loop_is_stopped() {
    // One row at 512 with the id "abcd" and one cell that is absent.
    let row = "(i32.store (i32.const 64) (global.get $at))
        (global.set $at (i32.xor (global.get $at) (i32.const 1)))
        (i32.store (i32.const 72) (i32.const 0x64636261))
        (memory.fill (i32.const 512) (i32.const 0) (i32.const 96))
        (i32.store (i32.const 512) (i32.const 72)) (i32.store (i32.const 516) (i32.const 4))
        (i32.store (i32.const 552) (i32.const 640)) (i32.store (i32.const 556) (i32.const 1))
        (memory.fill (i32.const 640) (i32.const 0) (i32.const 64))";
    let rows =
        "(i32.store (i32.const 1040) (i32.const 512)) (i32.store (i32.const 1044) (i32.const 1))";
    let body = format!("{row} {}", page(true, &format!("{THERE} {rows}")));
    let rogue = Guest::connector("rogue")
        .items("(global $at (mut i32) (i32.const 0))")
        .body("read-page", &body);
    let stand = Stand::with(&rogue.file()).await;
    let page = in_time(scan(&stand, 2)).await.unwrap();
    assert_eq!(page.batch.rows[0].id, "abcd", "the pages are good, but there is no end of them");
    let outcome = in_time(stand.beside(scan(&stand, 1_000))).await;
    stand.stopped(outcome, "its cursor comes back to where the scan was before", "contract");
    stand.within(0);
}
