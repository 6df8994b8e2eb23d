//! Records that move: a converted Lead, merges in one system, surplus records and their heirs.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::OnMerge;
use renkei_model::state::{LinkId, ReviewChoice, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell, leads, with_leads};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};

#[test]
fn a_converted_lead_hands_its_link_to_the_contact() {
    let bench = with_leads();
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
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
    bench.run_to_rest();
    // What the conversion changed is an edit; what the lead had no room for is filled.
    check_cell(&bench, &a(), &left, "title", "CTO");
    check_cell(&bench, &a(), &left, "city", "Oita");
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &contact, "title", "CFO");
    assert!(bench.shared.world().live(&leads()).is_empty(), "no second lead");
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
}

/// A person in both systems whose Lead is converted while the contact is deleted; the Contact has
/// these cells besides its mail and its title.
fn converted_while_deleted(more: &[(&str, Value)]) -> (Bench, String) {
    let bench = with_leads();
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let contact = {
        let mut world = bench.shared.world();
        let lead = world.live(&leads())[0].clone();
        let contact = world.create(&b(), &[&cells, more].concat());
        let became = vec![("people".to_owned(), contact.clone())];
        world.remove(&leads(), &lead, Removal::ConvertedTo(became));
        world.remove(&a(), &left, Removal::Deleted);
        contact
    };
    bench.run_to_rest();
    (bench, contact)
}

#[test]
fn a_deletion_during_a_conversion_spreads_unless_there_is_more_to_keep() {
    for (more, expected, stays) in [
        (vec![], "deleted in a\n", false),
        (vec![("city", "Oita".into())], "deleted there, but b has values that it never got", true),
        (vec![("title", "CTO".into())], "deleted there but edited elsewhere; the edit wins", true),
    ] {
        let (bench, contact) = converted_while_deleted(&more);
        let told = block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), None));
        let told = told.unwrap().unwrap().to_string();
        assert!(told.contains(expected), "{more:?}: {told}");
        let left = bench.shared.world().live(&a());
        assert_eq!(left.len(), usize::from(stays), "{more:?}");
        assert_eq!(bench.shared.world().live(&b()) == [contact], stays, "{more:?}");
        for (column, value) in more {
            check_cell(&bench, &a(), &left[0], column, value);
        }
    }
}

#[test]
fn a_merge_with_a_new_id_unites_links_and_asks_about_the_surplus() {
    let bench = bench(people());
    let one = bench.shared.world().create(&a(), &[("mail", "1@x".into()), ("title", "CEO".into())]);
    let two = bench.shared.world().create(&a(), &[("mail", "2@x".into()), ("city", "Oita".into())]);
    bench.run_to_rest();
    let survivor = {
        let mut world = bench.shared.world();
        let cells = [("mail", "1@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
        let survivor = world.create(&a(), &cells);
        world.remove(&a(), &one, Removal::MergedInto(survivor.clone()));
        world.remove(&a(), &two, Removal::MergedInto(survivor.clone()));
        survivor
    };
    bench.run_to_rest();
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(matches!(&review.subject, ReviewSubject::Surplus { .. }), "{review:?}");
    // Nothing was deleted, and the active record follows the survivor.
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
    bench.shared.world().edit(&a(), &survivor, "title", "CTO".into());
    bench.run_to_rest();
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
    bench.run_to_rest();
    bench.shared.world().remove(&a(), &two, Removal::MergedInto(one.clone()));
    bench.run_to_rest();
    let right = bench.shared.world().live(&b());
    let [right] = right.as_slice() else { panic!("{right:?}") };
    bench.shared.world().edit(&a(), &one, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), right, "title", "CTO");
    assert!(bench.open_reviews().is_empty());
}

/// One person in both systems, of which `a` has surplus records besides.
fn with_surplus(surplus: usize) -> (Bench, String, Vec<String>, String) {
    let bench = bench(people());
    let cells = [("mail", "1@x".into()), ("title", "CEO".into())];
    let active = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    let others: Vec<String> = (0..surplus)
        .map(|number| {
            let mail = format!("other{number}@x");
            let other = bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
            bench.run_to_rest();
            let at = b();
            let copy = {
                let world = bench.shared.world();
                world.live(&at).into_iter().find(|id| *id != right).unwrap()
            };
            // Two links become one when their records in `b` are merged.
            bench.shared.world().remove(&at, &copy, Removal::MergedInto(right.clone()));
            bench.run_to_rest();
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
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()), std::slice::from_ref(&right), "no deletion");
        assert_eq!(bench.shared.world().live(&a()), others, "and no new record");
        bench.shared.world().edit(&a(), &others[0], "title", "CTO".into());
        bench.run_to_rest();
        check_cell(&bench, &b(), &right, "title", "CTO");
        bench.shared.world().edit(&b(), &right, "phone", "1".into());
        bench.run_to_rest();
        check_cell(&bench, &a(), &others[0], "phone", "1");
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
        // Now it is the last one in its system.
        bench.shared.world().remove(&a(), &others[0], Removal::Deleted);
        bench.run_to_rest();
        assert!(bench.shared.world().live(&b()).is_empty());
    }
}

