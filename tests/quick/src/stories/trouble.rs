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
