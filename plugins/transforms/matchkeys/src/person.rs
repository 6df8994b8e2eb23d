//! Keys of people: mail addresses and names.

use unicode_normalization::UnicodeNormalization;

use crate::fold::{bare, fold, is_japanese};

/// A mail address in half-width small letters; `None` where there is nothing.
pub fn mail_key(text: &str) -> Option<String> {
    let key = text.nfkc().collect::<String>().trim().to_lowercase();
    (!key.is_empty()).then_some(key)
}

/// A person's name without spaces and punctuation; `None` where nothing is left.
///
/// Two parts in Latin script are put in alphabetical order, so that `Taro Yamada` and `Yamada,
/// Taro` match. Japanese script has one order, and often no space to tell the parts by, so there
/// the order stays.
pub fn name_key(text: &str) -> Option<String> {
    let folded = fold(text);
    let mut parts: Vec<String> = folded
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '、' | '・'))
        .map(bare)
        .filter(|part| !part.is_empty())
        .collect();
    if parts.len() == 2 && !is_japanese(&folded) {
        parts.sort();
    }
    let key = parts.concat();
    (!key.is_empty()).then_some(key)
}
