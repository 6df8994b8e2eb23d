//! Only what can be done is offered, what is asked is seen, and what stands still goes on again.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Direction, EntitySpec, FieldIndex, FirstLink, OnMerge, Spec};
use renkei_model::state::{LinkId, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::store::port::Store as _;
use renkei_model::value::Value;
use renkei_sync::answers::resolve::{ResolveError, resolve};
use renkei_sync::answers::standstill;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell, leads, with_leads};
use crate::bench::{Bench, match_key};
use crate::scenarios::{a, b, people};
use crate::world::knobs::Lag;

fn answer(bench: &Bench, review: &Review, choice: ReviewChoice) -> Result<(), ResolveError> {
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).map(drop)
}

fn the_question(bench: &Bench) -> Review {
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    review.clone()
}

/// Two people of `a` become one, of whom `b` has two records.
fn merge_in_a(bench: &Bench, ids: &[String]) {
    let [one, two] = ids else { panic!("{ids:?}") };
    bench.shared.world().remove(&a(), two, Removal::MergedInto(one.clone()));
    bench.run_to_rest();
}

fn two_people(bench: &Bench) -> Vec<String> {
    let ids = ["1@x", "2@x"]
        .map(|mail| bench.shared.world().create(&a(), &[("mail", mail.into())]))
        .to_vec();
    bench.run_to_rest();
    ids
}

/// `RULES.md` P8.
#[test]
fn lead_that_stands_for_the_same_as_a_contact_is_not_offered_for_merging() {
    let mut bench = with_leads();
    let mut entities = bench.spec.entities().to_vec();
    entities[0].on_merge = OnMerge::Follow;
    bench.spec = Spec::new(entities).unwrap();
    let ids = two_people(&bench);
    let made = bench.shared.world().live(&leads());
    let is_first =
        |lead: &&String| bench.shared.world().cell(&leads(), lead, "mail") == "1@x".into();
    let lead = made.iter().find(is_first).unwrap().clone();
    let contact = bench.shared.world().create(&b(), &[("mail", "1@x".into())]);
    let became = Removal::ConvertedTo(vec![("people".to_owned(), contact)]);
    bench.shared.world().remove(&leads(), &lead, became);
    bench.run_to_rest();
    merge_in_a(&bench, &ids);
    let question = the_question(&bench);
    assert_eq!(question.status, ReviewStatus::Open, "nobody has approved it");
    assert!(
        matches!(question.subject, ReviewSubject::Surplus { mergeable: false, .. }),
        "{question:?}"
    );
    let refused = answer(&bench, &question, ReviewChoice::Approve).unwrap_err();
    assert!(refused.to_string().contains("cannot be answered that way"), "{refused}");
    assert!(refused.hint().unwrap().starts_with("possible: leave"), "{refused}");
    answer(&bench, &question, ReviewChoice::Leave).unwrap();
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty());
    assert_eq!(bench.shared.world().live(&leads()).len(), 1, "nothing was merged");
}

/// `RULES.md` V15.
#[test]
fn merging_is_not_offered_where_the_connector_cannot_merge() {
    let mut spec = people();
    spec.members[1].mergeable = false;
    let bench = bench(spec);
    let ids = two_people(&bench);
    merge_in_a(&bench, &ids);
    let question = the_question(&bench);
    assert!(answer(&bench, &question, ReviewChoice::Approve).is_err());
}

/// `RULES.md` V15.
#[test]
fn merging_is_offered_no_more_once_the_connector_could_not() {
    let bench = bench(people());
    let ids = two_people(&bench);
    merge_in_a(&bench, &ids);
    answer(&bench, &the_question(&bench), ReviewChoice::Approve).unwrap();
    bench.shared.world().faults.push_back(crate::world::Fault::Unsupported);
    bench.run_to_rest();
    let question = the_question(&bench);
    assert!(
        matches!(question.subject, ReviewSubject::Surplus { mergeable: false, .. }),
        "{question:?}"
    );
    assert!(answer(&bench, &question, ReviewChoice::Approve).is_err());
}

/// `RULES.md` P9 and V20.
#[test]
fn question_about_a_record_of_another_link_is_seen_until_its_cause_is_gone() {
    let bench = bench(people());
    bench.shared.world().table(&b()).unique = Some("phone".to_owned());
    let one = [("mail", "1@x".into()), ("phone", "1".into())];
    bench.shared.world().create(&a(), &one);
    bench.run_to_rest();
    let other = [("mail", "2@x".into()), ("phone", "1".into())];
    let left = bench.shared.world().create(&a(), &other);
    for _ in 0..3 {
        bench.cycle();
        let question = the_question(&bench);
        assert!(matches!(question.subject, ReviewSubject::Taken { .. }), "{question:?}");
    }
    assert!(answer(&bench, &the_question(&bench), ReviewChoice::Separate).is_err());
    bench.shared.world().edit(&a(), &left, "phone", "2".into());
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
}

