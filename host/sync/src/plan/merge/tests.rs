//! Tests of the decision table (`RULES.md` E5) over every combination of base, member values and
//! policy.
//!
//! `expected` is the table written down a second time, case by case and without regard to how the
//! merge works; the test walks through all combinations and compares.

use std::sync::LazyLock;

use super::*;
use renkei_model::spec::Winner;

type MemberFields<'a> = Indexed<MemberFieldIndex, MemberField<'a>>;

/// The expected result of one combination.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
    /// The truth, and whether a is to be written, and x.
    Truth(Cell, bool, bool),
    /// A question; nothing moves.
    Question,
}

fn value(name: &str) -> Cell {
    match name {
        "absent" => None,
        "null" => Some(Value::Null),
        other => Some(other.into()),
    }
}

fn rules<'a>(field: &'a FieldSpec, first_link: &'a FirstLink) -> MergeRules<'a> {
    static NOTHING: LazyLock<MergeAnswers> = LazyLock::new(MergeAnswers::default);
    let (position, answers) = (FieldIndex(0), &*NOTHING);
    MergeRules { field, first_link, by_hand: false, is_over: false, position, answers }
}

fn state(base: &Cell, seen: &Cell, edited: Span) -> FieldState {
    FieldState {
        seen: seen.clone(),
        base: base.clone(),
        agreed: base.clone(),
        edited,
        ..FieldState::default()
    }
}

struct Case {
    base: Cell,
    a: Cell,
    x: Cell,
    winner: Winner,
    clear: Clear,
    first_link: FirstLink,
    /// The member whose modification times prove the later edit.
    newer: &'static str,
}

impl Case {
    fn run(&self) -> Row {
        let span = |after, until| Span { after: Some(after), until: Some(until) };
        let (early, late) = (span(0, 1), span(100_000, 100_001));
        let (edited_a, edited_x) = match self.newer {
            "a" => (late, early),
            "x" => (early, late),
            _ => (span(0, 5), span(1, 6)),
        };
        let field = FieldSpec {
            name: "title".into(),
            kind: FieldKind::Text,
            winner: self.winner.clone(),
            clear: self.clear,
        };
        let truth = Truth {
            value: self.base.clone(),
            from: self.base.as_ref().map(|_| "a".to_owned()),
            ..Truth::default()
        };
        let states = [state(&self.base, &self.a, edited_a), state(&self.base, &self.x, edited_x)];
        let members: MemberFields<'_> = ["a", "x"]
            .into_iter()
            .zip(&states)
            .map(|(system, state)| MemberField {
                system,
                reads: true,
                writes: true,
                state,
                seen: Cow::Borrowed(&state.seen),
            })
            .collect();
        let merged = merge(rules(&field, &self.first_link), &truth, &members, None);
        if merged.question.is_some() {
            assert_eq!(merged.truth, truth, "a question moves nothing");
            return Row::Question;
        }
        let due = |member: usize| merged.results[MemberFieldIndex(member)].due.is_some();
        Row::Truth(merged.truth.value.clone(), due(0), due(1))
    }

    fn expected(&self) -> Row {
        if self.base.is_none() {
            return self.first();
        }
        let edited = |seen: &Cell| seen.is_some() && *seen != self.base;
        let cleared = |seen: &Cell| edited(seen) && is_null(seen);
        // Emptied where something was: the clear policy speaks before the edits are compared.
        if self.clear == Clear::Review && (cleared(&self.a) || cleared(&self.x)) {
            return Row::Question;
        }
        let ignored = |seen: &Cell| self.clear == Clear::Ignore && cleared(seen);
        let counts = |seen: &Cell| edited(seen) && !ignored(seen);
        let truth = match (counts(&self.a), counts(&self.x)) {
            (false, false) => self.base.clone(),
            (true, false) => self.a.clone(),
            (false, true) => self.x.clone(),
            (true, true) if self.a == self.x => self.a.clone(),
            (true, true) => match self.winner() {
                Some(winner) => winner,
                None => return Row::Question,
            },
        };
        let is_new_truth = truth != self.base;
        // An ignored clear is left alone until the truth moves; what was not read is not written.
        let due =
            |seen: &Cell| seen.is_some() && *seen != truth && (is_new_truth || !ignored(seen));
        Row::Truth(truth.clone(), due(&self.a), due(&self.x))
    }

