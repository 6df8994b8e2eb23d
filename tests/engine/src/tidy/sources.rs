//! The files of the repository, as the checks read them.

use std::fs;
use std::path::{Path, PathBuf};

const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", ".cargo"];

/// The repository's folder.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Collects the files below a folder whose names end so, in order.
pub(super) fn collect_files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect_files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// Runs a check on every file whose name ends so, and lists what it finds. The check gets the path
/// from the repository's folder, the text, and where findings go.
pub(super) fn check_files(ending: &str, check: impl Fn(&Path, &str, &mut String)) {
    let root = root();
    let mut sources = Vec::new();
    collect_files(&root, ending, &mut sources);
    assert!(!sources.is_empty(), "the repository is not where it should be: {root:?}");
    let mut findings = String::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        check(path.strip_prefix(&root).unwrap(), &text, &mut findings);
    }
    assert!(findings.is_empty(), "\n{findings}");
}

/// A file of tests: no production code.
pub(super) fn is_test(path: &Path) -> bool {
    path.iter().any(|name| name == "tests" || name == "tests.rs")
}

/// Lines before the inline test module.
pub(super) fn count_code_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let inline = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    inline.unwrap_or(lines.len())
}
