//! A million mutated inputs each for the readers of plugin files and of manifests: none may panic.

use renkei_mutate::run;

use super::tests::{connector, transform};
use super::*;

const PLUGINS: [&str; 4] = [
    include_str!("../../../../plugins/connectors/hubspot/plugin.toml"),
    include_str!("../../../../plugins/connectors/salesforce/plugin.toml"),
    include_str!("../../../../plugins/transforms/names/plugin.toml"),
    include_str!("../../../../plugins/transforms/matchkeys/plugin.toml"),
];

#[test]
fn reader_of_plugin_files_never_panics() {
    let mut seeds = vec![connector(), transform()];
    for seed in &seeds {
        assert!(Package::read("seed", seed.clone()).is_ok());
    }
    // Beginnings of files too: what is broken early is found early, and a whole file that is not
    // broken enough costs a comparison with the contract.
    for part in [2, 3, 4, 8] {
        let beginning = |seed: &Vec<u8>| seed[..seed.len() / part].to_vec();
        let parts = [beginning(&seeds[0]), beginning(&seeds[1])];
        seeds.extend(parts);
    }
    run(&seeds, |bytes| {
        if let Err(error) = Package::read("x.wasm", bytes.to_vec()) {
            assert!(error.to_string().starts_with("x.wasm: "));
        }
    });
}

/// Manifests as wholes, and each table of them with the head: short inputs reach more places.
fn manifests() -> Vec<String> {
    let mut seeds: Vec<String> = PLUGINS.map(str::to_owned).into();
    for text in PLUGINS {
        let tables: Vec<&str> = text.split("\n\n").collect();
        let head = tables.first().copied().unwrap_or_default();
        seeds.extend(tables.iter().map(|table| format!("{head}\n{table}\n")));
    }
    seeds
}

#[test]
fn toml_manifest_parser_never_panics() {
    let seeds: Vec<Vec<u8>> = manifests().into_iter().map(String::into_bytes).collect();
    for plugin in PLUGINS {
        assert!(Manifest::from_toml(plugin, Some("1.0.0")).is_ok());
    }
    run(&seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _checked = Manifest::from_toml(&text, Some("1.0.0"));
    });
}

#[test]
fn json_manifest_parser_never_panics() {
    let json = |text: &str| {
        let manifest = Manifest::from_toml(text, Some("1.0.0")).unwrap();
        manifest.to_json().to_string().into_bytes()
    };
    let seeds = PLUGINS.map(json);
    for seed in &seeds {
        assert!(Manifest::from_json(seed).is_ok());
    }
    run(&seeds, |bytes| {
        let _checked = Manifest::from_json(bytes);
    });
}