#[test]
fn a_surplus_record_that_the_active_one_is_merged_into_takes_over() {
    let (bench, active, others, right) = with_surplus(1);
    bench.shared.world().remove(&a(), &active, Removal::MergedInto(others[0].clone()));
    bench.run_to_rest();
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &others[0], "title", "CTO");
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

#[test]
fn between_several_surplus_records_a_person_decides() {
    let (bench, active, others, right) = with_surplus(2);
    bench.shared.world().remove(&a(), &active, Removal::Deleted);
    bench.run_to_rest();
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::Successor { records, .. } = &review.subject else { panic!("{review:?}") };
    assert_eq!(records.len(), 2);
    assert_eq!(bench.shared.world().live(&b()), std::slice::from_ref(&right), "no deletion");
    assert_eq!(bench.shared.world().live(&a()).len(), 2, "and no new record");
    let heir = records.iter().find(|record| record.id == others[1]).unwrap().clone();
    block_on(resolve(&bench.store, &bench.spec, &review.id, ReviewChoice::LinkWith(heir), 1))
        .unwrap();
    bench.run_to_rest();
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &others[1], "title", "CTO");
    check_cell(&bench, &a(), &others[0], "title", Value::Null);
}

/// `RULES.md` P7.
#[test]
fn link_of_the_winner_goes_on_after_a_merge_under_a_new_id() {
    for winner in [0, 1] {
        let bench = bench(people());
        let make = |mail: &str, title: &str| {
            let cells = [("mail", mail.into()), ("title", title.into())];
            let id = bench.shared.world().create(&a(), &cells);
            bench.run_to_rest();
            id
        };
        let both = [make("1@x", "CEO"), make("2@x", "CTO")];
        let peers = bench.shared.world().live(&b());
        bench.shared.world().merge(&a(), &both[winner], &[&both[1 - winner]], true);
        bench.run_to_rest();
        // Neither peer got the other's values, and the winner's is the one that is kept in step.
        for (peer, (mail, title)) in peers.iter().zip([("1@x", "CEO"), ("2@x", "CTO")]) {
            check_cell(&bench, &b(), peer, "mail", mail);
            check_cell(&bench, &b(), peer, "title", title);
        }
        let survivor = bench.shared.world().live(&a())[0].clone();
        bench.shared.world().edit(&a(), &survivor, "phone", "1".into());
        bench.run_to_rest();
        check_cell(&bench, &b(), &peers[winner], "phone", "1");
        check_cell(&bench, &b(), &peers[1 - winner], "phone", Value::Null);
        let reviews = bench.open_reviews();
        let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
        assert!(
            matches!(&review.subject, ReviewSubject::Surplus { surplus, .. }
            if surplus.id == peers[1 - winner]),
            "{review:?}"
        );
    }
}
