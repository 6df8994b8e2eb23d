//! Waiting writes, their causes and their end: a plan shows what a cycle writes, and nothing waits
//! for what does not come (`RULES.md` V2, V5, V13, V20).

use futures::executor::block_on;
use renkei_model::effect::EffectKind;
use renkei_model::record::Removal;
use renkei_model::spec::{FieldIndex, OnCascade, Spec};
use renkei_model::state::{LinkId, ReviewChoice};
use renkei_model::store::port::Store as _;
use renkei_model::value::Value;
use renkei_sync::answers::why::{WhySubject, why};
use renkei_sync::cycle_plan::CyclePlan;

use super::deletions::{
    accounts, answer, company_with_deals, deals_of_a, delete, only_question, opportunities,
};
use super::emptied::company;
use super::{bench, check_cell, references};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::knobs::Lag;
use crate::world::{Fault, World, place};

fn told(bench: &Bench, link: u64) -> String {
    let subject = WhySubject::Link(LinkId(link));
    block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap().to_string()
}

fn waiting(bench: &Bench) -> u64 {
    block_on(bench.store.counts()).unwrap().waiting
}

/// Plan of a dry run.
fn plan(bench: &mut Bench) -> CyclePlan {
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan;
    bench.options.apply = true;
    plan
}

/// `RULES.md` V2: what goes along is not written to in the cycle that takes it along.
#[test]
fn record_that_goes_along_with_an_archive_is_written_to_no_more() {
    let (bench, id) = company(3, true);
    delete(&bench, &place("a", "companies"), &id);
    bench.run_to_rest();
    answer(&bench, &only_question(&bench), ReviewChoice::Approve);
    let before_ms = bench.shared.world().now_ms;
    let report = bench.cycle();
    assert_eq!(bench.shared.world().now_ms, before_ms, "the cycle stood still");
    assert_eq!(report.written.values().sum::<u64>(), 1, "{:?}", report.written);
    assert!(bench.shared.world().live(&opportunities()).is_empty(), "they went along");
    bench.run_to_rest();
    assert_eq!(bench.shared.world().now_ms, before_ms, "a cycle stood still");
    for link in 2..=4 {
        let told = told(&bench, link);
        assert!(!told.contains("changed in a") && !told.contains("asked for"), "{told}");
    }
}

/// A deletion that the readings show later than the write meets it holds no cycle either.
#[test]
fn record_that_is_gone_when_it_should_be_written_holds_no_cycle() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    {
        let at = b();
        // After reading, before the look right before the write.
        let mut world = bench.shared.world();
        world.schedule(2, move |world| world.remove(&at, &right, Removal::Deleted));
    }
    let before_ms = bench.shared.world().now_ms;
    bench.cycle();
    assert_eq!(bench.shared.world().now_ms, before_ms, "{}", told(&bench, 1));
    assert!(!told(&bench, 1).contains("asked for"), "{}", told(&bench, 1));
}

/// The cause of the conflict is not shown yet: the next cycle looks again.
#[test]
fn conflict_that_no_reading_shows_yet_waits_for_the_next_cycle() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().table(&b()).knobs.lag = Lag::everywhere(20_000);
    bench.shared.world().advance(30_000);
    bench.cycle();
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    let typed = Fault::EditFirst("phone".to_owned(), "1".into());
    bench.shared.world().faults.push_back(typed);
    let before_ms = bench.shared.world().now_ms;
    bench.cycle();
    assert_eq!(bench.shared.world().now_ms, before_ms, "{}", told(&bench, 1));
    let said = told(&bench, 1);
    assert!(!said.contains("asked for") && said.contains("no reading shows"), "{said}");
    for _ in 0..8 {
        bench.shared.world().advance(5_000);
        bench.cycle();
    }
    check_cell(&bench, &b(), &right, "title", "CTO");
    check_cell(&bench, &a(), &left, "phone", "1");
}

/// `RULES.md` V2, V6: what waits is no operation.
#[test]
fn plan_lists_no_write_that_waits_for_a_record_that_is_gone() {
    let (mut bench, id) = company(3, true);
    delete(&bench, &place("a", "companies"), &id);
    let plan = plan(&mut bench);
    let said = plan.to_string();
    assert!(plan.operations.is_empty() && plan.omitted == 0, "{said}");
    assert_eq!(said.matches("waits until link 1 has a companies").count(), 3, "{said}");
    assert!(bench.cycle().written.is_empty());
}

#[test]
fn plan_lists_no_write_that_waits_for_a_record_that_is_not_made() {
    let (mut bench, _) = company_with_deals(2, OnCascade::Ask);
    let mut entities = bench.spec.entities().to_vec();
    for entity in entities.iter_mut().filter(|entity| entity.name == "company") {
        entity.members[1].groups[0].required = true;
    }
    bench.spec = Spec::new(entities).unwrap();
    let deals = bench.shared.world().live(&deals_of_a());
    let companies = place("a", "companies");
    let nameless = bench.shared.world().create(&companies, &[("name", Value::Null)]);
    bench.shared.world().edit(&deals_of_a(), &deals[0], "company", references(&[&nameless]));
    let shown = plan(&mut bench);
    let said = shown.to_string();
    assert!(shown.operations.is_empty(), "{said}");
    assert!(said.contains("hold deal link 2 company: waits until link 4 has a accounts"), "{said}");
    assert!(shown.entities.iter().all(|entity| entity.writes.is_empty()), "{:?}", shown.entities);
    bench.run_to_rest();
    assert_eq!(waiting(&bench), 1);
    // With a name it is made, and the plan shows both.
    bench.shared.world().edit(&companies, &nameless, "name", "B".into());
    let said = plan(&mut bench).to_string();
    assert!(said.contains("create b.accounts/(new)"), "{said}");
    bench.run_to_rest();
    let account = bench.shared.world().live(&accounts());
    assert_eq!(account.len(), 2);
    assert_eq!(waiting(&bench), 0);
}

