//! Several gates over one data directory, as several processes have them, in virtual time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::{fs, io};

use futures::future::join_all;
use renkei_egress::{QuotaClaim, QuotaGate, SendError};
use renkei_model::ports::{CallRecord, CallRecords, Clock as _, RecordChange, RecordText};
use renkei_package::Quota;
use renkei_store::CounterDatabase;
use renkei_test_support::HandClock;
use tempfile::TempDir;

const WAIT_MS: u64 = 60_000;

fn claim(calls: u32, per_ms: u64) -> Arc<QuotaClaim> {
    let quota = Quota { name: "search".to_owned(), calls, per_ms };
    Arc::new(QuotaClaim::new(&["search".to_owned()], &[quota], 4))
}

/// The record of calls as a process of its own has it.
fn records(folder: &TempDir, clock: &Arc<HandClock>) -> Arc<dyn CallRecords> {
    Arc::new(CounterDatabase::in_folder(folder.path(), clock.clone()))
}

fn gate(folder: &TempDir, clock: &Arc<HandClock>) -> Arc<QuotaGate> {
    QuotaGate::shared(clock.clone(), records(folder, clock), "acme").unwrap()
}

async fn call(gate: &Arc<QuotaGate>, claim: &Arc<QuotaClaim>) {
    gate.acquire(claim, WAIT_MS).await.map(drop).ok().unwrap();
    idle(gate).await;
}

/// The end of a call is written down on another thread, which has the gate until then.
async fn idle(gate: &Arc<QuotaGate>) {
    while Arc::strong_count(gate) > 1 {
        tokio::task::yield_now().await;
    }
}

/// A process that dies with a call in flight: nobody writes down how it ended.
async fn crash(folder: &TempDir, clock: &Arc<HandClock>, claim: &Arc<QuotaClaim>) {
    let disk = Arc::new(FullDisk(AtomicBool::new(false), records(folder, clock)));
    let gate = QuotaGate::shared(clock.clone(), disk.clone(), "acme").unwrap();
    let permit = gate.acquire(claim, WAIT_MS).await.ok().unwrap();
    disk.0.store(true, Ordering::Relaxed);
    drop(permit);
    idle(&gate).await;
}

#[tokio::test]
async fn several_processes_keep_one_window() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let claim = claim(5, 1_000);
    let arrivals = Mutex::new(Vec::new());
    let process = async |gate: Arc<QuotaGate>| {
        for _ in 0..12 {
            let pass = gate.acquire(&claim, WAIT_MS).await.ok().unwrap();
            arrivals.lock().unwrap().push(clock.now_ms());
            clock.advance(7);
            tokio::task::yield_now().await;
            drop(pass);
        }
    };
    join_all((0..3).map(|_| process(gate(&folder, &clock)))).await;
    // One after another too, as a person runs commands.
    for _ in 0..3 {
        process(gate(&folder, &clock)).await;
    }
    let mut arrivals = arrivals.into_inner().unwrap();
    arrivals.sort_unstable();
    assert_eq!(arrivals.len(), 72);
    for window in arrivals.windows(6) {
        assert!(window[5] - window[0] >= 1_000, "six in a second: {arrivals:?}");
    }
}

#[tokio::test]
async fn concurrency_is_shared() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let (one, other) = (gate(&folder, &clock), gate(&folder, &clock));
    let claim = claim(100, 1_000);
    let mut passes = Vec::new();
    for gate in [&one, &other, &one, &other] {
        passes.push(gate.acquire(&claim, WAIT_MS).await.ok().unwrap());
    }
    let fifth = other.acquire(&claim, WAIT_MS);
    tokio::pin!(fifth);
    let too_early = tokio::select! {
        _ = &mut fifth => true,
        () = async { while clock.now_ms() < 2_000 { tokio::task::yield_now().await } } => false,
    };
    assert!(!too_early);
    passes.remove(0);
    assert!(fifth.await.is_ok());
}

#[tokio::test]
async fn a_crash_leaves_no_call_in_flight() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let claim = claim(1, 1_000);
    let survivor = gate(&folder, &clock);
    crash(&folder, &clock, &claim).await;
    call(&survivor, &claim).await;
    assert_eq!(clock.now_ms(), 1_010, "what was in flight ended when it was noticed");
    clock.advance(1_010);
    crash(&folder, &clock, &claim).await;
    // And one that starts later.
    call(&gate(&folder, &clock), &claim).await;
    assert_eq!(clock.now_ms(), 3_030);
}

