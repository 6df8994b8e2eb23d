//! Whatever a comment or a document cites can be opened in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::sources::{check_files, collect_files, root};

/// Documents and numbers that only the makers of Renkei have.
const ELSEWHERE: [&str; 8] =
    ["SYNC.md", "TRUST.md", "DESIGN.md", "WASM.md", "STYLE.md", "HOUSE.md", "FINDINGS", "apis/"];

/// The word after which a number is one of the makers' own.
const NUMBERED: [&str; 4] = ["issue ", "issues ", "acceptance ", "Acceptance "];

/// Names of files that are to be made one day, and no files of ours.
const EXAMPLES: [&str; 1] = ["v2.rs"];

fn comments(path: &Path, text: &str) -> Vec<(usize, String)> {
    let comment = |line: &str| match path.extension()?.to_str()? {
        "md" => Some(line.to_owned()),
        "rs" | "wit" => line.split_once("//").map(|(_, comment)| comment.to_owned()),
        "sql" => line.split_once("--").map(|(_, comment)| comment.to_owned()),
        _ => line.split_once('#').map(|(_, comment)| comment.to_owned()),
    };
    let lines = text.lines().enumerate();
    lines.filter_map(|(number, line)| Some((number + 1, comment(line)?))).collect()
}

/// Runs a check on each comment and each line of a document.
fn check_comments(check: impl Fn(&str, &mut dyn FnMut(String))) {
    for ending in [".rs", ".md", ".wit", ".sql", ".toml"] {
        check_files(ending, |path, text, findings| {
            // This file names what must not be named.
            if path.ends_with("tidy/citations.rs") {
                return;
            }
            for (number, comment) in comments(path, text) {
                check(&comment, &mut |finding| {
                    writeln!(findings, "{}:{number}: {finding}", path.display()).unwrap();
                });
            }
        });
    }
}

#[test]
fn nothing_cites_a_document_outside_the_repository() {
    check_comments(|comment, find| {
        for word in ELSEWHERE.iter().filter(|word| comment.contains(**word)) {
            find(format!("{word} cannot be opened here; say it in a sentence, or cite a rule"));
        }
        for word in NUMBERED {
            let number = comment.split(word).nth(1).and_then(|rest| rest.chars().next());
            if number.is_some_and(|digit| digit.is_ascii_digit()) {
                find(format!("`{word}` and a number cannot be opened here"));
            }
        }
    });
}

/// Headings of every document that numbers its rules, by the document's name.
fn numbered_rules() -> BTreeMap<String, BTreeSet<String>> {
    let root = root();
    let mut documents = Vec::new();
    collect_files(&root, ".md", &mut documents);
    let mut rules = BTreeMap::<String, BTreeSet<String>>::new();
    for path in documents {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
        let numbers = headings.filter_map(|heading| heading.split([' ', ':', '.']).next());
        rules.entry(name).or_default().extend(numbers.map(str::to_owned));
    }
    rules
}

/// A capital and digits, as in `V13`.
fn is_rule_number(word: &str) -> bool {
    let digits = word.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn every_cited_document_and_rule_is_there() {
    let rules = numbered_rules();
    check_comments(|comment, find| {
        let is_word = |c: char| c.is_alphanumeric() || "._-/".contains(c);
        let mut rest = comment;
        while let Some((before, after)) = rest.split_once(".md") {
            rest = after;
            let path = before.rsplit(|c| !is_word(c)).next().unwrap_or_default();
            let name = format!("{}.md", path.rsplit('/').next().unwrap_or_default());
            if name == ".md" || path.contains("//") || EXAMPLES.contains(&name.as_str()) {
                continue;
            }
            let Some(rules) = rules.get(&name) else {
                find(format!("{path}.md is not in the repository"));
                continue;
            };
            let number = after.trim_start_matches(['`', ' ']);
            let number = number.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if is_rule_number(number) && !rules.contains(number) {
                find(format!("{name} has no {number}"));
            }
        }
    });
}

/// A file that a document names: from its own folder or the root with folders, by its bare name
/// anywhere below its own folder.
fn is_there(named: &str, document: &Path, sources: &[PathBuf]) -> bool {
    let folder = document.parent().unwrap_or(document);
    let named = Path::new(named.trim_start_matches("../"));
    let is_bare = named.components().count() == 1;
    sources.iter().any(|file| file.ends_with(named) && (!is_bare || file.starts_with(folder)))
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let root = root();
    let mut sources = Vec::new();
    collect_files(&root, ".rs", &mut sources);
    check_files(".md", |path, text, findings| {
        for (number, line) in text.lines().enumerate() {
            for quoted in line.split('`').skip(1).step_by(2) {
                let is_file = quoted.ends_with(".rs") && !quoted.contains([' ', '*', '{', '<']);
                let is_known = EXAMPLES.contains(&quoted);
                if is_file && !is_known && !is_there(quoted, &root.join(path), &sources) {
                    let number = number + 1;
                    writeln!(findings, "{}:{number}: no file {quoted}", path.display()).unwrap();
                }
            }
        }
    });
}