/// `RULES.md` P9.
#[test]
fn duplicate_that_a_person_leaves_is_asked_no_more_and_stays_listed() {
    let bench = bench(people());
    bench.shared.world().table(&b()).unique = Some("phone".to_owned());
    for mail in ["1@x", "2@x"] {
        let cells = [("mail", mail.into()), ("phone", "1".into())];
        bench.shared.world().create(&a(), &cells);
        bench.run_to_rest();
    }
    answer(&bench, &the_question(&bench), ReviewChoice::Leave).unwrap();
    bench.run_to_rest();
    bench.shared.world().advance(25 * 3_600_000);
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    assert_eq!(block_on(bench.store.failures(i64::MIN, 10)).unwrap().len(), 1);
}

/// `RULES.md` V20: what a system takes for a duplicate may be a guess of its own.
#[test]
fn duplicate_that_no_match_key_knows_is_asked_about_and_not_linked() {
    let mut spec = people();
    spec.match_keys = vec![match_key("name", &[1], false)];
    let bench = bench(spec);
    let mut world = bench.shared.world();
    world.table(&b()).unique = Some("phone".to_owned());
    // Two of `b` that match one of `a`: they wait for a person, without a link.
    world.create(&a(), &[("title", "Yamada".into())]);
    let waiting = ["1", "2"]
        .map(|phone| world.create(&b(), &[("title", "Yamada".into()), ("phone", phone.into())]));
    drop(world);
    bench.run_to_rest();
    bench.shared.world().create(&a(), &[("title", "Suzuki".into()), ("phone", "1".into())]);
    bench.run_to_rest();
    let questions = bench.open_reviews();
    let is_about = |one: &&Review| match &one.subject {
        ReviewSubject::Taken { record } => record.id == waiting[0],
        _ => false,
    };
    assert_eq!(questions.iter().filter(is_about).count(), 1, "{questions:?}");
    check_cell(&bench, &b(), &waiting[0], "title", "Yamada");
}

/// `RULES.md` V20: the index of a system does not show yet what was made there.
#[test]
fn duplicate_that_a_match_key_knows_is_linked() {
    let bench = bench(people());
    let mut world = bench.shared.world();
    world.table(&b()).knobs.lag = Lag::of_index(3_600_000);
    world.create(&a(), &[("mail", "a@x".into()), ("phone", "1".into())]);
    let right = world.create(&b(), &[("mail", "a@x".into())]);
    drop(world);
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    assert_eq!(bench.shared.world().live(&b()), std::slice::from_ref(&right));
    check_cell(&bench, &b(), &right, "phone", "1");
}

/// `RULES.md` V20 and V5.
#[test]
fn change_that_makes_a_duplicate_is_asked_about_and_the_rest_is_written() {
    let bench = bench(people());
    bench.shared.world().table(&b()).unique = Some("phone".to_owned());
    bench.shared.world().table(&b()).unique_in_changes = true;
    let [one, two] = ["1", "2"].map(|number| {
        let cells = [("mail", format!("{number}@x").as_str().into()), ("phone", number.into())];
        bench.shared.world().create(&a(), &cells)
    });
    bench.run_to_rest();
    bench.shared.world().edit(&a(), &two, "phone", "1".into());
    bench.shared.world().edit(&a(), &two, "title", "CEO".into());
    bench.run_to_rest();
    let question = the_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Taken { .. }), "{question:?}");
    let ids = bench.shared.world().live(&b());
    let titles = |title: &str| {
        let world = bench.shared.world();
        ids.iter().filter(|id| world.cell(&b(), id, "title") == title.into()).count()
    };
    assert_eq!(titles("CEO"), 1, "the other field is written");
    assert_eq!(block_on(bench.store.failures(i64::MIN, 10)).unwrap().len(), 1);
    bench.shared.world().edit(&a(), &one, "phone", "3".into());
    bench.shared.world().advance(25 * 3_600_000);
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    let phones = |phone: &str| {
        let world = bench.shared.world();
        ids.iter().filter(|id| world.cell(&b(), id, "phone") == phone.into()).count()
    };
    assert_eq!((phones("1"), phones("2"), phones("3")), (1, 0, 1));
}

