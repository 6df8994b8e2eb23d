//! A system that fails and a host that is killed after any commit.

use super::{bench, references, sales};
use crate::scenarios::{a, b, people};
use crate::world::{World, place};

#[test]
fn a_failing_system_stops_only_its_own_work() {
    let bench = bench(people());
    bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.shared.world().failing_calls = 1;
    let report = bench.try_cycle().unwrap().report;
    assert_eq!(report.failures.len(), 1);
    bench.settle();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
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
        bench.settle();
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
        for (system, object, error) in &report.failures {
            assert_eq!((system.as_str(), object.as_str()), ("a", "contacts"), "{error}");
            assert!(error.to_string().contains("did not end in this cycle"), "{error}");
            cut += 1;
        }
    }
    assert_eq!(cut, 2);
    assert_eq!(bench.shared.world().live(&b()).len(), 50);
}
