//! Joining two parts into a new full name, as like the old one as can be.

use crate::layout::{Layout, is_east_asian, is_separator, read, separates};
use crate::split::split;
use crate::{Habits, Parts};

/// The full name of these parts; `None` where there are none. `old` is the full name that it
/// replaces (may be empty): its order, separator and capitals are kept where they fit.
pub fn join(parts: &Parts, old: &str, habits: &Habits) -> Option<String> {
    let (Some(family), Some(given)) = (&parts.family, &parts.given) else {
        return parts.family.clone().or_else(|| parts.given.clone());
    };
    let old = old.trim();
    let kept = beside_kept_part(family, given, old)
        .or_else(|| same_layout(family, given, old, habits))
        .map(|layout| layout.write(family, given))
        .filter(|full| read(full, parts).is_some());
    Some(kept.unwrap_or_else(|| fresh(parts, family, given, habits)))
}

/// The layout around the part that did not change, if one of them did not.
fn beside_kept_part<'a>(family: &str, given: &str, old: &'a str) -> Option<Layout<'a>> {
    let upper = family.to_uppercase();
    let candidates = [
        (true, after(old, family), false),
        (true, after(old, &upper), true),
        (true, before(old, given), family_in_capitals(old.strip_suffix(given), given)),
        (false, before(old, family), false),
        (false, before(old, &upper), true),
        (false, after(old, given), family_in_capitals(old.strip_prefix(given), given)),
    ];
    candidates.into_iter().find_map(|(family_first, separator, capitals)| {
        let separator = separator.filter(|separator| separates(separator, family_first))?;
        Some(Layout { family_first, separator, capitals })
    })
}

/// The separator after the part that `old` begins with. None may be missing but between East Asian
/// parts.
fn after<'a>(old: &'a str, first: &str) -> Option<&'a str> {
    let rest = old.strip_prefix(first)?;
    let last = rest.trim_start_matches(is_separator);
    let separator = rest.strip_suffix(last)?;
    (!last.is_empty() && (!separator.is_empty() || is_east_asian(old))).then_some(separator)
}

/// The separator before the part that `old` ends with.
fn before<'a>(old: &'a str, last: &str) -> Option<&'a str> {
    let rest = old.strip_suffix(last)?;
    let first = rest.trim_end_matches(is_separator);
    let separator = rest.strip_prefix(first)?;
    (!first.is_empty() && (!separator.is_empty() || is_east_asian(old))).then_some(separator)
}

/// The layout of the old name as a whole, where it is in the same script.
fn same_layout<'a>(family: &str, given: &str, old: &'a str, habits: &Habits) -> Option<Layout<'a>> {
    let parts = split(old, habits);
    let (old_family, old_given) = (parts.family.as_deref()?, parts.given.as_deref()?);
    if is_east_asian(old) != (is_east_asian(family) || is_east_asian(given)) {
        return None;
    }
    let capitals = family_in_capitals(Some(old_family), old_given);
    Some(Layout { capitals, ..read(old, &parts)? })
}

/// `YAMADA Taro` tells the family name by capitals; `YAMADA TARO` tells nothing.
fn family_in_capitals(family: Option<&str>, given: &str) -> bool {
    let all_capitals = |text: &str| {
        text.chars().filter(|c| c.is_uppercase()).count() > 1 && !text.contains(char::is_lowercase)
    };
    family.is_some_and(all_capitals) && given.contains(char::is_lowercase)
}

/// A full name with nothing to imitate. A Western name that would be split elsewhere is written
/// with a comma.
fn fresh(parts: &Parts, family: &str, given: &str, habits: &Habits) -> String {
    let east_asian = is_east_asian(family) || is_east_asian(given);
    let layout = |family_first, separator| Layout { family_first, separator, capitals: false };
    if east_asian {
        return layout(true, &habits.separator).write(family, given);
    }
    let plain = layout(habits.western_family_first, " ").write(family, given);
    if split(&plain, habits) == *parts {
        return plain;
    }
    layout(true, ", ").write(family, given)
}
