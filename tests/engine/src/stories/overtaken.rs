//! Answers about values that have changed since the question: none of them overrules a newer edit.
//! And answers that cannot be carried out.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Clear, FieldKind, FirstLink, OnDelete, Spec};
use renkei_sync::answers::resolve::resolve;

use renkei_model::state::{LinkId, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::store::port::Store as _;
use renkei_model::value::{Cell, Value};
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell};
use crate::bench::{Bench, table};
use crate::scenarios::{a, b, people};
use crate::world::World;
use crate::world::knobs::Refused;

fn the_question(bench: &Bench) -> Review {
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    review.clone()
}

fn decide(bench: &Bench, review: &Review, value: impl Into<Value>) {
    let choice = ReviewChoice::Value(Some(value.into()));
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
}

fn values(review: &Review) -> Vec<(String, Cell)> {
    let ReviewSubject::Conflict { values, .. } = &review.subject else { panic!("{review:?}") };
    values.clone()
}

/// A phone in both systems that was emptied in `a`, about which a person is asked.
fn emptied() -> (Bench, String, String, Review) {
    let mut spec = people();
    spec.fields[2].clear = Clear::Review;
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("phone", "1".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "phone", Value::Null);
    bench.run_to_rest();
    let question = the_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Cleared { .. }), "{question:?}");
    (bench, left, right, question)
}

/// `RULES.md` V20.
#[test]
fn answer_to_an_emptied_field_overrules_no_edit_made_before_it_is_carried_out() {
    for answer in [Value::from("1"), Value::Null] {
        let (bench, left, right, question) = emptied();
        decide(&bench, &question, answer);
        bench.shared.world().edit(&b(), &right, "phone", "2".into());
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "phone", Value::Null);
        check_cell(&bench, &b(), &right, "phone", "2");
        let expected = [("a".into(), Some(Value::Null)), ("b".into(), Some("2".into()))];
        assert_eq!(values(&the_question(&bench)), expected);
        let told = block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), None));
        let told = told.unwrap().unwrap().to_string();
        assert!(told.contains("about values that had changed; not used"), "{told}");
        decide(&bench, &the_question(&bench), "2");
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "phone", "2");
        assert!(bench.open_reviews().is_empty());
    }
}

/// `RULES.md` V20.
#[test]
fn question_about_an_emptied_field_shows_what_the_others_hold_now() {
    let (bench, left, right, question) = emptied();
    bench.shared.world().edit(&b(), &right, "phone", "2".into());
    bench.run_to_rest();
    let now = the_question(&bench);
    assert_ne!(now.id, question.id);
    let expected = [("a".into(), Some(Value::Null)), ("b".into(), Some("2".into()))];
    assert_eq!(values(&now), expected);
    let choice = ReviewChoice::Value(Some(Value::Null));
    let late = block_on(resolve(&bench.store, &bench.spec, &question.id, choice, 1));
    assert!(late.unwrap_err().to_string().contains("is closed"));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "phone", "2");
    check_cell(&bench, &a(), &left, "phone", Value::Null);
    // It is typed again: there is no question any more.
    bench.shared.world().edit(&a(), &left, "phone", "2".into());
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` V20: also at the first link, where nothing was agreed on yet.
#[test]
fn answer_at_the_first_link_overrules_no_edit_made_before_it_is_carried_out() {
    let mut spec = people();
    spec.first_link = FirstLink::Review;
    let bench = bench(spec);
    let cells = |title: &str| [("mail", "a@x".into()), ("title", title.into())];
    let left = bench.shared.world().create(&a(), &cells("CEO"));
    let right = bench.shared.world().create(&b(), &cells("CTO"));
    bench.run_to_rest();
    decide(&bench, &the_question(&bench), "CEO");
    bench.shared.world().edit(&b(), &right, "title", "COO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "COO");
    check_cell(&bench, &a(), &left, "title", "CEO");
    let expected = [("a".into(), Some("CEO".into())), ("b".into(), Some("COO".into()))];
    assert_eq!(values(&the_question(&bench)), expected);
}

/// A city that both systems have edited: a person is asked.
fn contested() -> (Bench, String, String) {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "city", "Beppu".into());
    bench.shared.world().edit(&b(), &right, "city", "Usa".into());
    bench.run_to_rest();
    (bench, left, right)
}

/// `RULES.md` V20.
#[test]
fn question_is_over_when_both_put_back_what_was_there() {
    let (bench, left, right) = contested();
    the_question(&bench);
    bench.shared.world().edit(&a(), &left, "city", "Oita".into());
    bench.shared.world().edit(&b(), &right, "city", "Oita".into());
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` V20: the value was taken back before the answer was carried out.
#[test]
fn answer_brings_no_value_that_was_taken_back_since() {
    let (bench, left, right) = contested();
    decide(&bench, &the_question(&bench), "Usa");
    bench.shared.world().edit(&b(), &right, "city", "Oita".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "city", "Beppu");
    check_cell(&bench, &b(), &right, "city", "Beppu");
}

