//! Databases that were put back from a backup or a copy, scans that were cut off, and accounts that
//! are others: nothing is overwritten, made twice or taken for what it is not.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{EntitySpec, Spec};
use renkei_model::state::{ReviewChoice, ReviewSubject};
use renkei_model::store::port::{Changes, Restored, Store as _};
use renkei_model::value::{SmolStr, Value};
use renkei_sync::answers::resolve::resolve;
use renkei_sync::cycle_failure::CycleFailure;
use renkei_worlds::mirror::MirrorStore;

use super::companies;
use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};
use crate::world::{Place, place};

fn bench(entity: EntitySpec) -> Bench {
    let mut world = world();
    for at in [firms_in_a(), firms_in_b()] {
        world.table(&at).stamped = true;
    }
    Bench::in_memory(world, Spec::new(vec![entity]).unwrap())
}

fn firms_in_a() -> Place {
    place("a", "companies")
}

fn firms_in_b() -> Place {
    place("b", "accounts")
}

fn person(bench: &Bench, mail: &str) -> String {
    bench.shared.world().create(&a(), &[("mail", mail.into())])
}

fn firm(bench: &Bench, at: &Place, name: &str) -> String {
    bench.shared.world().create(at, &[("name", name.into())])
}

/// The values of a column of the live records, in order.
fn column(bench: &Bench, at: &Place, column: &str) -> Vec<SmolStr> {
    let world = bench.shared.world();
    let cell = |id: &String| match world.cell(at, id, column) {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    };
    let mut found: Vec<SmolStr> = world.live(at).iter().map(cell).collect();
    found.sort();
    found
}

/// Mark that `renkei restore` leaves in the database that it puts back.
pub(crate) fn put_back(bench: &mut Bench, backup: MirrorStore) {
    let now_ms = bench.shared.world().now_ms;
    let restored = Some(Restored::Noticed(now_ms));
    block_on(backup.commit(Changes { restored, ..Changes::default() })).unwrap();
    bench.store = backup;
}

/// RULES.md P1: an upsert by the stamp of another record. The copy is noticed by the stamps.
#[test]
fn a_new_person_overwrites_nobody_when_the_database_is_put_back() {
    let mut bench = bench(people());
    person(&bench, "one@x");
    bench.run_to_rest();
    let backup = bench.store.copy();
    let second = person(&bench, "two@x");
    person(&bench, "three@x");
    person(&bench, "four@x");
    bench.run_to_rest();
    bench.shared.world().remove(&a(), &second, Removal::Deleted);
    bench.run_to_rest();
    bench.store = backup;
    assert_eq!(bench.cycle().restored, Some(true));
    bench.run_to_rest();
    person(&bench, "five@x");
    bench.run_to_rest();
    assert_eq!(column(&bench, &b(), "mail"), ["five@x", "four@x", "one@x", "three@x"]);
    assert_eq!(bench.cycle().restored, None);
}

/// RULES.md P2.
#[test]
fn a_company_without_keys_is_made_once_when_the_database_is_put_back() {
    let keyless = EntitySpec { match_keys: Vec::new(), ..companies() };
    let mut bench = bench(keyless);
    firm(&bench, &firms_in_a(), "one");
    bench.run_to_rest();
    let backup = bench.store.copy();
    firm(&bench, &firms_in_a(), "two");
    firm(&bench, &firms_in_b(), "three");
    bench.run_to_rest();
    put_back(&mut bench, backup);
    bench.run_to_rest();
    let expected = ["one", "three", "two"];
    assert_eq!(column(&bench, &firms_in_a(), "name"), expected);
    assert_eq!(column(&bench, &firms_in_b(), "name"), expected);
    assert_eq!(bench.cycle().founded, 0);
    // They are in step: an edit finds its way.
    let copy = bench.shared.world().live(&firms_in_b());
    let two = copy
        .iter()
        .find(|id| bench.shared.world().cell(&firms_in_b(), id, "name") == Value::from("two"));
    bench.shared.world().edit(&firms_in_b(), two.unwrap(), "name", "second".into());
    bench.run_to_rest();
    assert_eq!(column(&bench, &firms_in_a(), "name"), ["one", "second", "three"]);
}

/// RULES.md P2: the original of a copy is gone, so a new one would undo its deletion.
#[test]
fn a_copy_whose_original_is_gone_is_asked_about_when_the_database_is_put_back() {
    let keyless = EntitySpec { match_keys: Vec::new(), ..companies() };
    let mut bench = bench(keyless);
    let backup = bench.store.copy();
    let original = firm(&bench, &firms_in_a(), "one");
    bench.run_to_rest();
    bench.shared.world().remove(&firms_in_a(), &original, Removal::Deleted);
    put_back(&mut bench, backup);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&firms_in_a()), [""; 0]);
    let [review] = &bench.open_reviews()[..] else { panic!("{:?}", bench.open_reviews()) };
    assert!(matches!(&review.subject, ReviewSubject::Ambiguous { key, .. } if key == "stamp"));
}

