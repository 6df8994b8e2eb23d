//! Escapes text of guests before it is part of a log line, an error or the journal (`SECURITY.md`
//! E12).
//!
//! Control characters forge lines and drive terminals; direction and invisible characters make a
//! reader see something else than what is there; length fills disks. They are escaped rather than
//! dropped, so that what a guest said can still be found out. Values of records are not touched
//! here: they are data, and the code that prints them escapes them.

use renkei_package::is_invisible;

/// The longest text of a guest in an error, bytes: a validator's words on a large type fit.
pub const WORDS_MAX: usize = 2_000;

/// `text` with every dangerous character escaped, cut with `…` after `max` bytes.
pub fn plain(text: &str, max: usize) -> String {
    plain_chars(text.chars(), max)
}

/// As [`plain`], of characters that come from several places.
pub fn plain_chars(characters: impl Iterator<Item = char>, max: usize) -> String {
    let mut plain = String::new();
    for character in characters {
        if plain.len() >= max {
            plain.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            plain.extend(character.escape_unicode());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// A guest's words in an error.
pub fn words(text: &str) -> String {
    plain(text, WORDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_are_escaped() {
        for (text, expected) in [
            ("読\x1b[2J", "読\\u{1b}[2J"),
            ("a\r\nb\tc\0", "a\\u{d}\\u{a}b\\u{9}c\\u{0}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("a\u{2066}b\u{2069}\u{2028}", "a\\u{2066}b\\u{2069}\\u{2028}"),
            ("ad\u{200b}min\u{e0041}", "ad\\u{200b}min\\u{e0041}"),
            ("می\u{200c}خواهم é 山田", "می\u{200c}خواهم é 山田"),
        ] {
            assert_eq!(words(text), expected);
        }
    }

    #[test]
    fn long_text_is_cut() {
        let long = words(&"\x1b".repeat(1 << 20));
        assert!(long.len() <= WORDS_MAX + 10 && long.ends_with('…'), "{}", long.len());
        assert_eq!(plain("ééé", 3), "éé…");
    }
}
