//! A column that a system refuses, and a cell that cannot be read: the rest goes on, people see
//! it, and it goes on when its cause has gone.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{EntitySpec, OnDelete, Spec};
use renkei_model::state::{Failing, FailureClass, LinkId, RecordKey, ReviewChoice};
use renkei_model::store::port::{Changes, Store as _};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell, references, sales};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::knobs::Refused;
use crate::world::{Fault, Place, place};

const DAY_MS: i64 = 24 * 3_600_000;
const LONG: &str = "Bungo-Ono";

fn failures(bench: &Bench) -> Vec<Failing> {
    let failures = block_on(bench.store.failures(i64::MIN, 100)).unwrap();
    let counted = block_on(bench.store.counts()).unwrap().failures;
    assert_eq!(failures.len() as u64, counted, "{failures:?}");
    failures
}

/// The one failure there is, in one line: place, field and class.
fn the_failure(bench: &Bench) -> String {
    let failures = failures(bench);
    let [Failing { failure, .. }] = failures.as_slice() else { panic!("{failures:?}") };
    let record = failure.record().map_or("new".to_owned(), |record| record.id);
    format!("{} {record} {:?} {}", failure.object, failure.field, failure.class.word())
}

fn told(bench: &Bench, link: u64) -> String {
    let subject = WhySubject::Link(LinkId(link));
    block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap().to_string()
}

fn refuse_long_cities(bench: &Bench) {
    let refused = ("city".to_owned(), Refused::Longer(5));
    bench.shared.world().table(&b()).knobs.refused.extend([refused]);
}

/// One person in both systems, in step; `b` refuses long cities from now on.
fn pair(spec: EntitySpec) -> (Bench, String, String) {
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    refuse_long_cities(&bench);
    (bench, left, right)
}

fn edit(bench: &Bench, at: &Place, id: &str, column: &str, value: &str) {
    bench.shared.world().edit(at, id, column, value.into());
}