/// RULES.md P13: between the rows that changed and the list of what is gone.
#[test]
fn a_scan_that_was_cut_off_makes_no_twins() {
    let bench = bench(companies());
    bench.shared.world().table(&firms_in_a()).knobs.removals_apart = true;
    firm(&bench, &firms_in_a(), "one");
    bench.run_to_rest();
    // The second page of the first system.
    bench.shared.world().schedule(1, |world| world.failing_calls = 1);
    assert_eq!(bench.try_cycle().unwrap().report.failures.len(), 1);
    firm(&bench, &firms_in_a(), "two");
    firm(&bench, &firms_in_b(), "two");
    bench.run_to_rest();
    assert_eq!(column(&bench, &firms_in_a(), "name"), ["one", "two"]);
    assert_eq!(column(&bench, &firms_in_b(), "name"), ["one", "two"]);
}

/// RULES.md P13: what a failed system shows of a new record is not carried on.
#[test]
fn nothing_is_made_from_a_system_that_was_read_in_part() {
    let bench = bench(companies());
    bench.shared.world().table(&firms_in_a()).knobs.removals_apart = true;
    firm(&bench, &firms_in_a(), "one");
    bench.run_to_rest();
    firm(&bench, &firms_in_a(), "two");
    // The second page of the first system.
    bench.shared.world().schedule(1, |world| world.failing_calls = 1);
    let report = bench.try_cycle().unwrap().report;
    assert_eq!((report.failures.len(), report.founded, report.planned), (1, 0, 0));
    bench.run_to_rest();
    assert_eq!(column(&bench, &firms_in_b(), "name"), ["one", "two"]);
}

/// RULES.md V4.
#[test]
fn another_account_is_neither_read_nor_written() {
    let mut bench = bench(people());
    bench.shared.world().accounts.insert("b".to_owned(), "org-1".to_owned());
    let left = person(&bench, "one@x");
    bench.run_to_rest();
    bench.shared.world().edit(&a(), &left, "title", "CEO".into());
    bench.shared.world().accounts.insert("b".to_owned(), "org-2".to_owned());
    // The next process.
    bench.verified = Default::default();
    let before = bench.shared.world().tables[&b()].clone();
    let report = bench.try_cycle().unwrap().report;
    let [CycleFailure { system, error, .. }] = &report.failures[..] else {
        panic!("{:?}", report.failures)
    };
    assert_eq!(system, "b");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("`renkei account move b --to org-2`"), "{hint}");
    let after = bench.shared.world().tables[&b()].records.clone();
    assert_eq!(after, before.records);
    assert!(report.read.keys().all(|(system, _)| system == "a"), "{:?}", report.read);

    bench.shared.world().accounts.insert("b".to_owned(), "org-1".to_owned());
    bench.run_to_rest();
    assert_eq!(column(&bench, &b(), "title"), ["CEO"]);
}

/// RULES.md V4: a system that has another name now.
#[test]
fn a_renamed_system_is_neither_read_nor_doubled() {
    let keyless = EntitySpec { match_keys: Vec::new(), ..companies() };
    let mut bench = bench(keyless);
    firm(&bench, &firms_in_b(), "one");
    bench.run_to_rest();
    let before = bench.spec.entities().to_vec();
    let mut entities = before.clone();
    entities[0].members[0].system = "a2".to_owned();
    bench.spec = Spec::new(entities).unwrap();
    {
        let mut world = bench.shared.world();
        // The same account, whose records are the same.
        world.accounts.insert("a2".to_owned(), "a".to_owned());
        let table = world.tables[&firms_in_a()].clone();
        world.tables.insert(place("a2", "companies"), table);
    }
    // The next process.
    bench.verified = Default::default();
    for _ in 0..3 {
        let report = bench.try_cycle().unwrap().report;
        let [CycleFailure { system, error, .. }] = &report.failures[..] else {
            panic!("{:?}", report.failures)
        };
        assert_eq!(system, "a2");
        let hint = error.hint().unwrap_or_default().to_lowercase();
        assert!(hint.contains("name the system a again"), "{hint}");
        assert!(report.read.keys().all(|(system, _)| system == "b"), "{:?}", report.read);
    }
    assert_eq!(column(&bench, &firms_in_b(), "name"), ["one"]);
    bench.spec = Spec::new(before).unwrap();
    bench.run_to_rest();
    assert_eq!(column(&bench, &firms_in_a(), "name"), ["one"]);
    assert_eq!(column(&bench, &firms_in_b(), "name"), ["one"]);
}

