//! No third record is made while a person is asked which of two is the right one (`RULES.md` P13).

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{MemberSpec, Spec};
use renkei_model::state::{RecordKey, Review, ReviewChoice, ReviewSubject};
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::deletions::only_question;
use super::{bench, check_cell, leads};
use crate::bench::{Bench, member};
use crate::scenarios::{a, b, people};
use crate::world::Place;

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

/// People of both systems; in `b` the mail is no unique column.
fn start() -> Bench {
    let bench = bench(people());
    for at in [a(), b()] {
        bench.shared.world().table(&at).unique = None;
    }
    bench
}

fn change(bench: &mut Bench, change: impl Fn(&mut MemberSpec)) {
    for (_, member) in bench.spec.members_mut().filter(|(_, member)| member.system == "b") {
        change(member);
        member.digest.push('+');
    }
}

fn person(bench: &Bench, at: &Place) -> String {
    bench.shared.world().create(at, &[("mail", "s@x".into()), ("title", "CEO".into())])
}

fn answer(bench: &Bench, review: &Review, choice: ReviewChoice) {
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
}

/// A person whose record of `b` is deleted while that of `a` is edited, and who is imported into
/// `b` twice: the id in `a`, and the two.
fn deleted_and_imported_twice() -> (Bench, String, [String; 2]) {
    let bench = start();
    let left = person(&bench, &a());
    bench.run_to_rest();
    let first = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().remove(&b(), &first, Removal::Deleted);
    bench.shared.world().edit(&a(), &left, "phone", "2".into());
    let twins = [person(&bench, &b()), person(&bench, &b())];
    (bench, left, twins)
}

/// Two records of `b` and one of `a` are asked about, `a`'s has a link, and nothing is made. Then
/// a person answers.
fn check_asked(bench: &mut Bench, left: &str, twins: &[String; 2]) {
    for _ in 0..2 {
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()), *twins);
        assert_eq!(bench.shared.world().live(&a()), [left]);
    }
    let question = only_question(bench);
    let ReviewSubject::Ambiguous { records, .. } = &question.subject else {
        panic!("{question:?}")
    };
    assert_eq!(records.len(), 3);
    let told = block_on(why(&bench.store, &bench.spec, &WhySubject::Record(key(&a(), left)), None));
    let told = told.unwrap().unwrap().to_string();
    assert!(told.contains(&question.id), "{told}");
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan;
    let said = plan.to_string();
    assert!(said.contains("waits until someone decides whether b.people/"), "{said}");
    assert!(plan.operations.is_empty(), "{said}");
    bench.options.apply = true;
}

/// The first of the two is the same thing.
fn check_linked(bench: &Bench, left: &str, twins: &[String; 2]) {
    // It is asked for one of the two; whichever that is goes with the record of `a`.
    let question = only_question(bench);
    let mine = question.record.clone().unwrap();
    answer(bench, &question, ReviewChoice::LinkWith(key(&a(), left)));
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()), *twins);
    bench.shared.world().edit(&a(), left, "phone", "1".into());
    bench.run_to_rest();
    check_cell(bench, &b(), &mine.id, "phone", "1");
}

#[test]
fn nothing_is_made_beside_two_that_are_asked_about_when_creating_is_switched_on() {
    let mut bench = start();
    change(&mut bench, |member| member.create = false);
    let left = person(&bench, &a());
    bench.run_to_rest();
    let twins = [person(&bench, &b()), person(&bench, &b())];
    bench.run_to_rest();
    only_question(&bench);
    change(&mut bench, |member| member.create = true);
    check_asked(&mut bench, &left, &twins);
    check_linked(&bench, &left, &twins);
}

#[test]
fn nothing_is_made_beside_two_that_came_with_a_deletion() {
    for choice in [ReviewChoice::LinkWith(key(&a(), "")), ReviewChoice::Separate] {
        let (mut bench, left, twins) = deleted_and_imported_twice();
        check_asked(&mut bench, &left, &twins);
        if choice != ReviewChoice::Separate {
            check_linked(&bench, &left, &twins);
            continue;
        }
        // Neither of them is: then one is made.
        for made in [2, 3] {
            answer(&bench, &only_question(&bench), ReviewChoice::Separate);
            bench.run_to_rest();
            assert_eq!(bench.shared.world().live(&b()).len(), made);
        }
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    }
}

/// The record that is asked about is of another object than the one that would be made.
#[test]
fn nothing_is_made_beside_two_of_another_object() {
    let (mut bench, left, twins) = deleted_and_imported_twice();
    let mut spec = bench.spec.entities()[0].clone();
    spec.members[1].create = false;
    spec.members.push(member("b", "leads", spec.members[1].groups[..3].to_vec()));
    bench.spec = Spec::new(vec![spec]).unwrap();
    check_asked(&mut bench, &left, &twins);
    assert!(bench.shared.world().live(&leads()).is_empty());
}
