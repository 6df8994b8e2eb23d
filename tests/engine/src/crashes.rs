//! Stories of answers that never came: what is found, what is asked, and what is never done twice.

mod merges;

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{EntitySpec, Spec};
use renkei_model::state::{LinkId, RecordKey, Review, ReviewChoice, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};
use crate::stories::{leads, with_leads};
use crate::world::knobs::Form;
use crate::world::{Fault, Place};

/// `b` leaves no stamps, and nothing is matched.
fn unmarked() -> Bench {
    let mut spec = people();
    spec.match_keys.clear();
    let bench = bench(spec);
    for at in [a(), b()] {
        bench.shared.world().table(&at).unique = None;
    }
    bench.shared.world().table(&b()).stamped = false;
    bench
}

/// A person in `a` whose create in `b`, which leaves no stamps, was made but never answered.
fn unanswered() -> (Bench, String, String) {
    let bench = bench(people());
    bench.shared.world().table(&b()).stamped = false;
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("phone", "1".into())];
    let left = bench.shared.world().create(&a(), &cells);
    arm(&bench, Fault::LostReply);
    bench.cycle();
    let made = live(&bench, &b())[0].clone();
    (bench, left, made)
}

fn bench(spec: EntitySpec) -> Bench {
    Bench::new(world(), Spec::new(vec![spec]).unwrap())
}

fn check_cell(bench: &Bench, at: &Place, id: &str, column: &str, expected: impl Into<Value>) {
    assert_eq!(bench.shared.world().cell(at, id, column), expected.into(), "{at:?} {column}");
}

fn arm(bench: &Bench, fault: Fault) {
    bench.shared.world().faults.push_back(fault);
}

/// Cycles with time between them.
fn wait(bench: &Bench) {
    for _ in 0..4 {
        bench.shared.world().advance(70_000);
        bench.cycle();
    }
}

fn live(bench: &Bench, at: &Place) -> Vec<String> {
    bench.shared.world().live(at)
}

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

fn answer(bench: &Bench, review: &Review, choice: ReviewChoice) {
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
}

/// The one question about a create, and the records that it names.
fn question(bench: &Bench) -> (Review, Vec<RecordKey>) {
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::Uncertain { records, .. } = &review.subject else { panic!("{review:?}") };
    (review.clone(), records.clone())
}

fn ceo(bench: &Bench) -> String {
    let cells = [("title", "CEO".into()), ("city", "Oita".into())];
    bench.shared.world().create(&a(), &cells)
}

