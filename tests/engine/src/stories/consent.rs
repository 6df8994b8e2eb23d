//! Consent and one-way fields: what no rule may undo or empty.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Clear, Direction, EntitySpec, FieldKind, FirstLink, Spec, Winner};
use renkei_model::state::{LinkId, RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::identity::put_back;
use super::{bench, check_cell};
use crate::bench::{Bench, direct, field};
use crate::scenarios::{a, b, people};
use crate::world::Place;

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

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

/// Answers the only question.
fn decide(bench: &Bench, choice: ReviewChoice) {
    let open = bench.open_reviews();
    let [review] = open.as_slice() else { panic!("{open:?}") };
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
}

/// `RULES.md` P5.
#[test]
fn opt_out_of_either_side_stands_at_the_first_link() {
    for (in_a, in_b) in [(OUT, IN), (IN, OUT), (OUT, Value::Null)] {
        let bench = with_opt_out(Direction::Both, Direction::Both);
        let ids = pair(&bench, in_a, in_b);
        bench.run_to_rest();
        check_both(&bench, &ids, OUT);
        assert!(bench.cycle().written.is_empty());
    }
}

/// `RULES.md` P5.
#[test]
fn opt_out_is_taken_back_by_a_person_and_not_by_a_conflict() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    let ids = pair(&bench, OUT, OUT);
    bench.run_to_rest();
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.run_to_rest();
    check_both(&bench, &ids, IN);
    // Opted out and in at once: the opt-out stands.
    bench.shared.world().edit(&a(), &ids.0, "no_mail", OUT);
    bench.shared.world().edit(&b(), &ids.1, "no_mail", Value::Null);
    bench.run_to_rest();
    check_both(&bench, &ids, OUT);
    // What was only emptied gives nothing back.
    bench.shared.world().edit(&b(), &ids.1, "no_mail", Value::Null);
    bench.run_to_rest();
    check_both(&bench, &ids, OUT);
}

/// `RULES.md` P5: the other member holds the opt-out and may not be written.
#[test]
fn opt_out_is_not_taken_back_beside_a_member_that_is_only_read() {
    let bench = with_opt_out(Direction::Read, Direction::Both);
    let ids = pair(&bench, OUT, IN);
    bench.run_to_rest();
    check_both(&bench, &ids, OUT);
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.run_to_rest();
    check_both(&bench, &ids, OUT);
    bench.shared.world().edit(&a(), &ids.0, "no_mail", IN);
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.run_to_rest();
    check_both(&bench, &ids, IN);
}

/// `RULES.md` P5: the default of a checkbox says nothing about an opt-out elsewhere.
#[test]
fn opt_out_of_a_written_member_stands_against_a_default() {
    let bench = with_opt_out(Direction::Read, Direction::Write);
    let (left, right) = pair(&bench, IN, OUT);
    bench.run_to_rest();
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
    bench.run_to_rest();
    bench.shared.world().remove(&a(), &loser, Removal::MergedInto(winner.clone()));
    bench.run_to_rest();
    check_cell(&bench, &a(), &winner, "no_mail", OUT);
}

/// `RULES.md` P5: what a person ticked by mistake, where the other member may not be written.
#[test]
fn opt_out_is_taken_back_where_it_was_set_and_nobody_else_ever_held_it() {
    for in_a in [Value::Null, IN] {
        let bench = with_opt_out(Direction::Read, Direction::Both);
        let ids = pair(&bench, in_a.clone(), IN);
        bench.run_to_rest();
        bench.shared.world().edit(&b(), &ids.1, "no_mail", OUT);
        bench.run_to_rest();
        bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
        bench.run_to_rest();
        check_cell(&bench, &b(), &ids.1, "no_mail", IN);
        check_cell(&bench, &a(), &ids.0, "no_mail", in_a);
        // What the other one says of itself is nobody's mistake.
        bench.shared.world().edit(&a(), &ids.0, "no_mail", OUT);
        bench.run_to_rest();
        bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
        bench.run_to_rest();
        check_both(&bench, &ids, OUT);
    }
}