/// `RULES.md` V20: a field that went to and fro.
#[test]
fn answer_to_a_field_that_stands_still_overrules_no_edit_made_before_it_is_carried_out() {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    let places = [(b(), &right, "Usa"), (a(), &left, "Oita")];
    let mut moves = places.iter().cycle();
    while bench.open_reviews().is_empty() {
        let (at, id, city) = moves.next().unwrap();
        bench.shared.world().edit(at, id, "city", (*city).into());
        // What was written is read before the next one acts.
        bench.run_to_rest();
    }
    let question = the_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Oscillation { .. }), "{question:?}");
    let held = |at, id: &String| bench.shared.world().cell(at, id, "city");
    let [in_a, in_b] = [held(&a(), &left), held(&b(), &right)];
    assert_ne!(in_a, in_b);
    decide(&bench, &question, in_a.clone());
    bench.shared.world().edit(&a(), &left, "city", "Beppu".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "city", "Beppu");
    check_cell(&bench, &b(), &right, "city", in_b.clone());
    let expected = [("a".into(), Some("Beppu".into())), ("b".into(), Some(in_b))];
    assert_eq!(values(&the_question(&bench)), expected);
}

/// `RULES.md` V20: the truth came from `a`, which was edited before it got another one.
#[test]
fn conflict_offers_each_system_once_with_what_it_holds_now() {
    let (bench, left, right) = contested();
    decide(&bench, &the_question(&bench), "Usa");
    // The truth is what a person chose, so it came from no system; the write of it is refused.
    let refused = Refused::Value("Usa".into());
    bench.shared.world().table(&a()).knobs.refused.insert("city".to_owned(), refused);
    bench.run_to_rest();
    bench.shared.world().edit(&a(), &left, "city", "Kitsuki".into());
    bench.run_to_rest();
    let question = the_question(&bench);
    assert_eq!(question.status, ReviewStatus::Open);
    let expected = [("a".into(), Some("Kitsuki".into())), ("b".into(), Some("Usa".into()))];
    assert_eq!(values(&question), expected);
    check_cell(&bench, &b(), &right, "city", "Usa");
}

/// A city that both systems have edited, about which a person is asked, and another person in both.
/// A phone is refused in `b`, and a score of `a` cannot be read.
fn contested_beside_another() -> (Bench, [String; 2], [String; 2]) {
    let bench = bench(people());
    let refused = ("phone".to_owned(), Refused::Longer(2));
    bench.shared.world().table(&b()).knobs.refused.extend([refused]);
    let ids = ["a@x", "b@x"].map(|mail| {
        let cells = [("mail", mail.into()), ("city", "Oita".into()), ("phone", "123".into())];
        let left = bench.shared.world().create(&a(), &cells);
        bench.run_to_rest();
        let world = bench.shared.world();
        let mut right = world.live(&b());
        right.retain(|id| world.cell(&b(), id, "mail") == mail.into());
        [left, right.remove(0)]
    });
    let [one, other] = ids;
    bench.shared.world().edit(&a(), &one[0], "city", "Beppu".into());
    bench.shared.world().edit(&b(), &one[1], "city", "Usa".into());
    bench.shared.world().edit(&a(), &one[0], "score", "odd".into());
    bench.run_to_rest();
    the_question(&bench);
    (bench, one, other)
}

/// Fate of the first of two people, by their ids.
type End = fn(&mut World, &[String; 2], &[String; 2]);

fn failing(bench: &Bench) -> Vec<Option<LinkId>> {
    let failures = block_on(bench.store.failures(i64::MIN, 100)).unwrap();
    failures.into_iter().map(|failing| failing.link).collect()
}

/// `RULES.md` V20: whatever becomes of the link, in whichever system.
#[test]
fn question_and_failures_of_a_link_are_over_with_the_link() {
    let ends: [(&str, End); 4] = [
        ("merged in a", |world, one, other| {
            world.remove(&a(), &one[0], Removal::MergedInto(other[0].clone()));
        }),
        ("merged in b", |world, one, other| {
            world.remove(&b(), &one[1], Removal::MergedInto(other[1].clone()));
        }),
        ("merged in both", |world, one, other| {
            world.remove(&a(), &one[0], Removal::MergedInto(other[0].clone()));
            world.remove(&b(), &one[1], Removal::MergedInto(other[1].clone()));
        }),
        ("deleted in both", |world, one, _| {
            world.remove(&a(), &one[0], Removal::Deleted);
            world.remove(&b(), &one[1], Removal::Deleted);
        }),
    ];
    for (end, act) in ends {
        for answered in [false, true] {
            let (bench, one, other) = contested_beside_another();
            let question = the_question(&bench);
            if answered {
                decide(&bench, &question, "Usa");
            }
            let gone = question.link;
            assert_eq!(failing(&bench).iter().filter(|link| **link == gone).count(), 2, "{end}");
            act(&mut bench.shared.world(), &one, &other);
            bench.run_to_rest();
            let open = bench.open_reviews();
            assert!(open.iter().all(|one| one.id != question.id), "{end}: {open:?}");
            let choice = ReviewChoice::Value(Some("Usa".into()));
            let late = block_on(resolve(&bench.store, &bench.spec, &question.id, choice, 1));
            late.unwrap_err();
            let failing = failing(&bench);
            assert!(!failing.contains(&gone) && !failing.contains(&None), "{end}: {failing:?}");
            for review in open {
                let choice = ReviewChoice::Leave;
                block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
            }
            bench.run_to_rest();
            assert!(bench.open_reviews().is_empty(), "{end}: {:?}", bench.open_reviews());
            let kept = bench.shared.world().cell(&a(), &other[0], "city");
            assert_eq!(kept, "Oita".into(), "{end}");
        }
    }
}

