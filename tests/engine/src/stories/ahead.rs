//! A page that is read while the one before it is kept (RULES.md Q4): what is stored is never ahead
//! of what was kept.

use futures::executor::block_on;
use renkei_model::spec::Spec;
use renkei_model::state::{Cursor, Stream};
use renkei_model::store::port::Store as _;

use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};

/// Three people in `a`, each on a page of its own.
fn three_pages() -> Bench {
    let mut spec = people();
    for member in &mut spec.members {
        member.read_rows = 1;
    }
    let bench = Bench::in_memory(world(), Spec::new(vec![spec]).unwrap());
    for name in ["Abe", "Baba", "Chiba"] {
        bench.shared.world().create(&a(), &[("title", name.into())]);
    }
    bench
}

fn cursor(bench: &Bench) -> Option<Cursor> {
    let (system, object) = a();
    block_on(bench.store.cursor(&Stream { system, object })).unwrap()
}

fn known(bench: &Bench) -> u64 {
    let (system, object) = a();
    block_on(bench.store.count_live("person", &Stream { system, object })).unwrap()
}

#[test]
fn page_read_ahead_is_dropped_when_the_one_before_it_cannot_be_kept() {
    for kept in 0..3 {
        let mut bench = three_pages();
        // The first commit is the account's.
        bench.store.stop_after(1 + kept);
        bench.try_cycle().unwrap_err();
        assert_eq!(known(&bench), kept, "one record per page");
        let ids = bench.shared.world().live(&a());
        let position = cursor(&bench).and_then(|cursor| cursor.position);
        let position = position.map(|position| String::from_utf8(position).unwrap());
        let last = kept.checked_sub(1).and_then(|last| ids.get(last as usize));
        assert_eq!(position.is_some(), last.is_some());
        assert!(position.into_iter().zip(last).all(|(position, last)| position.ends_with(last)));
        bench.store = bench.store.copy();
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 3);
        assert_eq!(bench.shared.world().live(&a()).len(), 3);
    }
}

#[test]
fn failure_of_a_page_read_ahead_leaves_the_one_before_it_kept() {
    for call in 1..8 {
        let bench = three_pages();
        bench.shared.world().schedule(call, |world| world.failing_calls = 1);
        let failed = bench.try_cycle().unwrap().report.failures.len();
        assert!(failed <= 1, "call {call}");
        assert_eq!(cursor(&bench).is_some(), known(&bench) > 0, "call {call}");
        // The call that fails may come in a later cycle.
        (0..4).for_each(|_| drop(bench.try_cycle()));
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 3, "call {call}");
    }
}

#[test]
fn edit_between_a_page_and_the_next_is_met_by_one_of_them_or_by_the_next_cycle() {
    for call in 1..8 {
        let bench = three_pages();
        let ids = bench.shared.world().live(&a());
        bench.shared.world().schedule(call, move |world| {
            for id in &ids {
                world.edit(&a(), id, "phone", "1".into());
            }
        });
        bench.run_to_rest();
        let world = bench.shared.world();
        for id in world.live(&b()) {
            assert_eq!(world.cell(&b(), &id, "phone"), "1".into(), "call {call}");
        }
    }
}
