//! A system that fails and a host that is killed after any commit.

use futures::executor::block_on;
use renkei_model::spec::Spec;
use renkei_model::store::port::Store as _;
use renkei_sync::cycle_failure::CycleFailure;

use super::{bench, references, sales};
use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};
use crate::world::{World, place};

#[test]
fn a_failing_system_stops_only_its_own_work() {
    let bench = bench(people());
    bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.shared.world().failing_calls = 1;
    let report = bench.try_cycle().unwrap().report;
    assert_eq!(report.failures.len(), 1);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
}

/// `RULES.md` R12 and R20.
#[test]
fn object_that_does_not_answer_stops_neither_its_siblings_nor_their_entities() {
    let bench = sales();
    let (companies, accounts) = (place("a", "companies"), place("b", "accounts"));
    let company = bench.shared.world().create(&companies, &[("name", "ACME".into())]);
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let account = bench.shared.world().live(&accounts)[0].clone();
    let right = bench.shared.world().live(&b())[0].clone();
    // People of `a` do not answer: companies go on in both directions.
    bench.shared.world().table(&a()).knobs.down = true;
    bench.shared.world().edit(&accounts, &account, "name", "ACME Ltd".into());
    bench.shared.world().edit(&b(), &right, "title", "CEO".into());
    bench.shared.world().create(&b(), &[("mail", "b@x".into())]);
    for _ in 0..3 {
        let report = bench.try_cycle().unwrap().report;
        let stopped: Vec<_> = report.stopped.iter().cloned().collect();
        assert_eq!(stopped, [("a".to_owned(), Some("contacts".to_owned()))]);
    }
    super::check_cell(&bench, &companies, &company, "name", "ACME Ltd");
    bench.shared.world().table(&a()).knobs.down = false;
    assert_eq!(bench.shared.world().live(&a()).len(), 1, "nothing is made where nothing was read");
    bench.run_to_rest();
    super::check_cell(&bench, &a(), &left, "title", "CEO");
    assert_eq!(bench.shared.world().live(&a()).len(), 2);
}

/// `RULES.md` R12.
#[test]
fn record_is_not_made_beside_an_object_that_could_not_be_read() {
    let bench = super::with_leads();
    let cells = [("mail", "a@x".into())];
    bench.shared.world().create(&b(), &cells);
    bench.shared.world().create(&a(), &cells);
    // The contact in `b` is not seen, so no lead is made for the same person.
    bench.shared.world().table(&b()).knobs.down = true;
    for _ in 0..2 {
        bench.try_cycle().unwrap();
    }
    assert!(bench.shared.world().live(&super::leads()).is_empty());
    bench.shared.world().table(&b()).knobs.down = false;
    bench.run_to_rest();
    assert!(bench.shared.world().live(&super::leads()).is_empty());
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
        bench.run_to_rest();
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

/// `RULES.md R21`: a scan that does not end is cut off, seen, and goes on in the next cycle.
#[test]
fn a_scan_ends_with_the_cycle_and_goes_on_in_the_next() {
    let mut bench = bench(people());
    // Two rows per page; reading everything may take ten times as many pages as are allowed.
    for person in 0..50 {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
    }
    bench.options.read_pages = 1;
    let mut cut = 0;
    for _ in 0..10 {
        let report = bench.try_cycle().unwrap().report;
        for failure in &report.failures {
            let CycleFailure { system, object, error, .. } = failure;
            assert_eq!((system.as_str(), object.as_deref()), ("a", Some("contacts")), "{error}");
            assert!(error.to_string().contains("did not end in this cycle"), "{error}");
            cut += 1;
        }
    }
    assert_eq!(cut, 2);
    assert_eq!(bench.shared.world().live(&b()).len(), 50);
}

/// RULES.md Q2: a large call is settled in slices, each in a commit of its own.
#[test]
fn outcomes_of_a_call_are_settled_once_when_the_program_dies_between_slices() {
    for commits in 0..24 {
        let mut bench = Bench::in_memory(world(), Spec::new(vec![people()]).unwrap());
        bench.options.settle_operations = 2;
        for name in ["Abe", "Baba", "Chiba", "Doi", "Endo"] {
            bench.shared.world().create(&a(), &[("title", name.into())]);
        }
        bench.store.stop_after(commits);
        drop(bench.try_cycle());
        bench.store = bench.store.copy();
        bench.run_to_rest();
        bench.shared.world().advance(3_600_000);
        bench.run_to_rest();
        let made = bench.shared.world().live(&b()).len();
        assert_eq!((made, bench.open_reviews().len()), (5, 0), "after {commits} commits");
        assert_eq!(block_on(bench.store.counts()).unwrap().sent, 0, "after {commits} commits");
    }
}