#[tokio::test]
async fn a_cancelled_call_ends() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let (gate, claim) = (gate(&folder, &clock), claim(1, 1_000));
    let waiting = gate.acquire(&claim, WAIT_MS);
    // Begun on its thread, but nobody waits for it any more.
    assert!(futures::FutureExt::now_or_never(waiting).is_none());
    call(&gate, &claim).await;
    call(&gate, &claim).await;
    assert!(clock.now_ms() >= 1_010);
}

#[tokio::test]
async fn the_servers_word_reaches_the_others() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let (one, other) = (gate(&folder, &clock), gate(&folder, &clock));
    let claim = claim(100, 1_000);
    one.pause(&claim, 5_000).await.unwrap();
    call(&other, &claim).await;
    assert_eq!(clock.now_ms(), 5_000);
    one.pause(&claim, 1_800_000).await.unwrap();
    let refused = other.acquire(&claim, WAIT_MS).await.err();
    assert_eq!(refused, Some(SendError::Quota(1_800_000)));
    assert_eq!(other.paused_until_ms().await, Ok(Some(1_805_000)));
    other.lift_pauses().await.unwrap();
    assert_eq!(one.paused_until_ms().await, Ok(None));
}

#[tokio::test]
async fn a_damaged_record_counts_as_a_full_window() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let claim = claim(5, 1_000);
    let waits = async |gate: &Arc<QuotaGate>, expected: i64, what: &str| {
        let before = clock.now_ms();
        call(gate, &claim).await;
        assert_eq!(clock.now_ms() - before, expected, "{what}");
    };
    let path = folder.path().join("counters.db");
    waits(&gate(&folder, &clock), 0, "a new file").await;
    for garbage in [b"garbage".repeat(1_000), vec![0; 700_000]] {
        fs::write(&path, garbage).unwrap();
        let other = QuotaGate::shared(clock.clone(), records(&folder, &clock), "other").unwrap();
        waits(&gate(&folder, &clock), 1_010, "garbage").await;
        waits(&other, 0, "another account: its window is over too").await;
    }
    let spoil = |text: &str| {
        let change =
            &mut |_: CallRecord<'_>| Some(RecordText { text: text.to_owned(), is_durable: true });
        records(&folder, &clock).update("acme", None, change).unwrap();
    };
    let living = gate(&folder, &clock);
    spoil("{\"seen_ms\":");
    waits(&living, 1_010, "a text that is none, under a process that runs").await;
    drop(living);
    fs::write(&path, b"").unwrap();
    waits(&gate(&folder, &clock), 0, "an empty file is a new one").await;
}

#[tokio::test]
async fn system_that_joins_an_account_changes_no_record() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let (claim, counters) = (claim(1, 1_000), records(&folder, &clock));
    let open = |system: &str, others: &[&str]| {
        QuotaGate::shared_by(clock.clone(), &counters, system, others).unwrap()
    };
    call(&open("beta", &[]), &claim).await;
    call(&open("acme", &["beta"]), &claim).await;
    assert_eq!(clock.now_ms(), 1_010, "the call of beta counts");
    assert!(!counters.has_calls("acme").unwrap());
    call(&open("beta", &["gamma"]), &claim).await;
    assert_eq!(clock.now_ms(), 2_020);
    call(&open("delta", &[]), &claim).await;
    assert_eq!(clock.now_ms(), 2_020, "another account");
}

/// Two systems had a record each before both were found to reach one account.
#[tokio::test]
async fn calls_of_two_records_of_one_account_count_together() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let (claim, counters) = (claim(3, 1_000), records(&folder, &clock));
    let open = |system: &str, others: &[&str]| {
        QuotaGate::shared_by(clock.clone(), &counters, system, others).unwrap()
    };
    call(&open("acme", &[]), &claim).await;
    let beta = open("beta", &[]);
    call(&beta, &claim).await;
    clock.advance(500);
    call(&beta, &claim).await;
    drop(beta);
    for (system, others) in [("acme", ["beta"]), ("beta", ["acme"])] {
        let both = open(system, &others);
        assert!(both.acquire(&claim, 0).await.is_err(), "{system}: three calls in a second");
    }
    call(&open("acme", &["beta"]), &claim).await;
    assert_eq!(clock.now_ms(), 1_010, "each call counts once, from when it ended");
    clock.advance(10_000);
    // What was taken in is not taken in again.
    for _ in 0..3 {
        call(&open("acme", &["beta"]), &claim).await;
    }
    assert_eq!(clock.now_ms(), 11_010);
}

