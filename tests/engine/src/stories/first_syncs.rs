//! A first sync asks: nothing is written of an entity before a person has approved its plan
//! (`RULES.md` P15).

use futures::executor::block_on;
use renkei_model::effect::EffectKind;
use renkei_model::record::Removal;
use renkei_model::spec::{EntitySpec, Spec};
use renkei_model::state::{
    EntityPlan, RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject, WriteCounts,
};
use renkei_model::store::port::Store as _;
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};
use renkei_sync::engine::{CycleOptions, CycleReport, FirstSyncAnswer};

use super::{companies, identity};
use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};
use crate::world::place;

/// A workbench whose first sync asks, as the program's does.
fn asking(entities: Vec<EntitySpec>) -> Bench {
    let mut bench = Bench::new(world(), Spec::new(entities).unwrap());
    bench.options = CycleOptions { first_sync: FirstSyncAnswer::Ask, ..CycleOptions::default() };
    bench
}

fn person(bench: &Bench, mail: &str) -> String {
    bench.shared.world().create(&a(), &[("mail", mail.into()), ("title", "CEO".into())])
}

/// Two people in `a` alone, one in both systems who differs in the title.
fn three(bench: &Bench) -> String {
    person(bench, "one@x");
    person(bench, "two@x");
    bench.shared.world().create(&b(), &[("mail", "both@x".into()), ("title", "CTO".into())]);
    person(bench, "both@x")
}

/// The one open question, and what it says of each entity.
fn question(bench: &Bench) -> (Review, Vec<EntityPlan>) {
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::FirstSync { entities } = &review.subject else { panic!("{review:?}") };
    (review.clone(), entities.clone())
}

fn answer(bench: &Bench, choice: ReviewChoice) {
    let id = question(bench).0.id;
    block_on(resolve(&bench.store, &bench.spec, &id, choice, 1)).unwrap();
}

/// A cycle that wrote nothing and waits.
fn check_waits(bench: &Bench) -> CycleReport {
    let report = bench.cycle();
    assert!(report.written.is_empty() && report.planned == 0, "{report:?}");
    let waits = report.first_sync.as_ref().unwrap();
    assert_eq!(waits.question, Some(question(bench).0));
    report
}

#[test]
fn first_sync_writes_nothing_and_asks_with_numbers() {
    let bench = asking(vec![people()]);
    let both = three(&bench);
    check_waits(&bench);
    let (asked, plans) = question(&bench);
    let [plan] = plans.as_slice() else { panic!("{plans:?}") };
    assert_eq!(
        plan.to_string(),
        "person: b.people create 2, update 1; 1 matched, 2 in one system only, 0 ambiguous, \
         0 held back"
    );
    assert_eq!(bench.shared.world().live(&b()).len(), 1);

    // Whoever looks at a record is told what it waits for, and the numbers follow the world.
    let (system, object) = a();
    let subject = WhySubject::Record(RecordKey { system, object, id: both });
    let told = block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap();
    let told = told.to_string();
    assert!(told.contains(&format!("review {} about the first sync: open", asked.id)), "{told}");
    assert!(told.contains(&format!("renkei decide {} approve", asked.id)), "{told}");
    person(&bench, "three@x");
    check_waits(&bench);
    let (again, plans) = question(&bench);
    assert_eq!((again.id, plans[0].creations()), (asked.id, 3));
}

