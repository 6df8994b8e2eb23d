//! Reviews for a person, the effects of answers, and how a decision of a rule is taken back:
//! ambiguous matches, conflicts, many deletions and many creations.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::FirstLink;
use renkei_model::state::{LinkId, RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell};
use crate::bench::{Bench, match_key};
use crate::scenarios::{a, b, people};
use crate::world::Place;

/// One record in `a` and two in `b` that match each other; their ids.
fn ambiguous() -> (Bench, String, [String; 2]) {
    let mut spec = people();
    spec.match_keys = vec![match_key("name", &[1], false)];
    let bench = bench(spec);
    let same = [("title", "Yamada".into())];
    let left = bench.shared.world().create(&a(), &same);
    let right = [(); 2].map(|()| bench.shared.world().create(&b(), &same));
    let report = bench.try_cycle().unwrap().report;
    assert_eq!(report.ambiguous.len(), 1, "the group counts once, whatever the passes");
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
    (bench, left, right)
}

/// The one question about the group: its id, and the record that it asks for.
fn asked(bench: &Bench) -> (String, RecordKey) {
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::Ambiguous { records, .. } = &review.subject else { panic!("{review:?}") };
    assert_eq!(records.len(), 3);
    (review.id.clone(), review.record.clone().unwrap())
}

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

fn answer(bench: &Bench, id: &str, choice: ReviewChoice) {
    block_on(resolve(&bench.store, &bench.spec, id, choice, 1)).unwrap();
}

#[test]
fn an_ambiguous_match_goes_to_a_person() {
    let (bench, left, [one, two]) = ambiguous();
    let (id, about) = asked(&bench);
    assert_eq!(about, key(&a(), &left));
    // Whoever looks at another record of the group is told of the same question.
    for other in [&one, &two] {
        let subject = WhySubject::Record(key(&b(), other));
        let told = block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap();
        let told = told.to_string();
        assert!(told.contains(&id) && told.contains("several records match by name"), "{told}");
    }
    answer(&bench, &id, ReviewChoice::LinkWith(key(&b(), &one)));
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &one, "phone", "1");
    // The third is a thing of its own now.
    assert!(bench.open_reviews().is_empty());
    assert_eq!(bench.shared.world().live(&a()).len(), 2);
}

/// `RULES.md` V15: nobody is linked with oneself.
#[test]
fn record_that_is_asked_about_is_none_of_the_answers() {
    let (bench, _, [one, _]) = ambiguous();
    let (id, about) = asked(&bench);
    let itself = ReviewChoice::LinkWith(about);
    let refused = block_on(resolve(&bench.store, &bench.spec, &id, itself, 1)).unwrap_err();
    assert!(refused.to_string().contains("cannot be answered that way"), "{refused}");
    assert_eq!(bench.open_reviews()[0].status, ReviewStatus::Open);
    answer(&bench, &id, ReviewChoice::LinkWith(key(&b(), &one)));
}

#[test]
fn separate_record_leaves_the_others_without_a_review() {
    let (bench, left, _) = ambiguous();
    answer(&bench, &asked(&bench).0, ReviewChoice::Separate);
    bench.run_to_rest();
    // It has a record of its own in `b` now, so the others have none to match in `a`.
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    assert_eq!(bench.shared.world().live(&a()).len(), 3);
    assert_eq!(bench.shared.world().live(&b()).len(), 3);
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    assert_eq!(bench.cycle().written.len(), 1);
}

/// So many records of one name in `a` and in `b`, linked a few at a time.
fn namesakes(in_a: usize, in_b: usize, is_unique: bool, chunk_links: usize) -> Bench {
    let mut spec = people();
    spec.match_keys = vec![match_key("name", &[1], is_unique)];
    let mut bench = bench(spec);
    bench.options.chunk_links = chunk_links;
    let places = std::iter::repeat_n(a(), in_a).chain(std::iter::repeat_n(b(), in_b));
    for at in places {
        bench.shared.world().create(&at, &[("title", "Yamada".into())]);
    }
    bench.run_to_rest();
    bench
}

fn counts(bench: &Bench) -> [usize; 2] {
    [a(), b()].map(|at| bench.shared.world().live(&at).len())
}

