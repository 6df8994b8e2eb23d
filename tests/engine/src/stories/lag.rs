//! Readings that are older than what is known, answers that are not kept, and forms of a system's
//! own (RULES.md V1, V8, R26).

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Direction, EntitySpec, FieldKind, Winner};
use renkei_model::store::port::Store;
use renkei_model::value::Value;

use super::{always, bench, check_cell};
use crate::bench::{Bench, direct, field};
use crate::scenarios::{a, b, people};
use crate::world::knobs::{Answers, Form, Lag, Versions};
use crate::world::{Fault, Place};

/// One person in both systems of a specification.
fn pair(people: EntitySpec, cells: &[(&str, Value)]) -> (Bench, String, String) {
    let bench = bench(people);
    let mail: (&str, Value) = ("mail", "a@x".into());
    let cells: Vec<(&str, Value)> = cells.iter().cloned().chain([mail]).collect();
    let left = bench.shared.world().create(&a(), &cells);
    run(&bench, 16);
    let right = bench.shared.world().live(&b())[0].clone();
    (bench, left, right)
}

/// Cycles five seconds apart.
fn run(bench: &Bench, cycles: u32) {
    for _ in 0..cycles {
        bench.shared.world().advance(5_000);
        bench.cycle();
    }
}

/// Values that the engine has written to a column of a place.
fn writes(bench: &Bench, at: &Place, column: &str) -> Vec<Value> {
    let world = bench.shared.world();
    let by_engine = world.ledger.iter().filter(|entry| {
        !entry.human && entry.place == *at && entry.column.as_deref() == Some(column)
    });
    by_engine.map(|entry| entry.after.clone()).collect()
}

fn every_answer() -> Vec<(Versions, Answers)> {
    let versions = [Versions::Number, Versions::Stamp, Versions::RowsOnly, Versions::None];
    let answers = [Answers::Stored, Answers::Sent, Answers::Empty];
    versions.iter().flat_map(|version| answers.iter().map(|answer| (*version, *answer))).collect()
}

fn type_twice(spec: EntitySpec, column: &str, lag: &Lag, versions: Versions, whole: bool) {
    let (bench, left, right) = pair(spec, &[]);
    let knobs = &mut bench.shared.world().table(&b()).knobs.clone();
    (knobs.lag, knobs.versions, knobs.whole_seconds) = (lag.clone(), versions, whole);
    bench.shared.world().table(&b()).knobs = knobs.clone();
    bench.shared.world().advance(137);
    bench.shared.world().edit(&a(), &left, column, "090-1111-1111".into());
    run(&bench, 4);
    bench.shared.world().edit(&a(), &left, column, "090-2222-2222".into());
    run(&bench, 30);
    let case = format!("{column} {lag:?} {versions:?} {whole}");
    assert_eq!(writes(&bench, &a(), column), Vec::<Value>::new(), "{case}");
    assert_eq!(bench.shared.world().cell(&b(), &right, column), "090-2222-2222".into(), "{case}");
    assert_eq!(writes(&bench, &b(), column).len(), 2, "{case}");
    assert!(bench.open_reviews().is_empty(), "{case}");
}

/// RULES.md V1: the input that broke it, typed twice in one system while the index of the other is
/// 20 s old, whatever the system says of versions.
#[test]
fn a_value_typed_twice_never_comes_back_from_an_old_index() {
    for versions in [Versions::Number, Versions::Stamp, Versions::RowsOnly, Versions::None] {
        for lag in [Lag::of_index(20_000), Lag::everywhere(20_000)] {
            for whole in [false, true] {
                type_twice(people(), "phone", &lag, versions, whole);
                let mut preferred = people();
                preferred.fields[1] = field("title", FieldKind::Text, always("b"));
                type_twice(preferred, "title", &lag, versions, whole);
            }
        }
    }
}

/// RULES.md V1 (d), R26: an update that was answered and not done is due again.
#[test]
fn an_update_that_was_only_answered_is_written_again() {
    let (bench, left, right) = pair(people(), &[]);
    bench.shared.world().edit(&a(), &left, "phone", "090-1111-1111".into());
    bench.shared.world().faults.push_back(Fault::Pretended);
    run(&bench, 16);
    check_cell(&bench, &b(), &right, "phone", "090-1111-1111");
    check_cell(&bench, &a(), &left, "phone", "090-1111-1111");
}

