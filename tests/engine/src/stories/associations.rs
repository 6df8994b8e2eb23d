//! Records of a column that a reference field governs.

use renkei_model::spec::Spec;
use renkei_model::value::Value;

use super::{check_cell, companies, deals, references, sales};
use crate::bench::Bench;
use crate::scenarios::{people, world};
use crate::world::{Place, place};

fn deals_a() -> Place {
    place("a", "deals")
}

fn opportunities() -> Place {
    place("b", "opportunities")
}

/// Companies A, B and C in both systems, and a deal of A and B; their ids in `a` and in `b`, and
/// the deal's in both.
fn with_two_companies(bench: &Bench) -> ([String; 3], [String; 3], String, String) {
    let at = place("a", "companies");
    let ids =
        ["A", "B", "C"].map(|name| bench.shared.world().create(&at, &[("name", name.into())]));
    bench.shared.world().table(&deals_a()).lists.insert("company".to_owned());
    let cells = [
        ("name", "Big".into()),
        ("company", references(&[&ids[0], &ids[1]])),
        ("stage", "new".into()),
    ];
    let deal = bench.shared.world().create(&deals_a(), &cells);
    bench.run_to_rest();
    let accounts = place("b", "accounts");
    let live = bench.shared.world().live(&accounts);
    let named = |name: &str| {
        let world = bench.shared.world();
        live.iter().find(|id| world.cell(&accounts, id, "name") == name.into()).unwrap().clone()
    };
    let there = ["A", "B", "C"].map(named);
    let opportunity = bench.shared.world().live(&opportunities())[0].clone();
    (ids, there, deal, opportunity)
}

/// `RULES.md` V3.
#[test]
fn reference_governs_the_primary_association_and_leaves_the_others() {
    let bench = sales();
    let ([_, second, third], there, deal, opportunity) = with_two_companies(&bench);
    check_cell(&bench, &opportunities(), &opportunity, "company", references(&[&there[0]]));
    // The other system changes the company: the former primary one goes, the other stays.
    let new = references(&[&there[2]]);
    bench.shared.world().edit(&opportunities(), &opportunity, "company", new.clone());
    bench.run_to_rest();
    check_cell(&bench, &deals_a(), &deal, "company", references(&[&third, &second]));
    check_cell(&bench, &opportunities(), &opportunity, "company", new);
    assert!(bench.cycle().written.is_empty());
    // It empties it: the other one stays and does not come over.
    bench.shared.world().edit(&opportunities(), &opportunity, "company", Value::Null);
    bench.run_to_rest();
    check_cell(&bench, &deals_a(), &deal, "company", references(&["", &second]));
    check_cell(&bench, &opportunities(), &opportunity, "company", Value::Null);
    assert!(bench.cycle().written.is_empty());
}

/// `RULES.md` V3.
#[test]
fn other_associations_come_and_go_without_a_write() {
    let bench = sales();
    let ([first, second, third], there, deal, opportunity) = with_two_companies(&bench);
    let all = references(&[&first, &second, &third]);
    bench.shared.world().edit(&deals_a(), &deal, "company", all.clone());
    assert!(bench.cycle().written.is_empty());
    // Another one becomes the primary one there: that is an edit.
    let turned = references(&[&second, &first, &third]);
    bench.shared.world().edit(&deals_a(), &deal, "company", turned.clone());
    bench.run_to_rest();
    check_cell(&bench, &opportunities(), &opportunity, "company", references(&[&there[1]]));
    check_cell(&bench, &deals_a(), &deal, "company", turned);
}

/// `RULES.md` V3: `associations = "all"`.
#[test]
fn reference_that_governs_all_lets_no_other_stay() {
    let mut deals = deals();
    deals.members[0].groups[1].rules.governs_all = true;
    let mut world = world();
    for at in [("a", "companies"), ("b", "accounts"), ("a", "deals"), ("b", "opportunities")] {
        world.table(&place(at.0, at.1)).stamped = true;
    }
    let bench = Bench::new(world, Spec::new(vec![deals, people(), companies()]).unwrap());
    let ([_, _, third], there, deal, opportunity) = with_two_companies(&bench);
    let new = references(&[&there[2]]);
    bench.shared.world().edit(&opportunities(), &opportunity, "company", new);
    bench.run_to_rest();
    check_cell(&bench, &deals_a(), &deal, "company", references(&[&third]));
}

/// `RULES.md` V3.
#[test]
fn plan_names_every_association_that_goes() {
    let mut bench = sales();
    let ([first, ..], there, deal, opportunity) = with_two_companies(&bench);
    let new = references(&[&there[2]]);
    bench.shared.world().edit(&opportunities(), &opportunity, "company", new);
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan;
    let goes = format!("no longer refers to a.companies/{first}");
    assert!(plan.to_string().contains(&goes), "{plan}");
    let operation =
        plan.operations.iter().find(|one| one.effect.id() == Some(deal.as_str())).unwrap();
    let write = operation.fields.iter().find(|write| write.field == "company").unwrap();
    assert_eq!(write.removes.iter().map(|key| &key.id).collect::<Vec<_>>(), [&first]);
}