/// `RULES.md` V15: the third belongs to the two that a person puts together.
#[test]
fn record_that_matches_two_which_a_person_unites_joins_their_link() {
    for (is_unique, chunk_links) in [(false, 100), (false, 1), (true, 100), (true, 1)] {
        let bench = namesakes(2, 1, is_unique, chunk_links);
        let [first, second] = &bench.shared.world().live(&a())[..] else { panic!() };
        let (id, about) = asked(&bench);
        assert_eq!(about, key(&a(), first));
        answer(&bench, &id, ReviewChoice::LinkWith(key(&a(), second)));
        let report = bench.cycle();
        assert_eq!((report.founded, report.planned), (1, 0), "{is_unique} {chunk_links}");
        bench.run_to_rest();
        assert_eq!(counts(&bench), [2, 1]);
        let open = bench.open_reviews();
        let [review] = open.as_slice() else { panic!("{open:?}") };
        let ReviewSubject::Surplus { active, surplus, .. } = &review.subject else {
            panic!("{open:?}")
        };
        assert_eq!((active, surplus), (&key(&a(), second), &key(&a(), first)));
        // The one that keeps its place is in step with the other system.
        bench.shared.world().edit(&a(), second, "phone", "1".into());
        bench.run_to_rest();
        let right = bench.shared.world().live(&b())[0].clone();
        check_cell(&bench, &b(), &right, "phone", "1");
    }
}

/// `RULES.md` V15: what an answer leaves open is asked, and nothing is made before that.
#[test]
fn question_goes_on_with_what_an_answer_leaves() {
    for chunk_links in [100, 1] {
        let bench = namesakes(2, 2, false, chunk_links);
        let [first, second] = &bench.shared.world().live(&a())[..] else { panic!() };
        let [third, fourth] = &bench.shared.world().live(&b())[..] else { panic!() };
        let first_asked = bench.open_reviews()[0].id.clone();
        answer(&bench, &first_asked, ReviewChoice::LinkWith(key(&a(), second)));
        for _ in 0..3 {
            assert_eq!(bench.cycle().planned, 0);
        }
        assert_eq!(counts(&bench), [2, 2]);
        let is_open = |review: &&Review| review.status == ReviewStatus::Open;
        let reviews = bench.open_reviews();
        let next = reviews.iter().find(is_open).unwrap();
        assert_eq!(next.record, Some(key(&a(), second)));
        let ReviewSubject::Ambiguous { records, .. } = &next.subject else { panic!("{next:?}") };
        assert_eq!(records, &[key(&a(), second), key(&b(), third), key(&b(), fourth)]);
        answer(&bench, &next.id, ReviewChoice::LinkWith(key(&b(), fourth)));
        bench.run_to_rest();
        // The two and the fourth are one thing, the third is another: it gets its counterpart.
        assert_eq!(counts(&bench), [3, 2]);
        let open = bench.open_reviews();
        let [review] = open.as_slice() else { panic!("{open:?}") };
        let ReviewSubject::Surplus { active, surplus, .. } = &review.subject else {
            panic!("{open:?}")
        };
        assert_eq!((active, surplus), (&key(&a(), second), &key(&a(), first)));
    }
}

