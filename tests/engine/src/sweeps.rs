//! Stories of sweeps: what a cursor misses is found, and nothing is inferred from absence.

use futures::executor::block_on;
use renkei_model::record::{Removal, Scan};
use renkei_model::spec::{EntitySpec, Spec};
use renkei_model::state::{
    LinkId, ReviewChoice, ReviewSubject, Stream, Sweep, SweepCounts, SweepStage,
};
use renkei_model::store::port::Store;
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};
use renkei_sync::cycle_failure::CycleFailure;

use crate::bench::Bench;
use crate::scenarios::{a, b, people, world};

const DAY_MS: i64 = 86_400_000;

fn swept_people() -> EntitySpec {
    EntitySpec { sweep_ms: Some(DAY_MS as u64), ..people() }
}

/// So many people of `a`, in step with `b`, a day later.
fn people_in_step(count: usize) -> (Bench, Vec<String>) {
    let bench = Bench::new(world(), Spec::new(vec![swept_people()]).unwrap());
    for person in 0..count {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
    }
    bench.run_to_rest();
    let ids = bench.shared.world().live(&a());
    bench.shared.world().advance(DAY_MS);
    (bench, ids)
}

fn sweep_of(bench: &Bench) -> Sweep {
    let stream = Stream { system: "a".to_owned(), object: "contacts".to_owned() };
    block_on(bench.store.sweep(&stream)).unwrap().unwrap()
}

fn scans(bench: &Bench, wanted: Scan) -> Vec<Option<i64>> {
    let world = bench.shared.world();
    let scans = world.scans.iter().filter(|(at, scan, _)| *at == a() && *scan == wanted);
    scans.map(|(.., expected)| *expected).collect()
}

#[test]
fn a_change_that_the_cursor_missed_is_found() {
    let (bench, ids) = people_in_step(3);
    bench.cycle();
    bench.shared.world().unsee(&a(), &ids[1]);
    bench.shared.world().edit(&a(), &ids[1], "title", "CEO".into());
    let unseen = bench.shared.world().create(&a(), &[("mail", "new@x".into())]);
    bench.shared.world().unsee(&a(), &unseen);
    bench.shared.world().unsee(&a(), &ids[2]);
    bench.shared.world().remove(&a(), &ids[2], Removal::Deleted);
    for _ in 0..3 {
        bench.cycle();
    }
    assert_eq!(bench.shared.world().live(&b()).len(), 3, "nothing is known of it yet");
    bench.shared.world().advance(DAY_MS);
    let report = bench.cycle();
    assert_eq!(report.swept, SweepCounts { rows: 3 + 3, missed: 3, missing: 0 });
    bench.run_to_rest();
    let world = bench.shared.world();
    let mut right: Vec<(Value, Value)> = world
        .live(&b())
        .iter()
        .map(|id| (world.cell(&b(), id, "mail"), world.cell(&b(), id, "title")))
        .collect();
    right.sort_by_key(|cells| format!("{cells:?}"));
    let null = Value::Null;
    let expected =
        [("0@x".into(), null.clone()), ("1@x".into(), "CEO".into()), ("new@x".into(), null)];
    assert_eq!(right, expected);
}

#[test]
fn a_sweep_spends_a_few_pages_per_cycle_and_outlives_a_restart() {
    let (mut bench, _) = people_in_step(7);
    // Two rows per page.
    bench.options.sweep_pages = 1;
    for rows in [2, 4, 6] {
        bench.cycle();
        bench.store = bench.store.copy();
        let sweep = sweep_of(&bench);
        assert_eq!(sweep.counts.rows, rows);
        assert!(matches!(sweep.stage, SweepStage::Scanning(Some(_))), "{sweep:?}");
    }
    bench.cycle();
    assert_eq!(sweep_of(&bench).stage, SweepStage::Asking(None));
    let ended_ms = bench.shared.world().now_ms;
    bench.cycle();
    let all = SweepCounts { rows: 7, ..SweepCounts::default() };
    assert_eq!(sweep_of(&bench).last, Some((ended_ms, all)));
    let calls = bench.shared.world().calls;
    bench.cycle();
    bench.cycle();
    // `b` is next, page by page; then idle cycles cost what they did before.
    for _ in 0..6 {
        bench.cycle();
    }
    assert!(bench.shared.world().calls > calls);
    let calls = bench.shared.world().calls;
    bench.cycle();
    assert_eq!(bench.shared.world().calls, calls + 2, "one scan of changes per object");
}

