//! Names and documents in plain words: a type's name stands once, a function's name says what it
//! does, a document begins with its thing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::sources::{check_files, is_test};

/// Names of types that stand more than once across `host/`, each with the reason.
const SAME_NAME: [(&str, &str); 0] = [];

/// Names that say nothing as the whole name of a function.
const FUNCTIONS: [&str; 8] = ["settle", "tell", "take", "put", "ask", "of", "given", "said"];

/// Words that a document does not begin with.
const OPENINGS: [&str; 3] = ["What ", "Whether ", "See the module"];

fn is_product(path: &Path) -> bool {
    path.starts_with("host") && !is_test(path)
}

/// The name that a line defines after one of these words, if it is visible outside its module.
fn defined<'l>(line: &'l str, words: &[&str]) -> Option<&'l str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1,
        None => rest,
    };
    let rest = rest.trim_start();
    let rest = words.iter().find_map(|word| rest.strip_prefix(word)?.strip_prefix(' '))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end)
}

#[test]
fn each_type_name_stands_once_across_the_host() {
    let places = std::cell::RefCell::new(BTreeMap::<String, Vec<String>>::new());
    check_files(".rs", |path, text, _| {
        if !is_product(path) {
            return;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(name) = defined(line, &["struct", "enum", "trait", "type", "union"]) {
                let place = format!("{}:{}", path.display(), number + 1);
                places.borrow_mut().entry(name.to_owned()).or_default().push(place);
            }
        }
    });
    let excused = |name: &str| SAME_NAME.iter().any(|(excused, _)| *excused == name);
    let places = places.into_inner();
    assert!(places.len() > 200, "{} types only", places.len());
    let twice = places.iter().filter(|(name, places)| places.len() > 1 && !excused(name));
    let findings: Vec<String> =
        twice.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    assert!(findings.is_empty(), "name each type by what it is:\n{}", findings.join("\n"));
}

#[test]
fn functions_are_named_by_verb_and_object() {
    check_files(".rs", |path, text, findings| {
        if !is_product(path) {
            return;
        }
        for (number, line) in text.lines().enumerate() {
            let Some((_, rest)) = line.split_once("fn ") else { continue };
            if line.trim_start().starts_with("//") {
                continue;
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            if let Some(name) = FUNCTIONS.iter().find(|name| rest.get(..end) == Some(**name)) {
                let place = format!("{}:{}", path.display(), number + 1);
                writeln!(findings, "{place}: fn {name} says nothing of its object").unwrap();
            }
        }
    });
}

#[test]
fn documents_begin_with_their_thing() {
    check_files(".rs", |path, text, findings| {
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let document = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
            let begins = !before.starts_with("///") && !before.starts_with("//!");
            before = line;
            let Some(document) = document.filter(|_| begins) else { continue };
            if OPENINGS.iter().any(|opening| document.starts_with(opening)) {
                let place = format!("{}:{}", path.display(), number + 1);
                writeln!(findings, "{place}: begin with the thing: {document}").unwrap();
            }
        }
    });
}

#[test]
fn definitions_are_found_by_their_visibility() {
    let types = ["struct", "enum"];
    assert_eq!(defined("pub struct Way<'a> {", &types), Some("Way"));
    assert_eq!(defined("    pub(crate) enum Turn {", &types), Some("Turn"));
    assert_eq!(defined("struct Private;", &types), None);
    assert_eq!(defined("pub fn structure() {", &types), None);
}