/// `RULES.md` V13.
#[test]
fn field_whose_column_vanished_stands_still_and_comes_back_without_a_loss() {
    let mut bench = bench(people());
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    let whole = bench.spec.clone();
    let (_, served) = whole.entities()[0].member("b", "people").unwrap();
    assert!(served.has_served("1") && served.has_served("1 without city"));
    assert!(!served.has_served("2") && !served.has_served("12"));
    for (_, member) in bench.spec.members_mut().filter(|(_, member)| member.system == "b") {
        member.stop_columns(&["city".to_owned()], &[FieldIndex(0)]);
        assert!(member.create);
    }
    bench.shared.world().table(&b()).knobs.vanished.insert("city".to_owned());
    bench.shared.world().edit(&a(), &left, "city", "Beppu".into());
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CTO");
    assert!(block_on(bench.store.failures(i64::MIN, 10)).unwrap().is_empty());
    // It is back, and empty as a property is that was made anew.
    bench.spec = whole;
    let mut world = bench.shared.world();
    world.table(&b()).knobs.vanished.clear();
    world.edit(&b(), &right, "city", Value::Null);
    drop(world);
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "city", "Beppu");
    check_cell(&bench, &a(), &left, "city", "Beppu");
}

/// `RULES.md` V13: reading everything shows no deletion.
#[test]
fn deletion_is_carried_out_though_the_mapping_changes_before_it_is_read() {
    let mut bench = bench(people());
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
    bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().remove(&b(), &right, Removal::Deleted);
    for (_, member) in bench.spec.members_mut().filter(|(_, member)| member.system == "b") {
        member.stop_columns(&["city".to_owned()], &[FieldIndex(0)]);
    }
    bench.run_to_rest();
    assert!(bench.shared.world().live(&a()).is_empty());
}

/// `RULES.md` V13.
#[test]
fn field_that_stands_still_is_a_question_that_ends_by_itself() {
    let bench = bench(people());
    let subject = ReviewSubject::Stopped {
        field: "city".to_owned(),
        system: "b".to_owned(),
        object: "people".to_owned(),
        missing: "there is no property `city`".to_owned(),
    };
    let stopped = [("person".to_owned(), subject)];
    for _ in 0..2 {
        block_on(standstill::record(&bench.store, &stopped, 5)).unwrap();
        bench.run_to_rest();
        let question = the_question(&bench);
        assert!(answer(&bench, &question, ReviewChoice::Leave).is_err());
    }
    block_on(standstill::record(&bench.store, &[], 6)).unwrap();
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` P10.
#[test]
fn why_of_a_link_tells_reviews_from_before_it() {
    let mut spec = people();
    spec.match_keys[0].unique = true;
    let bench = bench(spec);
    // Two of one system share a mail, so none is linked and a person is asked.
    let same = || [("mail", "a@x".into())];
    let ids = [(); 2].map(|()| bench.shared.world().create(&a(), &same()));
    bench.run_to_rest();
    bench.shared.world().edit(&a(), &ids[1], "mail", "b@x".into());
    bench.run_to_rest();
    let told = block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), None));
    let told = told.unwrap().unwrap().to_string();
    assert!(told.contains("several records match by mail"), "{told}");
}

/// `RULES.md` P10.
#[test]
fn difference_that_a_one_way_field_keeps_is_not_told_as_in_step() {
    let bench = bench(people());
    let left = [("mail", "a@x".into()), ("score", Value::Decimal("5".into()))];
    bench.shared.world().create(&a(), &left);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&b(), &right, "score", Value::Decimal("7".into()));
    bench.run_to_rest();
    let told =
        block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), Some("score")));
    let told = told.unwrap().unwrap().to_string();
    let expected = format!("b.people/{right}: differs: it has a form of its own or was changed");
    assert!(told.contains(&expected) && told.contains("it holds"), "{told}");
}

/// `RULES.md` P10: what was typed while the mapping only wrote it is met when it is read.
#[test]
fn value_of_its_own_is_met_as_at_a_first_link_when_the_mapping_reads_it_again() {
    for (first_link, expected) in
        [(FirstLink::Prefer("b".to_owned()), Some("7")), (FirstLink::Review, None)]
    {
        let mut bench = bench(EntitySpec { first_link, ..people() });
        let score = |text: &str| Value::Decimal(text.into());
        let cells = [("mail", "a@x".into()), ("score", score("5"))];
        let left = bench.shared.world().create(&a(), &cells);
        bench.run_to_rest();
        bench.shared.world().table(&a()).read_only.clear();
        let right = bench.shared.world().live(&b())[0].clone();
        bench.shared.world().edit(&b(), &right, "score", score("7"));
        bench.run_to_rest();
        for (_, member) in bench.spec.members_mut() {
            member.groups[4].direction = Direction::Both;
            member.digest = "2".to_owned();
        }
        bench.run_to_rest();
        check_cell(&bench, &b(), &right, "score", score("7"));
        check_cell(&bench, &a(), &left, "score", score(expected.unwrap_or("5")));
        let subject = WhySubject::Link(LinkId(1));
        let told = block_on(why(&bench.store, &bench.spec, &subject, Some("score")));
        let told = told.unwrap().unwrap().to_string();
        assert!(!told.contains("own form"), "{told}");
        assert_eq!(bench.open_reviews().len(), usize::from(expected.is_none()), "{told}");
    }
}