#[test]
fn no_sweep_follows_a_first_backfill_before_a_day_and_one_follows_a_repeated_one() {
    let bench = Bench::new(world(), Spec::new(vec![swept_people()]).unwrap());
    bench.shared.world().create(&a(), &[("mail", "1@x".into())]);
    for _ in 0..5 {
        bench.cycle();
    }
    assert!(scans(&bench, Scan::Sweep).is_empty());
    assert_eq!(scans(&bench, Scan::Backfill), [None], "nothing was known beforehand");
    let mut again = swept_people();
    "2".clone_into(&mut again.members[0].digest);
    let again = Bench { spec: Spec::new(vec![again]).unwrap(), ..bench };
    again.cycle();
    assert!(scans(&again, Scan::Sweep).is_empty(), "not in the cycle of the backfill");
    assert_eq!(scans(&again, Scan::Backfill), [None, Some(1)]);
    again.cycle();
    assert_eq!(scans(&again, Scan::Sweep), [Some(1)]);
    assert_eq!(sweep_of(&again).stage, SweepStage::Resting);
    again.shared.world().advance(DAY_MS);
    again.cycle();
    assert_eq!(scans(&again, Scan::Sweep), [Some(1), Some(1)], "as many as last time");
}

#[test]
fn missing_record_is_not_written_until_it_is_back() {
    let (bench, ids) = people_in_step(2);
    bench.cycle();
    let right = bench.shared.world().live(&b());
    let record = bench.shared.world().vanish(&a(), &ids[0]);
    bench.shared.world().advance(DAY_MS);
    let report = bench.cycle();
    assert_eq!(report.swept.missing, 1);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 2, "absence is no deletion");
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(matches!(&review.subject, ReviewSubject::Missing { record } if record.id == ids[0]));
    let subject = WhySubject::Link(review.link.unwrap_or(LinkId(0)));
    let answer = block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap();
    assert!(answer.to_string().contains("neither listed nor answered"), "{answer}");
    // The other side goes on being edited; nothing is sent to a record that nobody sees.
    bench.shared.world().edit(&b(), &right[0], "title", "CTO".into());
    bench.run_to_rest();
    bench.shared.world().table(&a()).records.insert(ids[0].clone(), record);
    bench.shared.world().advance(DAY_MS);
    bench.cycle();
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty());
    assert_eq!(bench.shared.world().cell(&a(), &ids[0], "title"), "CTO".into());
    assert_eq!(bench.shared.world().live(&a()).len(), 2, "and no second record was made");
}

#[test]
fn missing_record_counts_as_deleted_when_a_person_says_so() {
    let (bench, ids) = people_in_step(2);
    bench.cycle();
    bench.shared.world().vanish(&a(), &ids[0]);
    bench.shared.world().advance(DAY_MS);
    bench.cycle();
    let review = bench.open_reviews().remove(0);
    block_on(resolve(&bench.store, &bench.spec, &review.id, ReviewChoice::Approve, 1)).unwrap();
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    assert!(bench.open_reviews().is_empty());
}

#[test]
fn cycle_concludes_nothing_when_many_records_are_missing() {
    let (bench, ids) = people_in_step(30);
    bench.cycle();
    for id in &ids[..25] {
        bench.shared.world().vanish(&a(), id);
    }
    bench.shared.world().advance(DAY_MS);
    let report = bench.try_cycle().unwrap().report;
    let [CycleFailure { system, error, .. }] = report.failures.as_slice() else {
        panic!("{:?}", report.failures)
    };
    assert_eq!(system, "a");
    assert!(error.to_string().contains("25 known contacts of 30"), "{error}");
    assert!(bench.open_reviews().is_empty());
    assert_eq!(bench.shared.world().live(&b()).len(), 30);
}
