//! Plugins that take processor and memory without end, and answers that are no values.

use tokio::time::Instant;

use renkei_fixtures::{Fixture, Guest, OK, plugin};
use renkei_model::effect::EffectCall;
use renkei_model::ports::Systems as _;
use renkei_model::record::{Action, Operation, WriteRequest};
use renkei_runtime::{GuestLimits, Pooling};

use crate::stand::{Stand, in_time, page_request};

const LOOP: &str = "(loop $more (br $more)) (unreachable)";

#[tokio::test]
async fn infinite_loop_in_an_export_is_stopped() {
    let stand = Stand::with(&Guest::connector("rogue").body("check", LOOP).file()).await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "ran longer than its limit of 300 ms", "run-time");
    let again = job.check().await.unwrap_err().to_string();
    assert!(again.contains("earlier in this job"), "a stopped guest is not entered again: {again}");
    stand.within(0);
}

#[tokio::test]
async fn infinite_loop_in_a_transform_is_stopped() {
    let stand = Stand::with(&Guest::transform("rogue").body("forward", LOOP).file()).await;
    let outcome = in_time(stand.beside(stand.transform("rogue", 10))).await;
    stand.stopped(outcome, "ran longer than its limit of 60 ms", "run-time");
    stand.within(0);
}

#[tokio::test]
async fn infinite_loop_in_start_is_refused() {
    let rogue = Guest::transform("rogue").items(&format!("(func $s {LOOP}) (start $s)")).file();
    let stand = Stand::empty().await;
    in_time(stand.beside(stand.replace_plugin("rogue.wasm", &rogue))).await;
    let fault = stand.fault("rogue.wasm");
    assert!(fault.contains("it does not start: it ran longer than its limit"), "{fault}");
    stand.audited("rogue", "run-time");
    stand.within(0);
}

#[tokio::test]
async fn infinite_loop_in_post_return_is_stopped() {
    let rogue = Guest::connector("rogue").body("check", OK).after("check", "(loop $l (br $l))");
    let stand = Stand::with(&rogue.file()).await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "ran longer than its limit of 300 ms", "run-time");
    stand.within(0);
}

/// A transform with a resource type of its own.
fn with_resource(forward: &str, destructor: &str) -> Vec<u8> {
    Guest::transform("rogue")
        .extra("resource r { constructor(); }")
        .imports(
            r#"(import "[export]renkei:fixture/extra" "[resource-new]r"
                 (func $new (param i32) (result i32)))
               (import "[export]renkei:fixture/extra" "[resource-drop]r" (func $drop (param i32)))"#,
        )
        .items(&format!(
            r#"(func (export "renkei:fixture/extra#[constructor]r") (result i32)
                 (call $new (i32.const 1)))
               (func (export "renkei:fixture/extra#[dtor]r") (param i32) {destructor})"#,
        ))
        .body("forward", forward)
        .file()
}

#[tokio::test]
async fn infinite_loop_in_a_destructor_is_stopped() {
    let forward = format!("(call $drop (call $new (i32.const 1))) {OK}");
    let stand = Stand::with(&with_resource(&forward, "(loop $l (br $l))")).await;
    assert_eq!(stand.fault("rogue.wasm"), "");
    let outcome = in_time(stand.beside(stand.transform("rogue", 1))).await;
    stand.stopped(outcome, "ran longer than its limit", "run-time");
    stand.within(0);
}

#[tokio::test]
async fn memory_grow_loop_is_stopped_at_its_limit() {
    let grow = "(loop $more
        (drop (memory.grow (i32.const 16)))
        (memory.fill (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1048576))
          (i32.const 1) (i32.const 1048576))
        (br $more)) (unreachable)";
    let rogue =
        Guest::connector("rogue").body("check", grow).memory(r#"(memory (export "memory") 32)"#);
    let stand = Stand::with(&rogue.file()).await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "wanted more than its memory limit of 32 MiB", "memory");
    stand.within(32);
}

/// A bulk operation looks at the clock only before it begins: what is left of the deadline is one
/// fill of all memory that a guest can have, which the memory limit bounds.
#[tokio::test]
async fn bulk_fill_past_the_deadline_is_stopped() {
    let fill = "(loop $more
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 67108864))
        (br $more)) (unreachable)";
    let rogue =
        Guest::connector("rogue").body("check", fill).memory(r#"(memory (export "memory") 1024)"#);
    let stand = Stand::new(Some(&rogue.file()), |options| {
        options.connector_limits = GuestLimits { run_ms: 50, ..GuestLimits::connector() };
    })
    .await;
    let job = stand.job().await;
    let began = Instant::now();
    let outcome = in_time(job.check()).await;
    // 64 MiB are filled in some 40 ms; generous, because the machine may be busy.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    stand.stopped(outcome, "ran longer than its limit of 50 ms", "run-time");
    stand.neighbours_work().await;
    stand.within(64);
}