#[test]
fn first_sync_goes_on_after_yes_and_never_asks_again() {
    let bench = asking(vec![people()]);
    three(&bench);
    check_waits(&bench);
    answer(&bench, ReviewChoice::Approve);
    let report = bench.cycle();
    assert_eq!((report.applied(), report.first_sync), (3, None));
    assert_eq!(bench.shared.world().live(&b()).len(), 3);
    assert!(bench.open_reviews().is_empty());
    person(&bench, "later@x");
    assert_eq!(bench.cycle().applied(), 1);
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn first_sync_approved_beforehand_asks_nothing_and_is_kept_as_answered() {
    let mut bench = asking(vec![people(), companies()]);
    three(&bench);
    bench.options.first_sync = FirstSyncAnswer::Approved;
    assert_eq!(bench.cycle().applied(), 3);
    let mut reviews = bench.reviews();
    reviews.retain(|review| matches!(review.subject, ReviewSubject::FirstSync { .. }));
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert_eq!(
        (review.status, &review.choice),
        (ReviewStatus::Closed, &Some(ReviewChoice::Approve))
    );
    // Of companies there was nothing to write; they were approved with the others.
    bench.options.first_sync = FirstSyncAnswer::Ask;
    bench.shared.world().create(&place("a", "companies"), &[("name", "Acme".into())]);
    assert_eq!(bench.cycle().applied(), 1);
}

/// `RULES.md` V13: an entity that was approved before, and whose records were another one's since.
#[test]
fn entity_that_gets_its_name_back_asks_again() {
    let mut bench = Bench::in_memory(world(), Spec::new(vec![people()]).unwrap());
    bench.options.first_sync = FirstSyncAnswer::Ask;
    three(&bench);
    check_waits(&bench);
    answer(&bench, ReviewChoice::Approve);
    bench.run_to_rest();
    for name in ["human", "person"] {
        let mut entity = EntitySpec { name: name.to_owned(), ..people() };
        entity.members.iter_mut().for_each(|member| member.digest.push_str(name));
        bench.spec = Spec::new(vec![entity]).unwrap();
        // Two people with nothing in common are matched by nobody: both would be made anew.
        for place in [a(), b()] {
            let id = bench.shared.world().live(&place)[0].clone();
            bench.shared.world().edit(&place, &id, "mail", Value::Null);
        }
        check_waits(&bench);
        check_waits(&bench);
        answer(&bench, ReviewChoice::Approve);
        bench.run_to_rest();
    }
    // The entity that is approved goes on without a question.
    person(&bench, "four@x");
    assert_eq!(bench.cycle().applied(), 1);
}

#[test]
fn first_sync_stays_unwritten_after_no_until_it_is_approved() {
    let bench = asking(vec![people()]);
    three(&bench);
    check_waits(&bench);
    answer(&bench, ReviewChoice::Leave);
    for _ in 0..2 {
        assert!(check_waits(&bench).first_sync.unwrap().is_left());
    }
    assert_eq!(question(&bench).0.choice, Some(ReviewChoice::Leave));
    answer(&bench, ReviewChoice::Approve);
    assert_eq!(bench.cycle().applied(), 3);
}

#[test]
fn first_sync_goes_on_after_a_crash_between_answer_and_write() {
    let run = |stop: u64| {
        let mut bench = asking(vec![people()]);
        three(&bench);
        check_waits(&bench);
        answer(&bench, ReviewChoice::Approve);
        bench.store.stop_after(stop);
        let is_done = bench.try_cycle().is_ok();
        bench.store = bench.store.copy();
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 3, "stopped after {stop}");
        assert!(bench.open_reviews().is_empty(), "stopped after {stop}");
        is_done
    };
    let stops = (0..100).take_while(|stop| !run(*stop)).count();
    assert!(stops > 3, "{stops}");
}

