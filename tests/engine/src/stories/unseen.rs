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
