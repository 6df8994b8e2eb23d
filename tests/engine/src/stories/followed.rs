//! A change that follows from a deletion or a merge of another record is nobody's edit, so it
//! undoes no deletion (`RULES.md` V2).

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{OnCascade, OnDelete, Spec};
use renkei_model::state::ReviewSubject;
use renkei_model::store::port::Store as _;

use super::deletions::{accounts, deals_of_a, opportunities};
use super::{companies, deals, references};
use crate::bench::Bench;
use crate::scenarios::{people, world};
use crate::world::knobs::{OnRemoval, Referrer};
use crate::world::{Place, place};

fn companies_of_a() -> Place {
    place("a", "companies")
}

/// Two companies with a deal each, in both systems, whose ids in `a` are the answer. An account
/// takes its opportunities along, a company of `a` is taken out of its deals. It is asked about the
/// deletion of a deal.
fn two_companies(on_delete: OnDelete) -> (Bench, [String; 2]) {
    let mut world = world();
    for at in [companies_of_a(), accounts(), deals_of_a(), opportunities()] {
        world.table(&at).stamped = true;
    }
    let both = [
        (companies_of_a(), deals_of_a(), OnRemoval::Clear),
        (accounts(), opportunities(), OnRemoval::Cascade),
    ];
    for (company, at, on_removal) in both {
        let column = "company".to_owned();
        world.table(&company).knobs.referrers.push(Referrer { at, column, on_removal });
    }
    let mut deals = deals();
    deals.on_delete = on_delete;
    for member in &mut deals.members {
        member.groups[1].required = false;
    }
    let mut companies = companies();
    companies.on_cascade = OnCascade::Allow;
    let bench = Bench::new(world, Spec::new(vec![deals, people(), companies]).unwrap());
    let ids = ["A", "B"].map(|name| {
        let mut world = bench.shared.world();
        let company = world.create(&companies_of_a(), &[("name", name.into())]);
        let cells = [("name", name.into()), ("company", references(&[&company]))];
        world.create(&deals_of_a(), &cells);
        company
    });
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&opportunities()).len(), 2);
    (bench, ids)
}

fn live(bench: &Bench, at: &Place) -> usize {
    bench.shared.world().live(at).len()
}

fn remove_all(bench: &Bench, at: &Place) {
    let all = bench.shared.world().live(at);
    for id in all {
        bench.shared.world().remove(at, &id, Removal::Deleted);
    }
}

fn asked_about_deals(bench: &Bench) -> usize {
    let asked = bench.open_reviews();
    asked.iter().filter(|review| matches!(review.subject, ReviewSubject::Deleted { .. })).count()
}

#[test]
fn deal_that_went_with_its_account_is_not_made_again() {
    let (bench, _) = two_companies(OnDelete::Review);
    let account = bench.shared.world().live(&accounts())[0].clone();
    bench.shared.world().remove(&accounts(), &account, Removal::Deleted);
    for _ in 0..3 {
        bench.run_to_rest();
        assert_eq!(live(&bench, &companies_of_a()), 1, "its company went, too");
        assert_eq!(live(&bench, &opportunities()), 1, "nobody wanted it back");
        assert_eq!(live(&bench, &deals_of_a()), 2, "a person is asked");
        assert_eq!(asked_about_deals(&bench), 1, "{:?}", bench.open_reviews());
    }
}

#[test]
fn deal_that_was_deleted_is_not_made_again_when_its_company_is_merged_away() {
    for (deleted, left, at, renewed) in [
        (opportunities(), deals_of_a(), companies_of_a(), false),
        (opportunities(), deals_of_a(), companies_of_a(), true),
        (deals_of_a(), opportunities(), accounts(), false),
    ] {
        for together in [false, true] {
            let (bench, _) = two_companies(OnDelete::Review);
            remove_all(&bench, &deleted);
            if !together {
                bench.run_to_rest();
                assert_eq!(asked_about_deals(&bench), 2);
            }
            let companies = bench.shared.world().live(&at);
            bench.shared.world().merge(&at, &companies[0], &[companies[1].as_str()], renewed);
            for _ in 0..3 {
                bench.run_to_rest();
                assert_eq!(live(&bench, &deleted), 0, "{at:?} {renewed} {together}");
                assert_eq!(live(&bench, &left), 2);
                assert_eq!(asked_about_deals(&bench), 2, "{:?}", bench.open_reviews());
            }
        }
    }
}

