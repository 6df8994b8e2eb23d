//! Stories of a few records, each told through the engine's real cycles.

use renkei_model::record::Removal;
use renkei_model::spec::{Direction, EntitySpec, FieldKind, OnDelete, Spec, Winner};
use renkei_model::state::{ReviewStatus, ReviewSubject};
use renkei_model::value::Value;

use crate::bench::{Bench, direct, entity, field, match_key, member};
use crate::world::{Place, World, place};

/// People in `a` and `b`: mail, title and phone both ways, score from `a` to `b` only.
pub(crate) fn people() -> EntitySpec {
    let always = |system: &str| Winner::Always(system.to_owned());
    let fields = vec![
        field("mail", FieldKind::Mail, always("a")),
        field("title", FieldKind::Text, always("a")),
        field("phone", FieldKind::Phone, Winner::Newest),
        field("city", FieldKind::Text, Winner::Manual),
        field("score", FieldKind::Decimal, always("a")),
    ];
    let groups = |score| {
        vec![
            direct(0, "mail", Direction::Both),
            direct(1, "title", Direction::Both),
            direct(2, "phone", Direction::Both),
            direct(3, "city", Direction::Both),
            direct(4, "score", score),
        ]
    };
    let members = vec![
        member("a", "contacts", groups(Direction::Read)),
        member("b", "people", groups(Direction::Write)),
    ];
    let mut people = entity("person", fields, members);
    people.match_keys.push(match_key("mail", &[0], true));
    people
}

pub(crate) fn a() -> Place {
    place("a", "contacts")
}

pub(crate) fn b() -> Place {
    place("b", "people")
}

/// An empty world of both systems.
pub(crate) fn world() -> World {
    let mut world = World::default();
    world.advance(1_000_000);
    for at in [a(), b()] {
        let table = world.table(&at);
        table.stamped = true;
        table.unique = Some("mail".to_owned());
    }
    world.table(&a()).read_only.insert("score".to_owned());
    world
}

fn bench() -> Bench {
    Bench::new(world(), Spec::new(vec![people()]).unwrap())
}

/// One person in both systems, in step.
fn pair() -> (Bench, String, String) {
    let bench = bench();
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    (bench, left, right)
}

fn check_cell(bench: &Bench, at: &Place, id: &str, column: &str, expected: impl Into<Value>) {
    let expected = expected.into();
    assert_eq!(bench.shared.world().cell(at, id, column), expected, "{at:?} {column}");
}

#[test]
fn a_new_record_is_created_on_the_other_side_once() {
    let (bench, _, right) = pair();
    check_cell(&bench, &b(), &right, "title", "CEO");
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(bench.cycle().written.is_empty());
}

#[test]
fn records_on_both_sides_are_matched_and_filled() {
    let bench = bench();
    let left =
        bench.shared.world().create(&a(), &[("mail", "A@x".into()), ("title", "CEO".into())]);
    let right = bench.shared.world().create(&b(), &[("mail", "a@x".into()), ("phone", "1".into())]);
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "phone", "1");
    check_cell(&bench, &b(), &right, "title", "CEO");
    // The same mail in canonical form: nobody's spelling is touched.
    check_cell(&bench, &a(), &left, "mail", "A@x");
}

#[test]
fn different_fields_edited_at_once_are_both_kept() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "phone", "1");
    check_cell(&bench, &a(), &left, "title", "CTO");
}

#[test]
fn a_conflict_is_decided_by_policy_and_recorded() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CFO");
    let reviews = bench.reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert_eq!(review.status, ReviewStatus::Decided);
    let ReviewSubject::Conflict { values, .. } = &review.subject else { panic!("{review:?}") };
    assert!(values.contains(&("b".to_owned(), Some("CTO".into()))));
}

#[test]
fn a_manual_conflict_freezes_the_field_only() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "city", "Beppu".into());
    bench.shared.world().edit(&b(), &right, "city", "Usa".into());
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "city", "Beppu");
    check_cell(&bench, &b(), &right, "city", "Usa");
    check_cell(&bench, &a(), &left, "title", "CTO");
    assert_eq!(bench.open_reviews().len(), 1);
    // The people agree by themselves: the question is over.
    bench.shared.world().edit(&b(), &right, "city", "Beppu".into());
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn a_cleared_field_stays_clear() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&b(), &right, "title", Value::Null);
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", Value::Null);
    check_cell(&bench, &b(), &right, "title", Value::Null);
}

#[test]
fn a_change_against_the_direction_is_not_copied() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "score", Value::Decimal("5.0".into()));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", Value::Decimal("5".into()));
    bench.shared.world().edit(&b(), &right, "score", Value::Decimal("9".into()));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "score", Value::Decimal("5.0".into()));
    check_cell(&bench, &b(), &right, "score", Value::Decimal("9".into()));
}

#[test]
fn a_deletion_archives_the_other_unless_it_was_edited() {
    let (bench, left, right) = pair();
    bench.shared.world().remove(&a(), &left, Removal::Deleted);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());

    let (bench, left, right2) = pair();
    assert_eq!(right, right2);
    bench.shared.world().remove(&a(), &left, Removal::Deleted);
    bench.shared.world().edit(&b(), &right2, "title", "CTO".into());
    bench.run_to_rest();
    let made = bench.shared.world().live(&a());
    assert_eq!(made.len(), 1);
    check_cell(&bench, &a(), &made[0], "title", "CTO");
}

#[test]
fn unlink_leaves_the_other_alone() {
    let mut people = people();
    people.on_delete = OnDelete::Unlink;
    let bench = Bench::new(world(), Spec::new(vec![people]).unwrap());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    bench.shared.world().remove(&a(), &left, Removal::Deleted);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(bench.shared.world().live(&a()).is_empty());
}
