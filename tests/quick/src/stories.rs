//! Longer stories: conversion, merges, parents and children, tables, lenses, brakes and crashes.

use futures::executor::block_on;
use renkei_sync::record::Removal;
use renkei_sync::resolve::resolve;
use renkei_sync::spec::{
    Direction, EntitySpec, FieldIndex, FieldKind, FirstLink, MappingGroup, OnMerge, Orientation,
    Spec, TransformRef, TransformUse, Via, Winner,
};
use renkei_sync::state::{Choice, LinkId, Matter, ReviewStatus};
use renkei_sync::store::Store;
use renkei_sync::value::Value;
use renkei_sync::why::{Subject, why};

use crate::bench::{Bench, direct, entity, field, match_key, member, reference, table};
use crate::scenarios::{a, b, people, world};
use crate::world::{Fault, Place, World, place};

fn always(system: &str) -> Winner {
    Winner::Always(system.to_owned())
}

pub(crate) fn leads() -> Place {
    place("b", "leads")
}

fn bench(people: EntitySpec) -> Bench {
    Bench::new(world(), Spec::new(vec![people]).unwrap())
}

fn check_cell(bench: &Bench, at: &Place, id: &str, column: &str, expected: impl Into<Value>) {
    assert_eq!(bench.shared.world().cell(at, id, column), expected.into(), "{at:?} {column}");
}

/// Contacts in `a`; leads, which are created, and contacts (`people`) in `b`.
pub(crate) fn with_leads() -> Bench {
    let mut spec = people();
    spec.members[1].create = false;
    let mut lead = member("b", "leads", spec.members[1].groups[..3].to_vec());
    lead.constants.push(("company".to_owned(), Some("(none)".into())));
    spec.members.push(lead);
    let bench = bench(spec);
    bench.shared.world().table(&leads()).stamped = true;
    bench
}

#[test]
fn a_converted_lead_hands_its_link_to_the_contact() {
    let bench = with_leads();
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.settle();
    let lead = bench.shared.world().live(&leads())[0].clone();
    check_cell(&bench, &leads(), &lead, "company", "(none)");
    let contact = {
        let mut world = bench.shared.world();
        let cells = [("mail", "a@x".into()), ("title", "CTO".into()), ("city", "Oita".into())];
        let contact = world.create(&b(), &cells);
        let became = vec![("people".to_owned(), contact.clone()), ("accounts".into(), "1".into())];
        world.remove(&leads(), &lead, Removal::ConvertedTo(became));
        contact
    };
    bench.settle();
    // What the conversion changed is an edit; what the lead had no room for is filled.
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &a(), &left, "city", "Oita");
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.settle();
    check_cell(&bench, &b(), &contact, "title", "CFO");
    assert!(bench.shared.world().live(&leads()).is_empty(), "no second lead");
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
}

