//! Merges that are to be followed: planned and printed first, sent once, whatever is lost.

use renkei_model::record::Removal;
use renkei_model::spec::OnMerge;
use renkei_model::state::{ReviewChoice, ReviewSubject};

use super::{answer, arm, bench, check_cell, live};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::Fault;

/// Two people in step; then `a` merges them, and `b` is to follow. The merged one in `a`.
fn merged() -> (Bench, String) {
    let mut spec = people();
    spec.on_merge = OnMerge::Follow;
    let bench = bench(spec);
    let one = bench.shared.world().create(&a(), &[("mail", "1@x".into()), ("title", "CEO".into())]);
    let two = bench.shared.world().create(&a(), &[("mail", "2@x".into())]);
    bench.run_to_rest();
    bench.shared.world().remove(&a(), &two, Removal::MergedInto(one.clone()));
    (bench, one)
}

/// `b` has followed, and the survivor is kept in step.
fn check_merged(bench: &Bench, one: &str) {
    bench.shared.world().edit(&a(), one, "title", "CTO".into());
    bench.run_to_rest();
    let right = live(bench, &b());
    let [right] = right.as_slice() else { panic!("{right:?}") };
    check_cell(bench, &b(), right, "title", "CTO");
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn a_merge_is_planned_and_printed_before_it_is_sent() {
    let (mut bench, _) = merged();
    bench.options.apply = false;
    let store = bench.store.copy();
    let plan = bench.try_cycle().unwrap().plan.to_string();
    bench.store = store;
    let [first, second] = live(&bench, &b()).try_into().unwrap();
    let expected = format!(
        "merge b.people/{second} into /{first}  person link 1: merged elsewhere and approved to be merged here\n"
    );
    assert_eq!(plan, expected);
    assert_eq!(live(&bench, &b()).len(), 2);
}

#[test]
fn a_merge_whose_answer_is_lost_is_made_once() {
    for fault in [Fault::LostReply, Fault::LostRequest, Fault::Retry] {
        let (bench, one) = merged();
        arm(&bench, fault);
        bench.run_to_rest();
        check_merged(&bench, &one);
    }
}

#[test]
fn a_refused_merge_is_a_question_again_and_stops_nothing_else() {
    for fault in [Fault::Refuse, Fault::Unsupported] {
        let (bench, one) = merged();
        bench.shared.world().edit(&a(), &one, "title", "CTO".into());
        let never = fault == Fault::Unsupported;
        arm(&bench, fault);
        let failures = bench.try_cycle().unwrap().report.failures;
        assert!(failures.is_empty(), "{failures:?}");
        bench.run_to_rest();
        let right = live(&bench, &b());
        check_cell(&bench, &b(), &right[0], "title", "CTO");
        let reviews = bench.open_reviews();
        let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
        assert!(matches!(review.subject, ReviewSubject::Surplus { .. }) && review.choice.is_none());
        if never {
            // What the connector cannot do is not offered again (RULES.md V15).
            assert!(matches!(review.subject, ReviewSubject::Surplus { mergeable: false, .. }));
            continue;
        }
        answer(&bench, review, ReviewChoice::Approve);
        bench.run_to_rest();
        assert_eq!(live(&bench, &b()).len(), 1);
    }
}

#[test]
fn a_crash_after_any_commit_of_a_merge_changes_nothing() {
    let commits = {
        let (bench, one) = merged();
        let before = bench.store.commits();
        bench.run_to_rest();
        let commits = bench.store.commits() - before;
        check_merged(&bench, &one);
        commits
    };
    assert!(commits > 5, "{commits}");
    for stop in 0..commits {
        let (mut bench, one) = merged();
        bench.store.stop_after(stop);
        drop(bench.try_cycle());
        bench.store = bench.store.copy();
        bench.run_to_rest();
        check_merged(&bench, &one);
    }
}
