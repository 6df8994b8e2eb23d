//! Good files, each kind of bad file with its message, and mutated bytes.

use std::sync::LazyLock;

use proptest::prelude::*;
use renkei_test_support::manifest as text;
use wasm_encoder::{ComponentSection as _, CustomSection};

use super::*;
use crate::manifest::SECTION;
use crate::world::dummy;

static CONNECTOR: LazyLock<String> = LazyLock::new(|| text::to_json(&text::connector("acme")));

static TRANSFORM: LazyLock<String> = LazyLock::new(|| text::to_json(&text::transform("upper")));

fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    CustomSection { name: name.into(), data: data.into() }.append_to_component(&mut component);
    component
}

pub(super) fn connector() -> Vec<u8> {
    with_section(dummy::component(world::connector().unwrap()), SECTION, CONNECTOR.as_bytes())
}

pub(super) fn transform() -> Vec<u8> {
    with_section(dummy::component(world::transform().unwrap()), SECTION, TRANSFORM.as_bytes())
}

/// Compares the message with its hint, or the beginning where `expected` ends in `...`.
fn check(bytes: Vec<u8>, expected: &str) {
    let error = Package::read("acme.wasm", bytes).unwrap_err();
    let hint = error.hint().map(|hint| format!(" (hint: {hint})"));
    let message = format!("{error}{}", hint.unwrap_or_default());
    match expected.strip_suffix("...") {
        Some(start) => assert!(message.starts_with(start), "{message}"),
        None => assert_eq!(message, expected),
    }
}

#[test]
fn files_of_both_kinds_are_read() {
    let package = Package::read("acme.wasm", connector()).unwrap();
    assert_eq!(package.manifest.id, "acme");
    assert_eq!(package.digest.len(), 64);
    assert_eq!(package.bytes(), connector());
    assert!(package.imports.contains(&"renkei:plugin/http@0.2.0".to_owned()), "{package:?}");
    assert_eq!(package.exports, ["renkei:plugin/connector@0.2.0"]);

    let package = Package::read("upper.wasm", transform()).unwrap();
    assert_eq!(package.manifest.kind.name(), "transform");
    assert_eq!(package.exports, ["renkei:plugin/transform@0.2.0"]);
}

#[test]
fn file_that_is_no_component_is_refused() {
    let build = "(hint: build it with `renkei plugin build`)";
    check(Vec::new(), &format!("acme.wasm: not a WebAssembly file {build}"));
    check(b"hello".to_vec(), "acme.wasm: not a WebAssembly file ...");
    let core = format!("acme.wasm: a core module, not a component {build}");
    check(b"\0asm\x01\0\0\0".to_vec(), &core);
    check(b"\x7fELF\x02\x01\x01".to_vec(), "acme.wasm: precompiled native code, ...");
    check(b"\0asm\x0d\0\x01\0".to_vec(), "acme.wasm: no manifest in it ...");
}

#[test]
fn truncated_file_is_refused() {
    let mut bytes = connector();
    bytes.truncate(bytes.len() - 1);
    let (length, hint) = (bytes.len(), "(hint: copy the whole file again)");
    let expected = format!("acme.wasm: cut off after {length} bytes {hint}");
    check(bytes, &expected);
    // A cut between two sections looks like a whole component that lost its last section, the
    // manifest.
    for keep in 9..transform().len() {
        let error = Package::read("acme.wasm", transform()[..keep].to_vec()).unwrap_err();
        let expected =
            matches!(error, PackageError::Truncated { .. } | PackageError::NoManifest { .. });
        assert!(expected, "{keep}: {error}");
    }
}

#[test]
fn manifest_that_does_not_fit_its_component_is_refused() {
    let component = || dummy::component(world::transform().unwrap());
    check(component(), "acme.wasm: no manifest in it ...");
    let twice = with_section(transform(), SECTION, b"{}");
    check(twice, "acme.wasm: has a manifest already (hint: give `renkei plugin pack` a ...");
    check(with_section(component(), SECTION, b"\xff"), "acme.wasm: manifest: ...");
    let other = TRANSFORM.replace("\"0.2\"", "\"0.9\"");
    check(
        with_section(component(), SECTION, other.as_bytes()),
        "acme.wasm: manifest: built for contract 0.9, and this host binds 0.2 (hint: ...",
    );
    check(
        with_section(component(), SECTION, CONNECTOR.as_bytes()),
        "acme.wasm: exports no renkei:plugin/connector@0.2.0, although its manifest \
         says that it is a connector (hint: export it, or correct `kind` in the manifest)",
    );
}

#[test]
fn file_over_a_cap_is_refused() {
    let bytes = with_section(transform(), "name", &vec![0; CUSTOM_BYTES_MAX]);
    check(bytes, "acme.wasm: bytes of custom sections ...");
    let manifest = vec![b' '; MANIFEST_BYTES_MAX + 1];
    let component = dummy::component(world::transform().unwrap());
    let bytes = with_section(component, SECTION, &manifest);
    let hint = "(hint: leave out what it does not need, such as debug information)";
    check(bytes, &format!("acme.wasm: manifest bytes 262145, at most 262144 {hint}"));
    let large = format!("acme.wasm: size in bytes 33554433, at most 33554432 {hint}");
    check(vec![0; FILE_BYTES_MAX + 1], &large);
}

