//! The planted bugs: each patch applies to the tree as it is.

use std::fs;
use std::process::Command;

use super::sources::root;

#[test]
fn every_planted_bug_applies() {
    let root = root();
    let mut patches: Vec<_> = fs::read_dir(root.join("tests/histories/planted"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "patch"))
        .collect();
    patches.sort();
    assert!(patches.len() >= 10, "found {} patches", patches.len());
    let mut findings = String::new();
    for patch in patches {
        let mut git = Command::new("git");
        let tried = git.args(["apply", "--check"]).arg(&patch).current_dir(&root).output().unwrap();
        if !tried.status.success() {
            findings.push_str(&String::from_utf8_lossy(&tried.stderr));
        }
    }
    assert!(findings.is_empty(), "a patch no longer applies:\n{findings}");
}