#[test]
fn first_sync_asks_again_in_a_backup_from_before_the_answer() {
    let mut bench = asking(vec![people()]);
    three(&bench);
    check_waits(&bench);
    let before = bench.store.copy();
    answer(&bench, ReviewChoice::Approve);
    bench.run_to_rest();
    let after = bench.store.copy();
    identity::put_back(&mut bench, before);
    // What was made since is found by its stamps; only the answer is forgotten.
    person(&bench, "new@x");
    check_waits(&bench);
    assert_eq!(bench.shared.world().live(&b()).len(), 3);
    assert_eq!(question(&bench).1[0].creations(), 1);

    identity::put_back(&mut bench, after);
    assert_eq!(bench.cycle().applied(), 1);
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn first_sync_that_was_approved_is_not_stopped_by_the_create_guard() {
    let mut spec = people();
    spec.create_guard = Some(2);
    let bench = asking(vec![spec]);
    for number in 0..6 {
        person(&bench, &format!("{number}@x"));
    }
    check_waits(&bench);
    assert_eq!(question(&bench).1[0].creations(), 6);
    answer(&bench, ReviewChoice::Approve);
    // More than the day's share has come since the person looked.
    for number in 6..9 {
        person(&bench, &format!("{number}@x"));
    }
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 8);
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(
        matches!(review.subject, ReviewSubject::Creations { limit: 2, count: 1 }),
        "{review:?}"
    );
    // What was approved counts as long as it takes, and only once.
    let left = block_on(bench.store.begun("person")).unwrap();
    assert_eq!(left, Some(0));
}

#[test]
fn first_sync_without_a_write_asks_nothing_and_compares_from_then_on() {
    let bench = asking(vec![people()]);
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.shared.world().create(&b(), &cells);
    let report = bench.cycle();
    assert_eq!((report.matched, report.first_sync), (1, None));
    // The first write of all is asked about, and it is the edit, not a value of the first link.
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    check_waits(&bench);
    assert_eq!(question(&bench).1[0].writes[0].counts[&EffectKind::Update], 1);
    answer(&bench, ReviewChoice::Approve);
    assert_eq!(bench.cycle().applied(), 1);
}

#[test]
fn first_sync_of_an_entity_that_came_later_asks_for_it_alone() {
    let mut bench = Bench::in_memory(world(), Spec::new(vec![people()]).unwrap());
    bench.options.first_sync = FirstSyncAnswer::Approved;
    three(&bench);
    bench.run_to_rest();
    bench.options.first_sync = FirstSyncAnswer::Ask;
    bench.spec = Spec::new(vec![people(), companies()]).unwrap();
    bench.shared.world().create(&place("a", "companies"), &[("name", "Acme".into())]);
    person(&bench, "later@x");
    let report = bench.cycle();
    assert_eq!(report.applied(), 1, "people go on");
    let (_, plans) = question(&bench);
    assert_eq!((plans.len(), plans[0].entity.as_str()), (1, "company"));
    answer(&bench, ReviewChoice::Approve);
    assert_eq!(bench.cycle().applied(), 1);
}

#[test]
fn first_sync_is_not_asked_about_before_two_systems_were_read() {
    let bench = asking(vec![people()]);
    three(&bench);
    bench.shared.world().failing_calls = 1;
    let report = bench.try_cycle().unwrap().report;
    assert!(report.written.is_empty());
    assert_eq!(report.first_sync.unwrap().unread, ["person"]);
    assert!(bench.open_reviews().is_empty());
    check_waits(&bench);
}

#[test]
fn record_that_goes_before_the_answer_counts_as_never_there() {
    let bench = asking(vec![people()]);
    let both = three(&bench);
    check_waits(&bench);
    bench.shared.world().remove(&a(), &both, Removal::Deleted);
    check_waits(&bench);
    // Nothing was ever agreed on, so what the other system holds is news and not to be archived.
    let writes = question(&bench).1[0].writes.clone();
    let of = |one: &WriteCounts, kind| one.counts[&kind];
    let counts: Vec<(&str, u64, u64)> = writes
        .iter()
        .map(|one| (one.system.as_str(), of(one, EffectKind::Create), of(one, EffectKind::Archive)))
        .collect();
    assert_eq!(counts, [("a", 1, 0), ("b", 2, 0)]);
    answer(&bench, ReviewChoice::Approve);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&a()).len(), 3);
    assert_eq!(bench.shared.world().live(&b()).len(), 3);
}