/// A pair in step, by mail.
fn pair() -> (Bench, String, String) {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("phone", "1".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = live(&bench, &b())[0].clone();
    (bench, left, right)
}

#[test]
fn create_is_found_in_the_only_record_that_agrees() {
    let bench = unmarked();
    let left = ceo(&bench);
    arm(&bench, Fault::LostReply);
    bench.cycle();
    // Somebody else's new record shares a value and stays what it is.
    let other = [("title", "CEO".into()), ("city", "Usa".into())];
    bench.shared.world().create(&b(), &other);
    wait(&bench);
    assert!(bench.open_reviews().is_empty());
    assert_eq!((live(&bench, &a()).len(), live(&bench, &b()).len()), (2, 2));
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    wait(&bench);
    let made = live(&bench, &b())[0].clone();
    check_cell(&bench, &b(), &made, "title", "CFO");
}

#[test]
fn create_without_a_stamp_is_reviewed_when_its_answer_is_lost() {
    let bench = unmarked();
    ceo(&bench);
    arm(&bench, Fault::LostRequest);
    bench.cycle();
    wait(&bench);
    assert!(live(&bench, &b()).is_empty(), "never sent again by itself");
    let (review, records) = question(&bench);
    assert_eq!(records, vec![]);
    let told =
        block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), None)).unwrap();
    let told = told.unwrap().to_string();
    assert!(told.contains("may or may not be there; someone must decide"), "{told}");
    // A record that nobody knows is no answer.
    answer(&bench, &review, ReviewChoice::LinkWith(key(&b(), "no-such-record")));
    wait(&bench);
    let (review, _) = question(&bench);
    answer(&bench, &review, ReviewChoice::Separate);
    wait(&bench);
    assert_eq!(live(&bench, &b()).len(), 1);
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn a_create_that_is_given_up_is_not_made_later() {
    let bench = unmarked();
    let left = ceo(&bench);
    arm(&bench, Fault::LostRequest);
    bench.cycle();
    wait(&bench);
    answer(&bench, &question(&bench).0, ReviewChoice::Leave);
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    wait(&bench);
    assert!(live(&bench, &b()).is_empty());
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn create_is_reviewed_when_several_records_agree() {
    let bench = unmarked();
    let left = ceo(&bench);
    arm(&bench, Fault::LostReply);
    bench.cycle();
    let same = [("title", "CEO".into()), ("city", "Oita".into())];
    let twin = bench.shared.world().create(&b(), &same);
    wait(&bench);
    assert_eq!(live(&bench, &a()).len(), 1, "neither is copied while it may be the create");
    let (review, records) = question(&bench);
    let made = bench.shared.world().tables[&b()].records.keys().find(|id| **id != twin).cloned();
    let made = key(&b(), &made.unwrap());
    assert_eq!(records, [made.clone(), key(&b(), &twin)]);
    answer(&bench, &review, ReviewChoice::LinkWith(made.clone()));
    wait(&bench);
    assert_eq!(live(&bench, &a()).len(), 2, "the twin is a thing of its own");
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    wait(&bench);
    check_cell(&bench, &b(), &made.id, "title", "CFO");
    check_cell(&bench, &b(), &twin, "title", "CEO");
}

#[test]
fn create_that_was_edited_since_is_reviewed_and_keeps_the_edit() {
    let bench = unmarked();
    let left = ceo(&bench);
    arm(&bench, Fault::LostReply);
    bench.cycle();
    let made = live(&bench, &b())[0].clone();
    bench.shared.world().edit(&b(), &made, "title", "CTO".into());
    wait(&bench);
    assert_eq!(live(&bench, &a()).len(), 1);
    let (review, records) = question(&bench);
    assert_eq!(records, [key(&b(), &made)]);
    answer(&bench, &review, ReviewChoice::LinkWith(key(&b(), &made)));
    wait(&bench);
    check_cell(&bench, &a(), &left, "title", "CTO");
    assert_eq!((live(&bench, &a()).len(), live(&bench, &b()).len()), (1, 1));
}

#[test]
fn an_edit_of_what_a_match_key_finds_again_is_an_edit() {
    let (bench, left, made) = unanswered();
    bench.shared.world().edit(&b(), &made, "title", "CTO".into());
    wait(&bench);
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &b(), &made, "title", "CTO");
    assert!(bench.reviews().is_empty());

    // Whoever emptied a cell is not known: it may be somebody else's record of the same person.
    let (bench, left, made) = unanswered();
    bench.shared.world().edit(&b(), &made, "phone", Value::Null);
    wait(&bench);
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    answer(&bench, review, ReviewChoice::Value(Some(Value::Null)));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "phone", Value::Null);
}

#[test]
fn create_that_a_person_deleted_after_a_crash_is_not_repeated() {
    for stop in 0..30 {
        let mut bench = bench(people());
        bench.shared.world().table(&b()).stamped = false;
        let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
        bench.store.stop_after(stop);
        drop(bench.try_cycle());
        bench.store = bench.store.copy();
        let Some(made) = live(&bench, &b()).first().cloned() else { continue };
        bench.shared.world().remove(&b(), &made, Removal::Deleted);
        wait(&bench);
        assert!(live(&bench, &b()).is_empty(), "made again after {stop} commits");
        let archived = bench.shared.world().tables[&a()].records[&left].gone.is_some();
        assert!(archived || question(&bench).1 == [key(&b(), &made)], "after {stop} commits");
    }
}

/// A person converts the lead as it is; the contact.
fn convert(bench: &Bench) -> Option<String> {
    let lead = live(bench, &leads()).first()?.clone();
    let mut world = bench.shared.world();
    let cells: Vec<(&str, Value)> = ["mail", "title", "phone"]
        .map(|column| (column, world.cell(&leads(), &lead, column)))
        .to_vec();
    let contact = world.create(&b(), &cells);
    let became = vec![("people".to_owned(), contact.clone())];
    world.remove(&leads(), &lead, Removal::ConvertedTo(became));
    Some(contact)
}