/// `RULES.md` V5.
#[test]
fn refused_column_lets_the_rest_of_its_record_through_in_the_same_cycle() {
    let (bench, left, right) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    edit(&bench, &a(), &left, "phone", "1");
    edit(&bench, &a(), &left, "title", "CEO");
    bench.cycle();
    check_cell(&bench, &b(), &right, "phone", "1");
    check_cell(&bench, &b(), &right, "title", "CEO");
    check_cell(&bench, &b(), &right, "city", "Oita");
    assert_eq!(the_failure(&bench), format!("people {right} Some(\"city\") refused"));
    let told = told(&bench, 1);
    assert!(told.contains(&format!("b.people/{right} city: refused (REFUSED)")), "{told}");
    for _ in 0..3 {
        bench.shared.world().advance(60_000);
        assert!(bench.cycle().written.is_empty(), "an unchanged refusal is not repeated");
    }
    // Another value is another write.
    edit(&bench, &a(), &left, "city", "Beppu");
    bench.cycle();
    check_cell(&bench, &b(), &right, "city", "Beppu");
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V5.
#[test]
fn refused_column_is_tried_again_after_a_day_and_its_age_is_kept() {
    let (bench, left, right) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    let since_ms = failures(&bench)[0].failure.since_ms;
    bench.shared.world().advance(DAY_MS);
    assert_eq!(bench.cycle().written.values().sum::<u64>(), 1);
    assert!(bench.cycle().written.is_empty());
    let again = failures(&bench).remove(0).failure;
    assert_eq!((again.since_ms, again.times), (since_ms, 2));
    bench.shared.world().table(&b()).knobs.refused.clear();
    bench.shared.world().advance(DAY_MS);
    bench.cycle();
    check_cell(&bench, &b(), &right, "city", LONG);
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V5.
#[test]
fn refused_column_is_tried_again_with_the_next_write_that_gets_through_an_hour_later() {
    let (bench, left, right) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    bench.shared.world().table(&b()).knobs.refused.clear();
    bench.shared.world().advance(DAY_MS / 12);
    edit(&bench, &a(), &left, "phone", "1");
    bench.cycle();
    check_cell(&bench, &b(), &right, "city", LONG);
    assert!(failures(&bench).is_empty());
    assert!(bench.cycle().written.is_empty());
}

/// `RULES.md` V5: it is tried once with that write, and then waits as before.
#[test]
fn refused_column_that_is_still_refused_is_tried_once_with_a_write_that_gets_through() {
    let (bench, left, _) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    bench.shared.world().advance(DAY_MS / 12);
    let before = bench.shared.world().operations;
    edit(&bench, &a(), &left, "phone", "1");
    bench.run_to_rest();
    assert_eq!(bench.shared.world().operations - before, 2, "the phone, and the city once");
    assert_eq!(failures(&bench).remove(0).failure.times, 2);
}

/// `RULES.md` V5.
#[test]
fn new_record_is_made_without_a_refused_column() {
    let bench = bench(people());
    refuse_long_cities(&bench);
    let cells = [("mail", "a@x".into()), ("city", LONG.into()), ("phone", "1".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.cycle();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "phone", "1");
    for _ in 0..3 {
        bench.shared.world().advance(60_000);
        assert!(bench.cycle().written.is_empty());
    }
    let failure = failures(&bench).remove(0).failure;
    assert_eq!((failure.field.as_deref(), failure.class), (Some("city"), FailureClass::Refused));
    edit(&bench, &a(), &left, "city", "Oita");
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "city", "Oita");
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V5.
#[test]
fn new_record_waits_listed_while_a_column_that_it_needs_is_refused() {
    let mut spec = people();
    spec.members[1].groups[3].required = true;
    let bench = bench(spec);
    refuse_long_cities(&bench);
    let cells = [("mail", "a@x".into()), ("city", LONG.into())];
    let left = bench.shared.world().create(&a(), &cells);
    let others = [("mail", "b@x".into()), ("city", "Oita".into())];
    bench.shared.world().create(&a(), &others);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1, "the others go on");
    assert_eq!(the_failure(&bench), "people new Some(\"city\") refused");
    edit(&bench, &a(), &left, "city", "Oita");
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V5.
#[test]
fn column_that_a_refusal_does_not_name_is_found_by_halves() {
    let (bench, left, right) = pair(people());
    let mut world = bench.shared.world();
    world.table(&b()).knobs.refused.clear();
    world.table(&b()).knobs.rule = Some(("city".to_owned(), Refused::Longer(5)));
    drop(world);
    for (column, value) in [("title", "CEO"), ("phone", "1"), ("city", LONG)] {
        edit(&bench, &a(), &left, column, value);
    }
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CEO");
    check_cell(&bench, &b(), &right, "phone", "1");
    assert_eq!(the_failure(&bench), format!("people {right} Some(\"city\") refused"));
    bench.shared.world().advance(60_000);
    assert!(bench.cycle().written.is_empty());
}

/// `RULES.md` V20.
#[test]
fn failure_is_over_when_its_value_is_taken_back() {
    let (bench, left, _) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    assert_eq!(failures(&bench).len(), 1);
    edit(&bench, &a(), &left, "city", "Oita");
    bench.run_to_rest();
    assert!(failures(&bench).is_empty(), "{:?}", failures(&bench));
}

/// `RULES.md` V10.
#[test]
fn cell_that_does_not_fit_is_named_and_the_rest_of_the_record_goes_on() {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("score", "5".into()), ("title", "x".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    edit(&bench, &a(), &left, "score", "many");
    edit(&bench, &a(), &left, "title", "CEO");
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CEO");
    check_cell(&bench, &b(), &right, "score", Value::Decimal("5".into()));
    assert_eq!(the_failure(&bench), format!("contacts {left} Some(\"score\") unreadable"));
    let subject = WhySubject::Record(key(&a(), &left));
    let told = block_on(why(&bench.store, &bench.spec, &subject, Some("score"))).unwrap().unwrap();
    assert!(told.to_string().contains("\"many\""), "{told}");
    edit(&bench, &a(), &left, "score", "6");
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", Value::Decimal("6".into()));
    assert!(failures(&bench).is_empty());
}

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

fn deals() -> Place {
    place("a", "deals")
}

fn deal(bench: &Bench, stage: &str) -> String {
    let mut world = bench.shared.world();
    let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
    let cells =
        [("name", "Big".into()), ("company", references(&[&company])), ("stage", stage.into())];
    world.create(&deals(), &cells)
}

/// `RULES.md` V17.
#[test]
fn value_outside_a_table_is_listed_and_never_overwritten() {
    let bench = sales();
    let left = deal(&bench, "new");
    bench.run_to_rest();
    let opportunities = place("b", "opportunities");
    let right = bench.shared.world().live(&opportunities)[0].clone();
    edit(&bench, &deals(), &left, "stage", "lost");
    edit(&bench, &opportunities, &right, "stage", "won");
    bench.run_to_rest();
    // What the table does not know is not overwritten by what it knows.
    check_cell(&bench, &deals(), &left, "stage", "lost");
    assert_eq!(the_failure(&bench), format!("deals {left} Some(\"stage\") unmapped"));
    let told = told(&bench, 2);
    assert!(told.contains("stage: unmapped: the value of stage is not in the table"), "{told}");
    assert!(told.contains("\"lost\"") && told.contains("was not read there"), "{told}");
    edit(&bench, &deals(), &left, "stage", "closed");
    bench.run_to_rest();
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V17.
#[test]
fn deal_at_a_stage_outside_the_table_is_made_when_it_enters_it() {
    let bench = sales();
    let left = deal(&bench, "lost");
    bench.run_to_rest();
    let opportunities = place("b", "opportunities");
    assert!(bench.shared.world().live(&opportunities).is_empty());
    assert_eq!(the_failure(&bench), format!("deals {left} Some(\"stage\") unmapped"));
    edit(&bench, &deals(), &left, "stage", "new");
    bench.run_to_rest();
    let right = bench.shared.world().live(&opportunities)[0].clone();
    check_cell(&bench, &opportunities, &right, "stage", "open");
    assert!(failures(&bench).is_empty());
    // The other way: a value that the table of the target lacks.
    let other = [("name", "Small".into()), ("stage", "odd".into())];
    bench.shared.world().edit(&opportunities, &right, "name", "Big".into());
    bench.shared.world().create(&opportunities, &other);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&deals()).len(), 1);
}

/// `RULES.md` V16.
#[test]
fn record_that_lacks_what_the_target_requires_waits_and_is_listed() {
    let mut spec = people();
    spec.members[1].groups[1].required = true;
    let bench = bench(spec);
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());
    assert_eq!(the_failure(&bench), "people new Some(\"title\") required");
    edit(&bench, &a(), &left, "title", "CEO");
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V5: what was refused once is no edit that beats a deletion.
#[test]
fn value_that_was_refused_outlives_no_deletion() {
    let (bench, left, right) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    bench.shared.world().advance(600_000);
    bench.shared.world().remove(&b(), &right, Removal::Deleted);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&a()).is_empty());
    assert!(bench.shared.world().live(&b()).is_empty(), "a person deleted it");
    assert!(failures(&bench).is_empty());
}

/// `RULES.md` V5: another value than was refused is an edit.
#[test]
fn value_that_came_after_a_refusal_outlives_a_deletion() {
    let (bench, left, right) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    edit(&bench, &a(), &left, "city", "Beppu");
    bench.shared.world().faults.push_back(Fault::RemoveFirst);
    bench.run_to_rest();
    assert!(!bench.shared.world().live(&b()).contains(&right));
    let made = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &made, "city", "Beppu");
}