/// RULES.md R26: an update that is answered and never done is a refusal after three repetitions.
#[test]
fn an_update_that_is_never_kept_counts_as_refused() {
    let (bench, left, _) = pair(people(), &[]);
    bench.shared.world().edit(&a(), &left, "phone", "090-1111-1111".into());
    for _ in 0..20 {
        bench.shared.world().faults.push_back(Fault::Pretended);
    }
    run(&bench, 80);
    assert_eq!(bench.shared.world().faults.len(), 16, "one write and three repetitions");
    check_cell(&bench, &a(), &left, "phone", "090-1111-1111");
}

/// RULES.md R26: however the system answers what it does not keep, and whether its versions move or
/// not, there is one write and three repetitions of it, and a person sees it.
#[test]
fn an_update_that_is_ignored_is_listed_whatever_the_answer_shows() {
    for (versions, answers) in every_answer() {
        for (lag, fault) in [
            (Lag::default(), Fault::Ignored),
            (Lag::default(), Fault::Touched),
            (Lag::of_index(20_000), Fault::Ignored),
        ] {
            if versions == Versions::None && lag != Lag::default() {
                // The world does not do it: what somebody typed unseen is told from no form there.
                continue;
            }
            let case = format!("{versions:?} {answers:?} {lag:?} {fault:?}");
            let (bench, left, right) = pair(people(), &[("title", "CEO".into())]);
            {
                let mut world = bench.shared.world();
                let table = world.table(&b());
                (table.knobs.versions, table.knobs.answers) = (versions, answers);
                table.knobs.lag = lag.clone();
                table.facts.push(("lag-ms".to_owned(), Value::Integer(0)));
                world.edit(&a(), &left, "phone", "090-1111-1111".into());
                world.edit(&a(), &left, "title", "CTO".into());
                world.faults.extend(std::iter::repeat_n(fault, 40));
            }
            for _ in 0..30 {
                bench.shared.world().advance(20_000);
                bench.cycle();
            }
            let done = 40 - bench.shared.world().faults.len();
            assert_eq!(done, 4, "{case}: one write and three repetitions");
            let failures = block_on(bench.store.failures(0, 10)).unwrap();
            // A version that moved may be a person's undo, about which `phone` asks.
            let asked = bench.open_reviews().len();
            assert_eq!(failures.len() + asked, 2, "{case}: {failures:?}");
            check_cell(&bench, &a(), &left, "title", "CTO");
            check_cell(&bench, &a(), &left, "phone", "090-1111-1111");
            check_cell(&bench, &b(), &right, "title", "CEO");
            // The system keeps values again.
            bench.shared.world().faults.clear();
            bench.shared.world().advance(25 * 3_600_000);
            run(&bench, 20);
            check_cell(&bench, &b(), &right, "title", "CTO");
            if asked == 0 {
                check_cell(&bench, &b(), &right, "phone", "090-1111-1111");
            }
            assert!(block_on(bench.store.failures(0, 10)).unwrap().is_empty(), "{case}");
        }
    }
}

/// RULES.md R26: the next edit of another field does not bring the old value back unseen.
#[test]
fn an_edit_after_an_answer_that_was_not_kept_brings_nothing_back() {
    let (bench, left, right) = pair(people(), &[("title", "CEO".into())]);
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    bench.shared.world().faults.push_back(Fault::Pretended);
    run(&bench, 1);
    bench.shared.world().edit(&b(), &right, "city", "Oita".into());
    run(&bench, 3);
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &b(), &right, "title", "CTO");
    check_cell(&bench, &a(), &left, "city", "Oita");
}

