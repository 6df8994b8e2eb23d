//! Records that a system does not show for a while (`RULES.md` V12).

use renkei_model::record::Removal;
use renkei_model::spec::Spec;

use super::bench;
use crate::bench::Bench;
use crate::scenarios::{a, b, people};

/// A person in both systems, with the ids.
fn person() -> (Bench, String, String) {
    let mut people = people();
    people.sweep_ms = Some(1);
    let mut bench = bench(people.clone());
    bench.spec = Spec::new(vec![people]).unwrap();
    let left = bench.shared.world().create(&a(), &[("mail", "p@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    (bench, left, right)
}

fn pass(bench: &Bench) {
    for _ in 0..3 {
        bench.shared.world().advance(1_000_000);
        bench.run_to_rest();
    }
}

/// The record of `a` is hidden, and then a person deletes that of `b`.
fn hidden_and_deleted() -> (Bench, String) {
    let (bench, left, right) = person();
    bench.shared.world().table(&a()).knobs.invisible.insert(left.clone());
    pass(&bench);
    bench.shared.world().remove(&b(), &right, Removal::Deleted);
    pass(&bench);
    assert_eq!(bench.shared.world().live(&a()), std::slice::from_ref(&left));
    assert!(!bench.open_reviews().is_empty(), "a person can read of it");
    (bench, left)
}

#[test]
fn deletion_goes_on_when_the_other_record_is_seen_again() {
    let (bench, left) = hidden_and_deleted();
    bench.shared.world().table(&a()).knobs.invisible.remove(&left);
    pass(&bench);
    assert!(bench.shared.world().live(&a()).is_empty(), "{:?}", bench.open_reviews());
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

#[test]
fn new_record_is_linked_where_its_counterpart_is_missing() {
    let (bench, left) = hidden_and_deleted();
    let right = bench.shared.world().create(&b(), &[("mail", "p@x".into())]);
    pass(&bench);
    bench.shared.world().table(&a()).knobs.invisible.remove(&left);
    pass(&bench);
    assert_eq!(bench.shared.world().live(&a()), [left]);
    assert_eq!(bench.shared.world().live(&b()), [right]);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

#[test]
fn record_that_is_told_as_hidden_is_missing_without_a_sweep() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "p@x".into()), ("title", "x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    {
        let mut world = bench.shared.world();
        let knobs = &mut world.table(&a()).knobs;
        knobs.invisible.insert(left.clone());
        knobs.hides_openly = true;
    }
    bench.run_to_rest();
    assert_eq!(bench.open_reviews().len(), 1, "{:?}", bench.open_reviews());
    assert_eq!(bench.shared.world().live(&b()), std::slice::from_ref(&right), "nothing is deleted");
    bench.shared.world().edit(&b(), &right, "title", "y".into());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().cell(&a(), &left, "title"), "x".into(), "nothing is written");
    bench.shared.world().table(&a()).knobs.invisible.clear();
    bench.shared.world().edit(&a(), &left, "mail", "q@x".into());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().cell(&a(), &left, "title"), "y".into());
    assert_eq!(bench.shared.world().cell(&b(), &right, "mail"), "q@x".into());
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}
