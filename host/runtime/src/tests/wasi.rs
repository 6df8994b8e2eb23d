//! Guests that import WASI as the runtimes of scripting languages do.

use renkei_fixtures::assemble_with;
use renkei_model::plugin::PluginError;
use renkei_test_support::CapturedLog;

use super::{House, forward};

const MANIFEST: &str = r#"{"id": "probe", "title": "Probe", "publisher": "renkei",
    "kind": "transform", "contract": "0.2", "version": "1.0.0",
    "function": [{"name": "same", "shape": "one-way", "input": ["a"], "output": ["a"]}]}"#;

/// WASI as far as these guests import it; names and types as there.
const WASI: &str = "
    package wasi:clocks@0.2.9 {
        interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 }
            now: func() -> datetime; }
        interface monotonic-clock { now: func() -> u64; }
    }
    package wasi:random@0.2.3 { interface random {
        get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; } }
    package wasi:io@0.2.0 {
        interface error { resource error { to-debug-string: func() -> string; } }
        interface streams { use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream {
                blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; } }
    }
    package wasi:cli@0.2.0 {
        interface stdout { use wasi:io/streams@0.2.0.{output-stream};
            get-stdout: func() -> output-stream; }
        interface environment { get-arguments: func() -> list<string>; }
        interface exit { exit: func(status: result); }
    }
    package wasi:sockets@0.2.9 { interface tcp-create-socket {
        create-tcp-socket: func(family: u32) -> u32; } }";

/// A transform whose `forward` ends with `retry-after` and the number that `body` leaves.
fn probe(interface: &str, imports: &str, body: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
        {imports}
        (memory (export "memory") 2)
        (data (i32.const 3000) "one \1b[2J\ntwo\nthree")
        (global $top (mut i32) (i32.const 4096))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
            (global.set $top (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func (export "renkei:plugin/transform@0.2.0#forward")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (i64.store (i32.const 1040) {body})
            (i32.store8 (i32.const 1024) (i32.const 1))
            (i32.store8 (i32.const 1032) (i32.const 0))
            (i32.const 1024))
        (func (export "renkei:plugin/transform@0.2.0#backward")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable))
        (func (export "renkei:plugin/transform@0.2.0#merge")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable)))"#
    );
    let import = format!("import {interface};");
    assemble_with(&wat, "transform-plugin", MANIFEST, &import, WASI)
}

/// Runs a probe twice, a fresh instance each time.
async fn run(bytes: &[u8]) -> [Result<u64, String>; 2] {
    let house = House::new(&[], vec![]).await;
    house.replace_file("probe.wasm", bytes);
    house.runtime.rescan().await;
    let mut answers = [Ok(0), Ok(0)];
    for answer in &mut answers {
        *answer = match forward(&house.runtime, "probe", "same", 1).await {
            Err(PluginError::RetryAfter { after_ms, .. }) => Ok(after_ms),
            other => Err(format!("{other:?}")),
        };
    }
    answers
}

#[tokio::test]
async fn time_stands_still_in_a_transform() {
    let now = r#"(import "wasi:clocks/wall-clock@0.2.9" "now" (func $now (param i32)))"#;
    let body = "(block (result i64)
        (call $now (i32.const 2048)) (i64.load (i32.const 2048)))";
    let answers = run(&probe("wasi:clocks/wall-clock@0.2.9", now, body)).await;
    assert_eq!(answers, [Ok(946_684_800), Ok(946_684_800)]);

    let now = r#"(import "wasi:clocks/monotonic-clock@0.2.9" "now" (func $now (result i64)))"#;
    let body = "(i64.sub (i64.add (call $now) (i64.const 0)) (i64.sub (i64.const 0) (call $now)))";
    let answers = run(&probe("wasi:clocks/monotonic-clock@0.2.9", now, body)).await;
    assert_eq!(answers, [Ok(3_000_000), Ok(3_000_000)], "1 ms and 2 ms");
}

#[tokio::test]
async fn random_numbers_are_the_same_in_every_call_of_a_transform() {
    let random = r#"(import "wasi:random/random@0.2.3" "get-random-u64" (func $r (result i64)))"#;
    let [first, second] = run(&probe("wasi:random/random@0.2.3", random, "(call $r)")).await;
    assert_eq!(first, second);
    assert!(first.unwrap() != 0);

    let random = r#"(import "wasi:random/random@0.2.3" "get-random-bytes"
        (func $r (param i64 i32)))"#;
    let body = "(block (result i64)
        (call $r (i64.const 65537) (i32.const 2048)) (i64.const 1))";
    let [answer, _] = run(&probe("wasi:random/random@0.2.3", random, body)).await;
    let error = answer.unwrap_err();
    assert!(error.contains("it asked for 65537 random bytes at once"), "{error}");
}

#[tokio::test]
async fn there_is_no_environment_and_no_socket() {
    let imports = r#"(import "wasi:cli/environment@0.2.0" "get-arguments"
        (func $get (param i32)))"#;
    let body = "(block (result i64)
        (call $get (i32.const 2048)) (i64.load32_u (i32.const 2052)))";
    let answers = run(&probe("wasi:cli/environment@0.2.0", imports, body)).await;
    assert_eq!(answers, [Ok(0), Ok(0)]);

    let imports = r#"(import "wasi:sockets/tcp-create-socket@0.2.9" "create-tcp-socket"
        (func $open (param i32) (result i32)))"#;
    let body = "(i64.extend_i32_u (call $open (i32.const 0)))";
    let [answer, _] = run(&probe("wasi:sockets/tcp-create-socket@0.2.9", imports, body)).await;
    let error = answer.unwrap_err();
    let expected = "it called wasi:sockets/tcp-create-socket@0.2.9#create-tcp-socket, which no \
                    plugin gets";
    assert!(error.starts_with("Err(Broken") && error.contains(expected), "{error}");

    let imports = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
    let body = "(block (result i64) (call $exit (i32.const 0)) (i64.const 1))";
    let [answer, _] = run(&probe("wasi:cli/exit@0.2.0", imports, body)).await;
    assert!(answer.unwrap_err().contains("it ended itself"));
}

#[tokio::test]
async fn printed_text_is_logged_line_by_line() {
    let imports = r#"
        (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
            (func $write (param i32 i32 i32 i32)))"#;
    let body = "(block (result i64)
        (call $write (call $get) (i32.const 3000) (i32.const 18) (i32.const 2048))
        (i64.load8_u (i32.const 2048)))";
    let bytes = probe("wasi:cli/stdout@0.2.0", imports, body);
    let log = CapturedLog::start("renkei::plugin");
    let answers = run(&bytes).await;
    assert_eq!(answers, [Ok(0), Ok(0)], "the stream took it");
    let once = ["one \\u{1b}[2J", "two", "three"].map(str::to_owned);
    assert_eq!(log.messages(), [once.clone(), once].concat());
}
