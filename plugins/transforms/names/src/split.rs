//! Splitting a full name when nothing but the text is known.
//!
//! Every split satisfies `layout::read(text, split(text))`, so that joining it again over the same
//! text changes nothing.

use crate::layout::{is_east_asian, is_katakana};
use crate::{Habits, Parts};

/// Words that follow a comma without being a given name.
const SUFFIXES: &[&str] =
    &["jr", "jr.", "sr", "sr.", "ii", "iii", "iv", "phd", "ph.d.", "md", "m.d.", "esq", "esq."];

/// The parts of a full name. What cannot be split is a family name.
pub fn split(full: &str, habits: &Habits) -> Parts {
    let full = full.trim();
    match at_comma(full) {
        Some((before, after)) if is_suffix(after) => return with_suffix(full, before, habits),
        Some((family, given)) => return Parts::new(family, given),
        None => {}
    }
    if !full.contains(char::is_whitespace) && is_katakana(full) {
        return at_dot(full, habits);
    }
    at_spaces(full, habits)
}

/// The texts around the only comma, without the spaces at it.
fn at_comma(full: &str) -> Option<(&str, &str)> {
    let (before, after) = full.split_once([',', '，'])?;
    let (before, after) = (before.trim_end(), after.trim_start());
    let whole = !before.is_empty() && !after.is_empty() && !after.contains([',', '，']);
    whole.then_some((before, after))
}

/// True for a word that says which generation or degree a person has.
pub(crate) fn is_suffix(text: &str) -> bool {
    SUFFIXES.contains(&text.to_lowercase().as_str())
}

/// "John Smith, Jr.": the suffix stays at the part before it.
fn with_suffix(full: &str, before: &str, habits: &Habits) -> Parts {
    if habits.western_family_first || is_east_asian(before) {
        return at_spaces(full, habits);
    }
    let Parts { family, given } = at_spaces(before, habits);
    let suffix = full.strip_prefix(before).unwrap_or_default();
    Parts { family: family.map(|family| family + suffix), given }
}

/// "ジョン・スミス" has the order of the Western name that it is.
fn at_dot(full: &str, habits: &Habits) -> Parts {
    let dots = ['・', '･', '·'];
    let both = if habits.western_family_first {
        full.split_once(dots)
    } else {
        full.rsplit_once(dots).map(|(given, family)| (family, given))
    };
    match both {
        Some((family, given)) if !family.is_empty() && !given.is_empty() => {
            Parts::new(family, given)
        }
        _ => Parts::new(full, ""),
    }
}

fn at_spaces(full: &str, habits: &Habits) -> Parts {
    if habits.western_family_first || is_east_asian(full) {
        let (family, given) = full.split_once(char::is_whitespace).unwrap_or((full, ""));
        return Parts::new(family, given);
    }
    let Some((rest, last)) = full.rsplit_once(char::is_whitespace) else {
        return Parts::new(full, "");
    };
    // "Ludwig van Beethoven": words in small letters before the last belong to the family name.
    let start =
        if last.starts_with(char::is_uppercase) { start_of_particles(rest) } else { rest.len() };
    let (given, family) = full.split_at(start);
    Parts::new(family, given)
}

/// The position at which the small words at the end of the text begin; the first word is never one.
fn start_of_particles(text: &str) -> usize {
    let mut head = text;
    while let Some((before, word)) = head.trim_end().rsplit_once(char::is_whitespace) {
        if !word.starts_with(char::is_lowercase) {
            break;
        }
        head = before;
    }
    head.len()
}
