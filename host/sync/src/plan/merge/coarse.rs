//! Moments in systems that keep less of them than others (`RULES.md` V21).
//!
//! A system that keeps whole minutes shows `10:05:00` where the truth is `10:05:34`. Before a merge
//! such a value is taken for the finer one that it stands for, so that the merge itself compares
//! moments exactly: nothing differs, nothing is due, and the truth keeps its seconds.

use std::borrow::Cow;

use super::{FieldResult, MemberField};
use renkei_model::index::{Indexed, MemberFieldIndex};
use renkei_model::state::FieldState;
use renkei_model::value::{Cell, Value};

/// By member field: the state that a merge weighs, where that is not the stored one.
pub(crate) type FinerStates = Indexed<MemberFieldIndex, Option<FieldState>>;

/// The states of coarse members with the finer values that theirs stand for. `units` are the
/// smallest differences that the members' columns keep, ms.
pub(crate) fn finer_states(
    members: &Indexed<MemberFieldIndex, MemberField<'_>>,
    units: &Indexed<MemberFieldIndex, i64>,
    truth: &Cell,
) -> FinerStates {
    let finer = |position: MemberFieldIndex| {
        let (member, unit_ms) = (&members[position], units[position]);
        let stands_for =
            |value: &&Cell| **value != *member.seen && is_at(value, &member.seen, unit_ms);
        let others = members.iter().filter(|(other, _)| units[*other] < unit_ms);
        let (edited, still): (Vec<_>, Vec<_>) =
            others.map(|(_, other)| other).partition(|other| *other.seen != other.state.base);
        let seen = |member: &'_ &MemberField<'_>| member.seen.as_ref().clone();
        // What a person has just typed elsewhere stands before the truth, which that replaces.
        let edited = edited.iter().map(seen).collect::<Vec<Cell>>();
        let still = still.iter().map(seen).collect::<Vec<Cell>>();
        let mut candidates = edited.iter().chain([truth]).chain(&still);
        let finer = candidates.find(stands_for)?.clone();
        let is_unedited = is_at(&member.state.base, &member.seen, unit_ms);
        let base = if is_unedited { finer.clone() } else { member.state.base.clone() };
        Some(FieldState { seen: finer, base, ..member.state.clone() })
    };
    members.positions().map(finer).collect()
}

/// Members that show the finer values.
pub(crate) fn with_finer<'a>(
    members: &Indexed<MemberFieldIndex, MemberField<'a>>,
    states: &'a FinerStates,
) -> Indexed<MemberFieldIndex, MemberField<'a>> {
    let member = |(member, state): (&MemberField<'a>, &'a Option<FieldState>)| match state {
        Some(state) => MemberField { state, seen: Cow::Borrowed(&state.seen), ..member.clone() },
        None => member.clone(),
    };
    members.values().zip(states.values()).map(member).collect()
}

/// Gives the results the values that the coarse members hold themselves.
pub(crate) fn coarsen(
    results: &mut Indexed<MemberFieldIndex, FieldResult>,
    members: &Indexed<MemberFieldIndex, MemberField<'_>>,
    states: &FinerStates,
) {
    let all = results.values_mut().zip(members.values()).zip(states.values());
    for ((result, member), state) in all {
        if let Some(state) = state
            && result.base == state.seen
        {
            result.base = member.seen.as_ref().clone();
        }
    }
}

/// True if two moments are the same in a column that keeps `unit_ms`.
fn is_at(one: &Cell, other: &Cell, unit_ms: i64) -> bool {
    match (one, other) {
        (Some(Value::Timestamp(one)), Some(Value::Timestamp(other))) => {
            one.div_euclid(unit_ms) == other.div_euclid(unit_ms)
        }
        _ => false,
    }
}
