//! Records that come back, and what stands twice in one system: what a person restores is wanted
//! again, and nothing is made beside what is there.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{EntitySpec, OnDelete, Spec};
use renkei_model::state::{
    Link, LinkStatus, RecordKey, RecordState, Review, ReviewChoice, ReviewSubject,
};
use renkei_model::store::port::{Changes, Store as _};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell, companies, deals, leads, references, with_leads};
use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};
use crate::world::{Place, place};

fn firms() -> Place {
    place("a", "companies")
}

fn accounts() -> Place {
    place("b", "accounts")
}

/// Companies that nothing matches but their links.
fn keyless(on_delete: OnDelete) -> Bench {
    let mut world = world();
    world.table(&firms()).stamped = false;
    let mut spec = EntitySpec { match_keys: Vec::new(), on_delete, ..companies() };
    for member in &mut spec.members {
        member.stamp = None;
    }
    Bench::new(world, Spec::new(vec![spec]).unwrap())
}

/// One company in both systems.
fn firm(on_delete: OnDelete) -> (Bench, String, String) {
    let bench = keyless(on_delete);
    let left = bench.shared.world().create(&firms(), &[("name", "One".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&accounts())[0].clone();
    (bench, left, right)
}

fn delete(bench: &Bench, at: &Place, id: &str) {
    bench.shared.world().remove(at, id, Removal::Deleted);
}

/// A while after it was deleted.
fn restore(bench: &Bench, at: &Place, id: &str) {
    let mut world = bench.shared.world();
    world.advance(60_000);
    world.restore(at, id);
    world.advance(60_000);
}

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

fn only_question(bench: &Bench) -> Review {
    let mut reviews = bench.open_reviews();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    reviews.remove(0)
}

fn answer(bench: &Bench, review: &Review, choice: ReviewChoice) {
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
}

fn told(bench: &Bench, at: &Place, id: &str) -> String {
    let subject = WhySubject::Record(key(at, id));
    block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap().to_string()
}

/// One record of each, in step: an edit of the left one arrives at the right one.
fn check_pair(bench: &Bench, left: &str, right: &str) {
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&firms()), [left]);
    assert_eq!(bench.shared.world().live(&accounts()), [right]);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    bench.shared.world().edit(&firms(), left, "name", "Other".into());
    bench.run_to_rest();
    check_cell(bench, &accounts(), right, "name", "Other");
}

/// RULES.md V2.
#[test]
fn restored_records_take_their_places_while_the_guard_asks() {
    let bench = keyless(OnDelete::Archive);
    let name = |number: i32| format!("firm {number}");
    for number in 0..22 {
        bench.shared.world().create(&firms(), &[("name", name(number).as_str().into())]);
    }
    bench.run_to_rest();
    let ids = bench.shared.world().live(&firms());
    ids.iter().for_each(|id| delete(&bench, &firms(), id));
    bench.run_to_rest();
    assert!(matches!(only_question(&bench).subject, ReviewSubject::Deletions { .. }));
    ids.iter().for_each(|id| restore(&bench, &firms(), id));
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&firms()).len(), 22);
    assert_eq!(bench.shared.world().live(&accounts()).len(), 22);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    assert!(told(&bench, &firms(), &ids[0]).contains("is there again; its link goes on"));
}

/// RULES.md V2: also where the question was answered before the record came back.
#[test]
fn question_about_a_deleted_record_is_over_when_it_is_back() {
    for answered in [false, true] {
        let (bench, left, right) = firm(OnDelete::Review);
        delete(&bench, &firms(), &left);
        bench.run_to_rest();
        let question = only_question(&bench);
        if answered {
            answer(&bench, &question, ReviewChoice::Approve);
        }
        restore(&bench, &firms(), &left);
        check_pair(&bench, &left, &right);
    }
}

