//! The direction of dependencies between our crates.

use std::collections::BTreeMap;
use std::fs;

use super::sources::{collect_files, root};

/// The crates of ours that each may depend on, outside its tests.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("renkei-model", &[]),
    ("renkei-sync", &["renkei-model"]),
    ("renkei-simulators", &[]),
    ("renkei-files", &[]),
    ("renkei-package", &["renkei-files"]),
    ("renkei-store", &["renkei-files", "renkei-model"]),
    ("renkei-egress", &["renkei-model", "renkei-package"]),
    ("renkei-runtime", &["renkei-egress", "renkei-files", "renkei-model", "renkei-package"]),
    ("renkei-conformance", &["renkei-model", "renkei-package", "renkei-runtime"]),
    (
        "renkei-admin",
        &["renkei-files", "renkei-model", "renkei-package", "renkei-runtime", "renkei-sync"],
    ),
    (
        "renkei",
        &[
            "renkei-admin",
            "renkei-conformance",
            "renkei-files",
            "renkei-model",
            "renkei-package",
            "renkei-runtime",
            "renkei-simulators",
            "renkei-store",
            "renkei-sync",
        ],
    ),
];

#[test]
fn crates_depend_only_the_way_the_architecture_says() {
    let root = root();
    let mut manifests = Vec::new();
    collect_files(&root.join("host"), "Cargo.toml", &mut manifests);
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in manifests {
        let (name, dependencies) = manifest(&fs::read_to_string(path).unwrap());
        uses.insert(name, dependencies);
    }
    for (name, allowed) in ALLOWED {
        let used = uses.remove(name).unwrap_or_else(|| panic!("no crate {name} under host/"));
        for dependency in used {
            let fine = allowed.contains(&dependency.as_str());
            assert!(fine, "{name} must not depend on {dependency}; see host/README.md");
        }
    }
    assert!(uses.is_empty(), "say in ALLOWED what {:?} may depend on", uses.keys());
}

/// A manifest's name and its dependencies among our crates, tests' ones left out.
fn manifest(text: &str) -> (String, Vec<String>) {
    let mut section = "";
    let mut name = String::new();
    let mut dependencies = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        } else if section == "[package]" && line.starts_with("name") {
            name = line.split('"').nth(1).unwrap_or_default().to_owned();
        } else if section == "[dependencies]" && line.starts_with("renkei") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            dependencies.push(name.to_owned());
        }
    }
    (name, dependencies)
}

#[test]
fn manifests_are_read() {
    let (name, uses) =
        manifest("[package]\nname = \"a\"\n[dependencies]\nrenkei-x.workspace = true\n");
    assert_eq!((name.as_str(), uses), ("a", vec!["renkei-x".to_owned()]));
}
