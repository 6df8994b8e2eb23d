//! A create that nobody answered and that was not made, when something has changed since: what is
//! made then follows from today's mapping and values (`RULES.md` P1).

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Direction, EntitySpec, Spec};
use renkei_model::state::OutboxState;
use renkei_model::store::port::{OutboxQuery, Store as _};
use renkei_model::value::Value;

use super::bench;
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::Fault;

/// A person in `a` whose create in `b` never arrived; its id in `a`.
fn in_flight() -> (Bench, String) {
    let bench = bench(people());
    let cells = [("mail", "a@x".into()), ("phone", "1".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.shared.world().faults.push_back(Fault::LostRequest);
    bench.cycle();
    assert_eq!(sent(&bench).len(), 1);
    (bench, left)
}

/// Intents of operations without an answer.
fn sent(bench: &Bench) -> Vec<String> {
    let query = OutboxQuery {
        state: OutboxState::Sent,
        entity: None,
        system: None,
        kind: None,
        due_ms: i64::MAX,
        limit: 100,
    };
    let sent = block_on(bench.store.outbox(&query)).unwrap();
    sent.into_iter().map(|entry| entry.intent).collect()
}

fn go_on(bench: &Bench) {
    for _ in 0..3 {
        bench.shared.world().advance(70_000);
        bench.cycle();
    }
    assert!(sent(bench).is_empty());
}

/// Values that the engine has ever written to a column in `b`.
fn written(bench: &Bench, column: &str) -> Vec<Value> {
    let world = bench.shared.world();
    let mine = world.ledger.iter().filter(|entry| {
        !entry.human && entry.place == b() && entry.column.as_deref() == Some(column)
    });
    mine.map(|entry| entry.after.clone()).collect()
}

fn remap(bench: &mut Bench, change: impl FnOnce(&mut EntitySpec)) {
    let mut spec = people();
    change(&mut spec);
    spec.members[1].digest = "2".to_owned();
    bench.spec = Spec::new(vec![spec]).unwrap();
}

#[test]
fn create_without_an_answer_is_made_under_todays_mapping() {
    let (mut bench, _) = in_flight();
    remap(&mut bench, |spec| spec.members[1].groups[2].direction = Direction::Read);
    go_on(&bench);
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(written(&bench, "phone").is_empty());
    assert_eq!(written(&bench, "title"), ["CEO".into()]);
}

#[test]
fn create_without_an_answer_is_not_made_where_nothing_is_made_any_more() {
    let (mut bench, _) = in_flight();
    remap(&mut bench, |spec| spec.members[1].create = false);
    go_on(&bench);
    assert!(written(&bench, "mail").is_empty());
}

#[test]
fn create_without_an_answer_is_not_made_of_what_is_gone() {
    let (bench, left) = in_flight();
    bench.shared.world().remove(&a(), &left, Removal::Deleted);
    go_on(&bench);
    assert!(written(&bench, "mail").is_empty(), "nothing is made of a deleted person");
}

#[test]
fn create_without_an_answer_is_made_with_todays_values() {
    let (bench, left) = in_flight();
    bench.shared.world().edit(&a(), &left, "mail", "new@x".into());
    bench.shared.world().edit(&a(), &left, "phone", Value::Null);
    go_on(&bench);
    assert_eq!(written(&bench, "mail"), ["new@x".into()]);
    assert!(written(&bench, "phone").is_empty());
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
}

/// Both would make one record, should the first arrive after all.
#[test]
fn create_without_an_answer_is_repeated_under_its_intent() {
    let (bench, left) = in_flight();
    let first = sent(&bench);
    for title in ["CTO", "CFO"] {
        bench.shared.world().advance(70_000);
        bench.shared.world().edit(&a(), &left, "title", title.into());
        bench.shared.world().faults.push_back(Fault::LostRequest);
        bench.cycle();
        assert_eq!(sent(&bench), first);
    }
    go_on(&bench);
    let world = bench.shared.world();
    let made = world.made_by(&first[0]).unwrap();
    assert_eq!(world.live(&b()), [made.id]);
    assert_eq!(world.cell(&b(), &world.live(&b())[0], "title"), "CFO".into());
}

/// A record that is made later, of the same link, has an intent of its own.
#[test]
fn create_without_an_answer_leaves_no_intent_to_later_ones() {
    let (bench, left) = in_flight();
    let first = sent(&bench);
    go_on(&bench);
    let made = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().advance(70_000);
    bench.shared.world().remove(&b(), &made, Removal::Deleted);
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    go_on(&bench);
    let world = bench.shared.world();
    let live = world.live(&b());
    assert_eq!(live.len(), 1);
    assert_ne!(world.tables[&b()].records[&live[0]].intent.as_deref(), Some(first[0].as_str()));
}

#[test]
fn create_without_an_answer_is_closed_where_its_object_is_no_member_any_more() {
    let (mut bench, _) = in_flight();
    remap(&mut bench, |spec| spec.members[1].object = "others".to_owned());
    go_on(&bench);
    assert!(bench.open_reviews().is_empty());
}

/// I15: wherever the program dies after that, one record is made, with today's values.
#[test]
fn create_without_an_answer_is_made_once_wherever_the_program_dies() {
    for stop in 0.. {
        let (mut bench, left) = in_flight();
        bench.shared.world().edit(&a(), &left, "title", "CTO".into());
        bench.shared.world().advance(70_000);
        bench.store.stop_after(stop);
        let died = bench.try_cycle().is_err();
        bench.store = bench.store.copy();
        go_on(&bench);
        assert_eq!(bench.shared.world().live(&b()).len(), 1, "{stop}");
        assert_eq!(written(&bench, "title"), ["CTO".into()], "{stop}");
        if !died {
            assert!(stop > 5, "{stop}");
            break;
        }
    }
}