#[test]
fn an_edit_beside_a_conversion_after_a_crash_is_kept() {
    for (known, stamped, stop) in
        (0..30).flat_map(|stop| [(false, true, stop), (false, false, stop), (true, true, stop)])
    {
        let mut bench = with_leads();
        bench.shared.world().table(&leads()).stamped = stamped;
        let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("phone", "1".into())];
        let left = bench.shared.world().create(&a(), &cells);
        if known {
            bench.run_to_rest();
            bench.shared.world().edit(&a(), &left, "phone", "2".into());
        }
        bench.store.stop_after(stop);
        drop(bench.try_cycle());
        bench.store = bench.store.copy();
        let Some(contact) = convert(&bench) else { continue };
        bench.shared.world().edit(&a(), &left, "phone", "3".into());
        wait(&bench);
        let when = format!("{known} {stamped} after {stop} commits");
        check_cell(&bench, &a(), &left, "phone", "3");
        check_cell(&bench, &b(), &contact, "phone", "3");
        assert!(bench.open_reviews().is_empty(), "{when}: {:?}", bench.open_reviews());
        assert!(live(&bench, &leads()).is_empty(), "{when}: a second lead");
    }
}

#[test]
fn a_lead_that_became_somebody_elses_contact_is_not_what_a_create_made() {
    for stamped in [true, false] {
        let bench = with_leads();
        bench.shared.world().table(&leads()).stamped = stamped;
        bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
        arm(&bench, Fault::LostRequest);
        bench.cycle();
        {
            // Made and converted between two readings: of the lead there is only a tombstone.
            let mut world = bench.shared.world();
            let cells = [("mail", "other@x".into())];
            let lead = world.create(&leads(), &cells);
            let contact = world.create(&b(), &cells);
            let became = vec![("people".to_owned(), contact)];
            world.remove(&leads(), &lead, Removal::ConvertedTo(became));
        }
        wait(&bench);
        assert!(bench.open_reviews().is_empty(), "{stamped}: {:?}", bench.open_reviews());
        assert_eq!(live(&bench, &leads()).len(), 1, "{stamped}: sent again");
        assert_eq!(live(&bench, &a()).len(), 2, "{stamped}");
    }
}

#[test]
fn the_source_may_change_its_key_while_an_answer_is_lost() {
    let (bench, left, made) = unanswered();
    bench.shared.world().edit(&a(), &left, "mail", "new@x".into());
    wait(&bench);
    check_cell(&bench, &a(), &left, "mail", "new@x");
    check_cell(&bench, &b(), &made, "mail", "new@x");
    assert_eq!(live(&bench, &b()).len(), 1);
}

#[test]
fn create_is_reviewed_when_its_key_differs() {
    let (bench, left, made) = unanswered();
    bench.shared.world().edit(&b(), &made, "mail", "new@x".into());
    wait(&bench);
    assert_eq!((live(&bench, &a()).len(), live(&bench, &b()).len()), (1, 1), "a duplicate");
    let (review, records) = question(&bench);
    assert_eq!(records, [key(&b(), &made)]);
    answer(&bench, &review, ReviewChoice::LinkWith(key(&b(), &made)));
    wait(&bench);
    check_cell(&bench, &a(), &left, "mail", "new@x");
}

#[test]
fn the_same_person_made_by_hand_keeps_what_was_typed() {
    let bench = bench(people());
    bench.shared.world().table(&b()).stamped = false;
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("phone", "1".into())];
    let left = bench.shared.world().create(&a(), &cells);
    arm(&bench, Fault::LostRequest);
    bench.cycle();
    let made = bench.shared.world().create(&b(), &[("mail", "a@x".into()), ("phone", "2".into())]);
    wait(&bench);
    assert_eq!(live(&bench, &b()), std::slice::from_ref(&made));
    // Empty cells are filled, and what differs goes to a person, as its field's policy says.
    check_cell(&bench, &b(), &made, "title", "CEO");
    check_cell(&bench, &a(), &left, "phone", "1");
    check_cell(&bench, &b(), &made, "phone", "2");
    assert_eq!(bench.open_reviews().len(), 1);
}

