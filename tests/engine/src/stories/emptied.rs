//! References whose record is gone: a system takes it out of them, and nobody edited them
//! (`RULES.md` V2).

use renkei_model::spec::{OnCascade, OnDelete};
use renkei_model::state::{ReviewChoice, ReviewSubject};
use renkei_model::value::Value;

use super::deletions::{
    accounts, answer, company_with_deals, deals_of_a, delete, only_question, opportunities,
};
use super::references;
use crate::bench::Bench;
use crate::world::knobs::{Lag, OnRemoval, Referrer};
use crate::world::{Place, place};

fn companies_of_a() -> Place {
    place("a", "companies")
}

/// A company with so many deals. In `a` a company that is deleted is taken out of its deals; in `b`
/// the account takes its opportunities along, or is taken out of them, too.
pub(super) fn company(count: usize, cascades: bool) -> (Bench, String) {
    let (bench, company) = company_with_deals(count, OnCascade::Ask);
    {
        let mut world = bench.shared.world();
        world.table(&companies_of_a()).knobs.referrers.push(Referrer {
            at: deals_of_a(),
            column: "company".to_owned(),
            on_removal: OnRemoval::Clear,
        });
        if !cascades {
            let table = world.table(&accounts());
            table.facts.clear();
            table.knobs.referrers[0].on_removal = OnRemoval::Clear;
        }
    }
    (bench, company)
}

/// Number of records of a place that refer to this one.
fn referring(bench: &Bench, at: &Place, id: &str) -> usize {
    let world = bench.shared.world();
    let live = world.live(at);
    live.iter().filter(|one| world.cell(at, one, "company") == references(&[id])).count()
}

/// A person brings a record back, some time later.
fn restore(bench: &Bench, at: &Place, id: &str) {
    let mut world = bench.shared.world();
    world.advance(5_000);
    world.restore(at, id);
}

fn account(bench: &Bench) -> String {
    bench.shared.world().live(&accounts())[0].clone()
}

/// A company was deleted, and the question about what goes along waits.
fn asked() -> (Bench, String) {
    let (bench, company) = company(3, true);
    delete(&bench, &companies_of_a(), &company);
    bench.run_to_rest();
    assert_eq!(referring(&bench, &deals_of_a(), &company), 0, "the system has taken it out");
    (bench, company)
}

#[test]
fn reference_that_a_deletion_emptied_waits_with_the_deletion() {
    let (bench, _) = asked();
    let account = account(&bench);
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Deletions { count: 4, .. }), "{question:?}");
    let deals = bench.shared.world().live(&deals_of_a());
    for deal in deals {
        bench.shared.world().edit(
            &deals_of_a(),
            &deal,
            "name",
            format!("new {deal}").as_str().into(),
        );
        bench.run_to_rest();
    }
    assert_eq!(referring(&bench, &opportunities(), &account), 3);
    assert_eq!(only_question(&bench).id, question.id, "it asks about the same records");
}

#[test]
fn reference_that_a_deletion_emptied_comes_back_with_the_record() {
    let (bench, company) = asked();
    let account = account(&bench);
    restore(&bench, &companies_of_a(), &company);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()), std::slice::from_ref(&account));
    assert_eq!(bench.shared.world().live(&companies_of_a()), std::slice::from_ref(&company));
    assert_eq!(referring(&bench, &opportunities(), &account), 3);
    assert_eq!(referring(&bench, &deals_of_a(), &company), 3, "what the system took out is due");
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

#[test]
fn reference_that_a_deletion_emptied_goes_with_the_deletion() {
    let (bench, company) = company(3, false);
    delete(&bench, &companies_of_a(), &company);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&accounts()).is_empty());
    let world = bench.shared.world();
    for (at, count) in [(opportunities(), 3), (deals_of_a(), 3)] {
        assert_eq!(world.live(&at).len(), count);
        assert!(world.live(&at).iter().all(|id| world.cell(&at, id, "company") == Value::Null));
    }
    drop(world);
    assert!(bench.cycle().written.is_empty());
}

#[test]
fn deletions_that_wait_can_be_left() {
    let (bench, _) = asked();
    let account = account(&bench);
    answer(&bench, &only_question(&bench), ReviewChoice::Leave);
    for _ in 0..2 {
        bench.run_to_rest();
        assert_eq!(referring(&bench, &opportunities(), &account), 3, "the others stay");
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    }
}

#[test]
fn reference_that_a_deletion_emptied_is_archived_with_the_answer() {
    let (bench, _) = asked();
    answer(&bench, &only_question(&bench), ReviewChoice::Approve);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&accounts()).is_empty());
    assert!(bench.shared.world().live(&opportunities()).is_empty(), "they went along");
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::TookAlong { .. }), "{question:?}");
}

