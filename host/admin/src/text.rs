//! Text of others in our messages: short, on the line where they belong, and without control
//! characters.
//!
//! Configurations, plugins and systems may say anything: five megabytes, or bytes that move a
//! terminal's cursor. Every message passes through here once, so that whoever writes one need not
//! think of it. Text of several lines cannot tell its own line ends from others': whoever composes
//! it makes each line with [`line`] (tables do).

use renkei_package::is_invisible;

/// The longest word of a configuration or a plugin that is repeated, in characters.
const WORD_MAX: usize = 200;
/// The longest word of any message; a path may be long.
const PATH_MAX: usize = 1_000;
/// The longest message, in characters. What is in the middle goes: the beginning says where, the
/// end says what to do.
const MESSAGE_MAX: usize = 8_000;

/// Text that somebody typed or a plugin says, to be repeated in a message.
pub fn echo(text: &str) -> String {
    bounded(text, WORD_MAX)
}

/// A whole message, before it is printed.
pub fn message(text: &str) -> String {
    let text = bounded(text, PATH_MAX);
    // What another said may not look like a line of ours.
    let mut lines = text.lines();
    let mut indented = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        indented.push_str(if line.starts_with("  ") { "\n" } else { "\n  " });
        indented.push_str(line);
    }
    indented
}

/// Returns whether a character ends a line, drives a terminal, or reorders or hides what is read.
fn is_unseen(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// One line of it, for a table or a list: line ends and characters that drive a terminal, reorder
/// or hide what is read as escapes.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.extend(c.escape_default()),
            c if c.is_control() || is_invisible(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// The same text without characters that drive a terminal, reorder or hide what is read, line ends
/// excepted.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| (c.is_control() && c != '\n') || is_invisible(c);
    text.chars().map(|c| if hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The same JSON with such characters as escapes: in JSON they stand only within texts.
pub fn json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                plain.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

/// A word for a shell: ids and paths are text of others. What does not show is written as the
/// escapes of `$'...'`, so that the line can be read and still be typed.
pub fn quote_for_shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_unseen) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let escaped = word.chars().map(|c| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if is_unseen(c) => format!("\\U{:08x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("$'{}'", escaped.collect::<String>())
}

fn bounded(text: &str, word_max: usize) -> String {
    let mut short = String::new();
    let mut length = 0;
    for c in text.chars() {
        length = if c.is_whitespace() { 0 } else { length + 1 };
        match length.cmp(&(word_max + 1)) {
            std::cmp::Ordering::Less => short.push(c),
            std::cmp::Ordering::Equal => short.push('…'),
            std::cmp::Ordering::Greater => {}
        }
    }
    let length = short.chars().count();
    if length > MESSAGE_MAX {
        let head: String = short.chars().take(MESSAGE_MAX / 2).collect();
        let tail: String = short.chars().skip(length - MESSAGE_MAX / 2).collect();
        short = format!("{head} … {tail}");
    }
    visible(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_cuts_long_words_and_keeps_what_follows() {
        let text = format!("`{}` is no connector", "x".repeat(5_000_000));
        let expected = format!("`{}… is no connector", "x".repeat(199));
        assert_eq!(echo(&text), expected);
        let words = format!("{} end", "word ".repeat(1_000_000));
        assert!(echo(&words).len() < 9_000 && echo(&words).ends_with(" end"));
    }

    #[test]
    fn message_neutralises_control_characters_and_false_lines() {
        assert_eq!(echo("a\u{1b}[2Jb\0"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(message("bad\nrenkei: all is well"), "bad\n  renkei: all is well");
        assert_eq!(message("bad:\n  one\n  two"), "bad:\n  one\n  two");
        assert_eq!(visible("one\n\ttwo"), "one\n\u{fffd}two");
        assert_eq!(visible("txt\u{202e}exe"), "txt\u{fffd}exe");
        assert_eq!(visible("read:cont\u{200b}acts"), "read:cont\u{fffd}acts");
        assert_eq!(line("a\nb\t\u{9b}\u{200b}名"), "a\\nb\\t\\u{9b}\\u{200b}名");
        assert_eq!(json("\"\u{e0041}\""), "\"\\udb40\\udc41\"");
        assert_eq!(json("{\"a\":\"\u{9b}2J\u{202e}é\"}"), "{\"a\":\"\\u009b2J\\u202eé\"}");
    }
}
