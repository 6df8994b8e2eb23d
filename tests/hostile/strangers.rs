//! Bytes of strangers: looked at in a process with limits, one after another, and never twice;
//! whoever waits for something else does not wait for them.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use renkei_fixtures::{Fixture, Guest, plugin_version};
use renkei_package::FILE_BYTES_MAX;
use renkei_runtime::{Compiler, PluginAnswer, PluginReport, PluginRequest, RuntimeOptions};

use crate::stand::{Stand, in_time};

/// Bytes on which the child of [`slow`] never ends.
const SLOW: &[u8] = b"takes for ever";

/// Notes each start of the child in `notes`; of [`SLOW`] it never comes to an end.
fn slow(options: &mut RuntimeOptions, notes: &Path) {
    let script = format!(
        "echo x >> {notes}; cat > {notes}.$$; \
         if grep -q '{slow}' {notes}.$$; then exec sleep 600; fi; exec {child} \"$@\" < {notes}.$$",
        notes = notes.display(),
        slow = String::from_utf8_lossy(SLOW),
        child = env!("CARGO_BIN_EXE_renkei-compile-plugin"),
    );
    let arguments = ["-c", &script, "sh", renkei_runtime::COMPILER_ARGUMENT].map(OsString::from);
    options.compiler = Compiler::Child { program: "/bin/sh".into(), arguments: arguments.into() };
}

async fn list_after(stand: &Stand, request: PluginRequest) -> Vec<PluginReport> {
    match in_time(stand.runtime.admin(request)).await.unwrap() {
        PluginAnswer::Plugins(plugins) => plugins,
        other => panic!("{other:?}"),
    }
}

/// Puts a file and does not wait for it.
fn write_plugin(stand: &Stand, name: &str, bytes: &[u8]) {
    let draft = stand.plugins().join(format!("{name}.tmp"));
    std::fs::write(&draft, bytes).unwrap();
    std::fs::rename(draft, stand.plugins().join(name)).unwrap();
}

/// `RULES.md R1`.
#[tokio::test]
async fn slow_check_of_a_file_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("starts");
    let cache = folder.path().join("cache");
    let stand = Stand::new(None, |options| {
        options.cache = cache;
        slow(options, &notes);
    })
    .await;
    write_plugin(&stand, "rogue.wasm", SLOW);
    let state = |plugins: &[PluginReport], file: &str| {
        plugins.iter().find(|plugin| plugin.file == file).map(|plugin| plugin.state.clone())
    };
    let listed = list_after(&stand, PluginRequest::List).await;
    assert_eq!(state(&listed, "rogue.wasm").as_deref(), Some("loading"));
    stand.neighbours_work().await;
    // What serves is replaced, and goes back.
    write_plugin(&stand, "echo.wasm", &plugin_version(Fixture::Echo, "2.0.0"));
    let reload = PluginRequest::Reload(Some("echo".to_owned()));
    assert_eq!(list_after(&stand, reload).await[0].version.as_deref(), Some("2.0.0"));
    let back = PluginRequest::RollBack("echo".to_owned());
    assert_eq!(list_after(&stand, back).await[0].version.as_deref(), Some("1.0.0"));
    stand.neighbours_work().await;
    // A file that goes takes its child along.
    std::fs::remove_file(stand.plugins().join("rogue.wasm")).unwrap();
    in_time(stand.runtime.rescan()).await;
    assert_eq!(stand.runtime.list().len(), 2);
    stand.within(0);
}

/// `RULES.md R24`.
#[tokio::test]
async fn refused_file_is_not_checked_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("starts");
    let start = async || {
        let cache = folder.path().join("cache");
        Stand::new(Some(&b"garbage"[..]), |options| {
            options.cache = cache;
            slow(options, &notes);
        })
        .await
    };
    let stand = start().await;
    let fault = stand.fault("rogue.wasm");
    assert!(fault.starts_with("rogue.wasm: not a WebAssembly file"), "{fault}");
    stand.audited("", "refused");
    let starts = || std::fs::read_to_string(&notes).unwrap().lines().count();
    assert_eq!(starts(), 3);
    drop(stand);
    let stand = start().await;
    assert_eq!((stand.fault("rogue.wasm"), starts()), (fault.clone(), 3));
    stand.audited("", "refused");
    // The same bytes under another name are refused under that name.
    stand.replace_plugin("other.wasm", b"garbage").await;
    let other = fault.replace("rogue.wasm", "other.wasm");
    assert_eq!((stand.fault("other.wasm"), starts()), (other, 3));
    // An admin who wants it tried again gets that.
    let again = stand.runtime.admin(PluginRequest::Reload(Some("rogue.wasm".to_owned()))).await;
    assert_eq!(again.unwrap_err().to_string(), fault);
    assert_eq!(starts(), 4);
}

/// `RULES.md R22`: no file is in the host's memory as a whole, however many there are.
#[tokio::test]
async fn folder_of_large_files_takes_the_memory_of_one() {
    let stand = Stand::empty().await;
    for number in 0..8u8 {
        let path = stand.plugins().join(format!("{number}.wasm"));
        std::fs::write(&path, [number]).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(FILE_BYTES_MAX as u64).unwrap();
    }
    in_time(stand.beside(stand.runtime.rescan())).await;
    for number in 0..8 {
        assert!(stand.fault(&format!("{number}.wasm")).contains("not a WebAssembly file"));
    }
    stand.within(FILE_BYTES_MAX as u64 >> 20);
}

/// `RULES.md R17`: what checking a file takes is taken in the child.
#[tokio::test]
async fn checking_a_large_file_costs_the_host_no_memory() {
    let mut stand = Stand::empty().await;
    let functions =
        "(func (param i32) (result i32) local.get 0 i32.const 7 i32.mul)".repeat(45_000);
    let types: String =
        (0..20_000).map(|n| format!("(type (func (param {})))", "i64 ".repeat(n % 200))).collect();
    let text = format!("(component (core module {types} {functions}))");
    let bytes = wat::parse_str(text).unwrap();
    stand.measure_from_here();
    in_time(stand.replace_plugin("rogue.wasm", &bytes)).await;
    assert!(
        stand.fault("rogue.wasm").contains("no manifest in it"),
        "{}",
        stand.fault("rogue.wasm")
    );
    stand.within(8);
}

#[tokio::test]
async fn file_that_changes_while_it_waits_is_loaded_as_it_is_then() {
    let stand = Stand::empty().await;
    let good = Guest::transform("rogue").body("forward", renkei_fixtures::OK).file();
    write_plugin(&stand, "rogue.wasm", b"garbage");
    let rescan = stand.runtime.rescan();
    tokio::pin!(rescan);
    tokio::time::timeout(Duration::from_millis(1), &mut rescan).await.ok();
    write_plugin(&stand, "rogue.wasm", &good);
    in_time(rescan).await;
    in_time(stand.runtime.rescan()).await;
    assert_eq!(stand.fault("rogue.wasm"), "");
    assert_eq!(stand.runtime.generation("rogue").unwrap().version, "1.0.0");
}