/// RULES.md V2.
#[test]
fn records_restored_on_both_sides_are_one_thing_again() {
    let (bench, left, right) = firm(OnDelete::Archive);
    delete(&bench, &firms(), &left);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&accounts()).is_empty());
    restore(&bench, &firms(), &left);
    restore(&bench, &accounts(), &right);
    check_pair(&bench, &left, &right);
}

/// RULES.md V2: what was archived for it is made again, once.
#[test]
fn record_restored_after_its_deletion_was_carried_out_has_a_counterpart_again() {
    let (bench, left, right) = firm(OnDelete::Archive);
    delete(&bench, &firms(), &left);
    bench.run_to_rest();
    restore(&bench, &firms(), &left);
    bench.run_to_rest();
    let made = bench.shared.world().live(&accounts());
    assert_eq!(made.len(), 1);
    assert_eq!(bench.shared.world().live(&firms()), [left.as_str()]);
    // Whoever restores the other one later is asked about two of the same thing.
    restore(&bench, &accounts(), &right);
    bench.run_to_rest();
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&firms()), [left.as_str()]);
    let question = only_question(&bench);
    let expected = ReviewSubject::Surplus {
        active: key(&accounts(), &made[0]),
        surplus: key(&accounts(), &right),
        mergeable: true,
    };
    assert_eq!(question.subject, expected);
    answer(&bench, &question, ReviewChoice::Approve);
    bench.run_to_rest();
    // The system gives what is left of both an id of its own.
    let merged = bench.shared.world().live(&accounts())[0].clone();
    check_pair(&bench, &left, &merged);
}

/// RULES.md V2: an edit elsewhere had made it again.
#[test]
fn restored_record_whose_place_is_taken_is_asked_about() {
    let (bench, left, right) = firm(OnDelete::Archive);
    delete(&bench, &firms(), &left);
    bench.shared.world().edit(&accounts(), &right, "name", "Edited".into());
    bench.run_to_rest();
    let again = bench.shared.world().live(&firms())[0].clone();
    restore(&bench, &firms(), &left);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()), [right.as_str()]);
    assert!(
        matches!(&only_question(&bench).subject, ReviewSubject::Surplus { active, surplus, .. }
        if *active == key(&firms(), &again) && *surplus == key(&firms(), &left))
    );
    // The one that is surplus goes again, comes back, and is still no thing of its own.
    delete(&bench, &firms(), &left);
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    restore(&bench, &firms(), &left);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()), [right.as_str()]);
    assert_eq!(bench.open_reviews().len(), 1);
}

/// RULES.md V2.
#[test]
fn restored_record_is_kept_in_step_again_though_its_link_had_ended() {
    let (bench, left, right) = firm(OnDelete::Unlink);
    delete(&bench, &firms(), &left);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()), [right.as_str()]);
    restore(&bench, &firms(), &left);
    check_pair(&bench, &left, &right);
}

/// RULES.md V2: the archive was planned, and the restoration comes before it is sent.
#[test]
fn record_restored_before_the_others_are_archived_is_whole() {
    for commits in 1..12 {
        let (mut bench, left, right) = firm(OnDelete::Archive);
        delete(&bench, &firms(), &left);
        bench.store.stop_after(commits);
        let died = bench.try_cycle().is_err();
        bench.store = bench.store.copy();
        restore(&bench, &firms(), &left);
        bench.run_to_rest();
        let world = bench.shared.world();
        assert_eq!(world.live(&firms()), [left.as_str()], "{commits} {right}");
        assert_eq!(world.live(&accounts()).len(), 1, "{commits} {died}");
    }
}

/// RULES.md V2: a person without a match key by now.
#[test]
fn person_whose_mail_was_emptied_is_restored_once() {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    let right = bench.shared.world().create(&b(), &cells);
    bench.run_to_rest();
    bench.shared.world().edit(&a(), &left, "mail", Value::Null);
    bench.run_to_rest();
    delete(&bench, &a(), &left);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());
    restore(&bench, &a(), &left);
    restore(&bench, &b(), &right);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&a()), [left]);
    assert_eq!(bench.shared.world().live(&b()), [right]);
}