#[tokio::test]
async fn deep_recursion_is_stopped() {
    let rogue = Guest::connector("rogue")
        .items("(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))")
        .body("check", "(call $down (i32.const 0))");
    let stand = Stand::with(&rogue.file()).await;
    let job = stand.job().await;
    let outcome = in_time(stand.beside(job.check())).await;
    stand.stopped(outcome, "ran out of stack", "stack");
    stand.within(2);
}

#[tokio::test]
async fn table_grow_bomb_is_stopped() {
    let rogue = Guest::connector("rogue").items("(table $t 1 funcref)").body(
        "check",
        "(loop $more (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $more)) (unreachable)",
    );
    for pooling in [Pooling::Off, Pooling::On] {
        let stand = Stand::new(Some(&rogue.file()), |options| options.pooling = pooling).await;
        let job = stand.job().await;
        let outcome = in_time(stand.beside(job.check())).await;
        stand.stopped(outcome, "more than its limit of 10000 table elements", "tables");
        stand.within(1);
    }
}

#[tokio::test]
async fn handle_leak_loop_is_stopped() {
    let leak = "(loop $more (drop (call $new (i32.const 1))) (br $more)) (unreachable)";
    let stand = Stand::with(&with_resource(leak, "")).await;
    assert_eq!(stand.fault("rogue.wasm"), "");
    let outcome = in_time(stand.beside(stand.transform("rogue", 1))).await;
    stand.stopped(outcome, "held more than its limit of 1000 handles", "handles");
    stand.within(1);
}

#[tokio::test]
async fn answers_that_are_no_values_are_refused() {
    let ok = "(memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))";
    // An account: its id at 1032, its name at 1040, its facts at 1048.
    for (what, body, cause) in [
        (
            "a list of 2^31 elements",
            format!("{ok} (i32.store (i32.const 1052) (i32.const 0x80000000)) (i32.const 1024)"),
            "trap",
        ),
        (
            "a text of 50 KB 1,000 times",
            // Each element of the list has the same text as its name.
            format!(
                "(local $at i32) {ok}
                 (local.set $at (i32.const 8192))
                 (loop $more
                   (i32.store (local.get $at) (i32.const 40000))
                   (i32.store offset=4 (local.get $at) (i32.const 50000))
                   (local.set $at (i32.add (local.get $at) (i32.const 24)))
                   (br_if $more (i32.lt_u (local.get $at) (i32.const 32192))))
                 (i32.store (i32.const 1048) (i32.const 8192))
                 (i32.store (i32.const 1052) (i32.const 1000)) (i32.const 1024)"
            ),
            "crossing",
        ),
        (
            "invalid UTF-8",
            format!(
                "{ok} (i32.store (i32.const 1032) (i32.const 2048))
                 (i32.store (i32.const 1036) (i32.const 4))
                 (i32.store (i32.const 2048) (i32.const 0xfffefdfc)) (i32.const 1024)"
            ),
            "trap",
        ),
        (
            "a bad discriminant",
            format!("{ok} (i32.store8 (i32.const 1024) (i32.const 77)) (i32.const 1024)"),
            "trap",
        ),
        ("a misaligned pointer", format!("{ok} (i32.const 1025)"), "trap"),
        ("a pointer out of bounds", "(i32.const -16)".to_owned(), "trap"),
    ] {
        let rogue = Guest::connector("rogue").body("check", &body);
        let stand = Stand::with(&rogue.file()).await;
        let job = stand.job().await;
        let outcome = in_time(stand.beside(job.check())).await;
        assert!(outcome.is_err(), "{what} was taken");
        stand.stopped(outcome, "it ", cause);
        stand.within(16);
    }
}

