//! Jobs at a vendor that outlast the call that started them (`RULES.md` E24).

use renkei_sync::engine::WriteResult;

use super::{bench, check_cell};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::Fault;

/// Both have the record; then `name` is edited in `a`, and the write to `b` meets `fault`.
fn edited(fault: Fault) -> (Bench, String, String) {
    let bench = bench(people());
    let left =
        bench.shared.world().create(&a(), &[("mail", "p@x".into()), ("title", "old".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "title", "new".into());
    bench.shared.world().faults = [fault].into();
    (bench, left, right)
}

/// One cycle, a while later.
fn cycle(bench: &Bench) -> u64 {
    bench.shared.world().advance(2_000);
    let before = bench.shared.world().operations;
    bench.cycle();
    bench.shared.world().operations - before
}

#[test]
fn job_is_asked_about_until_it_is_done() {
    let (bench, left, right) = edited(Fault::JobLate(2));
    let report = bench.cycle();
    let waiting =
        report.written.iter().filter(|((.., result), _)| *result == WriteResult::BeingDone);
    assert_eq!(waiting.map(|(_, count)| count).sum::<u64>(), 1, "{:?}", report.written);
    check_cell(&bench, &b(), &right, "title", "old");
    assert_eq!(cycle(&bench), 0, "the record is left alone");
    bench.shared.world().edit(&a(), &left, "title", "newer".into());
    assert_eq!(cycle(&bench), 0, "the record is left alone");
    assert_eq!(cycle(&bench), 1, "the job is done, and what was typed meanwhile is written");
    check_cell(&bench, &b(), &right, "title", "newer");
    assert_eq!(cycle(&bench), 0);
}

/// A person's edit after the job did its part is newer than what the job tells.
#[test]
fn edit_beside_a_job_is_an_edit() {
    let (bench, left, right) = edited(Fault::JobDone(1));
    bench.cycle();
    check_cell(&bench, &b(), &right, "title", "new");
    bench.shared.world().edit(&b(), &right, "title", "typed".into());
    assert_eq!(cycle(&bench), 0);
    cycle(&bench);
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "title", "typed");
    check_cell(&bench, &b(), &right, "title", "typed");
}

#[test]
fn job_that_the_system_forgot_is_probed() {
    let (bench, _, right) = edited(Fault::JobForgotten);
    bench.cycle();
    assert_eq!(cycle(&bench), 0, "it was done, which its record shows");
    check_cell(&bench, &b(), &right, "title", "new");
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

#[test]
fn record_that_a_job_makes_is_made_once() {
    for fault in [Fault::JobLate(2), Fault::JobDone(2), Fault::JobForgotten] {
        let bench = bench(people());
        bench.shared.world().faults = [fault.clone()].into();
        bench.shared.world().create(&a(), &[("mail", "p@x".into())]);
        for _ in 0..5 {
            cycle(&bench);
        }
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 1, "{fault:?}");
        assert_eq!(bench.shared.world().live(&a()).len(), 1, "{fault:?}");
        assert!(bench.open_reviews().is_empty(), "{fault:?}: {:?}", bench.open_reviews());
    }
}
