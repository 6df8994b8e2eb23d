//! Characters that a reader does not see, or that show a reader something else than what is there.
//!
//! A plugin could name an object `contacts` with a hidden character in it, or turn the direction of
//! the line on which an admin reads what it asks for. So names of manifests hold none of these
//! characters (`manifest/names.rs`), and whoever shows text of a plugin or a system escapes them.
//! The list stands once. Control characters are not on it: `char::is_control` knows those.

/// True for a character that reorders or hides what a reader sees: marks, embeddings and isolates
/// of direction, line and paragraph separators, tags, and characters that are drawn as nothing.
///
/// Parts of the spelling of a script or an emoji are not among them: the joiners U+200C and U+200D,
/// the variation selectors.
///
/// ```
/// assert!(renkei_package::is_invisible('\u{200b}'));
/// assert!(!renkei_package::is_invisible('\u{200d}') && !renkei_package::is_invisible('顧'));
/// ```
pub fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}')
}

/// True for a character that no name may hold: two names that look the same must be the same. The
/// spaces of names are the plain one and the ideographic one of Japanese.
pub(crate) fn misleads_in_names(character: char) -> bool {
    let spelling = matches!(character,
        '\u{180b}'..='\u{180f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}');
    let space = character.is_whitespace() && !matches!(character, ' ' | '\u{3000}');
    character.is_control() || is_invisible(character) || spelling || space
}