#[tokio::test]
async fn realloc_that_never_ends_or_lies_is_stopped() {
    let memory = r#"(memory (export "memory") 32)"#;
    let realloc = |body: &str| {
        format!(
            r#"(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {body})"#
        )
    };
    let hog = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (unreachable)";
    for (body, words, cause) in [
        (hog, "wanted more than its memory limit", "memory"),
        (LOOP, "ran longer than its limit", "run-time"),
        ("(i32.const 0xfffffff0)", "it trapped", "trap"),
        ("(i32.const 1)", "it trapped", "trap"),
    ] {
        // `configure` passes nothing by memory where there are no settings, but the fixtures'
        // manifest has one with a default: the guest is stopped before it is ever of use.
        let rogue = Guest::connector("rogue").memory(memory).realloc(&realloc(body));
        let stand = Stand::with(&rogue.file()).await;
        let outcome = in_time(stand.beside(stand.runtime.open("rogue"))).await;
        stand.stopped(outcome, words, cause);
        stand.within(32);
    }
}

/// Half of the writes have reached the server when the guest traps; the host takes none of them as
/// done. What was sent stays marked as sent in the outbox and is probed before anything is repeated
/// (`host/sync/src/apply/send.rs`; the engine tests' crash histories go through it): the state that
/// is committed is the same whether the guest trapped before, between or after its writes.
#[tokio::test]
async fn plugin_that_traps_after_half_its_writes_is_stopped() {
    let send = r#"(import "renkei:plugin/http@0.2.0" "send" (func $send
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    // Parameter 5 is the number of operations: one request each for half of them.
    let write = "(local $left i32)
        (local.set $left (i32.shr_u (local.get 5) (i32.const 1)))
        (loop $more
          (call $send (i32.const 64) (i32.const 7) (i32.const 2) (i32.const 80) (i32.const 7)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 2048))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $more (local.get $left)))
        (unreachable)";
    let rogue = Guest::connector("rogue")
        .imports(send)
        .items(r#"(data (i32.const 64) "primary") (data (i32.const 80) "/things")"#)
        .body("write", write);
    let stand = Stand::with(&rogue.file()).await;
    let job = stand.job().await;
    let operation = |number: usize| Operation {
        intent: format!("intent-{number}"),
        action: Action::Create,
        id: None,
        key: vec![],
        if_version: None,
        cells: vec![None],
    };
    let request = WriteRequest {
        object: "things".to_owned(),
        columns: vec!["a".to_owned()],
        operations: (0..10).map(operation).collect(),
        options: vec![],
    };
    let outcome = in_time(stand.beside(job.perform(EffectCall::Write(&request)))).await;
    stand.stopped(outcome, "it trapped: a panic in the plugin", "trap");
    assert_eq!(stand.runtime.traffic("rogue").unwrap().requests, 5);
    let again = in_time(job.read_page(&page_request("/x"))).await.unwrap_err().to_string();
    assert!(again.contains("earlier in this job"), "{again}");
    stand.within(0);
}

/// `RULES.md R11`: what a guest says of its panic is in the error of the call.
#[tokio::test]
async fn panic_is_shown_with_its_place_and_message() {
    let log = r#"(import "renkei:plugin/log@0.2.0" "write" (func $log
        (param i32 i32 i32 i32 i32)))"#;
    let said = r"panicked at src/read/fields.rs:12:5: no such \1b[2Jstage";
    let length = said.len() - 2;
    let body = format!(
        "(call $log (i32.const 3) (i32.const 64) (i32.const {length}) (i32.const 0) (i32.const 0))
         (unreachable)"
    );
    let rogue = Guest::transform("rogue")
        .imports(log)
        .items(&format!(r#"(data (i32.const 64) "{said}")"#))
        .body("forward", &body);
    let stand = Stand::with(&rogue.file()).await;
    let outcome = in_time(stand.beside(stand.transform("rogue", 1))).await;
    let expected =
        "a panic in the plugin: panicked at src/read/fields.rs:12:5: no such \\u{1b}[2Jstage";
    stand.stopped(outcome, expected, "trap");
}

/// The fixtures that other tests use are stopped by the same caps, also from a pool.
#[tokio::test]
async fn memory_and_stack_limits_hold_in_pooled_instances() {
    for (fixture, words, cause) in
        [(Fixture::Hog, "memory limit", "memory"), (Fixture::Deep, "stack", "stack")]
    {
        let bytes = plugin(fixture);
        let stand = Stand::new(Some(&bytes), |options| {
            options.pooling = Pooling::On;
            for system in &mut options.systems {
                if system.name == "rogue" {
                    fixture.id().clone_into(&mut system.plugin);
                }
            }
        })
        .await;
        let job = stand.job().await;
        let error = in_time(stand.beside(job.check())).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        stand.audited(fixture.id(), cause);
        stand.within(32);
    }
}