/// The company is deleted, a person lets its deals go along and then makes them again; nothing is
/// left waiting.
fn delete_and_make_again(bench: &Bench, company: &str) {
    delete(bench, &place("a", "companies"), company);
    bench.run_to_rest();
    answer(bench, &only_question(bench), ReviewChoice::Approve);
    bench.run_to_rest();
    answer(bench, &only_question(bench), ReviewChoice::Separate);
    bench.run_to_rest();
    bench.run_to_rest();
    assert_eq!(waiting(bench), 0, "{}", told(bench, 2));
}

/// `RULES.md` V2: nothing waits for a record of a link that is gone everywhere.
#[test]
fn record_that_is_made_again_waits_for_nothing_that_is_gone_everywhere() {
    for required in [false, true] {
        let (mut bench, id) = company(2, true);
        let mut entities = bench.spec.entities().to_vec();
        for entity in entities.iter_mut().filter(|entity| entity.name == "deal") {
            entity.members[1].groups[1].required = required;
        }
        bench.spec = Spec::new(entities).unwrap();
        delete_and_make_again(&bench, &id);
        let made = bench.shared.world().live(&opportunities());
        assert_eq!(made.len(), if required { 0 } else { 2 }, "{}", told(&bench, 2));
        let failures = block_on(bench.store.failures(i64::MIN, 100)).unwrap();
        assert_eq!(failures.len(), if required { 2 } else { 0 }, "{failures:?}");
    }
}

/// The same where the system leaves the id of what is gone.
#[test]
fn record_that_is_made_again_waits_for_no_id_that_names_nothing() {
    let (bench, id) = company_with_deals(2, OnCascade::Ask);
    delete_and_make_again(&bench, &id);
    assert_eq!(bench.shared.world().live(&opportunities()).len(), 2);
}

/// `RULES.md` V13: no record is made there, and people see why.
#[test]
fn record_that_is_not_made_because_a_field_stands_still_is_told() {
    let mut bench = bench(people());
    bench.run_to_rest();
    let whole = bench.spec.clone();
    for (_, member) in bench.spec.members_mut().filter(|(_, member)| member.system == "b") {
        member.stop_columns(&["mail".to_owned()], &[FieldIndex(0)]);
    }
    bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    let why = "no b.people is made while mail is paused there";
    let said = plan(&mut bench).to_string();
    assert!(said.contains(&format!("hold person link 1: {why}")), "{said}");
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());
    assert!(told(&bench, 1).contains(why), "{}", told(&bench, 1));
    let failures = block_on(bench.store.failures(i64::MIN, 100)).unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    bench.spec = whole;
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(block_on(bench.store.failures(i64::MIN, 100)).unwrap().is_empty());
}

fn sent(bench: &Bench) -> u64 {
    block_on(bench.store.counts()).unwrap().sent
}

/// `RULES.md` V18: what the host itself refuses was never sent, and nothing else stops.
#[test]
fn write_that_is_not_granted_is_held_and_named() {
    let mut bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().table(&b()).knobs.denied.insert(EffectKind::Update);
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    bench.shared.world().create(&a(), &[("mail", "b@x".into())]);
    let grant = "not sent: an admin took `write:people:update` away";
    let hold = format!("hold person link 1 b.people/{right}: {grant}");
    for _ in 0..3 {
        let shown = plan(&mut bench);
        assert!(shown.to_string().contains(&hold), "{shown}");
        let failures = bench.try_cycle().unwrap().report.failures;
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].error.to_string().contains("write:people:update"), "{failures:?}");
        assert_eq!(sent(&bench), 0);
    }
    assert_eq!(bench.shared.world().live(&b()).len(), 2, "creations are granted");
    assert!(!told(&bench, 1).contains("interrupted"), "{}", told(&bench, 1));
    bench.shared.world().table(&b()).knobs.denied.clear();
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CTO");
}

/// The right is taken away between the look and the write.
#[test]
fn write_whose_right_is_taken_away_meanwhile_was_never_sent() {
    let bench = bench(people());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    let deny = |world: &mut World| {
        world.table(&b()).knobs.denied.insert(EffectKind::Update);
    };
    bench.shared.world().schedule(2, deny);
    let failures = bench.try_cycle().unwrap().report.failures;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(sent(&bench), 0);
    assert!(told(&bench, 1).contains("not sent: an admin"), "{}", told(&bench, 1));
    bench.shared.world().table(&b()).knobs.denied.clear();
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "title", "CTO");
    assert!(!told(&bench, 1).contains("interrupted"), "{}", told(&bench, 1));
}