/// `RULES.md` P5: what a rule has overruled is offered once, as the system holds it.
#[test]
fn opt_out_that_stands_offers_each_system_once() {
    let bench = with_opt_out(Direction::Read, Direction::Both);
    let ids = pair(&bench, IN, IN);
    bench.run_to_rest();
    for (at, id, value) in [(b(), &ids.1, OUT), (a(), &ids.0, OUT), (b(), &ids.1, IN)] {
        bench.shared.world().edit(&at, id, "no_mail", value);
        bench.run_to_rest();
    }
    check_both(&bench, &ids, OUT);
    let reviews = bench.reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::Conflict { values, .. } = &review.subject else { panic!("{review:?}") };
    let expected = [("a".to_owned(), Some(OUT)), ("b".to_owned(), Some(IN))];
    assert_eq!(values[..], expected);
    // A person may decide that it was taken back all the same; that stands.
    let choice = ReviewChoice::Value(Some(IN));
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
    bench.run_to_rest();
    check_cell(&bench, &b(), &ids.1, "no_mail", IN);
}

/// `RULES.md` P5 and P14.
#[test]
fn opt_out_stands_when_the_database_is_put_back() {
    for (in_a, edited, now) in [
        (Direction::Read, b(), IN),
        (Direction::Both, a(), Value::Null),
        (Direction::Both, a(), IN),
        (Direction::Both, b(), IN),
    ] {
        let mut bench = with_opt_out(in_a, Direction::Both);
        let ids = pair(&bench, OUT, IN);
        bench.run_to_rest();
        check_both(&bench, &ids, OUT);
        let backup = bench.store.copy();
        let id = if edited == a() { &ids.0 } else { &ids.1 };
        bench.shared.world().edit(&edited, id, "no_mail", now);
        put_back(&mut bench, backup);
        bench.run_to_rest();
        check_both(&bench, &ids, OUT);
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    }
}

/// `RULES.md` P5 and P14: the record was made after the backup, and has opted out since.
#[test]
fn opt_out_of_a_record_made_since_stands_when_the_database_is_put_back() {
    for in_b in [Direction::Read, Direction::Both] {
        let mut bench = with_opt_out(Direction::Both, in_b);
        let mut entities = bench.spec.entities().to_vec();
        entities[0].create_guard = Some(0);
        bench.spec = Spec::new(entities).unwrap();
        let cells = [("mail", "a@x".into()), ("no_mail", IN)];
        let left = bench.shared.world().create(&a(), &cells);
        bench.run_to_rest();
        let backup = bench.store.copy();
        decide(&bench, ReviewChoice::Approve);
        bench.run_to_rest();
        let right = bench.shared.world().live(&b())[0].clone();
        bench.shared.world().edit(&b(), &right, "no_mail", OUT);
        put_back(&mut bench, backup);
        bench.run_to_rest();
        check_both(&bench, &(left, right), OUT);
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    }
}

/// `RULES.md` P5 and P14: all of them say so, and none holds it any more.
#[test]
fn opt_out_that_was_taken_back_everywhere_is_over_when_the_database_is_put_back() {
    let mut bench = with_opt_out(Direction::Both, Direction::Both);
    let ids = pair(&bench, OUT, OUT);
    bench.run_to_rest();
    let backup = bench.store.copy();
    bench.shared.world().edit(&b(), &ids.1, "no_mail", IN);
    bench.run_to_rest();
    put_back(&mut bench, backup);
    bench.run_to_rest();
    check_both(&bench, &ids, IN);
}

/// `RULES.md` P5: a surplus record has opted out.
#[test]
fn opt_out_of_a_surplus_record_counts() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    let cells = |value: Value| [("mail", "a@x".into()), ("no_mail", value)];
    bench.shared.world().table(&b()).unique = None;
    let left = bench.shared.world().create(&a(), &cells(IN));
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    let twin = bench.shared.world().create(&b(), &cells(OUT));
    bench.run_to_rest();
    decide(&bench, ReviewChoice::LinkWith(key(&a(), &left)));
    bench.run_to_rest();
    check_both(&bench, &(left, right.clone()), OUT);
    let open = bench.open_reviews();
    let [review] = open.as_slice() else { panic!("{open:?}") };
    let ReviewSubject::Surplus { active, surplus, .. } = &review.subject else {
        panic!("{review:?}")
    };
    assert_eq!((&active.id, &surplus.id), (&right, &twin));
}