#[test]
fn import_outside_the_contract_is_refused() {
    let with_import = |package: &str, interface: &str| {
        let wit = format!(
            "package test:it;
             world it {{ import {package}/{interface}; }}
             package {package} {{ interface {interface} {{ f: func(); }} }}"
        );
        with_section(dummy::component_of(&wit), SECTION, CONNECTOR.as_bytes())
    };
    for interface in ["outgoing-handler@0.2.9", "types@0.3.0", "types"] {
        let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
        let at = if version.is_empty() { "" } else { "@" };
        let wit = format!(
            "package test:it;
             world it {{ import wasi:http/{interface}; }}
             package wasi:http{at}{version} {{ interface {name} {{ f: func(); }} }}"
        );
        let expected = format!(
            "acme.wasm: imports wasi:http/{interface}, which a connector does not get (hint: \
             a plugin may list only the interfaces of WASI 0.2 ..."
        );
        check(with_section(dummy::component_of(&wit), SECTION, CONNECTOR.as_bytes()), &expected);
    }
    check(with_import("acme:disk", "files"), "acme.wasm: imports acme:disk/files, which ...");
}

#[test]
fn transform_that_imports_http_is_refused() {
    let component = dummy::component(world::connector().unwrap());
    check(
        with_section(component, SECTION, TRANSFORM.as_bytes()),
        "acme.wasm: imports renkei:plugin/http@0.2.0, which a transform does not get (hint: \
         the kind in its manifest ...",
    );
}

#[test]
fn function_of_another_type_is_refused() {
    let wit = "package test:it;
        world it { export renkei:plugin/transform@0.2.0; }
        package renkei:plugin@0.2.0 {
            interface transform { forward: func(function: string) -> u32; }
        }";
    check(
        with_section(dummy::component_of(wit), SECTION, TRANSFORM.as_bytes()),
        "acme.wasm: not of contract 0.2: ...",
    );
}

#[test]
fn file_with_a_disabled_wasm_feature_is_refused() {
    // A component with one core module whose only memory is a 64-bit one.
    let bytes = b"\0asm\x0d\0\x01\0\x01\x0d\0asm\x01\0\0\0\x05\x03\x01\x04\x01";
    check(bytes.to_vec(), "acme.wasm: not a valid component: memory64 must be enabled ...");
}

#[test]
fn missing_and_irregular_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("acme.wasm");
    let message = Package::open(&path).unwrap_err().to_string();
    let expected = format!("{}: cannot be read: ", path.display());
    assert!(message.starts_with(&expected), "{message}");
    let error = Package::open(dir.path()).unwrap_err();
    assert!(error.to_string().ends_with(": not a regular file"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("give a .wasm file"));
    std::fs::write(&path, connector()).unwrap();
    assert_eq!(Package::open(&path).unwrap().size(), connector().len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Reading hostile bytes ends in a package or in an error, never in a panic.
    #[test]
    fn reading_mutated_bytes_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = transform();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _checked = Package::read("acme.wasm", bytes);
    }

    #[test]
    fn reading_any_manifest_never_panics(text in "\\PC*") {
        let component = dummy::component(world::transform().unwrap());
        let bytes = with_section(component, SECTION, text.as_bytes());
        prop_assert!(Package::read("acme.wasm", bytes).is_err());
    }
}

/// A component of the transform world that also imports `import` of these packages of WASI.
fn transform_with(import: &str, wasi: &str) -> Vec<u8> {
    let body = |(_, text): (&str, &str)| text.replace("package renkei:plugin@0.2.0;", "");
    let contract: String = crate::world::WIT.map(body).concat();
    let wit = format!(
        "package test:it;
         world it {{
             {import} import renkei:plugin/log@0.2.0; export renkei:plugin/transform@0.2.0;
         }}
         package renkei:plugin@0.2.0 {{ {contract} }}
         {wasi}"
    );
    with_section(dummy::component_of(&wit), SECTION, TRANSFORM.as_bytes())
}

#[test]
fn wasi_imports_of_language_runtimes_are_accepted() {
    let io = "package wasi:io@0.2.9 {
        interface error { resource error { to-debug-string: func() -> string; } }
        interface streams { use error.{error}; variant bad { failed(error), closed }
            resource output-stream { write: func(bytes: list<u8>) -> result<_, bad>; } } }
        package wasi:cli@0.2.9 {
        interface stdout { use wasi:io/streams@0.2.9.{output-stream};
            get-stdout: func() -> output-stream; } }
        package wasi:sockets@0.2.3 { interface tcp { resource tcp-socket { close: func(); } } }";
    let import = "import wasi:cli/stdout@0.2.9; import wasi:sockets/tcp@0.2.3;";
    let package = Package::read("upper.wasm", transform_with(import, io)).unwrap();
    for import in ["wasi:io/streams@0.2.9", "wasi:sockets/tcp@0.2.3", "renkei:plugin/log@0.2.0"] {
        assert!(package.imports.contains(&import.to_owned()), "{:?}", package.imports);
    }

    // WASI beside it does not loosen the contract itself.
    let wit = "package test:it;
        world it { import wasi:clocks/wall-clock@0.2.0; export renkei:plugin/transform@0.2.0; }
        package wasi:clocks@0.2.0 { interface wall-clock { now: func() -> u64; } }
        package renkei:plugin@0.2.0 {
            interface transform { forward: func(function: string) -> u32; }
        }";
    check(
        with_section(dummy::component_of(wit), SECTION, TRANSFORM.as_bytes()),
        "acme.wasm: not of contract 0.2: ...",
    );
}
