//! The promises of the sample data.
//!
//! Shares and sizes, values that do not repeat, references that hold on each side, and one seed
//! giving one world.

use std::collections::HashSet;

use super::*;

#[test]
fn the_same_seed_gives_the_same_world() {
    assert_eq!(SampleWorld::generate(7, 300), SampleWorld::generate(7, 300));
    assert_ne!(SampleWorld::generate(7, 300), SampleWorld::generate(8, 300));
}

#[test]
fn sizes_and_shares_are_as_named() {
    let world = SampleWorld::generate(1, 1_000);
    assert_eq!((world.people.len(), world.companies.len(), world.deals.len()), (1_000, 200, 100));
    let count = |presence| world.people.iter().filter(|p| p.presence == presence).count();
    assert_eq!(count(SystemPresence::Both), 500);
    assert_eq!(count(SystemPresence::HubSpot), 250);
    let leads = world.people.iter().filter(|p| p.kind == PersonKind::Lead).count();
    assert!((340..460).contains(&leads), "{leads} leads");
    let twisted = |twist| world.people.iter().filter(|p| p.twist == twist).count();
    assert_eq!(twisted(MatchTwist::Ambiguous), 10);
    assert_eq!(twisted(MatchTwist::PhoneOnly), 25);
    assert_eq!(twisted(MatchTwist::Differs), 15);
}

#[test]
fn tiny_worlds_are_possible() {
    for people in 0..60 {
        let world = SampleWorld::generate(3, people);
        let ambiguous = world.people.iter().filter(|p| p.salesforce.len() == 2).count();
        assert!(people < 50 || ambiguous >= 1, "{people} people");
    }
}

#[test]
fn addresses_and_names_do_not_repeat() {
    let world = SampleWorld::generate(1, 5_000);
    let mut mails = HashSet::new();
    let mut phones = HashSet::new();
    for fields in world.people.iter().filter_map(|p| p.hubspot.as_ref().or(p.salesforce.first())) {
        assert!(phones.insert(&fields.phone), "{}", fields.phone);
        if let Some(mail) = &fields.mail {
            assert!(mails.insert(mail), "{mail}");
            assert!(mail.ends_with(".example.jp") || mail.ends_with("@mail.example.com"), "{mail}");
        }
    }
    let domains: HashSet<_> =
        world.companies.iter().filter_map(|c| c.hubspot.as_ref()).map(|c| &c.domain).collect();
    assert_eq!(domains.len(), world.companies.iter().filter(|c| c.hubspot.is_some()).count());
}

#[test]
fn references_exist_on_every_side_of_the_one_who_refers() {
    let world = SampleWorld::generate(5, 2_000);
    for person in &world.people {
        for fields in person.hubspot.iter().chain(&person.salesforce) {
            let company = &world.companies[fields.company.unwrap()];
            assert!(company.presence.covers(person.presence));
        }
    }
    for deal in &world.deals {
        assert!(world.companies[deal.company.unwrap()].presence.covers(deal.presence));
        assert!(world.people[deal.person.unwrap()].presence.covers(deal.presence));
    }
}

#[test]
fn a_phone_only_person_has_one_mail_and_two_spellings() {
    let world = SampleWorld::generate(5, 2_000);
    for person in world.people.iter().filter(|p| p.twist == MatchTwist::PhoneOnly) {
        let (one, other) = (person.hubspot.as_ref().unwrap(), &person.salesforce[0]);
        assert_ne!(one.mail.is_none(), other.mail.is_none());
        assert_ne!(one.phone, other.phone);
        assert_eq!(one.full_name, other.full_name);
    }
}