    /// Both edited, differently.
    fn winner(&self) -> Option<Cell> {
        match &self.winner {
            Winner::Always(system) if system == "a" => Some(self.a.clone()),
            Winner::Always(_) => Some(self.x.clone()),
            Winner::UnlessBlank(_) if is_null(&self.a) => Some(self.x.clone()),
            Winner::UnlessBlank(_) => Some(self.a.clone()),
            Winner::Newest => match self.newer {
                "a" => Some(self.a.clone()),
                "x" => Some(self.x.clone()),
                _ => None,
            },
            Winner::Manual | Winner::OptOut { .. } | Winner::Merge(_) => None,
        }
    }

    /// The rows without a base.
    fn first(&self) -> Row {
        let (a, x) = (&self.a, &self.x);
        match (a, x) {
            (None, None) => Row::Truth(None, false, false),
            (Some(_), None) => Row::Truth(a.clone(), false, false),
            (None, Some(_)) => Row::Truth(x.clone(), false, false),
            _ if a == x => Row::Truth(a.clone(), false, false),
            _ if is_null(a) => Row::Truth(x.clone(), true, false),
            _ if is_null(x) => Row::Truth(a.clone(), false, true),
            _ => match &self.first_link {
                FirstLink::Prefer(system) if system == "a" => Row::Truth(a.clone(), false, true),
                FirstLink::Prefer(_) => Row::Truth(x.clone(), true, false),
                FirstLink::Review => Row::Question,
            },
        }
    }
}

