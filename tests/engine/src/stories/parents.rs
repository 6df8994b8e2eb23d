//! Parents and children: who is written first, who waits, and how a plan tells it.

use futures::executor::block_on;
use renkei_model::store::port::Store;

use super::{bench, references, sales};
use crate::scenarios::{a, b, people};
use crate::world::{Fault, place};

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
    bench.run_to_rest();
    let opportunities = place("b", "opportunities");
    assert!(bench.shared.world().live(&opportunities).is_empty(), "never with a hole");
    assert_eq!(block_on(bench.store.counts()).unwrap().waiting, 1);
    bench.shared.world().edit(&place("a", "companies"), &company, "name", "ACME 2".into());
    bench.run_to_rest();
    let world = bench.shared.world();
    let account = &world.live(&place("b", "accounts"))[0];
    let opportunity = &world.live(&opportunities)[0];
    assert_eq!(world.cell(&opportunities, opportunity, "company"), references(&[account]));
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

#[test]
fn a_dry_run_lists_as_much_of_what_it_holds_back_as_of_what_it_writes() {
    let mut spec = people();
    spec.create_guard = Some(2);
    let mut bench = bench(spec);
    for name in ["Abe", "Baba", "Chiba", "Doi", "Endo"] {
        bench.shared.world().create(&a(), &[("title", name.into())]);
    }
    (bench.options.apply, bench.options.plan_operations) = (false, 1);
    let plan = bench.try_cycle().unwrap().plan;
    assert_eq!((plan.operations.len(), plan.omitted), (1, 1));
    assert_eq!((plan.held.len(), plan.held_omitted), (1, 2));
    assert!(plan.to_string().contains("... and 2 more held back"), "{plan}");
}