/// RULES.md V8: cut, re-cased, trimmed, rounded, at another scale, with and without the stored
/// values in the answer.
#[test]
fn a_form_of_the_systems_own_is_not_copied_back() {
    let decimal = |text: &str| Value::Decimal(text.into());
    let kinds = [
        ("title", "Chairman of the board".into(), Form::Cut(10)),
        ("title", "hot".into(), Form::Capitals),
        ("title", "x  y".into(), Form::Trim),
        ("phone", "090-1111-1111".into(), Form::Cut(11)),
        ("score", decimal("12.345"), Form::Round(2)),
        ("score", decimal("12"), Form::Scale(2)),
    ];
    for (versions, answers) in every_answer() {
        for (column, value, form) in &kinds {
            let mut spec = people();
            for member in &mut spec.members {
                member.groups[4] = direct(4, "score", Direction::Both);
            }
            let (bench, left, _) = pair(spec, &[]);
            {
                let mut world = bench.shared.world();
                let knobs = &mut world.table(&b()).knobs;
                (knobs.versions, knobs.answers) = (versions, answers);
                knobs.forms.insert((*column).to_owned(), form.clone());
                world.edit(&a(), &left, column, value.clone());
            }
            run(&bench, 20);
            let case = format!("{column} {form:?} {versions:?} {answers:?}");
            assert_eq!(bench.shared.world().cell(&a(), &left, column), *value, "{case}");
            assert_eq!(writes(&bench, &a(), column), Vec::<Value>::new(), "{case}");
            assert!(writes(&bench, &b(), column).len() <= 1, "{case}");
        }
    }
}

/// RULES.md V1: a clock that stepped back delays an edit, and does not lose it.
#[test]
fn an_edit_under_a_clock_that_stepped_back_counts_after_the_lag() {
    let (bench, left, right) = pair(people(), &[("title", "CEO".into())]);
    bench.shared.world().table(&b()).knobs.clock_ms = -50_000;
    bench.shared.world().edit(&b(), &right, "phone", "090-3333-3333".into());
    run(&bench, 20);
    check_cell(&bench, &a(), &left, "phone", "090-3333-3333");
}

/// RULES.md V1: what was archived is not made again by an old row of it.
#[test]
fn an_old_row_of_an_archived_record_makes_nothing() {
    let (bench, left, _) = pair(people(), &[]);
    bench.shared.world().table(&b()).knobs.lag = Lag::of_index(20_000);
    bench.shared.world().remove(&a(), &left, Removal::Deleted);
    run(&bench, 30);
    assert!(bench.shared.world().live(&a()).is_empty());
    assert!(bench.shared.world().live(&b()).is_empty());
}

/// RULES.md P4: what the system set when the record was made outlives no deletion.
#[test]
fn a_default_of_the_system_does_not_outlive_a_deletion() {
    for versions in [Versions::Number, Versions::RowsOnly] {
        let mut spec = people();
        spec.fields[3] = field("city", FieldKind::Text, Winner::Newest);
        let bench = bench(spec);
        {
            let mut world = bench.shared.world();
            let knobs = &mut world.table(&b()).knobs;
            knobs.versions = versions;
            knobs.defaults.insert("city".to_owned(), "Tokyo".into());
        }
        let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
        bench.cycle();
        bench.shared.world().advance(5_000);
        bench.shared.world().remove(&a(), &left, Removal::Deleted);
        run(&bench, 4);
        assert!(bench.shared.world().live(&a()).is_empty(), "{versions:?}");
        assert!(bench.shared.world().live(&b()).is_empty(), "{versions:?}");
    }
}

/// `RULES.md` R26: a record out of sight comes back as it was before a write that did not happen.
#[test]
fn missing_record_that_is_back_brings_no_old_value_back() {
    let (bench, left, right) = pair(people(), &[("title", "CEO".into())]);
    bench.shared.world().faults.push_back(Fault::Pretended);
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    bench.shared.world().advance(5_000);
    bench.cycle();
    bench.shared.world().table(&b()).knobs.invisible.insert(right.clone());
    run(&bench, 30);
    bench.shared.world().table(&b()).knobs.invisible.clear();
    // It is found by its version, as a right that was given back shows it.
    bench.shared.world().edit(&b(), &right, "city", "Oita".into());
    run(&bench, 30);
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &b(), &right, "title", "CTO");
}