/// `RULES.md` V15: one that is linked already is not made where a candidate waits for an answer.
#[test]
fn nothing_is_made_where_a_record_may_be_there_already() {
    let mut spec = people();
    spec.match_keys = vec![match_key("name", &[1], false)];
    spec.members[1].groups[2].required = true;
    let bench = bench(spec);
    let same = [("title", "Yamada".into())];
    let left = bench.shared.world().create(&a(), &same);
    bench.run_to_rest();
    let [one, _two] = [(); 2].map(|()| {
        let cells = [("title", "Yamada".into()), ("phone", "1".into())];
        bench.shared.world().create(&b(), &cells)
    });
    bench.run_to_rest();
    let (id, about) = asked(&bench);
    assert_eq!(about, key(&b(), &one));
    // Now it could be made, if nobody were asked.
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.run_to_rest();
    assert_eq!(counts(&bench), [1, 2]);
    answer(&bench, &id, ReviewChoice::LinkWith(key(&a(), &left)));
    bench.run_to_rest();
    // The other one is a thing of its own.
    assert_eq!(counts(&bench), [2, 2]);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` V15.
#[test]
fn record_is_not_linked_with_itself() {
    let (bench, left, _) = ambiguous();
    let (id, _) = asked(&bench);
    let choice = ReviewChoice::LinkWith(key(&a(), &left));
    let refused = block_on(resolve(&bench.store, &bench.spec, &id, choice, 1)).unwrap_err();
    assert!(refused.to_string().contains("cannot be answered that way"), "{refused}");
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
    bench.run_to_rest();
    let review = bench.open_reviews().remove(0);
    block_on(resolve(
        &bench.store,
        &bench.spec,
        &review.id,
        ReviewChoice::Value(Some("CTO".into())),
        1,
    ))
    .unwrap();
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &b(), &right, "title", "CTO");
    assert!(bench.open_reviews().is_empty());
}

/// A pair of which both sides edit the title: the rule lets `a` win.
fn contested() -> (Bench, String, String, String) {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CFO");
    let reviews = bench.reviews();
    let mut decided = reviews.iter().filter(|review| review.status == ReviewStatus::Decided);
    let id = decided.next().unwrap().id.clone();
    (bench, left, right, id)
}

#[test]
fn decision_of_a_rule_is_taken_back_while_it_stands() {
    let (bench, left, _, id) = contested();
    let told =
        block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), Some("title")));
    let told = told.unwrap().unwrap().to_string();
    assert!(told.contains("title: \"CFO\" (from a)"), "{told}");
    assert!(
        told.contains(&format!("b had \"CTO\"\n    to change it: renkei decide {id}")),
        "{told}"
    );
    let back = || ReviewChoice::Value(Some("CTO".into()));
    block_on(resolve(&bench.store, &bench.spec, &id, back(), 1)).unwrap();
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "CTO");
    let error = block_on(resolve(&bench.store, &bench.spec, &id, back(), 1)).unwrap_err();
    assert!(error.to_string().contains("was answered already"), "{error}");
}

#[test]
fn taking_back_a_decision_of_a_rule_overrules_no_later_edit() {
    let (bench, left, right, id) = contested();
    bench.shared.world().edit(&b(), &right, "title", "COO".into());
    bench.run_to_rest();
    let back = ReviewChoice::Value(Some("CTO".into()));
    let error = block_on(resolve(&bench.store, &bench.spec, &id, back, 1)).unwrap_err();
    assert!(error.to_string().contains("has changed since a rule decided"), "{error}");
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "COO");

    // An edit between the answer and the next cycle counts as well, and is told.
    let (bench, left, right, id) = contested();
    let back = ReviewChoice::Value(Some("CTO".into()));
    block_on(resolve(&bench.store, &bench.spec, &id, back, 1)).unwrap();
    bench.shared.world().edit(&b(), &right, "title", "COO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "COO");
    let told =
        block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), None)).unwrap();
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
    bench.run_to_rest();
    let ids = bench.shared.world().live(&a());
    for id in ids {
        bench.shared.world().remove(&a(), &id, Removal::Deleted);
    }
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 30);
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let expected = matches!(review.subject, ReviewSubject::Deletions { count: 30, limit: 20, .. });
    assert!(expected, "{review:?}");
    block_on(resolve(&bench.store, &bench.spec, &review.id, ReviewChoice::Approve, 1)).unwrap();
    bench.run_to_rest();
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
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 3);
    }
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(
        matches!(review.subject, ReviewSubject::Creations { limit: 3, count: 7 }),
        "{review:?}"
    );
    block_on(resolve(&bench.store, &bench.spec, &review.id, ReviewChoice::Approve, 1)).unwrap();
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 10);
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` P8: an approval is about the number that was asked about.
#[test]
fn approval_of_creations_covers_no_more_than_were_asked_about() {
    let mut spec = people();
    spec.create_guard = Some(3);
    let bench = bench(spec);
    let create = |people: std::ops::Range<u32>| {
        for person in people {
            let mail = format!("{person}@x");
            bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
        }
    };
    let asked = || {
        let reviews = bench.open_reviews();
        let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
        let ReviewSubject::Creations { limit: 3, count } = review.subject else {
            panic!("{review:?}")
        };
        (review.id.clone(), count)
    };
    create(0..6);
    bench.run_to_rest();
    let (first, count) = asked();
    assert_eq!(count, 3);
    // The question says how many wait now; the one about another number is over.
    create(6..8);
    bench.run_to_rest();
    let (second, count) = asked();
    assert_eq!(count, 5);
    let late = block_on(resolve(&bench.store, &bench.spec, &first, ReviewChoice::Approve, 1));
    assert!(late.is_err());
    answer(&bench, &second, ReviewChoice::Approve);
    create(8..70);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 8);
    assert_eq!(asked().1, 62);
    // Nothing waits any more: there is no question.
    let mails = |at: &Place| {
        let world = bench.shared.world();
        let ids = world.live(at);
        ids.iter().map(|id| (world.cell(at, id, "mail"), id.clone())).collect::<Vec<_>>()
    };
    let made = mails(&b());
    for (mail, id) in mails(&a()) {
        if !made.iter().any(|(known, _)| *known == mail) {
            bench.shared.world().remove(&a(), &id, Removal::Deleted);
        }
    }
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` P8: a cycle in which nothing could be made uses up no approval.
#[test]
fn approval_of_creations_holds_until_something_is_made_by_it() {
    let mut spec = people();
    spec.create_guard = Some(0);
    let bench = bench(spec);
    bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    answer(&bench, &bench.open_reviews()[0].id, ReviewChoice::Approve);
    bench.shared.world().failing_calls = 1;
    bench.try_cycle().unwrap();
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(bench.open_reviews().is_empty());
}
