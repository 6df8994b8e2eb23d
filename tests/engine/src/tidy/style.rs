//! Size, shape and names of source files.

use std::fmt::Write;

use super::sources::{check_files, count_code_lines, is_test};

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_MEDIAN: usize = 160;
const FUNCTION_LINES_MAX: usize = 70;
const WIDTH_MAX: usize = 100;
const BANNED_NAMES: [&str; 5] = ["mod.rs", "common", "utils", "helpers", "manager"];

#[test]
fn every_file_begins_with_what_it_is() {
    check_files(".rs", |path, text, findings| {
        if !text.starts_with("//!") {
            writeln!(findings, "{}:1: begin with a `//!` module doc", path.display()).unwrap();
        }
    });
}

#[test]
fn files_functions_and_lines_are_short() {
    check_files(".rs", |path, text, findings| {
        let lines = count_code_lines(text);
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

#[test]
fn half_of_the_product_files_are_short() {
    let lengths = std::cell::RefCell::new(Vec::new());
    check_files(".rs", |path, text, _| {
        if path.starts_with("host") && !is_test(path) {
            lengths.borrow_mut().push(count_code_lines(text));
        }
    });
    let mut lengths = lengths.into_inner();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= FILE_LINES_MEDIAN, "the median is {median} lines; split files by topic");
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
    check_files(".rs", |path, _, findings| {
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
    check_files(".rs", |path, text, findings| {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = banned.iter().find(|word| line.contains(word.as_str())) {
                writeln!(findings, "{}:{}: no {word}", path.display(), number + 1).unwrap();
            }
        }
    });
}

#[test]
fn functions_are_found_with_their_lengths() {
    let text = "//! Doc.\n\npub fn short() {\n    1;\n}\n\nimpl A {\n    async fn long(\n        a: u8,\n    ) {\n        2;\n    }\n}\n";
    let found: Vec<(usize, String, usize)> = functions(text);
    let expected = [(3, "short".to_owned(), 3), (8, "long".to_owned(), 5)];
    assert_eq!(found, expected);
}
