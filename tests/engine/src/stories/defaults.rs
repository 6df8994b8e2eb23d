//! Values that a new record gets for want of others.

use renkei_model::record::Removal;
use renkei_model::spec::{CopiedColumn, Direction, FieldIndex, FieldKind, Spec, Winner};
use renkei_model::value::Value;

use super::{bench, check_cell, companies, deals, leads, references, with_leads};
use crate::bench::{Bench, direct, field};
use crate::scenarios::{a, b, people, world};
use crate::world::knobs::Versions;
use crate::world::{Place, place};

/// `RULES.md` V6.
#[test]
fn default_is_no_value_until_somebody_types_one() {
    let mut spec = people();
    spec.members[1].groups[1].required = true;
    spec.members[1].constants.push(("title".to_owned(), Some("(none)".into())));
    let bench = bench(spec);
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "title", "(none)");
    bench.shared.world().edit(&b(), &right, "phone", "1".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", Value::Null);
    check_cell(&bench, &a(), &left, "phone", "1");
    bench.shared.world().edit(&b(), &right, "title", "CEO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "CEO");
    // A value of the source goes before the default, also in a new record.
    let other =
        bench.shared.world().create(&a(), &[("mail", "b@x".into()), ("title", "CFO".into())]);
    bench.run_to_rest();
    check_cell(&bench, &a(), &other, "title", "CFO");
    let made = bench.shared.world().live(&b());
    let made = made.iter().find(|id| **id != right).unwrap();
    check_cell(&bench, &b(), made, "title", "CFO");
}

/// `RULES.md` V6: what somebody typed is a value, also where it is the text of a default.
#[test]
fn text_of_a_default_that_a_person_typed_is_a_value() {
    let mut spec = people();
    spec.members[1].constants.push(("title".to_owned(), Some("(none)".into())));
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("title", "(none)".into())];
    bench.shared.world().create(&b(), &cells);
    bench.run_to_rest();
    let left = bench.shared.world().live(&a())[0].clone();
    check_cell(&bench, &a(), &left, "title", "(none)");
}

/// `RULES.md` V6: a conversion takes the default along.
#[test]
fn default_is_no_value_in_the_record_that_it_is_converted_into() {
    let mut spec = with_leads().spec.entity("person").unwrap().clone();
    spec.members[2].constants.push(("title".to_owned(), Some("(none)".into())));
    let bench = bench(spec);
    bench.shared.world().table(&leads()).stamped = true;
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let lead = bench.shared.world().live(&leads())[0].clone();
    check_cell(&bench, &leads(), &lead, "title", "(none)");
    let contact = bench.shared.world().convert(&leads(), &lead, &b());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", Value::Null);
    bench.shared.world().edit(&b(), &contact, "title", "CEO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "CEO");
}

fn with_companies(fill: impl Fn(&mut [renkei_model::spec::EntitySpec; 2])) -> Bench {
    let mut specs = [companies(), deals()];
    fill(&mut specs);
    let mut world = world();
    for at in [("a", "companies"), ("b", "accounts"), ("a", "deals"), ("b", "opportunities")] {
        world.table(&place(at.0, at.1)).stamped = true;
    }
    let [companies, deals] = specs;
    Bench::new(world, Spec::new(vec![companies, people(), deals]).unwrap())
}

/// `RULES.md` V6: a column that the system insists on gets the name of the company that is known.
#[test]
fn new_record_gets_the_name_of_what_it_refers_to() {
    let bench = with_companies(|[_, deals]| {
        let column = "account_name".to_owned();
        let (reference, field) = (FieldIndex(1), FieldIndex(0));
        deals.members[1].copies.push(CopiedColumn { column, reference, field });
        deals.members[1].constants.push(("account_name".to_owned(), Some("(none)".into())));
        deals.members[1].groups[1].required = false;
    });
    let at = place("a", "companies");
    let company = bench.shared.world().create(&at, &[("name", "ACME".into())]);
    let cells = [("name", "Big".into()), ("company", references(&[&company]))];
    bench.shared.world().create(&place("a", "deals"), &cells);
    bench.shared.world().create(&place("a", "deals"), &[("name", "Small".into())]);
    bench.run_to_rest();
    let made = place("b", "opportunities");
    let names = bench.shared.world().live(&made).into_iter().map(|id| {
        let world = bench.shared.world();
        (world.cell(&made, &id, "name"), world.cell(&made, &id, "account_name"))
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, [("Big".into(), "ACME".into()), ("Small".into(), "(none)".into())]);

    // Also one that takes the place of a deleted record.
    let find = |at: &Place| {
        let world = bench.shared.world();
        let is_big = |id: &String| world.cell(at, id, "name") == "Big".into();
        world.live(at).into_iter().find(is_big).unwrap()
    };
    let (big, deal) = (find(&made), find(&place("a", "deals")));
    bench.shared.world().remove(&made, &big, Removal::Deleted);
    bench.shared.world().edit(&place("a", "deals"), &deal, "stage", "closed".into());
    bench.run_to_rest();
    let again = find(&made);
    assert_ne!(again, big);
    assert_eq!(bench.shared.world().cell(&made, &again, "account_name"), "ACME".into());
}

/// `RULES.md` V6: a filler elsewhere becomes no fact here.
#[test]
fn filler_is_read_as_empty() {
    let bench = with_companies(|[companies, _]| {
        for member in &mut companies.members {
            member.groups[0].required = true;
            member.groups[0].rules.fillers.push("(none)".to_owned());
        }
    });
    bench.shared.world().create(&place("b", "accounts"), &[("name", "(none)".into())]);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&place("a", "companies")).is_empty());
}

/// `RULES.md` P4: whatever the system puts into a new record by itself, whether or not its answers
/// name versions.
#[test]
fn default_of_the_system_does_not_beat_a_deletion() {
    let versions = [Versions::Number, Versions::Stamp, Versions::RowsOnly, Versions::None];
    for (default, versions) in versions.into_iter().flat_map(|one| [(false, one), (true, one)]) {
        let mut spec = people();
        spec.fields.push(field("vip", FieldKind::Boolean, Winner::Newest));
        for member in &mut spec.members {
            member.groups.push(direct(5, "vip", Direction::Both));
        }
        let bench = bench(spec);
        let unset = ("vip".to_owned(), Value::Boolean(default));
        bench.shared.world().table(&b()).knobs.defaults.extend([unset]);
        bench.shared.world().table(&b()).knobs.versions = versions;
        let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
        bench.cycle();
        bench.shared.world().remove(&a(), &left, Removal::Deleted);
        bench.run_to_rest();
        assert!(bench.shared.world().live(&a()).is_empty(), "{default} {versions:?}");
        assert!(bench.shared.world().live(&b()).is_empty(), "{default} {versions:?}");
    }
}