/// A change by a person is an edit.
#[test]
fn reference_that_a_person_changes_is_an_edit() {
    let (bench, company) = company(2, true);
    let deals = bench.shared.world().live(&deals_of_a());
    let other = {
        let mut world = bench.shared.world();
        let other = world.create(&companies_of_a(), &[("name", "B".into())]);
        world.edit(&deals_of_a(), &deals[0], "company", Value::Null);
        other
    };
    bench.run_to_rest();
    let first = account(&bench);
    assert_eq!(referring(&bench, &opportunities(), &first), 1, "emptied while it was there");
    delete(&bench, &companies_of_a(), &company);
    bench.shared.world().edit(&deals_of_a(), &deals[1], "company", references(&[&other]));
    bench.run_to_rest();
    assert_eq!(referring(&bench, &opportunities(), &first), 0);
    assert_eq!(referring(&bench, &deals_of_a(), &other), 1);
}

#[test]
fn references_to_many_deleted_records_wait_for_the_guard() {
    let (bench, _) = company(0, false);
    {
        let mut world = bench.shared.world();
        for number in 0..22 {
            let name = format!("company {number}");
            let id = world.create(&companies_of_a(), &[("name", name.as_str().into())]);
            let cells = [("name", name.as_str().into()), ("company", references(&[&id]))];
            world.create(&deals_of_a(), &cells);
        }
    }
    bench.run_to_rest();
    let companies = bench.shared.world().live(&companies_of_a());
    for id in &companies {
        delete(&bench, &companies_of_a(), id);
    }
    let kept = |bench: &Bench| {
        let world = bench.shared.world();
        let live = world.live(&opportunities());
        live.iter().filter(|id| !world.cell(&opportunities(), id, "company").is_null()).count()
    };
    bench.run_to_rest();
    assert_eq!(kept(&bench), 22);
    for id in &companies {
        restore(&bench, &companies_of_a(), id);
    }
    bench.run_to_rest();
    assert_eq!(kept(&bench), 22);
    assert_eq!(bench.shared.world().live(&accounts()).len(), 23);
    assert!(companies.iter().skip(1).all(|id| referring(&bench, &deals_of_a(), id) == 1));
}

/// A reading that is older than the deletion shows an empty reference before it.
#[test]
fn reference_is_no_edit_though_its_deletion_shows_late() {
    let (bench, company) = company(2, true);
    let account = account(&bench);
    bench.shared.world().table(&companies_of_a()).knobs.lag = Lag::of_index(60_000);
    delete(&bench, &companies_of_a(), &company);
    for _ in 0..20 {
        bench.cycle();
        bench.shared.world().advance(5_000);
        assert_eq!(referring(&bench, &opportunities(), &account), 2);
    }
    assert!(matches!(only_question(&bench).subject, ReviewSubject::Deletions { count: 3, .. }));
}

/// The edit of another field makes the record again, and the references with it.
#[test]
fn reference_comes_back_where_the_record_is_made_again() {
    let (bench, company) = company(2, true);
    let account = account(&bench);
    delete(&bench, &companies_of_a(), &company);
    bench.shared.world().edit(&accounts(), &account, "name", "A 2".into());
    bench.run_to_rest();
    let made = bench.shared.world().live(&companies_of_a());
    assert_eq!(made.len(), 1);
    assert_eq!(referring(&bench, &opportunities(), &account), 2);
    assert_eq!(referring(&bench, &deals_of_a(), &made[0]), 2);
}

#[test]
fn references_of_a_set_wait_with_the_deletion() {
    let (mut bench, _) = company(0, false);
    let mut entities = bench.spec.entities().to_vec();
    for entity in &mut entities {
        entity.on_delete = OnDelete::Review;
    }
    bench.spec = renkei_model::spec::Spec::new(entities).unwrap();
    let people = crate::scenarios::a();
    let (deal, first, second) = {
        let mut world = bench.shared.world();
        world.table(&people).knobs.referrers.push(Referrer {
            at: deals_of_a(),
            column: "persons".to_owned(),
            on_removal: OnRemoval::Clear,
        });
        let first = world.create(&people, &[("mail", "a@x".into())]);
        let second = world.create(&people, &[("mail", "b@x".into())]);
        let cells = [("name", "deal".into()), ("persons", references(&[&first, &second]))];
        (world.create(&deals_of_a(), &cells), first, second)
    };
    bench.run_to_rest();
    let both = |bench: &Bench| {
        let world = bench.shared.world();
        let live = world.live(&opportunities());
        let cell = world.cell(&opportunities(), &live[0], "persons");
        matches!(cell, Value::References(ids) if ids.len() == 2)
    };
    assert!(both(&bench));
    delete(&bench, &people, &first);
    bench.run_to_rest();
    assert!(both(&bench), "nobody took the person out of the deal");
    restore(&bench, &people, &first);
    bench.run_to_rest();
    assert!(both(&bench));
    let cell = bench.shared.world().cell(&deals_of_a(), &deal, "persons");
    let Value::References(ids) = cell else { panic!("{cell:?}") };
    let has = |id: &String| ids.iter().any(|one| one == id);
    assert!(has(&first) && has(&second), "{ids:?}");
    assert!(bench.open_reviews().is_empty());
}