/// RULES.md V2: the key that it has belongs to another person now.
#[test]
fn restored_record_whose_key_is_another_things_is_matched_anew() {
    let mut spec = people();
    spec.on_delete = OnDelete::Unlink;
    let bench = bench(spec);
    let left = bench.shared.world().create(&a(), &[("mail", "1@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    delete(&bench, &a(), &left);
    bench.shared.world().edit(&b(), &right, "mail", "2@x".into());
    bench.run_to_rest();
    let other = bench.shared.world().create(&a(), &[("mail", "1@x".into())]);
    bench.run_to_rest();
    restore(&bench, &a(), &left);
    bench.run_to_rest();
    let question = only_question(&bench);
    let ReviewSubject::Ambiguous { records, .. } = &question.subject else {
        panic!("{question:?}")
    };
    assert!(records.contains(&key(&a(), &other)) && records.contains(&key(&a(), &left)));
}

/// Accounts One and Two of `b` with a company each in `a`, merged in `b`; their ids, and the id
/// of the company Two.
fn merged_accounts() -> (Bench, [String; 2], String) {
    let mut world = world();
    for at in [firms(), accounts(), place("a", "deals"), place("b", "opportunities")] {
        world.table(&at).stamped = true;
    }
    let mut deals = deals();
    for member in &mut deals.members {
        member.groups[1].required = false;
    }
    let bench = Bench::new(world, Spec::new(vec![deals, people(), companies()]).unwrap());
    let create = |name: &str| bench.shared.world().create(&accounts(), &[("name", name.into())]);
    let [one, two] = ["One", "Two"].map(create);
    bench.run_to_rest();
    let is_two = |id: &&String| bench.shared.world().cell(&firms(), id, "name") == "Two".into();
    let made = bench.shared.world().live(&firms());
    let left = made.iter().find(is_two).unwrap().clone();
    bench.shared.world().remove(&accounts(), &two, Removal::MergedInto(one.clone()));
    bench.run_to_rest();
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Surplus { .. }), "{question:?}");
    (bench, [one, two], left)
}

/// RULES.md P7.
#[test]
fn merge_that_is_undone_gives_each_record_its_counterpart_again() {
    let (bench, [one, two], left) = merged_accounts();
    restore(&bench, &accounts(), &two);
    let deal = {
        let cells = [("name", "Big".into()), ("company", references(&[&two]))];
        bench.shared.world().create(&place("b", "opportunities"), &cells)
    };
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&firms()).len(), 2);
    assert_eq!(bench.shared.world().live(&accounts()), [one, two.clone()]);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    let made = bench.shared.world().live(&place("a", "deals"))[0].clone();
    check_cell(&bench, &place("a", "deals"), &made, "company", references(&[&left]));
    let said = told(&bench, &place("b", "opportunities"), &deal);
    assert!(!said.contains("due"), "{said}");
    bench.shared.world().edit(&accounts(), &two, "name", "Second".into());
    bench.run_to_rest();
    check_cell(&bench, &firms(), &left, "name", "Second");
    assert!(told(&bench, &accounts(), &two).contains("was undone"));
}

/// RULES.md P7: the answer was to leave the surplus record, and the merge is undone later.
#[test]
fn merge_that_is_undone_after_an_answer_makes_no_twins() {
    let (bench, [_, two], left) = merged_accounts();
    answer(&bench, &only_question(&bench), ReviewChoice::Leave);
    bench.run_to_rest();
    restore(&bench, &accounts(), &two);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&firms()).len(), 2);
    bench.shared.world().edit(&accounts(), &two, "name", "Second".into());
    bench.run_to_rest();
    check_cell(&bench, &firms(), &left, "name", "Second");
}

