//! Packing without a toolchain, and a real crate whose build must fail before anything is compiled.

use std::fs;
use std::sync::LazyLock;

use renkei_test_support::manifest::transform;

use super::*;
use crate::manifest::{Manifest, SECTION};

/// A transform that leaves its version to the crate.
static PLUGIN: LazyLock<String> =
    LazyLock::new(|| transform("upper").replace("version = \"1.0.0\"\n", ""));

/// A crate with this `[lib]` section and this `plugin.toml`; the error of building it, without its
/// directory.
fn check(lib: &str, plugin: Option<&str>, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let cargo = format!(
        "[package]\nname = \"upper\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n{lib}"
    );
    fs::write(dir.path().join("Cargo.toml"), cargo).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/lib.rs"), "").unwrap();
    if let Some(plugin) = plugin {
        fs::write(dir.path().join("plugin.toml"), plugin).unwrap();
    }
    let error = shown(&build(dir.path(), &BuildOptions::default(), &mut |_| {}).unwrap_err());
    let real = dir.path().canonicalize().unwrap();
    let error = error.replace(&*real.to_string_lossy(), "DIR");
    assert!(error.starts_with(expected), "{error}");
}

fn shown(error: &BuildError) -> String {
    let hint = error.hint().map(|hint| format!(" (hint: {hint})"));
    format!("{error}{}", hint.unwrap_or_default())
}

const CDYLIB: &str = "[lib]\ncrate-type = [\"cdylib\"]\n";

#[test]
fn crate_that_cannot_be_built_is_refused() {
    check("", Some(&PLUGIN), "DIR: not a plugin crate (hint: add `crate-type");
    check(CDYLIB, None, "DIR/plugin.toml: No such file");
    let other = PLUGIN.replace("\"0.2\"", "\"0.9\"");
    let unbound = "DIR/plugin.toml: built for contract 0.9, and this host binds 0.2";
    check(CDYLIB, Some(&other), unbound);
    check("[lib]\nnonsense", Some(&PLUGIN), "DIR: error: ");
    let empty = tempfile::tempdir().unwrap();
    let error = shown(&build(empty.path(), &BuildOptions::default(), &mut |_| {}).unwrap_err());
    assert!(error.contains("(hint: give the directory of a plugin"), "{error}");
    assert!(error.contains("no Cargo.toml, package.json or requirements.txt in it"), "{error}");
}

#[test]
fn module_without_a_world_is_refused() {
    let manifest = Manifest::from_toml(&PLUGIN, Some("1.2.3")).unwrap();
    let error = component::componentize("upper", b"\0asm\x01\0\0\0", &manifest).unwrap_err();
    let hint = "call `renkei_sdk::export_transform!` in its lib.rs";
    let expected = format!("upper: exports no plugin (hint: {hint})");
    assert_eq!(shown(&error), expected);
}

#[test]
fn component_becomes_a_plugin_file_in_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let module = crate::world::dummy::module(crate::world::transform().unwrap());
    let manifest = Manifest::from_toml(&PLUGIN, Some("1.2.3")).unwrap();
    let component = component::componentize("upper", &module, &manifest).unwrap();
    let out = dir.path().join("out");

    let first = component::write(component.clone(), &manifest, &out).unwrap();
    let again = component::write(component.clone(), &manifest, &out).unwrap();

    assert_eq!(first.package.digest, again.package.digest);
    assert_eq!(first.package.manifest.version, "1.2.3");
    assert_eq!(fs::read(&first.path).unwrap(), first.package.bytes());
    let files: Vec<_> = fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files, ["upper.wasm"]);
    let section = SECTION.as_bytes();
    assert!(first.package.bytes().windows(section.len()).any(|window| window == section));

    // The same from files, as another language's tools leave them; the version must be said then.
    let (file, plugin) = (dir.path().join("made.wasm"), dir.path().join("plugin.toml"));
    fs::write(&file, component).unwrap();
    fs::write(&plugin, PLUGIN.as_str()).unwrap();
    let error = pack(&file, &plugin, &out).unwrap_err().to_string();
    assert!(error.contains("version"), "{error}");
    fs::write(&plugin, format!("version = \"1.2.3\"\n{}", *PLUGIN)).unwrap();
    assert_eq!(pack(&file, &plugin, &out).unwrap().package.digest, first.package.digest);
}

#[test]
fn script_that_cannot_be_built_is_refused() {
    let check = |files: &[(&str, &str)], expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let error = build(dir.path(), &BuildOptions::default(), &mut |_| {}).unwrap_err();
        let error = shown(&error).replace(&*dir.path().to_string_lossy(), "DIR");
        assert!(error.starts_with(expected), "{error}");
        assert!(!dir.path().join("build").exists(), "nothing is installed before");
    };
    check(&[("package.json", "{}")], "DIR/plugin.toml: No such file");
    let plugin = ("plugin.toml", PLUGIN.as_str());
    check(&[("package.json", "{"), plugin], "DIR: package.json: ");
    check(&[("package.json", "{}"), plugin], "DIR/plugin.toml: ");
    let package = ("package.json", r#"{"version": "1.2.3", "main": "plugin.js"}"#);
    check(&[package, plugin], "DIR: no package-lock.json in it (hint: run `npm install`");
    let versioned = format!("version = \"1.2.3\"\n{}", *PLUGIN);
    check(&[("requirements.txt", ""), ("plugin.toml", &versioned)], "DIR: no src/plugin.py in it");
}

#[test]
fn tool_output_is_cut_to_the_part_about_the_plugin() {
    let python = "Traceback (most recent call last):\n  File \"componentize-py\", line 8\n\
                  AssertionError: Traceback (most recent call last):\n  \
                  File \"/0/plugin.py\", line 1, in <module>\n    import nowhere\n\
                  ModuleNotFoundError: No module named 'nowhere'\n\n\nCaused by:\n    \
                  ModuleNotFoundError: No module named 'nowhere'\n\nStack backtrace:\n   \
                  0: <anyhow::Error>::msg\n  28: _start\n";
    let lines: Vec<_> = script::plugin_part(python).lines().map(str::trim).collect();
    let expected = [
        "Traceback (most recent call last):",
        "File \"/0/plugin.py\", line 1, in <module>",
        "import nowhere",
        "ModuleNotFoundError: No module named 'nowhere'",
    ];
    assert_eq!(lines, expected);
    assert_eq!(
        script::plugin_part("error: x\n\nCaused by:\n    y\n"),
        "error: x\n\nCaused by:\n    y"
    );
    assert_eq!(script::plugin_part("Stack backtrace:\n  0: f\n"), "Stack backtrace:\n  0: f");
}
