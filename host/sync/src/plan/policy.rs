//! The policies that choose a value when members were edited to different ones (`RULES.md` E6).

use std::collections::BTreeSet;

use renkei_model::canonical::is_same;
use renkei_model::spec::{FieldKind, FieldSpec, TransformRef, Winner};
use renkei_model::state::Span;
use renkei_model::value::{Cell, SmolStr, Value};

/// The largest difference between two vendors' clocks, ms: modification times must be further apart
/// to prove an order.
const CLOCK_SKEW_MS: i64 = 10_000;

/// A value that a member was edited to, with its system and the time of the edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The system.
    pub system: String,
    /// Its value.
    pub value: Cell,
    /// The span of time in which it was edited, as far as modification times prove it.
    pub edited: Span,
}

/// The vote that a policy chooses among votes that differ, or nothing when a person must decide.
pub fn choose<'a>(field: &FieldSpec, votes: &'a [Vote]) -> Option<&'a Vote> {
    match &field.winner {
        Winner::Always(system) => votes.iter().find(|vote| &vote.system == system),
        Winner::UnlessBlank(system) => votes
            .iter()
            .find(|vote| &vote.system == system && !is_blank(&vote.value))
            .or_else(|| only_filled(&field.kind, votes)),
        Winner::Newest => votes.iter().find(|vote| is_latest(&field.kind, vote, votes)),
        Winner::Manual | Winner::Merge(_) => None,
        // Nobody has opted out, or the merge would not ask: what was emptied says the least.
        Winner::OptOut { .. } => votes.iter().find(|vote| is_blank(&vote.value)),
    }
}

/// The rule in plain words, for conflict records and reasons.
pub fn describe(winner: &Winner) -> String {
    match winner {
        Winner::Always(system) => format!("{system} always wins"),
        Winner::UnlessBlank(system) => format!("{system} wins unless blank"),
        Winner::Newest => "the newest wins where the stamps prove it".to_owned(),
        Winner::Manual => "by hand".to_owned(),
        Winner::Merge(function) => format!("{} merges", function_name(function)),
        Winner::OptOut { .. } => "an opt-out wins".to_owned(),
    }
}

/// Plugin and function, as a mapping names them.
pub(crate) fn function_name(function: &TransformRef) -> String {
    format!("{}/{}", function.plugin, function.function)
}

/// Merges a set: each member's additions and removals against its own base are applied to the
/// truth.
pub fn merge_sets<'a>(truth: &Cell, edits: impl Iterator<Item = (&'a Cell, &'a Cell)>) -> Value {
    let mut merged = items(truth);
    let mut removed = BTreeSet::new();
    let mut added = BTreeSet::new();
    for (base, seen) in edits {
        let (base, seen) = (items(base), items(seen));
        added.extend(seen.difference(&base).cloned());
        removed.extend(base.difference(&seen).cloned());
    }
    merged.retain(|item| !removed.contains(item));
    merged.extend(added);
    if merged.is_empty() { Value::Null } else { value_of(merged) }
}

type Items = BTreeSet<(bool, SmolStr)>;

/// The items of a set value; the flag tells references from choices.
fn items(cell: &Cell) -> Items {
    match cell {
        Some(Value::Choices(items)) => items.iter().map(|item| (false, item.clone())).collect(),
        Some(Value::References(items)) => items.iter().map(|item| (true, item.clone())).collect(),
        _ => Items::new(),
    }
}

fn value_of(items: Items) -> Value {
    let references = items.first().is_some_and(|(is_reference, _)| *is_reference);
    let items = items.into_iter().map(|(_, item)| item).collect();
    if references { Value::References(items) } else { Value::Choices(items) }
}

fn is_blank(cell: &Cell) -> bool {
    cell.as_ref().is_none_or(Value::is_null)
}

fn only_filled<'a>(kind: &FieldKind, votes: &'a [Vote]) -> Option<&'a Vote> {
    let mut filled = votes.iter().filter(|vote| !is_blank(&vote.value));
    let first = filled.next()?;
    filled.all(|vote| is_same(kind, &vote.value, &first.value)).then_some(first)
}

fn is_latest(kind: &FieldKind, vote: &Vote, votes: &[Vote]) -> bool {
    votes.iter().filter(|other| !is_same(kind, &other.value, &vote.value)).all(|other| {
        match (vote.edited.after, other.edited.until) {
            (Some(after), Some(until)) => after > until.saturating_add(CLOCK_SKEW_MS),
            _ => false,
        }
    })
}