#[test]
fn a_merge_with_a_new_id_unites_links_and_asks_about_the_surplus() {
    let bench = bench(people());
    let one = bench.shared.world().create(&a(), &[("mail", "1@x".into()), ("title", "CEO".into())]);
    let two = bench.shared.world().create(&a(), &[("mail", "2@x".into()), ("city", "Oita".into())]);
    bench.settle();
    let survivor = {
        let mut world = bench.shared.world();
        let cells = [("mail", "1@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
        let survivor = world.create(&a(), &cells);
        world.remove(&a(), &one, Removal::MergedInto(survivor.clone()));
        world.remove(&a(), &two, Removal::MergedInto(survivor.clone()));
        survivor
    };
    bench.settle();
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(matches!(&review.matter, Matter::Surplus { .. }), "{review:?}");
    // Nothing was deleted, and the active record follows the survivor.
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
    bench.shared.world().edit(&a(), &survivor, "title", "CTO".into());
    bench.settle();
    let titles: Vec<Value> = {
        let world = bench.shared.world();
        world.live(&b()).iter().map(|id| world.cell(&b(), id, "title")).collect()
    };
    assert!(titles.contains(&"CTO".into()), "{titles:?}");
}

#[test]
fn a_merge_is_followed_where_the_policy_says_so() {
    let mut spec = people();
    spec.on_merge = OnMerge::Follow;
    let bench = bench(spec);
    let one = bench.shared.world().create(&a(), &[("mail", "1@x".into()), ("title", "CEO".into())]);
    let two = bench.shared.world().create(&a(), &[("mail", "2@x".into())]);
    bench.settle();
    bench.shared.world().remove(&a(), &two, Removal::MergedInto(one.clone()));
    bench.settle();
    let right = bench.shared.world().live(&b());
    let [right] = right.as_slice() else { panic!("{right:?}") };
    bench.shared.world().edit(&a(), &one, "title", "CTO".into());
    bench.settle();
    check_cell(&bench, &b(), right, "title", "CTO");
    assert!(bench.open_reviews().is_empty());
}

/// One person in both systems, of which `a` has surplus records besides.
fn with_surplus(surplus: usize) -> (Bench, String, Vec<String>, String) {
    let bench = bench(people());
    let cells = [("mail", "1@x".into()), ("title", "CEO".into())];
    let active = bench.shared.world().create(&a(), &cells);
    bench.settle();
    let right = bench.shared.world().live(&b())[0].clone();
    let others: Vec<String> = (0..surplus)
        .map(|number| {
            let mail = format!("other{number}@x");
            let other = bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
            bench.settle();
            let at = b();
            let copy = {
                let world = bench.shared.world();
                world.live(&at).into_iter().find(|id| *id != right).unwrap()
            };
            // Two links become one when their records in `b` are merged.
            bench.shared.world().remove(&at, &copy, Removal::MergedInto(right.clone()));
            bench.settle();
            other
        })
        .collect();
    assert_eq!(bench.open_reviews().len(), surplus, "each surplus record is asked about");
    (bench, active, others, right)
}

#[test]
fn a_surplus_record_takes_the_place_of_the_active_one() {
    for removal in [Removal::Deleted, Removal::Archived] {
        let (bench, active, others, right) = with_surplus(1);
        bench.shared.world().remove(&a(), &active, removal);
        bench.settle();
        assert_eq!(bench.shared.world().live(&b()), std::slice::from_ref(&right), "no deletion");
        assert_eq!(bench.shared.world().live(&a()), others, "and no new record");
        bench.shared.world().edit(&a(), &others[0], "title", "CTO".into());
        bench.settle();
        check_cell(&bench, &b(), &right, "title", "CTO");
        bench.shared.world().edit(&b(), &right, "phone", "1".into());
        bench.settle();
        check_cell(&bench, &a(), &others[0], "phone", "1");
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
        // Now it is the last one in its system.
        bench.shared.world().remove(&a(), &others[0], Removal::Deleted);
        bench.settle();
        assert!(bench.shared.world().live(&b()).is_empty());
    }
}

#[test]
fn a_surplus_record_that_the_active_one_is_merged_into_takes_over() {
    let (bench, active, others, right) = with_surplus(1);
    bench.shared.world().remove(&a(), &active, Removal::MergedInto(others[0].clone()));
    bench.settle();
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.settle();
    check_cell(&bench, &a(), &others[0], "title", "CTO");
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

#[test]
fn between_several_surplus_records_a_person_decides() {
    let (bench, active, others, right) = with_surplus(2);
    bench.shared.world().remove(&a(), &active, Removal::Deleted);
    bench.settle();
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let Matter::Successor { records, .. } = &review.matter else { panic!("{review:?}") };
    assert_eq!(records.len(), 2);
    assert_eq!(bench.shared.world().live(&b()), std::slice::from_ref(&right), "no deletion");
    assert_eq!(bench.shared.world().live(&a()).len(), 2, "and no new record");
    let heir = records.iter().find(|record| record.id == others[1]).unwrap().clone();
    block_on(resolve(&bench.store, &bench.spec, &review.id, Choice::LinkWith(heir), 1)).unwrap();
    bench.settle();
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.settle();
    check_cell(&bench, &a(), &others[1], "title", "CTO");
    check_cell(&bench, &a(), &others[0], "title", Value::Null);
}

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

fn companies() -> EntitySpec {
    let groups = || vec![direct(0, "name", Direction::Both)];
    let fields = vec![field("name", FieldKind::Text, always("a"))];
    let members = vec![member("a", "companies", groups()), member("b", "accounts", groups())];
    let mut companies = entity("company", fields, members);
    companies.match_keys.push(match_key("name", &[0], false));
    companies
}

/// Deals need their company; contacts may follow later.
fn deals() -> EntitySpec {
    let company = FieldKind::Reference { entity: "company".into(), many: false };
    let persons = FieldKind::Reference { entity: "person".into(), many: true };
    let fields = vec![
        field("name", FieldKind::Text, always("a")),
        field("company", company, always("a")),
        field("persons", persons, always("a")),
        field("stage", FieldKind::Choice, Winner::Newest),
    ];
    let groups = |companies: &str, people: &str, stages: MappingGroup| {
        vec![
            direct(0, "name", Direction::Both),
            reference(1, "company", companies, true),
            reference(2, "persons", people, false),
            stages,
        ]
    };
    let back = [("open", "new"), ("won", "closed")];
    let stages = table(3, "stage", &[("new", "open"), ("warm", "open"), ("closed", "won")], &back);
    let plain = direct(3, "stage", Direction::Both);
    let members = vec![
        member("a", "deals", groups("companies", "contacts", stages)),
        member("b", "opportunities", groups("accounts", "people", plain)),
    ];
    entity("deal", fields, members)
}

fn sales() -> Bench {
    let mut world = world();
    for at in [("a", "companies"), ("b", "accounts"), ("a", "deals"), ("b", "opportunities")] {
        world.table(&place(at.0, at.1)).stamped = true;
    }
    // In the wrong order: the specification orders them by reference.
    Bench::new(world, Spec::new(vec![deals(), people(), companies()]).unwrap())
}

fn references(ids: &[&str]) -> Value {
    Value::References(ids.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn children_follow_their_parents_in_one_cycle() {
    let bench = sales();
    let deal = {
        let mut world = bench.shared.world();
        let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
        let person = world.create(&a(), &[("mail", "a@x".into())]);
        let cells = [
            ("name", "Big".into()),
            ("company", references(&[&company])),
            ("persons", references(&[&person])),
        ];
        world.create(&place("a", "deals"), &cells)
    };
    bench.cycle();
    let world = bench.shared.world();
    let opportunity = &world.live(&place("b", "opportunities"))[0];
    let account = &world.live(&place("b", "accounts"))[0];
    let person = &world.live(&b())[0];
    let at = place("b", "opportunities");
    assert_eq!(world.cell(&at, opportunity, "company"), references(&[account]));
    assert_eq!(world.cell(&at, opportunity, "persons"), references(&[person]));
    assert_eq!(world.cell(&place("a", "deals"), &deal, "name"), "Big".into());
}

#[test]
fn a_child_waits_for_a_parent_that_was_refused() {
    let bench = sales();
    let company = {
        let mut world = bench.shared.world();
        world.faults.push_back(Fault::Refuse);
        let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
        let cells = [("name", "Big".into()), ("company", references(&[&company]))];
        world.create(&place("a", "deals"), &cells);
        company
    };
    bench.settle();
    let opportunities = place("b", "opportunities");
    assert!(bench.shared.world().live(&opportunities).is_empty(), "never with a hole");
    assert_eq!(block_on(bench.store.counts()).unwrap().waiting, 1);
    bench.shared.world().edit(&place("a", "companies"), &company, "name", "ACME 2".into());
    bench.settle();
    let world = bench.shared.world();
    let account = &world.live(&place("b", "accounts"))[0];
    let opportunity = &world.live(&opportunities)[0];
    assert_eq!(world.cell(&opportunities, opportunity, "company"), references(&[account]));
}

#[test]
fn a_lossy_table_keeps_the_stage_that_means_the_same() {
    let bench = sales();
    let deal = {
        let mut world = bench.shared.world();
        let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
        let cells = [
            ("name", "Big".into()),
            ("company", references(&[&company])),
            ("stage", "warm".into()),
        ];
        world.create(&place("a", "deals"), &cells)
    };
    bench.settle();
    let opportunities = place("b", "opportunities");
    let opportunity = bench.shared.world().live(&opportunities)[0].clone();
    check_cell(&bench, &opportunities, &opportunity, "stage", "open");
    check_cell(&bench, &place("a", "deals"), &deal, "stage", "warm");
    bench.shared.world().edit(&opportunities, &opportunity, "stage", "won".into());
    bench.settle();
    check_cell(&bench, &place("a", "deals"), &deal, "stage", "closed");
    // A value without a counterpart is told and written nowhere.
    bench.shared.world().edit(&place("a", "deals"), &deal, "stage", "lost".into());
    bench.settle();
    check_cell(&bench, &opportunities, &opportunity, "stage", "won");
    let subject = Subject::Link(LinkId(2));
    let answer =
        block_on(why(&bench.store, &bench.spec, &subject, Some("stage"))).unwrap().unwrap();
    assert!(answer.to_string().contains("stage is not in the table"), "{answer}");
}

#[test]
fn a_two_way_transform_splits_and_joins() {
    let fields = vec![
        field("mail", FieldKind::Mail, always("a")),
        field("family", FieldKind::Text, always("a")),
        field("given", FieldKind::Text, always("a")),
    ];
    let function = TransformRef {
        plugin: "names".into(),
        function: "full-name".into(),
        parameters: Vec::new(),
        input: vec!["full_name".into()],
        output: vec!["family_name".into(), "given_name".into()],
    };
    let lens = TransformUse { function, orientation: Orientation::ForwardReads };
    let full = MappingGroup {
        fields: vec![FieldIndex(1), FieldIndex(2)],
        via: Via::Transform(lens),
        ..direct(1, "name", Direction::Both)
    };
    let left = vec![
        direct(0, "mail", Direction::Both),
        direct(1, "last", Direction::Both),
        direct(2, "first", Direction::Both),
    ];
    let right = vec![direct(0, "mail", Direction::Both), full];
    let members = vec![member("a", "contacts", left), member("b", "people", right)];
    let mut spec = entity("person", fields, members);
    spec.match_keys.push(match_key("mail", &[0], true));
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("last", "山田".into()), ("first", "太郎".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.settle();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "name", "山田 太郎");
    bench.shared.world().edit(&b(), &right, "name", "山田 花子".into());
    bench.settle();
    check_cell(&bench, &a(), &left, "first", "花子");
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

#[test]
fn systems_that_fight_over_a_form_are_stopped() {
    let bench = bench(people());
    // `b` keeps three characters, and a flow of `a` puts the long form back whenever it sees the
    // short one.
    bench.shared.world().table(&b()).cut = Some(3);
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into()), ("title", "x".into())]);
    bench.settle();
    for _ in 0..20 {
        let title = bench.shared.world().cell(&a(), &left, "title");
        let (back, right) = (title == "x".into(), bench.shared.world().live(&b())[0].clone());
        // A human-looking flow on each side.
        if back {
            bench.shared.world().edit(&a(), &left, "title", "y".into());
        } else {
            bench.shared.world().edit(&b(), &right, "title", "x".into());
        }
        bench.cycle();
    }
    let oscillates = |matter: &Matter| matches!(matter, Matter::Oscillation { .. });
    assert!(bench.open_reviews().iter().any(|review| oscillates(&review.matter)));
}

#[test]
fn a_systems_own_form_is_not_fought() {
    let bench = bench(people());
    bench.shared.world().table(&b()).cut = Some(5);
    let cells = [("mail", "a@x".into()), ("title", "Chairman".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.settle();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "title", "Chair");
    check_cell(&bench, &a(), &left, "title", "Chairman");
    assert!(bench.cycle().written.is_empty());
}

#[test]
fn what_may_not_be_read_is_not_written() {
    let bench = bench(people());
    bench.shared.world().table(&b()).hidden.insert("phone".to_owned());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.settle();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.settle();
    check_cell(&bench, &b(), &right, "phone", Value::Null);
}

#[test]
fn a_failing_system_stops_only_its_own_work() {
    let bench = bench(people());
    bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.shared.world().failing_calls = 1;
    let report = bench.try_cycle().unwrap().report;
    assert_eq!(report.failures.len(), 1);
    bench.settle();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
}

#[test]
fn a_dry_run_says_what_it_would_write_and_why() {
    let mut bench = sales();
    {
        let mut world = bench.shared.world();
        let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
        let cells = [("name", "Big".into()), ("company", references(&[&company]))];
        world.create(&place("a", "deals"), &cells);
    }
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan.to_string();
    let expected = "\
create b.accounts/(new)  company link 1: has no record there yet
    name = \"ACME\"
create b.opportunities/(new)  deal link 2: has no record there yet
    name = \"Big\"
    company = link 1
";
    assert_eq!(plan, expected);
    assert!(bench.shared.world().live(&place("b", "accounts")).is_empty());
}

/// I15: a crash after any commit, then a restart, ends as an uninterrupted run does.
#[test]
fn a_crash_after_any_commit_changes_nothing() {
    let run = |stop: Option<u64>| -> (World, u64) {
        let mut bench = sales();
        {
            let mut world = bench.shared.world();
            let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
            let cells = [("name", "Big".into()), ("company", references(&[&company]))];
            world.create(&place("a", "deals"), &cells);
            world.create(&a(), &[("mail", "a@x".into()), ("title", "CEO".into())]);
            world.create(&b(), &[("mail", "A@x".into()), ("city", "Oita".into())]);
        }
        if let Some(stop) = stop {
            bench.store.stop_after(stop);
            drop(bench.try_cycle());
            bench.store = bench.store.copy();
        }
        bench.settle();
        let world = bench.shared.world().clone();
        (world, bench.store.commits())
    };
    let (calm, commits) = run(None);
    assert!(commits > 10, "{commits}");
    let end = |world: &World| -> Vec<String> {
        let tables = world.tables.iter();
        let cells = tables.flat_map(|(at, table)| {
            table.records.values().map(move |record| {
                (at, record.cells.get("name"), record.cells.get("mail"), record.cells.get("city"))
            })
        });
        let mut end: Vec<String> = cells.map(|cells| format!("{cells:?}")).collect();
        end.sort();
        end
    };
    for stop in 0..commits {
        let (crashed, _) = run(Some(stop));
        assert_eq!(end(&crashed), end(&calm), "stopped after {stop}");
    }
}
