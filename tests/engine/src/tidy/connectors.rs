//! Every connector has the same files in the same places, so that who knows one knows them all. The
//! template for authors has them too.
//!
//! Whatever else one connector needs lies below one of these files, as a child module, or is an
//! extra that this test names with its reason.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::sources::{collect_files, root};

/// Files of every connector: in its folder, in `src` and in `tests`.
const FILES: [&str; 16] = [
    "API.md",
    "Cargo.toml",
    "README.md",
    "plugin.toml",
    "src/activity.rs",
    "src/client.rs",
    "src/config.rs",
    "src/error.rs",
    "src/find.rs",
    "src/lib.rs",
    "src/read.rs",
    "src/schema.rs",
    "src/value.rs",
    "src/webhook.rs",
    "src/write.rs",
    "tests/simulated.rs",
];

/// The modules in the order of `lib.rs`; rustfmt sorts those that have no blank line between them.
const MODULES: [&str; 10] = [
    "client", "config", "error", "schema", "value", "find", "read", "write", "activity", "webhook",
];

/// The types that every `error.rs` has, by the words that declare them.
const ERROR_TYPES: [&str; 2] = ["struct ApiError ", "enum CallFailure "];

/// Further files: the connector, the file, and the reason.
const EXTRAS: [(&str, &str, &str); 2] = [
    ("hubspot", "src/associations.rs", "HubSpot keeps references apart from records"),
    ("template", ".gitignore", "a plugin that is made from it stands in a repository of its own"),
];

/// The folders of all connectors with their names.
fn connectors() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(root().join("plugins/connectors")).unwrap();
    let mut found: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    found.push(("template".to_owned(), root().join("plugins/template/connector")));
    found.sort();
    found
}

/// The files directly in a folder, as paths below `base`.
fn files_in(base: &Path, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(base.join(folder)).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| path.strip_prefix(base).unwrap().to_string_lossy().into_owned()).collect()
}

/// The modules of a `lib.rs`, in their order.
fn modules(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect()
}

#[test]
fn connectors_have_the_same_files() {
    let mut findings = String::new();
    let mut extras = BTreeSet::new();
    for (name, folder) in connectors() {
        let found: BTreeSet<String> =
            ["", "src", "tests"].into_iter().flat_map(|sub| files_in(&folder, sub)).collect();
        for file in FILES.iter().filter(|file| !found.contains(**file)) {
            writeln!(findings, "{name}: {file} is missing").unwrap();
        }
        for file in found.iter().filter(|file| !FILES.contains(&file.as_str())) {
            let extra = EXTRAS.iter().find(|extra| (extra.0, extra.1) == (&*name, &**file));
            if let Some(extra) = extra {
                extras.insert(extra);
            } else {
                writeln!(findings, "{name}: put {file} below a file of the list").unwrap();
            }
        }
    }
    for extra in EXTRAS.iter().filter(|extra| !extras.contains(extra)) {
        writeln!(findings, "{}: {} is gone; take it out of EXTRAS", extra.0, extra.1).unwrap();
    }
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn connectors_have_the_same_order_and_error_types() {
    for (name, folder) in connectors() {
        let lib = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        let modules = modules(&lib);
        let (shared, extra) = modules.split_at_checked(MODULES.len()).unwrap();
        assert_eq!(shared, MODULES, "{name}");
        for module in extra {
            let file = format!("src/{module}.rs");
            let is_extra = EXTRAS.iter().any(|extra| (extra.0, extra.1) == (&*name, &*file));
            assert!(is_extra, "{name}: {file} is no extra");
        }
        let error = fs::read_to_string(folder.join("src/error.rs")).unwrap();
        for declared in ERROR_TYPES {
            assert!(error.contains(declared), "{name}: error.rs has no `{declared}`");
        }
    }
}

/// The words of a text that have the form of a wire fact's name, such as `H-search-3`.
fn facts(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|next: char| !next.is_ascii_alphanumeric() && next != '-');
    words.filter(|word| match word.split('-').collect::<Vec<_>>().as_slice() {
        [vendor, area, number] => {
            vendor.len() == 1
                && vendor.chars().all(|letter| letter.is_ascii_uppercase())
                && !area.is_empty()
                && area.chars().all(|letter| letter.is_ascii_lowercase())
                && number.parse::<u32>().is_ok()
        }
        _ => false,
    })
}

#[test]
fn cited_wire_facts_exist_and_each_is_cited() {
    let mut stated: BTreeSet<String> = BTreeSet::new();
    let folders = connectors().into_iter().map(|(_, folder)| folder);
    for folder in folders.chain([root().join("plugins/examples/kintone")]) {
        let api = fs::read_to_string(folder.join("API.md")).unwrap();
        let items = api.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next());
        stated.extend(items.map(str::to_owned));
    }
    assert!(stated.len() > 50, "the facts are not where they should be");
    let mut sources = Vec::new();
    for ending in [".rs", ".toml", ".wit"] {
        collect_files(&root(), ending, &mut sources);
    }
    let mut findings = String::new();
    let mut cited = BTreeSet::new();
    let itself = root().join("tests/engine/src/tidy");
    for path in sources.iter().filter(|path| !path.starts_with(&itself)) {
        let text = fs::read_to_string(path).unwrap();
        for fact in facts(&text) {
            if !stated.contains(fact) {
                writeln!(findings, "{}: no API.md states {fact}", path.display()).unwrap();
            }
            cited.insert(fact.to_owned());
        }
    }
    for fact in stated.difference(&cited) {
        writeln!(findings, "{fact}: no code cites it; cite it or take it out of its API.md")
            .unwrap();
    }
    assert!(findings.is_empty(), "\n{findings}");
}
