//! Mistakes of a person who pastes a secret (`host/sync/RULES.md` V20). Each is named by its kind,
//! so that nothing of the secret is shown.

/// The reason why this is hardly the secret called `name`, as the end of "the secret ...". `variable` is the
/// environment variable that may hold it.
pub(crate) fn slip(name: &str, variable: &str, value: &str) -> Option<&'static str> {
    let lower = value.to_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    let is_assigned = |to: &str| {
        let rest = value.strip_prefix("export ").unwrap_or(value).strip_prefix(to);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let told = [
        (value.trim().is_empty(), "is empty"),
        (value.trim() != value, "begins or ends with a space or a line break"),
        (value.contains(['\n', '\r', '\t']), "holds a line break or a tab"),
        (value.contains(is_full_width), "holds full-width letters"),
        (value.contains(is_invisible), "holds a character that cannot be seen"),
        (is_quoted(value), "is in quotation marks of its own"),
        (is_assigned(name) || is_assigned(variable), "begins with its own name and `=`"),
        (
            begins(&["authorization:"]),
            "is a whole header, of which only what follows the scheme belongs here",
        ),
        (begins(&["bearer ", "basic "]), "begins with the name of a scheme, as `Bearer`"),
        (begins(&["http://", "https://"]), "is a web address"),
        (is_placeholder(value), "is a placeholder that nobody replaced"),
        (value.contains(' '), "holds a space"),
        (
            value.contains(is_typographic),
            "holds a long dash or curly quotation mark of a text program",
        ),
    ];
    told.into_iter().find(|(is, _)| *is).map(|(_, what)| what)
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{3000}' | '\u{feff}'
    ) || c.is_control()
}

fn is_quoted(value: &str) -> bool {
    let mut ends = value.chars();
    let (first, last) = (ends.next(), ends.next_back());
    first == last && matches!(first, Some('"' | '\'' | '`'))
        || (first, last) == (Some('\u{201c}'), Some('\u{201d}'))
}

fn is_placeholder(value: &str) -> bool {
    value.starts_with('<') && value.ends_with('>')
        || value.starts_with("${") && value.ends_with('}')
        || value.contains("...")
        || value.contains(['\u{2026}', '\u{2022}'])
        || value.chars().all(|c| matches!(c, '*' | 'x' | 'X'))
}

fn is_full_width(c: char) -> bool {
    matches!(c, '\u{ff01}'..='\u{ff5e}')
}

fn is_typographic(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201f}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RULES.md` V20.
    #[test]
    fn wrongly_pasted_secret_is_named_by_its_kind() {
        for (value, expected) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("pat-1\n", "ends with a space or a line break"),
            ("pat-1\nmore", "holds a line break"),
            ("pat\u{200b}-1", "cannot be seen"),
            ("\u{feff}pat-1", "cannot be seen"),
            ("\"pat-1\"", "quotation marks"),
            ("\u{201c}pat-1\u{201d}", "quotation marks"),
            ("hub_token = pat-1", "its own name"),
            ("export RENKEI_SECRET_HUB_TOKEN=pat-1", "its own name"),
            ("Authorization: Bearer pat-1", "whole header"),
            ("bearer pat-1", "scheme"),
            ("https://login.example.com", "web address"),
            ("<your token>", "placeholder"),
            ("${HUB_TOKEN}", "placeholder"),
            ("...", "placeholder"),
            ("pat-na1-...", "placeholder"),
            ("pat 1", "a space"),
            ("\u{ff50}\u{ff41}\u{ff54}", "full-width"),
            ("xxxx", "placeholder"),
            ("pat\u{2013}1", "long dash"),
        ] {
            let told = slip("hub_token", "RENKEI_SECRET_HUB_TOKEN", value);
            assert!(told.is_some_and(|told| told.contains(expected)), "{value:?}: {told:?}");
        }
    }

    #[test]
    fn ordinary_secret_is_accepted() {
        for value in [
            "pat-na1-00000001-0002-4003-8004-000000000005",
            "3MVG9.AtFgh_j7k",
            "p@ss_word\"with'all=signs",
            "d2l0aCBwYWRkaW5n==",
            "$2y$10$abc",
            "basics",
            "密語",
            "x1",
        ] {
            assert_eq!(slip("hub_token", "RENKEI_SECRET_HUB_TOKEN", value), None, "{value}");
        }
    }
}
