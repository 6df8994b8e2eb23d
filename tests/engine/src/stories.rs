//! Longer stories, by what they tell; here are the people, companies and deals that they are about.
//!
//! `moves`: conversion, merges and surplus records. `questions`: what a person is asked. `parents`:
//! who is written first. `forms`: tables, lenses and a system's own form. `trouble`: failures and
//! crashes. `answers`: only what can be done is offered. `refusals`: what a system refuses or what
//! cannot be read. `associations`: what a reference governs. `consent`: an opt-out,
//! and what a member that is only written holds. `days`: days and moments in an account's zone.
//! `defaults`: what is put into a new record for want of a value. `deletions`: what a deletion
//! takes along, and how many there are in a day. `identity`: restored databases, scans cut off,
//! other accounts. `first_syncs`: what a first sync asks. `lag`: readings that are old, answers
//! that are not kept. `mappings`: a mapping that changes. `overtaken`: answers about values that
//! have changed since. `ahead`: pages that are read while others are kept. `in_flight`: creates
//! that nobody answered, and what changed since. `emptied`: references to what was deleted.
//! `followed`: what follows from a deletion or a merge elsewhere. `hidden`: a column that is not
//! answered for a while. `lists`: lists of choices. `pointing`: references that a person gives.
//! `reparented`: references that people set anew meanwhile. `returns`: what comes back, and what
//! stands twice in one system. `surplus`: what becomes of surplus records. `third`: what
//! is not made beside records that a person is asked about. `unseen`: records that a system does
//! not show. `waits`: what waits, and for what.

mod ahead;
mod answers;
mod associations;
mod consent;
mod days;
mod defaults;
mod deletions;
mod emptied;
mod first_syncs;
mod followed;
mod forms;
mod hidden;
mod identity;
mod in_flight;
mod jobs;
mod lag;
mod lists;
mod mappings;
mod merging;
mod moves;
mod overtaken;
mod parents;
mod pointing;
mod questions;
mod refusals;
mod reparented;
mod returns;
mod surplus;
mod third;
mod trouble;
mod unseen;
mod waits;

use renkei_model::spec::{Direction, EntitySpec, FieldKind, MappingGroup, Spec, Winner};
use renkei_model::value::Value;

use crate::bench::{Bench, direct, entity, field, match_key, member, reference, table};
use crate::scenarios::{people, world};
use crate::world::{Place, place};

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

pub(crate) fn companies() -> EntitySpec {
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
    Value::References(ids.iter().map(|id| (*id).into()).collect())
}
