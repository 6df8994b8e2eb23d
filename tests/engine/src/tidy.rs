//! The house rules that a machine can check, on the whole repository (STYLE.md 3).
//!
//! Every finding names its file and line and says what to do; all findings are listed at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const WIDTH_MAX: usize = 100;
const BANNED_NAMES: [&str; 5] = ["mod.rs", "common", "utils", "helpers", "manager"];
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", ".cargo"];

/// Which of our crates each may depend on, outside its tests.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("renkei-sync", &[]),
    ("renkei-simulators", &[]),
    ("renkei-files", &[]),
    ("renkei-package", &["renkei-files"]),
    ("renkei-store", &["renkei-files", "renkei-sync"]),
    ("renkei-egress", &["renkei-files", "renkei-package", "renkei-sync"]),
    ("renkei-runtime", &["renkei-egress", "renkei-files", "renkei-package", "renkei-sync"]),
    ("renkei-conformance", &["renkei-package", "renkei-runtime", "renkei-sync"]),
    (
        "renkei",
        &[
            "renkei-conformance",
            "renkei-files",
            "renkei-package",
            "renkei-runtime",
            "renkei-simulators",
            "renkei-store",
            "renkei-sync",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files below a folder, by the end of their names.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// Runs a check on every Rust file and lists what it finds.
fn check_each(check: impl Fn(&Path, &str, &mut String)) {
    let root = root();
    let mut sources = Vec::new();
    files(&root, ".rs", &mut sources);
    assert!(sources.len() > 50, "the repository is not where it should be: {root:?}");
    let mut findings = String::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        check(path.strip_prefix(&root).unwrap(), &text, &mut findings);
    }
    assert!(findings.is_empty(), "\n{findings}");
}

fn is_test(path: &Path) -> bool {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    names.iter().any(|name| name == "tests" || name == "tests.rs")
}

/// The lines before the inline test module, if there is one.
fn code(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let inline = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    inline.unwrap_or(lines.len())
}

#[test]
fn every_file_begins_with_what_it_is() {
    check_each(|path, text, findings| {
        if !text.starts_with("//!") {
            writeln!(findings, "{}:1: begin with a `//!` module doc", path.display()).unwrap();
        }
    });
}

#[test]
fn files_functions_and_lines_are_short() {
    check_each(|path, text, findings| {
        let lines = code(text);
        if lines > FILE_LINES_MAX && !is_test(path) {
            writeln!(findings, "{}: {lines} lines, split it", path.display()).unwrap();
        }
        for (number, line) in text.lines().enumerate() {
            let width = line.chars().count();
            if width > WIDTH_MAX && !is_unbreakable(line) {
                let number = number + 1;
                writeln!(findings, "{}:{number}: {width} columns", path.display()).unwrap();
            }
        }
        for (number, name, length) in functions(text) {
            if length > FUNCTION_LINES_MAX {
                writeln!(findings, "{}:{number}: {name} has {length} lines", path.display())
                    .unwrap();
            }
        }
    });
}

/// A string or an address that has no place to break.
fn is_unbreakable(line: &str) -> bool {
    line.contains('"') || line.contains("://")
}

/// Line, name and length of every function, by its indentation, which rustfmt keeps.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let words: Vec<&str> = trimmed.split_whitespace().take(5).collect();
        let Some(position) = words.iter().position(|word| *word == "fn") else { continue };
        // One line, such as a getter or an expression in a macro.
        if trimmed.contains('}') {
            continue;
        }
        let qualifiers = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe"];
        if !words[..position].iter().all(|word| qualifiers.contains(word)) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(line.len() - trimmed.len()));
        let ends = |line: &&&str| line.ends_with(';') || line.ends_with('{');
        let has_body = lines[start..].iter().find(ends).is_some_and(|line| line.ends_with('{'));
        let body = lines[start..].iter().position(|line| *line == closing);
        if let Some(length) = body.filter(|_| has_body) {
            let name = words.get(position + 1).copied().unwrap_or_default();
            let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
            found.push((start + 1, name, length + 1));
        }
    }
    found
}

#[test]
fn names_say_what_they_hold() {
    check_each(|path, _, findings| {
        for name in path.iter().map(|name| name.to_string_lossy()) {
            let stem = name.trim_end_matches(".rs");
            if BANNED_NAMES.contains(&name.as_ref()) || BANNED_NAMES.contains(&stem) {
                writeln!(findings, "{}: name it by what it does", path.display()).unwrap();
            }
        }
    });
}

#[test]
fn nothing_is_left_undone_or_waved_through() {
    // Written apart so that this file does not find itself.
    let banned = [
        ("todo", "!("),
        ("unimplemented", "!("),
        ("#[ig", "nore"),
        ("#[al", "low("),
        ("#![al", "low("),
        ("FIX", "ME"),
        ("XX", "X"),
    ]
    .map(|(head, tail)| format!("{head}{tail}"));
    check_each(|path, text, findings| {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = banned.iter().find(|word| line.contains(word.as_str())) {
                writeln!(findings, "{}:{}: no {word}", path.display(), number + 1).unwrap();
            }
        }
    });
}

#[test]
fn crates_depend_only_the_way_the_architecture_says() {
    let root = root();
    let mut manifests = Vec::new();
    files(&root.join("host"), "Cargo.toml", &mut manifests);
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
    assert!(uses.is_empty(), "say in tidy.rs what {:?} may depend on", uses.keys());
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
fn the_tidy_test_itself_can_see() {
    let text = "//! Doc.\n\npub fn short() {\n    1;\n}\n\nimpl A {\n    async fn long(\n        a: u8,\n    ) {\n        2;\n    }\n}\n";
    let found: Vec<(usize, String, usize)> = functions(text);
    let expected = [(3, "short".to_owned(), 3), (8, "long".to_owned(), 5)];
    assert_eq!(found, expected);
    let (name, uses) =
        manifest("[package]\nname = \"a\"\n[dependencies]\nrenkei-x.workspace = true\n");
    assert_eq!((name.as_str(), uses), ("a", vec!["renkei-x".to_owned()]));
}