/// A person in both systems, a backup, and an edit in `a` that was carried over since.
fn edited_since_the_backup() -> (Bench, MirrorStore, String, String) {
    let bench = bench(people());
    let left = person(&bench, "one@x");
    bench.run_to_rest();
    let backup = bench.store.copy();
    bench.shared.world().edit(&a(), &left, "title", "CFO".into());
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    (bench, backup, left, right)
}

/// RULES.md P14.
#[test]
fn a_deletion_stays_when_the_database_is_put_back() {
    let (mut bench, backup, left, right) = edited_since_the_backup();
    bench.shared.world().remove(&b(), &right, Removal::Deleted);
    put_back(&mut bench, backup);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()), [""; 0]);
    assert_eq!(bench.shared.world().live(&a()), [left]);
    let [review] = &bench.open_reviews()[..] else { panic!("{:?}", bench.open_reviews()) };
    assert!(matches!(review.subject, ReviewSubject::Deleted { .. }), "{review:?}");
}

/// RULES.md P14.
#[test]
fn a_newer_value_does_not_go_back_by_policy_when_the_database_is_put_back() {
    let (mut bench, backup, left, right) = edited_since_the_backup();
    bench.shared.world().edit(&b(), &right, "title", "CTO".into());
    put_back(&mut bench, backup);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().cell(&b(), &right, "title"), "CTO".into());
    assert_eq!(bench.shared.world().cell(&a(), &left, "title"), "CFO".into());
    let [review] = &bench.open_reviews()[..] else { panic!("{:?}", bench.open_reviews()) };
    assert!(matches!(review.subject, ReviewSubject::Conflict { .. }), "{review:?}");
}

/// RULES.md P14: the record was made after the backup, and somebody has edited it since.
#[test]
fn a_newer_value_of_a_record_made_since_does_not_go_back_when_the_database_is_put_back() {
    for is_linked in [true, false] {
        let guard = is_linked.then_some(0);
        let mut bench = bench(EntitySpec { create_guard: guard, ..people() });
        let empty = bench.store.copy();
        let left =
            bench.shared.world().create(&a(), &[("mail", "a@x".into()), ("title", "CEO".into())]);
        bench.run_to_rest();
        let backup = if is_linked { bench.store.copy() } else { empty };
        for question in bench.open_reviews() {
            block_on(resolve(&bench.store, &bench.spec, &question.id, ReviewChoice::Approve, 1))
                .unwrap();
        }
        bench.run_to_rest();
        let right = bench.shared.world().live(&b())[0].clone();
        bench.shared.world().edit(&b(), &right, "title", "CTO".into());
        put_back(&mut bench, backup);
        bench.run_to_rest();
        assert_eq!(bench.shared.world().cell(&b(), &right, "title"), "CTO".into());
        assert_eq!(bench.shared.world().cell(&a(), &left, "title"), "CEO".into());
        let open = bench.open_reviews();
        let [review] = open.as_slice() else { panic!("{open:?}") };
        assert!(matches!(review.subject, ReviewSubject::Conflict { .. }), "{review:?}");
        let choice = ReviewChoice::Value(Some("CTO".into()));
        block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
        bench.run_to_rest();
        assert_eq!(bench.shared.world().cell(&a(), &left, "title"), "CTO".into());
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    }
}

/// RULES.md P14: nothing is planned before everything has been read again.
#[test]
fn nothing_is_written_before_all_is_read_again_when_the_database_is_put_back() {
    let (mut bench, backup, left, _) = edited_since_the_backup();
    put_back(&mut bench, backup);
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.shared.world().failing_calls = 1;
    let report = bench.try_cycle().unwrap().report;
    assert_eq!((report.restored, report.planned), (Some(false), 0));
    bench.run_to_rest();
    assert_eq!(column(&bench, &b(), "phone"), ["1"]);
}

/// RULES.md R19: what is done about it is the connectors' part.
#[test]
fn a_clock_that_is_far_off_is_named() {
    let bench = bench(people());
    person(&bench, "one@x");
    for (ahead_ms, named) in [(0, false), (599_999, false), (600_001, true), (-600_001, true)] {
        bench.shared.world().table(&a()).knobs.clock_ms = ahead_ms;
        let clocks = bench.cycle().clocks;
        let expected = named.then_some(ahead_ms);
        assert_eq!(clocks.get("a").copied(), expected, "{ahead_ms}");
        assert_eq!(clocks.get("b").copied(), None, "{ahead_ms}");
    }
}
