//! Consent and one-way fields: what no rule may undo or empty.

use renkei_sync::record::Removal;
use renkei_sync::spec::{Direction, FieldKind, FirstLink, Winner};
use renkei_sync::value::Value;

use super::{bench, check_cell};
use crate::bench::{Bench, direct, field};
use crate::scenarios::{a, b, people};

const OUT: Value = Value::Boolean(true);
const IN: Value = Value::Boolean(false);

/// People with an opt-out; `b` is preferred at the first link.
fn with_opt_out(in_a: Direction, in_b: Direction) -> Bench {
    let mut spec = people();
    spec.first_link = FirstLink::Prefer("b".to_owned());
    let winner = Winner::OptOut { when: true };
    spec.fields.push(field("no_mail", FieldKind::Boolean, winner));
    spec.members[0].groups.push(direct(5, "no_mail", in_a));
    spec.members[1].groups.push(direct(5, "no_mail", in_b));
    bench(spec)
}

fn pair(bench: &Bench, in_a: Value, in_b: Value) -> (String, String) {
    let mut world = bench.shared.world();
    let left = world.create(&a(), &[("mail", "a@x".into()), ("no_mail", in_a)]);
    let right = world.create(&b(), &[("mail", "a@x".into()), ("no_mail", in_b)]);
    (left, right)
}

fn check_both(bench: &Bench, (left, right): &(String, String), expected: Value) {
    check_cell(bench, &a(), left, "no_mail", expected.clone());
    check_cell(bench, &b(), right, "no_mail", expected);
}

/// `RULES.md` P5.
#[test]
fn opt_out_of_either_side_stands_at_the_first_link() {
    for (in_a, in_b) in [(OUT, IN), (IN, OUT), (OUT, Value::Null)] {
        let bench = with_opt_out(Direction::Both, Direction::Both);
        let ids = pair(&bench, in_a, in_b);
        bench.settle();
        check_both(&bench, &ids, OUT);
        assert!(bench.cycle().written.is_empty());
    }
}

/// `RULES.md` P5.
#[test]
fn opt_out_is_taken_back_by_a_person_and_not_by_a_conflict() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    let ids = pair(&bench, OUT, OUT);
    bench.settle();
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.settle();
    check_both(&bench, &ids, IN);
    // Opted out and in at once: the opt-out stands.
    bench.shared.world().edit(&a(), &ids.0, "no_mail", OUT);
    bench.shared.world().edit(&b(), &ids.1, "no_mail", Value::Null);
    bench.settle();
    check_both(&bench, &ids, OUT);
    // What was only emptied gives nothing back.
    bench.shared.world().edit(&b(), &ids.1, "no_mail", Value::Null);
    bench.settle();
    check_both(&bench, &ids, OUT);
}

/// `RULES.md` P5: the other member holds the opt-out and may not be written.
#[test]
fn opt_out_is_not_taken_back_beside_a_member_that_is_only_read() {
    let bench = with_opt_out(Direction::Read, Direction::Both);
    let ids = pair(&bench, OUT, IN);
    bench.settle();
    check_both(&bench, &ids, OUT);
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.settle();
    check_both(&bench, &ids, OUT);
    bench.shared.world().edit(&a(), &ids.0, "no_mail", IN);
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.settle();
    check_both(&bench, &ids, IN);
}

/// `RULES.md` P5: the default of a checkbox says nothing about an opt-out elsewhere.
#[test]
fn opt_out_of_a_written_member_stands_against_a_default() {
    let bench = with_opt_out(Direction::Read, Direction::Write);
    let (left, right) = pair(&bench, IN, OUT);
    bench.settle();
    check_cell(&bench, &b(), &right, "no_mail", OUT);
    check_cell(&bench, &a(), &left, "no_mail", IN);
}

/// `RULES.md` P5: two things become one, and one of them had opted out.
#[test]
fn opt_out_survives_when_records_are_merged() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    let cells = |mail: &str, value: Value| [("mail", mail.into()), ("no_mail", value)];
    let winner = bench.shared.world().create(&a(), &cells("a@x", IN));
    let loser = bench.shared.world().create(&a(), &cells("b@x", OUT));
    bench.settle();
    bench.shared.world().remove(&a(), &loser, Removal::MergedInto(winner.clone()));
    bench.settle();
    check_cell(&bench, &a(), &winner, "no_mail", OUT);
}

/// `RULES.md` P6.
#[test]
fn one_way_field_empties_nothing_that_a_person_typed() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.cycle();
    let right = bench.shared.world().live(&b())[0].clone();
    let score = |text: &str| Value::Decimal(text.to_owned());
    bench.shared.world().edit(&b(), &right, "score", score("7"));
    bench.settle();
    check_cell(&bench, &b(), &right, "score", score("7"));
    bench.shared.world().edit(&a(), &left, "score", score("8"));
    bench.settle();
    check_cell(&bench, &b(), &right, "score", score("8"));
    bench.shared.world().edit(&a(), &left, "score", Value::Null);
    bench.settle();
    check_cell(&bench, &b(), &right, "score", Value::Null);
}