/// `RULES.md` P5 and V15: neither of two records of one system had a link.
#[test]
fn opt_out_of_one_of_two_twins_counts_when_a_person_puts_them_together() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    bench.shared.world().table(&b()).unique = None;
    let twin = |value: Value| {
        let cells = [("mail", "a@x".into()), ("no_mail", value)];
        bench.shared.world().create(&b(), &cells)
    };
    let twins = [twin(IN), twin(OUT)];
    bench.run_to_rest();
    let asked = bench.open_reviews().remove(0).record.unwrap();
    let other = twins.iter().find(|id| **id != asked.id).unwrap();
    decide(&bench, ReviewChoice::LinkWith(key(&b(), other)));
    bench.run_to_rest();
    let made = bench.shared.world().live(&a());
    let [left] = made.as_slice() else { panic!("{made:?}") };
    check_both(&bench, &(left.clone(), other.clone()), OUT);
    // Edits of the surplus one go nowhere, and that is asked about.
    let open = bench.open_reviews();
    let [review] = open.as_slice() else { panic!("{open:?}") };
    let ReviewSubject::Surplus { active, surplus, .. } = &review.subject else {
        panic!("{review:?}")
    };
    assert_eq!((&active.id, surplus), (other, &asked));
}

/// `RULES.md` P6.
#[test]
fn one_way_field_empties_nothing_that_a_person_typed() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.cycle();
    let right = bench.shared.world().live(&b())[0].clone();
    let score = |text: &str| Value::Decimal(text.into());
    bench.shared.world().edit(&b(), &right, "score", score("7"));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", score("7"));
    bench.shared.world().edit(&a(), &left, "score", score("8"));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", score("8"));
    bench.shared.world().edit(&a(), &left, "score", Value::Null);
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", Value::Null);
}

/// A person in both systems whose score, which `b` only gets, differs at the first link.
fn with_own_score(first_link: FirstLink) -> (Bench, String) {
    let bench = bench(EntitySpec { first_link, ..people() });
    let score = |text: &str| Value::Decimal(text.into());
    bench.shared.world().create(&a(), &[("mail", "a@x".into()), ("score", score("7"))]);
    let cells = [("mail", "a@x".into()), ("score", score("5"))];
    let right = bench.shared.world().create(&b(), &cells);
    (bench, right)
}

fn why_score(bench: &Bench) -> String {
    let subject = WhySubject::Link(LinkId(1));
    let told = block_on(why(&bench.store, &bench.spec, &subject, Some("score")));
    told.unwrap().unwrap().to_string()
}