/// `RULES.md` V5: a deletion asks in spite of a value that has no counterpart there, and goes on
/// asking.
#[test]
fn deletion_asks_in_spite_of_a_value_without_a_counterpart() {
    let mut bench = sales();
    let mut entities = bench.spec.entities().to_vec();
    for entity in &mut entities {
        entity.on_delete = OnDelete::Review;
    }
    bench.spec = Spec::new(entities).unwrap();
    let (deals, opportunities) = (place("a", "deals"), place("b", "opportunities"));
    let deal = {
        let mut world = bench.shared.world();
        let company = world.create(&place("a", "companies"), &[("name", "A".into())]);
        let cells = [("name", "D".into()), ("company", references(&[&company]))];
        world.create(&deals, &cells)
    };
    bench.run_to_rest();
    let there = bench.shared.world().live(&opportunities)[0].clone();
    edit(&bench, &opportunities, &there, "stage", "lost");
    bench.run_to_rest();
    assert_eq!(the_failure(&bench), format!("deals {deal} Some(\"stage\") unmapped"));
    bench.shared.world().advance(60_000);
    bench.shared.world().remove(&deals, &deal, Removal::Deleted);
    for _ in 0..3 {
        bench.run_to_rest();
        assert!(bench.shared.world().live(&deals).is_empty());
        assert_eq!(bench.open_reviews().len(), 1);
        edit(&bench, &opportunities, &there, "stage", "lost");
    }
}

/// `RULES.md` V20: a failure names the record that is there.
#[test]
fn failure_names_the_record_that_was_made() {
    let bench = bench(people());
    refuse_long_cities(&bench);
    let cells = [("mail", "a@x".into()), ("city", LONG.into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.cycle();
    let right = bench.shared.world().live(&b())[0].clone();
    assert_eq!(the_failure(&bench), format!("people {right} Some(\"city\") refused"));
    bench.shared.world().advance(60_000);
    bench.shared.world().remove(&b(), &right, Removal::Deleted);
    edit(&bench, &a(), &left, "phone", "1");
    bench.run_to_rest();
    let made = bench.shared.world().live(&b())[0].clone();
    assert_ne!(made, right);
    assert_eq!(the_failure(&bench), format!("people {made} Some(\"city\") refused"));
}

/// `RULES.md` V5: where it is not known whether that very value was refused, a person is asked.
#[test]
fn deletion_asks_where_it_is_not_known_what_was_refused() {
    let (bench, left, right) = pair(people());
    edit(&bench, &a(), &left, "city", LONG);
    bench.run_to_rest();
    // As an older program has kept it.
    let view = block_on(bench.store.links(&[LinkId(1)])).unwrap().remove(0);
    let mut link = (*view.link).clone();
    link.failures.iter_mut().for_each(|failure| failure.values.clear());
    let links = vec![link];
    block_on(bench.store.commit(Changes { links, ..Changes::default() })).unwrap();
    bench.shared.world().advance(60_000);
    bench.shared.world().remove(&b(), &right, Removal::Deleted);
    for _ in 0..2 {
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&a()), std::slice::from_ref(&left));
        assert!(bench.shared.world().live(&b()).is_empty());
        assert_eq!(bench.open_reviews().len(), 1);
    }
    let review = bench.open_reviews().remove(0);
    block_on(resolve(&bench.store, &bench.spec, &review.id, ReviewChoice::Approve, 1)).unwrap();
    bench.run_to_rest();
    assert!(bench.shared.world().live(&a()).is_empty());
}
