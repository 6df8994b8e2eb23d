//! The layout of a full name: which part stands first, what is between them, whether the family
//! name is in capitals.
//!
//! Invariant that the laws rest on: `read(layout.write(parts), parts)` is never `None`.

use crate::Parts;

/// The layout of one full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout<'a> {
    /// The family name stands first.
    pub family_first: bool,
    /// The text between the parts: spaces, a comma or a middle dot with or without spaces, or
    /// nothing.
    pub separator: &'a str,
    /// The family name is in capitals, as in `YAMADA Taro`.
    pub capitals: bool,
}

impl Layout<'_> {
    /// Two parts in this layout.
    pub fn write(&self, family: &str, given: &str) -> String {
        let upper;
        let family = if self.capitals {
            upper = family.to_uppercase();
            &upper
        } else {
            family
        };
        let (first, last) = if self.family_first { (family, given) } else { (given, family) };
        format!("{first}{}{last}", self.separator)
    }
}

/// The layout in which `full` says exactly these parts, or `None` if it says something else. Spaces
/// around the name do not matter. A name of one part has the layout of no separator.
pub fn read<'a>(full: &'a str, parts: &Parts) -> Option<Layout<'a>> {
    let full = full.trim();
    let (family, given) = match (&parts.family, &parts.given) {
        (Some(family), Some(given)) => (family, given),
        (one, other) => {
            let text = one.as_ref().or(other.as_ref()).map_or("", String::as_str);
            return (full == text).then_some(ONE_PART);
        }
    };
    let upper = family.to_uppercase();
    let spellings = [(family.as_str(), false), (upper.as_str(), true)];
    spellings.into_iter().find_map(|(family, capitals)| {
        let layout = |family_first, separator| Layout { family_first, separator, capitals };
        between(full, family, given)
            .filter(|separator| separates(separator, true))
            .map(|separator| layout(true, separator))
            .or_else(|| {
                between(full, given, family)
                    .filter(|separator| separates(separator, false))
                    .map(|separator| layout(false, separator))
            })
    })
}

/// A name of one part.
const ONE_PART: Layout<'static> = Layout { family_first: true, separator: "", capitals: false };

fn between<'a>(full: &'a str, first: &str, last: &str) -> Option<&'a str> {
    full.strip_prefix(first)?.strip_suffix(last)
}

/// True for a text that may stand between the parts. Only the family name is followed by a comma,
/// or by nothing at all.
pub fn separates(text: &str, family_first: bool) -> bool {
    match text.trim() {
        "" => family_first || !text.is_empty(),
        "," | "，" => family_first,
        dot => matches!(dot, "・" | "･" | "·"),
    }
}

/// True for a character that can be part of a separator.
pub fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '，' | '・' | '･' | '·')
}

/// True for a text with Japanese, Chinese or Korean letters, which has the family name first.
pub fn is_east_asian(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c,
            '\u{3005}'..='\u{3007}' // 々〆〇
            | '\u{3041}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' // kana without the middle dot
            | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}'
            | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{3FFFF}'
            | '\u{AC00}'..='\u{D7AF}')
    })
}

/// True for a text in katakana, but for Latin initials and dots: how Western names are written in
/// Japanese.
pub fn is_katakana(text: &str) -> bool {
    let katakana = |c: char| matches!(c, '\u{30A1}'..='\u{30FF}' | '\u{FF65}'..='\u{FF9F}');
    text.chars().any(katakana)
        && text.chars().all(|c| katakana(c) || c.is_ascii_alphabetic() || ".．=＝·".contains(c))
}