/// `RULES.md` V20: a question about a link that a deletion leaves is over, though its records stay.
#[test]
fn question_of_a_link_that_is_left_takes_no_answer() {
    let (mut bench, one, other) = contested_beside_another();
    let mut entities = bench.spec.entities().to_vec();
    entities[0].on_delete = OnDelete::Unlink;
    bench.spec = Spec::new(entities).unwrap();
    bench.shared.world().remove(&a(), &one[0], Removal::MergedInto(other[0].clone()));
    bench.run_to_rest();
    let question = the_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Surplus { .. }), "{question:?}");
    bench.shared.world().remove(&a(), &other[0], Removal::Deleted);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    let choice = ReviewChoice::Approve;
    let late = block_on(resolve(&bench.store, &bench.spec, &question.id, choice, 1));
    assert!(late.unwrap_err().to_string().contains("is closed"));
}

/// `RULES.md` V20: nor is what a rule decided taken back where nobody can do it.
#[test]
fn decision_of_a_rule_in_a_link_that_is_gone_is_not_taken_back() {
    let (bench, one, other) = contested_beside_another();
    bench.shared.world().edit(&a(), &one[0], "title", "CEO".into());
    bench.shared.world().edit(&b(), &one[1], "title", "CTO".into());
    bench.run_to_rest();
    let is_title = |one: &Review| matches!(&one.subject, ReviewSubject::Conflict { field, .. } if field == "title");
    let decided = bench.reviews().into_iter().find(is_title).unwrap();
    assert_eq!(decided.status, ReviewStatus::Decided);
    bench.shared.world().remove(&a(), &one[0], Removal::MergedInto(other[0].clone()));
    bench.run_to_rest();
    let choice = ReviewChoice::Value(Some("CTO".into()));
    block_on(resolve(&bench.store, &bench.spec, &decided.id, choice, 1)).unwrap_err();
}

/// `RULES.md` V20: a record that is out of sight is asked about in the link that it belongs to now.
#[test]
fn review_of_a_missing_record_moves_to_the_uniting_link() {
    let (mut bench, one, other) = contested_beside_another();
    let mut entities = bench.spec.entities().to_vec();
    entities[0].sweep_ms = Some(1);
    bench.spec = Spec::new(entities).unwrap();
    bench.shared.world().vanish(&b(), &one[1]);
    for _ in 0..3 {
        bench.shared.world().advance(1_000_000);
        bench.run_to_rest();
    }
    let is_missing = |one: &Review| matches!(one.subject, ReviewSubject::Missing { .. });
    let missing = |bench: &Bench| bench.open_reviews().into_iter().find(is_missing);
    let asked = missing(&bench).unwrap();
    bench.shared.world().remove(&a(), &one[0], Removal::MergedInto(other[0].clone()));
    bench.run_to_rest();
    let now = missing(&bench).unwrap();
    assert_ne!(now.link, asked.link);
    block_on(resolve(&bench.store, &bench.spec, &now.id, ReviewChoice::Approve, 1)).unwrap();
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` V15.
#[test]
fn value_that_no_table_can_write_is_refused_with_those_that_fit() {
    let mut spec = people();
    spec.fields[3].kind = FieldKind::Choice;
    let pairs = [("1", "hot"), ("2", "cold")];
    let back = pairs.map(|(remote, value)| (value, remote));
    spec.members[0].groups[3] = table(3, "city", &pairs, &back);
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("city", "1".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "city", "2".into());
    bench.shared.world().edit(&b(), &right, "city", "warm".into());
    bench.run_to_rest();
    let question = the_question(&bench);
    let answer = |value: Value| {
        let choice = ReviewChoice::Value(Some(value));
        block_on(resolve(&bench.store, &bench.spec, &question.id, choice, 1))
    };
    let refused = answer("Nonsense".into()).unwrap_err();
    assert_eq!(refused.to_string(), "`Nonsense` is none of the values of `city`");
    assert_eq!(refused.hint().unwrap(), "the values of `city` are cold, hot");
    // What a system holds, emptied, or another value of the table.
    for fits in ["warm".into(), Value::Null, "hot".into()] {
        answer(fits).unwrap();
    }
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "city", "1");
    check_cell(&bench, &b(), &right, "city", "hot");
}