/// RULES.md P7: it goes again, and its id stands for nothing but itself.
#[test]
fn merged_record_that_came_back_and_goes_is_a_deletion_of_its_own() {
    let (bench, [one, two], left) = merged_accounts();
    restore(&bench, &accounts(), &two);
    bench.run_to_rest();
    delete(&bench, &accounts(), &two);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()), [one]);
    assert!(!bench.shared.world().live(&firms()).contains(&left));
    assert_eq!(bench.shared.world().live(&firms()).len(), 1);
}

/// RULES.md V20.
#[test]
fn question_about_a_surplus_record_is_over_when_either_is_gone() {
    for goes in 0..2 {
        let (bench, _, left) = merged_accounts();
        let ReviewSubject::Surplus { active, surplus, .. } = only_question(&bench).subject else {
            panic!();
        };
        assert_eq!(surplus.id, left);
        let gone = [surplus, active][goes].clone();
        delete(&bench, &firms(), &gone.id);
        bench.run_to_rest();
        assert!(bench.open_reviews().is_empty(), "{goes}: {:?}", bench.open_reviews());
        assert_eq!(bench.shared.world().live(&firms()).len(), 1, "{goes}");
        assert_eq!(bench.shared.world().live(&accounts()).len(), 1, "{goes}");
    }
}

/// The people of `with_leads`, of whom Leads are in the mapping no more and Contacts are made.
fn without_leads(bench: &mut Bench) {
    let mut entities = bench.spec.entities().to_vec();
    entities[0].members.pop();
    entities[0].members[1].create = true;
    bench.spec = Spec::new(entities).unwrap();
}

/// RULES.md V15.
#[test]
fn nothing_is_made_beside_a_record_whose_object_is_in_the_mapping_no_more() {
    let mut bench = with_leads();
    let with = bench.spec.entities().to_vec();
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let lead = bench.shared.world().live(&leads())[0].clone();
    without_leads(&mut bench);
    bench.shared.world().edit(&a(), &left, "title", "CEO".into());
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());
    assert!(told(&bench, &a(), &left).contains("no other is made beside it"));
    bench.options.apply = false;
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    let plan = bench.try_cycle().unwrap().plan.to_string();
    assert!(plan.contains("no other is made beside it"), "{plan}");
    bench.options.apply = true;
    bench.spec = Spec::new(with).unwrap();
    bench.run_to_rest();
    check_cell(&bench, &leads(), &lead, "title", "CTO");
}

/// RULES.md V15: a Contact stands beside the Lead already, as older programs made it.
#[test]
fn two_live_records_of_one_system_in_a_link_are_asked_about() {
    let mut bench = with_leads();
    let with = bench.spec.entities().to_vec();
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let lead = bench.shared.world().live(&leads())[0].clone();
    without_leads(&mut bench);
    let contact = bench.shared.world().create(&b(), &[("title", "CEO".into())]);
    bench.run_to_rest();
    let keys = [key(&b(), &contact), key(&a(), &left)];
    let known = block_on(bench.store.records(&keys)).unwrap();
    let link = known[1].link;
    let other = known[0].link.unwrap();
    let beside = RecordState { link, ..known[0].clone() };
    let over = block_on(bench.store.links(&[other])).unwrap().remove(0).link;
    let over = Link { status: LinkStatus::Ended, ..Link::clone(&over) };
    let changes = Changes { links: vec![over], records: vec![beside], ..Changes::default() };
    block_on(bench.store.commit(changes)).unwrap();
    bench.spec = Spec::new(with).unwrap();
    bench.shared.world().edit(&leads(), &lead, "title", "CTO".into());
    bench.run_to_rest();
    let question = only_question(&bench);
    let expected = ReviewSubject::Surplus {
        active: key(&leads(), &lead),
        surplus: key(&b(), &contact),
        mergeable: false,
    };
    assert_eq!(question.subject, expected);
    assert!(told(&bench, &a(), &left).contains(&question.id));
}
