//! Files that break a rule before anything of them runs, and one that does not start.

use std::sync::{Arc, LazyLock};

use renkei_conformance::{
    CheckVerdict, ConformanceReport, KitError, KitOptions, ReportLine, test_plugin,
};
use renkei_fixtures::{Fixture, assemble, plugin};
use renkei_package::Package;
use renkei_runtime::Compiler;
use renkei_test_support::HandClock;
use renkei_test_support::manifest::{to_json, transform};

use crate::{failed, found};

async fn tried(bytes: Vec<u8>, config: &[&str]) -> Result<ConformanceReport, KitError> {
    compiled(bytes, config, Compiler::InProcess).await
}

async fn compiled(
    bytes: Vec<u8>,
    config: &[&str],
    compiler: Compiler,
) -> Result<ConformanceReport, KitError> {
    let options = KitOptions {
        seed: 1,
        run: "kit-1".to_owned(),
        patience_ms: 0,
        clock: Arc::<HandClock>::default(),
        config: config.iter().map(|text| (*text).to_owned()).collect(),
        compiler,
        simulator: None,
    };
    test_plugin("a.wasm", bytes, options, &mut |_| {}).await
}

/// A transform that the fixture `echo` is not: one function, one way, other columns.
static TRANSFORM: LazyLock<String> = LazyLock::new(|| {
    let text = transform("tt").replace("two-way", "one-way");
    let (first, _) = text.rsplit_once("[[function]]").unwrap();
    to_json(&first.replace("output = [\"a\", \"b\"]", "output = [\"c\"]"))
});

/// The fixture `echo` with another manifest, or another fixture's world.
fn echo(manifest: &str) -> Vec<u8> {
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    assemble(wat, "transform-plugin", manifest)
}

async fn check(bytes: Vec<u8>, name: &str, words: &str) {
    let report = tried(bytes, &[]).await.unwrap();
    assert_eq!(failed(&report), [name], "{}", report.to_text());
    assert!(found(&report, name).contains(words), "{}", report.to_text());
}

#[tokio::test]
async fn unreadable_file_fails_the_check_of_its_rule() {
    check(b"\0asm\x01\0\0\0".to_vec(), "file", "a core module").await;
    check(plugin(Fixture::Echo)[..500].to_vec(), "file", "cut off").await;
    let id = TRANSFORM.replace("\"id\":\"tt\"", "\"id\":\"T t\"");
    check(echo(&id), "manifest", "`id`").await;
    let kind = TRANSFORM.replace("transform", "connector");
    check(echo(&kind), "manifest", "function").await;
}

#[tokio::test]
async fn manifest_without_help_gets_a_remark_and_without_title_fails() {
    // The fixture gives back its own columns, so those fail as well.
    let help = TRANSFORM.replace(r#""help":"Gives back what it gets.","#, "");
    let report = tried(echo(&help), &[]).await.unwrap();
    let manifest = check_of(&report, "manifest");
    assert_eq!(manifest.verdict, CheckVerdict::Passed, "{}", report.to_text());
    assert_eq!(manifest.remark, "no `help` for function same");
    let title = TRANSFORM.replace(r#""title":"tt""#, r#""title":" ""#);
    let report = tried(echo(&title), &[]).await.unwrap();
    assert!(found(&report, "manifest").contains("`title` is blank"), "{}", report.to_text());
    assert!(failed(&report).contains(&"columns"), "the rest is tried: {}", report.to_text());
}

#[tokio::test]
async fn last_lines_of_the_plugin_stand_once_beside_the_failed_check() {
    let log = r#"(import "renkei:plugin/log@0.2.0" "write"
        (func $log (param i32 i32 i32 i32 i32)))
        (data (i32.const 3000) "no such tableat first")"#;
    let line = |at: usize, length: usize| {
        format!(
            "(call $log (i32.const 3) (i32.const {at}) (i32.const {length}) \
             (i32.const 0) (i32.const 0))"
        )
    };
    let ends = format!("{} {} (unreachable) (call $answer", line(3013, 8), line(3000, 13));
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    let wat = wat.replacen("(module", &format!("(module {log}"), 1);
    let wat = wat.replacen("(call $answer", &ends, 1);
    let report = tried(assemble(&wat, "transform-plugin", &TRANSFORM), &[]).await.unwrap();
    assert_eq!(failed(&report), ["total"], "{}", report.to_text());
    let total = check_of(&report, "total");
    assert_eq!(total.guest_output, ["at first", "no such table"], "of the last call, not of all");
    assert_eq!(total.advice, "see the output above");
    let text = report.to_text();
    assert_eq!(text.matches("output: no such table").count(), 1, "{text}");
}

fn check_of<'a>(report: &'a ConformanceReport, name: &str) -> &'a ReportLine {
    report.checks.iter().find(|check| check.check == name).unwrap()
}

#[tokio::test]
async fn wrong_world_fails_the_world_check() {
    let wat = include_str!("../../../../tests/fixtures/wat/courier.wat");
    check(assemble(wat, "connector-plugin", &TRANSFORM), "world", "http").await;
}

#[tokio::test]
async fn file_that_does_not_start_fails_the_start_check() {
    let wat = include_str!("../../../../tests/fixtures/wat/echo.wat");
    let trap = "(func $begin (unreachable)) (start $begin)";
    let wat = wat.replacen("(module", &format!("(module {trap}"), 1);
    check(assemble(&wat, "transform-plugin", &TRANSFORM), "start", "does not start").await;
}

/// A compiler that runs into its limit while it checks the bytes, or while it compiles what it
/// found to be a plugin; and counts how often it did.
#[tokio::test]
async fn file_that_costs_too_much_fails_after_one_try() {
    let wasm = plugin(Fixture::Echo);
    let facts = Package::check("a.wasm", &wasm).unwrap();
    let plugin = serde_json::json!({"plugin": facts}).to_string();
    for (task, verdict, rule, words) in [
        ("check", "", "file", "compiling it took longer than 10 s"),
        ("compile", plugin.as_str(), "start", "compiling it took longer than 60 s"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (tries, line) = (folder.path().join("tries"), folder.path().join("verdict"));
        std::fs::write(&line, verdict).unwrap();
        let script = format!(
            "cat >/dev/null; grep . {}; [ $0 = {task} ] || exit 0; echo x >>{}; kill -XCPU $$",
            line.display(),
            tries.display()
        );
        let arguments = ["-c".into(), script.into()].to_vec();
        let compiler = Compiler::Child { program: "/bin/sh".into(), arguments };
        let report = compiled(wasm.clone(), &[], compiler).await.unwrap();
        assert_eq!(failed(&report), [rule], "{}", report.to_text());
        let told = found(&report, rule);
        assert!(told.contains(words), "{told}");
        assert_eq!(std::fs::read_to_string(tries).unwrap().lines().count(), 1);
    }
}

#[tokio::test]
async fn connector_without_simulator_is_only_read_and_configured() {
    let report = tried(plugin(Fixture::Courier), &["depth=2"]).await.unwrap();
    assert!(report.passed(), "{}", report.to_text());
    let skipped = report.checks.iter().find(|check| check.check == "resume").unwrap();
    assert!(skipped.remark.contains("--simulator"), "{}", report.to_text());
}

#[tokio::test]
async fn unknown_setting_of_the_run_is_refused() {
    let error = tried(plugin(Fixture::Courier), &["width=2"]).await.unwrap_err();
    assert_eq!(error.to_string(), "--config width=2: the manifest has no setting `width`");
    assert!(tried(plugin(Fixture::Courier), &["depth=x"]).await.is_err());
}