/// `RULES.md` P10: what stood there is told, and why it gives way.
#[test]
fn value_of_its_own_that_is_replaced_at_the_first_link_is_told() {
    let (mut bench, right) = with_own_score(FirstLink::Prefer("b".to_owned()));
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan.to_string();
    assert!(plan.contains("score: \"5\" -> \"7\"  (only written there: another"), "{plan}");
    bench.options.apply = true;
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", Value::Decimal("7".into()));
    assert!(bench.open_reviews().is_empty());
    let told = why_score(&bench);
    for said in ["only written there: another value stood there", "b had \"5\"", "in step"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    // A person may put back what stood there.
    let reviews = bench.reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let choice = ReviewChoice::Value(Some(Value::Decimal("5".into())));
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", Value::Decimal("5".into()));
}

/// `RULES.md` P10: where a person decides at the first link, a person is asked before.
#[test]
fn value_of_its_own_is_asked_about_where_a_person_decides_at_the_first_link() {
    for answer in ["5", "7"] {
        let (bench, right) = with_own_score(FirstLink::Review);
        bench.run_to_rest();
        check_cell(&bench, &b(), &right, "score", Value::Decimal("5".into()));
        let open = bench.open_reviews();
        let [review] = open.as_slice() else { panic!("{open:?}") };
        let ReviewSubject::Conflict { values, .. } = &review.subject else { panic!("{review:?}") };
        let held = |text: &str| Some(Value::Decimal(text.into()));
        assert_eq!(values[..], [("a".to_owned(), held("7")), ("b".to_owned(), held("5"))]);
        decide(&bench, ReviewChoice::Value(held(answer)));
        bench.run_to_rest();
        check_cell(&bench, &b(), &right, "score", Value::Decimal(answer.into()));
        assert!(bench.open_reviews().is_empty());
        bench.run_to_rest();
    }
}

/// `RULES.md` P10: the same where the first value comes after the first link.
#[test]
fn value_of_its_own_that_is_replaced_later_is_on_record() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    let score = |text: &str| Value::Decimal(text.into());
    let cells = [("mail", "a@x".into()), ("score", score("5"))];
    let right = bench.shared.world().create(&b(), &cells);
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", score("5"));
    bench.shared.world().edit(&a(), &left, "score", score("7"));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "score", score("7"));
    let told = why_score(&bench);
    assert!(told.contains("b had \"5\"") && told.contains("changed in a"), "{told}");
}

/// Decision of a rule between two members about an opt-out.
fn decided(bench: &Bench) -> String {
    let is_decided = |review: &Review| review.status == ReviewStatus::Decided;
    bench.reviews().into_iter().find(is_decided).unwrap().id
}

/// `RULES.md` P5: emptying takes nothing back, so no answer does that.
#[test]
fn opt_out_is_not_emptied_by_an_answer() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    let ids = pair(&bench, OUT, IN);
    bench.run_to_rest();
    let id = decided(&bench);
    let answer = |value| {
        block_on(resolve(&bench.store, &bench.spec, &id, ReviewChoice::Value(Some(value)), 1))
    };
    let error = answer(Value::Null).unwrap_err();
    assert!(error.to_string().contains("takes no opt-out back"), "{error}");
    answer(IN).unwrap();
    bench.run_to_rest();
    check_both(&bench, &ids, IN);
}

/// `RULES.md` V20: the answer to the first opt-out says nothing of the second.
#[test]
fn old_decision_does_not_take_back_an_opt_out_that_was_set_anew() {
    let bench = with_opt_out(Direction::Both, Direction::Both);
    let ids = pair(&bench, OUT, IN);
    bench.run_to_rest();
    let id = decided(&bench);
    for value in [IN, OUT] {
        bench.shared.world().advance(1_000_000);
        bench.shared.world().edit(&b(), &ids.1, "no_mail", value);
        bench.run_to_rest();
    }
    let error = block_on(resolve(&bench.store, &bench.spec, &id, ReviewChoice::Value(Some(IN)), 1));
    let error = error.unwrap_err();
    assert!(error.to_string().contains("has changed since a rule decided"), "{error}");
    bench.run_to_rest();
    check_both(&bench, &ids, OUT);
}

/// `RULES.md` V15: a system that insists on a value would refuse to be emptied with the others.
#[test]
fn field_that_a_system_insists_on_is_not_emptied_by_an_answer() {
    for (required, why) in [(true, "cannot be emptied"), (false, "is not emptied")] {
        let mut spec = people();
        let title = spec.members[1].groups.iter_mut().find(|group| group.columns == ["title"]);
        title.unwrap().required = required;
        let title = spec.fields.iter_mut().find(|field| field.name == "title");
        title.unwrap().clear = if required { Clear::Propagate } else { Clear::Ignore };
        let bench = bench(spec);
        {
            let mut world = bench.shared.world();
            world.create(&a(), &[("mail", "a@x".into()), ("title", "CEO".into())]);
            world.create(&b(), &[("mail", "a@x".into()), ("title", "CTO".into())]);
        }
        bench.run_to_rest();
        let id = decided(&bench);
        let empty = ReviewChoice::Value(Some(Value::Null));
        let error = block_on(resolve(&bench.store, &bench.spec, &id, empty, 1)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}
