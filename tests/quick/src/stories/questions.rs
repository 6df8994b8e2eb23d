//! What a person is asked, what the answer does, and how a decision of a rule is taken back:
//! ambiguous matches, conflicts, many deletions and many creations.

use futures::executor::block_on;
use renkei_sync::record::Removal;
use renkei_sync::resolve::resolve;
use renkei_sync::spec::FirstLink;
use renkei_sync::state::{Choice, LinkId, Matter, ReviewStatus};
use renkei_sync::why::{Subject, why};

use super::{bench, check_cell};
use crate::bench::{Bench, match_key};
use crate::scenarios::{a, b, people};

#[test]
fn an_ambiguous_match_goes_to_a_person() {
    let mut spec = people();
    spec.match_keys = vec![match_key("name", &[1], false)];
    let bench = bench(spec);
    let same = [("title", "Yamada".into())];
    let left = bench.shared.world().create(&a(), &same);
    let right = bench.shared.world().create(&b(), &same);
    bench.shared.world().create(&b(), &same);
    let report = bench.try_cycle().unwrap().report;
    assert_eq!(report.ambiguous.len(), 3, "each counts once, whatever the passes");
    bench.settle();
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
    let reviews = bench.open_reviews();
    assert_eq!(reviews.len(), 3, "one per record: {reviews:?}");
    let mine = reviews.iter().find(|r| r.record.as_ref().is_some_and(|r| r.id == left)).unwrap();
    let Matter::Ambiguous { records, .. } = &mine.matter else { panic!("{mine:?}") };
    let other = records.iter().find(|record| record.id == right).unwrap().clone();
    block_on(resolve(&bench.store, &bench.spec, &mine.id, Choice::LinkWith(other), 1)).unwrap();
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.settle();
    check_cell(&bench, &b(), &right, "phone", "1");
    // The third is a thing of its own now.
    assert!(bench.open_reviews().is_empty());
    assert_eq!(bench.shared.world().live(&a()).len(), 2);
}

#[test]
fn a_manual_conflict_follows_the_persons_choice() {
    let mut spec = people();
    spec.first_link = FirstLink::Review;
    let bench = bench(spec);
    let left =
        bench.shared.world().create(&a(), &[("mail", "a@x".into()), ("title", "CEO".into())]);
    let right =
        bench.shared.world().create(&b(), &[("mail", "a@x".into()), ("title", "CTO".into())]);
    bench.settle();
    let review = bench.open_reviews().remove(0);
    block_on(resolve(&bench.store, &bench.spec, &review.id, Choice::Value(Some("CTO".into())), 1))
        .unwrap();
    bench.settle();
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &b(), &right, "title", "CTO");
    assert!(bench.open_reviews().is_empty());
}

/// A pair of which both sides edit the title: the rule lets `a` win.
fn contested() -> (Bench, String, String, String) {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.settle();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.settle();
    check_cell(&bench, &b(), &right, "title", "CFO");
    let reviews = bench.reviews();
    let mut decided = reviews.iter().filter(|review| review.status == ReviewStatus::Decided);
    let id = decided.next().unwrap().id.clone();
    (bench, left, right, id)
}

#[test]
fn what_a_rule_decided_is_taken_back_while_it_stands() {
    let (bench, left, _, id) = contested();
    let told = block_on(why(&bench.store, &bench.spec, &Subject::Link(LinkId(1)), Some("title")));
    let told = told.unwrap().unwrap().to_string();
    assert!(told.contains("title: \"CFO\" (from a)"), "{told}");
    assert!(
        told.contains(&format!("b had \"CTO\"\n    to change it: renkei decide {id}")),
        "{told}"
    );
    let back = || Choice::Value(Some("CTO".into()));
    block_on(resolve(&bench.store, &bench.spec, &id, back(), 1)).unwrap();
    bench.settle();
    check_cell(&bench, &a(), &left, "title", "CTO");
    let error = block_on(resolve(&bench.store, &bench.spec, &id, back(), 1)).unwrap_err();
    assert!(error.to_string().contains("was answered already"), "{error}");
}

#[test]
fn taking_back_what_a_rule_decided_overrules_no_later_edit() {
    let (bench, left, right, id) = contested();
    bench.shared.world().edit(&b(), &right, "title", "COO".into());
    bench.settle();
    let back = Choice::Value(Some("CTO".into()));
    let error = block_on(resolve(&bench.store, &bench.spec, &id, back, 1)).unwrap_err();
    assert!(error.to_string().contains("has changed since a rule decided"), "{error}");
    bench.settle();
    check_cell(&bench, &a(), &left, "title", "COO");

    // An edit between the answer and the next cycle counts as well, and is told.
    let (bench, left, right, id) = contested();
    let back = Choice::Value(Some("CTO".into()));
    block_on(resolve(&bench.store, &bench.spec, &id, back, 1)).unwrap();
    bench.shared.world().edit(&b(), &right, "title", "COO".into());
    bench.settle();
    check_cell(&bench, &a(), &left, "title", "COO");
    let told = block_on(why(&bench.store, &bench.spec, &Subject::Link(LinkId(1)), None)).unwrap();
    let told = told.unwrap().to_string();
    assert!(told.contains("about values that had changed; not used"), "{told}");
}

#[test]
fn many_deletions_wait_for_approval() {
    let bench = bench(people());
    for person in 0..30 {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
    }
    bench.settle();
    let ids = bench.shared.world().live(&a());
    for id in ids {
        bench.shared.world().remove(&a(), &id, Removal::Deleted);
    }
    bench.settle();
    assert_eq!(bench.shared.world().live(&b()).len(), 30);
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(matches!(review.matter, Matter::Deletions { count: 30, limit: 20 }), "{review:?}");
    block_on(resolve(&bench.store, &bench.spec, &review.id, Choice::Approve, 1)).unwrap();
    bench.settle();
    assert!(bench.shared.world().live(&b()).is_empty());
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn many_creations_wait_for_approval() {
    let mut spec = people();
    spec.create_guard = Some(3);
    let bench = bench(spec);
    for person in 0..10 {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
    }
    for _ in 0..2 {
        bench.settle();
        assert_eq!(bench.shared.world().live(&b()).len(), 3);
    }
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(matches!(review.matter, Matter::Creations { limit: 3 }), "{review:?}");
    block_on(resolve(&bench.store, &bench.spec, &review.id, Choice::Approve, 1)).unwrap();
    bench.settle();
    assert_eq!(bench.shared.world().live(&b()).len(), 10);
    assert!(bench.open_reviews().is_empty());
}