#[test]
fn the_same_edit_on_both_sides_after_a_crash_is_no_question() {
    let mut sent = 0;
    for stop in 0..30 {
        let (mut bench, left, right) = pair();
        bench.shared.world().edit(&a(), &left, "phone", "2".into());
        bench.store.stop_after(stop);
        drop(bench.try_cycle());
        bench.store = bench.store.copy();
        sent += u32::from(bench.shared.world().cell(&b(), &right, "phone") == "2".into());
        for (at, id) in [(a(), &left), (b(), &right)] {
            bench.shared.world().edit(&at, id, "phone", "3".into());
        }
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "phone", "3");
        check_cell(&bench, &b(), &right, "phone", "3");
        assert!(bench.reviews().is_empty(), "after {stop} commits");
    }
    assert!(sent > 0, "a crash after the write was among them");
}

#[test]
fn a_value_that_is_put_back_after_a_lost_answer_is_weighed() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.shared.world().edit(&a(), &left, "phone", "2".into());
    arm(&bench, Fault::LostThenUndone);
    bench.cycle();
    bench.cycle();
    // The title arrived, so the phone was there too: putting it back is an edit.
    check_cell(&bench, &b(), &right, "title", "CFO");
    check_cell(&bench, &a(), &left, "phone", "1");

    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "phone", "2".into());
    arm(&bench, Fault::LostThenUndone);
    bench.cycle();
    bench.cycle();
    // Nothing proves either, and no stamp says which is newer: a person is asked.
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    check_cell(&bench, &b(), &right, "phone", "1");
    check_cell(&bench, &a(), &left, "phone", "2");
    answer(&bench, review, ReviewChoice::Value(Some("1".into())));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "phone", "1");
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn an_update_that_never_arrived_is_sent_without_a_question() {
    let (bench, left, right) = pair();
    bench.shared.world().edit(&a(), &left, "phone", "2".into());
    arm(&bench, Fault::LostRequest);
    bench.cycle();
    bench.cycle();
    check_cell(&bench, &b(), &right, "phone", "2");
    assert!(bench.reviews().is_empty());
}

/// RULES.md V8, E18, E19: of records with a stamp and without, made and updated.
#[test]
fn systems_form_of_a_write_whose_answer_is_lost_is_no_edit() {
    for stamped in [true, false] {
        let bench = bench(people());
        bench.shared.world().table(&b()).stamped = stamped;
        let capitals = ("title".to_owned(), Form::Capitals);
        bench.shared.world().table(&b()).knobs.forms.extend([capitals]);
        let cells = [("mail", "a@x".into()), ("title", "Ceo".into()), ("phone", "1".into())];
        let left = bench.shared.world().create(&a(), &cells);
        arm(&bench, Fault::LostReply);
        bench.cycle();
        wait(&bench);
        let right = live(&bench, &b())[0].clone();
        check_cell(&bench, &b(), &right, "title", "CEO");
        check_cell(&bench, &a(), &left, "title", "Ceo");
        bench.shared.world().edit(&a(), &left, "title", "Cfo".into());
        arm(&bench, Fault::LostReply);
        bench.cycle();
        wait(&bench);
        check_cell(&bench, &b(), &right, "title", "CFO");
        check_cell(&bench, &a(), &left, "title", "Cfo");
        bench.shared.world().edit(&b(), &right, "title", "COO".into());
        bench.cycle();
        check_cell(&bench, &a(), &left, "title", "COO");
        assert!(bench.reviews().is_empty(), "{:?}", bench.reviews());
    }
}

#[test]
fn create_that_a_person_deleted_is_not_repeated() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    arm(&bench, Fault::LostThenUndone);
    bench.cycle();
    wait(&bench);
    assert!(live(&bench, &b()).is_empty());
    let (review, records) = question(&bench);
    let [gone] = records.as_slice() else { panic!("{records:?}") };
    answer(&bench, &review, ReviewChoice::LinkWith(gone.clone()));
    wait(&bench);
    // The deletion counts as one: the policy is to archive the other.
    assert!(live(&bench, &a()).is_empty());
    assert_eq!(bench.shared.world().tables[&a()].records[&left].gone, Some(Removal::Archived));
}

#[test]
fn a_crash_with_many_creates_in_flight_asks_nobody() {
    let mut bench = bench(people());
    for person in 0..200 {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
        let fault = if person % 2 == 0 { Fault::LostReply } else { Fault::LostRequest };
        arm(&bench, fault);
    }
    bench.options.write_operations = 50;
    bench.cycle();
    bench.run_to_rest();
    bench.run_to_rest();
    assert_eq!(live(&bench, &b()).len(), 200);
    assert!(bench.reviews().is_empty());
}