#[test]
fn every_combination_follows_the_decision_table() {
    let winners = [
        Winner::Always("a".into()),
        Winner::Always("x".into()),
        Winner::UnlessBlank("a".into()),
        Winner::Newest,
        Winner::Manual,
    ];
    let first_links =
        [FirstLink::Prefer("a".into()), FirstLink::Prefer("x".into()), FirstLink::Review];
    let mut cases = 0;
    for base in ["absent", "null", "b"] {
        for a in ["absent", "null", "b", "v", "w"] {
            for x in ["absent", "null", "b", "v", "w"] {
                for winner in &winners {
                    for clear in [Clear::Propagate, Clear::Ignore, Clear::Review] {
                        for first_link in &first_links {
                            for newer in ["a", "x", "unproven"] {
                                let case = Case {
                                    base: value(base),
                                    a: value(a),
                                    x: value(x),
                                    winner: winner.clone(),
                                    clear,
                                    first_link: first_link.clone(),
                                    newer,
                                };
                                let at = format!(
                                    "{base} {a} {x} {winner:?} {clear:?} {first_link:?} {newer}"
                                );
                                assert_eq!(case.run(), case.expected(), "{at}");
                                cases += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 3 * 5 * 5 * 5 * 3 * 3 * 3);
}

/// One member with a base of its own, a truth that the other holds, and what becomes of it.
fn check_behind(winner: &Winner, seen: &str, expected: Option<(&str, bool)>) {
    let field = FieldSpec {
        name: "title".into(),
        kind: FieldKind::Text,
        winner: winner.clone(),
        clear: Clear::Propagate,
    };
    let truth = Truth { value: value("new"), from: Some("a".into()), ..Truth::default() };
    let left = state(&value("new"), &value("new"), Span::default());
    // It refused the write of `new`, so it still stands at `old`.
    let right = state(&value("old"), &value(seen), Span::default());
    let member = |system, state| MemberField {
        system,
        reads: true,
        writes: true,
        state,
        seen: Cow::Borrowed(&state.seen),
    };
    let members: MemberFields<'_> = [member("a", &left), member("x", &right)].into_iter().collect();
    let merged = merge(rules(&field, &FirstLink::Review), &truth, &members, None);
    let said = match &merged.question {
        Some(_) => None,
        None => {
            Some((merged.truth.value.clone(), merged.results[MemberFieldIndex(1)].due.is_some()))
        }
    };
    assert_eq!(said, expected.map(|(truth, due)| (value(truth), due)), "{winner:?} {seen}");
}

#[test]
fn a_member_that_refused_a_write_keeps_its_base() {
    let always = |system: &str| Winner::Always(system.into());
    // Its old value is no edit; the write stays due.
    check_behind(&always("x"), "old", Some(("new", true)));
    // Somebody edited it before it got the truth: that is a conflict.
    check_behind(&always("a"), "other", Some(("new", true)));
    check_behind(&always("x"), "other", Some(("other", false)));
    check_behind(&Winner::Manual, "other", None);
    // Somebody made it agree.
    check_behind(&always("a"), "new", Some(("new", false)));
}

#[test]
fn sets_merge_by_each_members_own_changes() {
    let set =
        |items: &[&str]| Some(Value::Choices(items.iter().map(|item| (*item).into()).collect()));
    let field = FieldSpec {
        name: "tags".into(),
        kind: FieldKind::Choices,
        winner: Winner::Manual,
        clear: Clear::Propagate,
    };
    let base = set(&["a", "b"]);
    let truth = Truth { value: base.clone(), from: Some("a".into()), ..Truth::default() };
    let left = state(&base, &set(&["a", "b", "c"]), Span::default());
    let right = state(&base, &set(&["b"]), Span::default());
    let member = |system, state| MemberField {
        system,
        reads: true,
        writes: true,
        state,
        seen: Cow::Borrowed(&state.seen),
    };
    let members: MemberFields<'_> = [member("a", &left), member("x", &right)].into_iter().collect();
    let merged = merge(rules(&field, &FirstLink::Review), &truth, &members, None);
    assert_eq!(merged.truth.value, set(&["b", "c"]));
    assert!(merged.results.values().all(|member| member.due.is_some()));
}

/// `a` changed the field from `old` to `new`; the write to `x` was never answered, and `x` shows
/// this now.
fn unsure(winner: Winner, kind: FieldKind, now: Cell, cells: [Cell; 2]) -> MergedField {
    let [old, new] = cells;
    let field = FieldSpec { name: "title".into(), kind, winner, clear: Clear::Ignore };
    let (from, previous) = (Some("a".to_owned()), old.clone());
    let edited = Span { after: Some(0), until: Some(1) };
    let truth = Truth { value: new.clone(), previous, from, edited, flips: 0 };
    let mut states = [state(&new, &new, edited), state(&old, &now, Span::default())];
    states[1].unsure = true;
    let member = |(system, state): (&'static str, _)| {
        let state: &FieldState = state;
        MemberField { system, reads: true, writes: true, state, seen: Cow::Borrowed(&state.seen) }
    };
    let members: MemberFields<'_> = ["a", "x"].into_iter().zip(&states).map(member).collect();
    merge(rules(&field, &FirstLink::Review), &truth, &members, None)
}

#[test]
fn a_value_that_may_be_an_edit_is_weighed_against_the_truth() {
    let always = |system: &str| Winner::Always(system.to_owned());
    let texts = || [value("old"), value("new")];
    let text = |winner, now: &str| unsure(winner, FieldKind::Text, value(now), texts());
    let due = |merged: &MergedField| {
        [0, 1].map(|member| merged.results[MemberFieldIndex(member)].due.is_some())
    };
    for winner in [Winner::Manual, Winner::Newest] {
        assert!(text(winner, "old").question.is_some(), "no modification time says which is newer");
    }
    let ours = text(always("a"), "old");
    assert_eq!((&ours.truth.value, due(&ours)), (&value("new"), [false, true]));
    assert!(matches!(ours.decided, Some(ReviewSubject::Conflict { .. })), "it is on record");
    let theirs = text(always("x"), "old");
    assert_eq!(due(&theirs), [false, false], "what may be no edit wins by no rule");
    assert!(matches!(theirs.question, Some(ReviewSubject::Conflict { .. })));
    // A value that was empty before the write is no clear.
    let null = [value("null"), value("new")];
    let filled = unsure(always("a"), FieldKind::Text, value("null"), null);
    assert_eq!((&filled.truth.value, due(&filled)), (&value("new"), [false, true]));
    let arrived = text(Winner::Manual, "new");
    assert_eq!((arrived.question.as_ref(), due(&arrived)), (None, [false, false]));
}

#[test]
fn sets_that_may_be_edits_are_not_united() {
    let set =
        |items: &[&str]| Some(Value::Choices(items.iter().map(|item| (*item).into()).collect()));
    let cells = [set(&["x"]), set(&["x", "y"])];
    let merged = unsure(Winner::Manual, FieldKind::Choices, set(&["x"]), cells);
    assert!(merged.question.is_some());
}

/// `RULES.md` V20: `a` gave the truth and cannot be read in the cycle in which `x` overrules it.
#[test]
fn first_link_that_overrules_an_unread_member_keeps_its_last_value_on_record() {
    let field = FieldSpec {
        name: "closes".into(),
        kind: FieldKind::Text,
        winner: Winner::Always("x".to_owned()),
        clear: Clear::Ignore,
    };
    let (ours, theirs) = (value("ours"), value("theirs"));
    let truth = Truth { value: ours.clone(), from: Some("a".to_owned()), ..Truth::default() };
    let states = [state(&ours, &None, Span::default()), state(&None, &theirs, Span::default())];
    let member = |(system, state): (&'static str, _)| {
        let state: &FieldState = state;
        MemberField { system, reads: true, writes: true, state, seen: Cow::Borrowed(&state.seen) }
    };
    let members: MemberFields<'_> = ["a", "x"].into_iter().zip(&states).map(member).collect();
    let first_link = FirstLink::Prefer("x".to_owned());
    let merged = merge(rules(&field, &first_link), &truth, &members, None);
    assert_eq!(merged.truth.value, theirs);
    let Some(ReviewSubject::Conflict { values, .. }) = merged.decided else { panic!() };
    assert_eq!(values, [("x".to_owned(), theirs), ("a".to_owned(), ours)]);
}

/// Two members with a common base, and what becomes of a field where `true` is an opt-out.
fn consent(base: &Cell, a: &Cell, x: &Cell, preferred: &str) -> MergedField {
    let field = FieldSpec {
        name: "no_mail".into(),
        kind: FieldKind::Boolean,
        winner: Winner::OptOut { when: true },
        clear: Clear::Propagate,
    };
    let truth = Truth { value: base.clone(), ..Truth::default() };
    let states = [a, x].map(|seen| state(base, seen, Span::default()));
    let member = |(system, state): (&'static str, _)| {
        let state: &FieldState = state;
        MemberField { system, reads: true, writes: true, state, seen: Cow::Borrowed(&state.seen) }
    };
    let members: MemberFields<'_> = ["a", "x"].into_iter().zip(&states).map(member).collect();
    merge(rules(&field, &FirstLink::Prefer(preferred.to_owned())), &truth, &members, None)
}

/// `RULES.md` P5, over every combination of base and members.
#[test]
fn opt_out_is_weakened_only_by_a_person_while_all_others_hold_it() {
    let (out, consents) = (Some(Value::Boolean(true)), Some(Value::Boolean(false)));
    let cells = [None, Some(Value::Null), consents.clone(), out.clone()];
    for base in &cells {
        for (a, x) in cells.iter().flat_map(|a| cells.iter().map(move |x| (a, x))) {
            for preferred in ["a", "x"] {
                let at = format!("{base:?} {a:?} {x:?} {preferred}");
                let merged = consent(base, a, x, preferred);
                let truth = merged.truth.value.clone();
                let known = [a, x].iter().all(|seen| **seen == out || **seen == consents);
                let expected = match *base == out {
                    true if known && (*a == consents || *x == consents) => &consents,
                    true => &out,
                    false if *a == out || *x == out => &out,
                    false => {
                        assert_ne!(truth, out, "{at}");
                        continue;
                    }
                };
                assert_eq!(&truth, expected, "{at}");
                assert_eq!(merged.question, None, "{at}");
                for (seen, member) in [a, x].iter().zip(merged.results.values()) {
                    let due = seen.is_some() && **seen != truth;
                    assert_eq!(member.due.is_some(), due, "{at}");
                }
            }
        }
    }
}

/// `RULES.md` P5: a member that is only written has an opt-out of its own.
#[test]
fn opt_out_of_a_member_that_is_only_written_stands() {
    let bool = |truth| Some(Value::Boolean(truth));
    let field = FieldSpec {
        name: "no_mail".into(),
        kind: FieldKind::Boolean,
        winner: Winner::OptOut { when: true },
        clear: Clear::Propagate,
    };
    let source = FieldState { seen: bool(false), ..FieldState::default() };
    let target = FieldState { seen: bool(true), ..FieldState::default() };
    let member = |system, reads, state| MemberField {
        system,
        reads,
        writes: !reads,
        state,
        seen: Cow::Borrowed(&state.seen),
    };
    let members: MemberFields<'_> =
        [member("a", true, &source), member("x", false, &target)].into_iter().collect();
    let prefer = FirstLink::Prefer("a".to_owned());
    let merged = merge(rules(&field, &prefer), &Truth::default(), &members, None);
    assert_eq!(merged.results[MemberFieldIndex(1)].due, None);
    assert_eq!(merged.notes, [(MemberFieldIndex(1), Reason::OptOutStands("x".into()))]);
}

/// `RULES.md` P6: nobody knows what a member that is only written holds before it was read.
#[test]
fn empty_source_empties_no_target_that_is_unknown() {
    let check = |seen: Cell, known: Cell, previous: Cell, expected: bool| {
        let field = FieldSpec {
            name: "title".into(),
            kind: FieldKind::Text,
            winner: Winner::Manual,
            clear: Clear::Propagate,
        };
        let truth = Truth { value: value("null"), previous, ..Truth::default() };
        let source = state(&value("null"), &value("null"), Span::default());
        let target = FieldState { seen: seen.clone(), base: known, ..FieldState::default() };
        let member = |system, reads, state| MemberField {
            system,
            reads,
            writes: !reads,
            state,
            seen: Cow::Borrowed(&state.seen),
        };
        let members: MemberFields<'_> =
            [member("a", true, &source), member("x", false, &target)].into_iter().collect();
        let merged = merge(rules(&field, &FirstLink::Review), &truth, &members, None);
        assert_eq!(merged.results[MemberFieldIndex(1)].due.is_some(), expected, "{seen:?}");
        assert_eq!(
            merged.results[MemberFieldIndex(1)].agreed == value("null"),
            !expected,
            "{seen:?}"
        );
    };
    check(None, None, None, false);
    check(value("typed"), None, None, false);
    // A value that was carried there before is emptied with its source.
    check(value("old"), value("old"), value("old"), true);
}

/// The field after `a` and `x` show these values, from a common base in these forms.
fn forms(truth: &str, bases: [&str; 2], seen: [&str; 2]) -> MergedField {
    let field = FieldSpec {
        name: "name".into(),
        kind: FieldKind::Text,
        winner: Winner::Manual,
        clear: Clear::Propagate,
    };
    let truth = Truth { value: value(truth), from: Some("a".into()), ..Truth::default() };
    let states: Vec<FieldState> = bases
        .iter()
        .zip(seen)
        .map(|(base, seen)| FieldState {
            agreed: value(base).and(truth.value.clone()),
            ..state(&value(base), &value(seen), Span::default())
        })
        .collect();
    let member = |(system, state): (&'static str, _)| {
        let state: &FieldState = state;
        MemberField { system, reads: true, writes: true, state, seen: Cow::Borrowed(&state.seen) }
    };
    let members: MemberFields<'_> = ["a", "x"].into_iter().zip(&states).map(member).collect();
    merge(rules(&field, &FirstLink::Review), &truth, &members, None)
}

/// `RULES.md` V9.
#[test]
fn forms_of_one_value_are_equal_until_a_person_changes_the_form() {
    let (typed, unified) = ("\u{fa10}", "\u{585a}");
    let due = |merged: &MergedField| {
        [0, 1].map(|member| merged.results[MemberFieldIndex(member)].due.is_some())
    };
    // Two forms at the first link: nobody's is touched.
    let first = forms("absent", ["absent", "absent"], [typed, unified]);
    assert_eq!((first.truth.value.clone(), due(&first)), (value(typed), [false, false]));
    assert_eq!((first.question, first.decided), (None, None));
    // A person changes the form in one of them: the others get it.
    let form = forms(unified, [unified, unified], [typed, unified]);
    assert_eq!((form.truth.value.clone(), due(&form)), (value(typed), [false, true]));
    // Two people change the value to different forms of another one.
    let both = forms("old", ["old", "old"], [typed, unified]);
    assert_eq!((both.question.clone(), due(&both)), (None, [false, false]));
    // A form does not contest another value.
    let other = forms(unified, [unified, unified], [typed, "new"]);
    assert_eq!((other.truth.value.clone(), due(&other)), (value("new"), [true, false]));
    assert_eq!((other.question, other.decided), (None, None));
}