#[test]
fn deletion_goes_on_although_the_company_is_merged_away_in_the_same_cycle() {
    let (bench, _) = two_companies(OnDelete::Archive);
    remove_all(&bench, &opportunities());
    let companies = bench.shared.world().live(&companies_of_a());
    let losers = [companies[1].as_str()];
    bench.shared.world().merge(&companies_of_a(), &companies[0], &losers, false);
    bench.run_to_rest();
    assert_eq!((live(&bench, &deals_of_a()), live(&bench, &opportunities())), (0, 0));
}

/// A person who gives the deal another company has edited it.
#[test]
fn deal_that_moves_to_another_company_outlives_its_deletion() {
    let (bench, [first, second]) = two_companies(OnDelete::Review);
    remove_all(&bench, &opportunities());
    let deals = bench.shared.world().live(&deals_of_a());
    let mut world = bench.shared.world();
    let at = deals_of_a();
    let deal = deals.iter().find(|id| world.cell(&at, id, "company") == references(&[&first]));
    world.edit(&at, deal.unwrap(), "company", references(&[&second]));
    drop(world);
    bench.run_to_rest();
    assert_eq!(live(&bench, &opportunities()), 1);
    assert_eq!(asked_about_deals(&bench), 1);
}

/// The reference that a merge moved is nobody's edit, so the person's counts whatever the rule.
#[test]
fn move_by_a_person_beats_the_move_that_a_merge_made() {
    for (at, merged) in [(deals_of_a(), accounts()), (opportunities(), companies_of_a())] {
        let (bench, _) = two_companies(OnDelete::Review);
        let other = companies_beside(&at);
        let third = bench.shared.world().create(&other, &[("name", "C".into())]);
        bench.run_to_rest();
        let companies = bench.shared.world().live(&merged);
        let named = |name: &str| {
            let world = bench.shared.world();
            let find = |id: &&String| world.cell(&merged, id, "name") == name.into();
            companies.iter().find(find).unwrap().clone()
        };
        let (winner, loser) = (named("A"), named("B"));
        let deal = {
            let world = bench.shared.world();
            let is_b = |id: &String| world.cell(&at, id, "name") == "B".into();
            world.live(&at).into_iter().find(is_b).unwrap()
        };
        bench.shared.world().merge(&merged, &winner, &[loser.as_str()], false);
        bench.shared.world().edit(&at, &deal, "company", references(&[&third]));
        for _ in 0..3 {
            bench.run_to_rest();
            let cell = bench.shared.world().cell(&at, &deal, "company");
            assert_eq!(cell, references(&[&third]), "{at:?}");
        }
    }
}

/// `RULES.md` P7: a surplus record refers to what it always did.
#[test]
fn record_that_gets_a_place_waits_for_nothing_that_is_there() {
    let (bench, _) = two_companies(OnDelete::Review);
    let deals = bench.shared.world().live(&deals_of_a());
    bench.shared.world().merge(&deals_of_a(), &deals[0], &[deals[1].as_str()], false);
    bench.run_to_rest();
    let first = bench.shared.world().live(&opportunities())[0].clone();
    bench.shared.world().remove(&opportunities(), &first, Removal::Deleted);
    bench.run_to_rest();
    assert_eq!((live(&bench, &deals_of_a()), live(&bench, &opportunities())), (1, 1));
    assert_eq!(block_on(bench.store.counts()).unwrap().waiting, 0);
}

/// Places of the companies of a deal.
fn companies_beside(deals: &Place) -> Place {
    if *deals == deals_of_a() { companies_of_a() } else { accounts() }
}