#[tokio::test]
async fn the_record_is_bounded() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let (gate, claim) = (gate(&folder, &clock), claim(1_000_000, 3_600_000));
    for _ in 0..2_000 {
        clock.advance(900);
        call(&gate, &claim).await;
    }
    drop(gate);
    let length = fs::metadata(folder.path().join("counters.db")).unwrap().len();
    assert!(length < 256 << 10, "{length}");
}

#[tokio::test]
async fn call_that_cannot_be_recorded_is_not_sent() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let in_folder = |name: &str| {
        let folder = folder.path().join(name);
        Arc::new(CounterDatabase::in_folder(&folder, clock.clone()))
    };
    assert!(QuotaGate::shared(clock.clone(), in_folder("new/folder"), "a").is_ok());
    fs::write(folder.path().join("file"), b"").unwrap();
    assert!(QuotaGate::shared(clock.clone(), in_folder("file"), "a").is_err());

    let lost = Arc::new(FullDisk(AtomicBool::new(false), records(&folder, &clock)));
    let gate = QuotaGate::shared(clock.clone(), lost.clone(), "acme").unwrap();
    let claim = claim(1, 1_000);
    lost.0.store(true, Ordering::Relaxed);
    let refused = gate.acquire(&claim, WAIT_MS).await.err();
    assert!(matches!(refused, Some(SendError::NoAnswer(_))), "{refused:?}");
    lost.0.store(false, Ordering::Relaxed);
    call(&gate, &claim).await;
    assert_eq!(clock.now_ms(), 0, "what was refused is not counted");
}

/// A flush that fails after its commit leaves the call in the record, though nobody sends it.
#[tokio::test]
async fn call_that_was_committed_and_not_flushed_is_not_in_flight() {
    for failures in 1..4 {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
        let disk = Arc::new(FailedFlush(AtomicU64::new(0), records(&folder, &clock)));
        let gate = QuotaGate::shared(clock.clone(), disk.clone(), "acme").unwrap();
        let claim = claim(1, 1_000);
        disk.0.store(failures, Ordering::Relaxed);
        while disk.0.load(Ordering::Relaxed) > 0 {
            let refused = gate.acquire(&claim, WAIT_MS).await.err();
            assert!(matches!(refused, Some(SendError::NoAnswer(_))), "{refused:?}");
        }
        call(&gate, &claim).await;
        assert_eq!(clock.now_ms(), 0, "what was refused is not counted, {failures}");
        call(&gate, &claim).await;
        assert_eq!(clock.now_ms(), 1_010, "what was sent is, {failures}");
    }
}

/// Another process need not wait for the next call of the one that failed.
#[tokio::test]
async fn call_that_was_never_sent_blocks_no_other_process() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::<HandClock>::default());
    let disk = Arc::new(FailedFlush(AtomicU64::new(0), records(&folder, &clock)));
    let failing = QuotaGate::shared(clock.clone(), disk.clone(), "acme").unwrap();
    let claim = claim(1, 1_000);
    disk.0.store(1, Ordering::Relaxed);
    assert!(failing.acquire(&claim, WAIT_MS).await.is_err());
    call(&gate(&folder, &clock), &claim).await;
    assert_eq!(clock.now_ms(), 0);
}

/// Records of which so many writes reach the file and fail all the same.
struct FailedFlush(AtomicU64, Arc<dyn CallRecords>);

impl CallRecords for FailedFlush {
    fn has_calls(&self, account: &str) -> io::Result<bool> {
        self.1.has_calls(account)
    }

    fn update(
        &self,
        account: &str,
        known: Option<i64>,
        change: &mut RecordChange<'_>,
    ) -> io::Result<Option<i64>> {
        let mut is_written = false;
        let kept = self.1.update(account, known, &mut |record| {
            let text = change(record);
            is_written = text.is_some();
            text
        });
        let left = self.0.load(Ordering::Relaxed);
        if is_written && left > 0 {
            self.0.store(left - 1, Ordering::Relaxed);
            return Err(io::Error::other("the log cannot be flushed"));
        }
        kept
    }
}

/// Records that cannot be written while it is set.
struct FullDisk(AtomicBool, Arc<dyn CallRecords>);

impl CallRecords for FullDisk {
    fn has_calls(&self, account: &str) -> io::Result<bool> {
        self.1.has_calls(account)
    }

    fn update(
        &self,
        account: &str,
        known: Option<i64>,
        change: &mut RecordChange<'_>,
    ) -> io::Result<Option<i64>> {
        let is_full = self.0.load(Ordering::Relaxed);
        let kept = self.1.update(account, known, &mut |record| {
            let text = change(record);
            if is_full { None } else { text }
        });
        if is_full { Err(io::Error::other("the disk is full")) } else { kept }
    }
}
