//! Decisions of the windows, on plain data and against a ledger kept apart.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const DAY_MS: u64 = 86_400_000;

fn quota(name: &str, calls: u32, per_ms: u64) -> Quota {
    Quota { name: name.to_owned(), calls, per_ms }
}

fn claim(named: &[&str], quotas: &[Quota], concurrent: u32) -> QuotaClaim {
    let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
    QuotaClaim::new(&named, quotas, concurrent)
}

/// Process 1 at a time, when all processes live.
fn at(now_ms: i64) -> WindowContext<'static> {
    WindowContext { now_ms, process: 1, alive: &|_| true }
}

impl QuotaWindows {
    fn begin(&mut self, now_ms: i64, call: u64, claim: &QuotaClaim) -> Admission {
        self.observe(now_ms);
        self.try_begin(at(now_ms), call, claim)
    }

    fn ended(&mut self, now_ms: i64, call: u64, claim: &QuotaClaim) {
        self.observe(now_ms);
        self.end(at(now_ms), call, claim);
    }
}

const ON_END: Admission = Admission::OnEnd { elsewhere: false };

#[test]
fn a_slot_is_free_a_window_after_the_call_ended() {
    let claim = claim(&[], &[quota(EVERY, 2, 1_000)], 8);
    let mut windows = QuotaWindows::default();
    assert_eq!(windows.begin(0, 1, &claim), Admission::Begun);
    assert_eq!(windows.begin(0, 2, &claim), Admission::Begun);
    assert_eq!(windows.begin(0, 3, &claim), ON_END);
    windows.ended(500, 1, &claim);
    windows.ended(700, 2, &claim);
    assert_eq!(windows.begin(700, 3, &claim), Admission::AfterMs(810));
    assert_eq!(windows.begin(1_510, 3, &claim), Admission::Begun);
    assert_eq!(windows.begin(1_510, 4, &claim), Admission::AfterMs(200));
}

#[test]
fn the_strictest_of_several_windows_decides() {
    let quotas = [quota(EVERY, 10, 1_000), quota(EVERY, 3, 30_000), quota("search", 1, 4_000)];
    let (all, search) = (claim(&[], &quotas, 8), claim(&["search"], &quotas, 8));
    let mut windows = QuotaWindows::default();
    windows.begin(0, 1, &search);
    windows.ended(0, 1, &search);
    assert_eq!(windows.begin(0, 2, &search), Admission::AfterMs(4_010));
    for call in 2..4 {
        assert_eq!(windows.begin(10, call, &all), Admission::Begun);
        windows.ended(10, call, &all);
    }
    assert_eq!(windows.begin(10, 4, &all), Admission::AfterMs(30_000));
}

#[test]
fn concurrency_is_bounded() {
    let claim = claim(&[], &[], 1);
    let mut windows = QuotaWindows::default();
    assert_eq!(windows.begin(0, 1, &claim), Admission::Begun);
    assert_eq!(windows.begin(0, 2, &claim), ON_END);
    windows.ended(0, 1, &claim);
    assert_eq!(windows.begin(0, 2, &claim), Admission::Begun);
}

#[test]
fn a_dead_process_leaves_no_call_in_flight() {
    let claim = claim(&[], &[quota(EVERY, 1, 1_000)], 8);
    let mut windows = QuotaWindows::default();
    windows.begin(0, 1, &claim);
    let other = WindowContext { now_ms: 400, process: 2, alive: &|_| true };
    windows.observe(400);
    assert_eq!(windows.try_begin(other, 1, &claim), Admission::OnEnd { elsewhere: true });
    let widowed = WindowContext { alive: &|process| process == 2, ..other };
    // Its call may have arrived as late as now.
    assert_eq!(windows.try_begin(widowed, 1, &claim), Admission::AfterMs(1_010));
    assert_eq!(windows.in_flight, []);
}

#[test]
fn a_call_that_nobody_ends_is_lost_in_the_end() {
    let claim = claim(&[], &[quota(EVERY, 1, 1_000)], 8);
    let mut windows = QuotaWindows::default();
    windows.begin(0, 1, &claim);
    assert_eq!(windows.begin(CALL_MOST_MS - 1, 2, &claim), ON_END);
    assert_eq!(windows.begin(CALL_MOST_MS, 2, &claim), Admission::AfterMs(1_010));
    // It was only late, so it counts again.
    windows.ended(CALL_MOST_MS + 900, 1, &claim);
    assert_eq!(windows.begin(CALL_MOST_MS + 1_010, 2, &claim), Admission::AfterMs(900));
}

#[test]
fn call_that_was_never_sent_counts_nowhere_and_the_next_one_is_flushed() {
    let claim = claim(&[], &[quota(EVERY, 1_000, DAY_MS)], 1);
    let mut windows = QuotaWindows::default();
    windows.begin(0, 1, &claim);
    windows.saved();
    assert!(!windows.take_back(WindowContext { process: 2, ..at(0) }, 1), "another process's");
    assert!(!windows.take_back(at(0), 2), "another call");
    assert!(windows.take_back(at(0), 1));
    assert!(windows.past.values().all(|past| past.cells.is_empty()));
    assert_eq!(windows.begin(0, 2, &claim), Admission::Begun);
    assert!(windows.must_last(&claim), "the flush may be what failed");
}

#[test]
fn a_clock_that_is_set_back_frees_nothing_and_blocks_for_one_window_at_most() {
    let claim = claim(&[], &[quota(EVERY, 1, 1_000)], 8);
    let mut windows = QuotaWindows::default();
    windows.begin(1_000_000, 1, &claim);
    windows.ended(1_000_000, 1, &claim);
    assert_eq!(windows.begin(1_000_300, 2, &claim), Admission::AfterMs(710));
    assert_eq!(
        windows.begin(400_000, 2, &claim),
        Admission::AfterMs(710),
        "an age stays what it was"
    );
    assert_eq!(windows.begin(400_700, 2, &claim), Admission::AfterMs(10));
    assert_eq!(windows.begin(400_710, 2, &claim), Admission::Begun);
    // In flight across another step back.
    windows.ended(100, 2, &claim);
    assert_eq!(windows.begin(100, 3, &claim), Admission::AfterMs(1_010));
}

#[test]
fn the_servers_word_holds_back_calls_of_its_kind() {
    let quotas = [quota(EVERY, 10, 1_000), quota("search", 5, 1_000)];
    let (all, search) = (claim(&[], &quotas, 8), claim(&["search"], &quotas, 8));
    let mut windows = QuotaWindows::default();
    windows.pause(0, 3_000, &search);
    windows.pause(0, 2_000, &search);
    assert_eq!(windows.begin(500, 1, &search), Admission::AfterMs(2_500));
    assert_eq!(windows.begin(500, 1, &all), Admission::Begun);
    windows.pause(500, u64::MAX, &all);
    assert_eq!(windows.begin(500, 2, &all), Admission::AfterMs(PAUSE_MAX_MS));
}

#[test]
fn forgotten_calls_count_as_a_full_window() {
    let quotas = [quota(EVERY, 10, 1_000), quota(EVERY, 1_000, DAY_MS)];
    let claim = claim(&[], &quotas, 8);
    let mut windows = QuotaWindows::default();
    windows.fill(0);
    assert_eq!(windows.begin(0, 1, &claim), Admission::AfterMs(DAY_MS + 10));
}

/// 250,000 calls a day take little room, and the day's quota is kept to within a hundredth.
#[test]
fn a_day_of_calls_is_small_and_kept() {
    let quotas = [quota(EVERY, 190, 10_000), quota(EVERY, 250_000, DAY_MS)];
    let claim = claim(&[], &quotas, 8);
    let (mut windows, mut now_ms, mut calls, mut largest) = (QuotaWindows::default(), 0, 0u64, 0);
    let mut unsaved = 0;
    let wait = loop {
        match windows.begin(now_ms, calls, &claim) {
            Admission::Begun => {
                unsaved += 1;
                if windows.must_last(&claim) {
                    windows.saved();
                    unsaved = 0;
                }
                assert!(unsaved < 250_000 / 500, "more than a power cut may take");
                now_ms += 7;
                windows.ended(now_ms, calls, &claim);
                calls += 1;
            }
            Admission::AfterMs(ms) if ms > 60_000 => break ms,
            Admission::AfterMs(ms) => now_ms += i64::try_from(ms).unwrap(),
            Admission::OnEnd { .. } => panic!("nothing is in flight"),
        }
        if calls % 1_000 == 0 {
            largest = largest.max(serde_json::to_vec(&windows).unwrap().len());
        }
    };
    assert_eq!(calls, 250_000 - 500, "a part is kept back for a power cut");
    assert!(largest < 24 << 10, "{largest} bytes");
    let free_ms = u64::try_from(now_ms).unwrap() + wait;
    assert!((DAY_MS..DAY_MS + DAY_MS / 100 + 11_000).contains(&free_ms), "{free_ms}");
    windows.begin(now_ms + i64::try_from(DAY_MS * 2).unwrap(), calls, &claim);
    assert!(serde_json::to_vec(&windows).unwrap().len() < 500, "the past is forgotten");
}

/// Processes that come, go and crash at random, a clock that is now and then set back, calls that
/// arrive at any moment between their beginning and their end: no window of the ledger is exceeded.
#[test]
fn no_interleaving_exceeds_a_window() {
    let quotas = [
        quota(EVERY, 3, 100),
        quota(EVERY, 12, 1_000),
        quota(EVERY, 900, 300_000),
        quota("search", 2, 400),
    ];
    for seed in 0..40 {
        let ledger = play(&quotas, seed, 2_500);
        for quota in &quotas {
            let uses = |call: &&(i64, bool)| quota.name == EVERY || call.1;
            let mut arrivals: Vec<i64> = ledger.iter().filter(uses).map(|(at, _)| *at).collect();
            arrivals.sort_unstable();
            let calls = usize::try_from(quota.calls).unwrap();
            let length = i64::try_from(quota.per_ms).unwrap();
            for window in arrivals.windows(calls + 1) {
                let took = window[calls] - window[0];
                assert!(
                    took >= length,
                    "seed {seed}: {} calls in {took} ms of {quota:?}",
                    calls + 1
                );
            }
        }
        assert!(ledger.len() > 100, "seed {seed} let only {} calls through", ledger.len());
    }
}

/// Arrivals in true time, and whether they were searches.
fn play(quotas: &[Quota], seed: u64, steps: usize) -> Vec<(i64, bool)> {
    let mut dice = StdRng::seed_from_u64(seed);
    let claims = [claim(&[], quotas, 4), claim(&["search"], quotas, 4)];
    let (mut windows, mut ledger) = (QuotaWindows::default(), Vec::new());
    let mut living = vec![1, 2, 3];
    let mut next_process = 4;
    // Process, number, kind, begin in true time.
    let mut going: Vec<(u64, u64, usize, i64)> = Vec::new();
    let (mut true_ms, mut clock_ms) = (0i64, 1_000_000i64);
    for call in 0..steps {
        let passed = dice.random_range(0..40);
        true_ms += passed;
        clock_ms += passed;
        if dice.random_range(0..400) == 0 {
            clock_ms -= dice.random_range(0..100_000);
        }
        let alive = |process: u64| living.contains(&process);
        let process = living[dice.random_range(0..living.len())];
        let scene = WindowContext { now_ms: clock_ms, process, alive: &alive };
        windows.observe(clock_ms);
        match dice.random_range(0..100) {
            0 => {
                // A crash: what it sent may still arrive until somebody can know of it.
                for (_, _, kind, began) in going.extract_if(.., |call| call.0 == process) {
                    ledger.push((dice.random_range(began..=true_ms), kind == 1));
                }
                living.retain(|other| *other != process);
                living.push(next_process);
                next_process += 1;
            }
            1..45 if !going.is_empty() => {
                let (process, call, kind, began) =
                    going.swap_remove(dice.random_range(0..going.len()));
                windows.end(WindowContext { process, ..scene }, call, &claims[kind]);
                ledger.push((dice.random_range(began..=true_ms), kind == 1));
            }
            _ => {
                let (kind, call) = (dice.random_range(0..2), u64::try_from(call).unwrap());
                if windows.try_begin(scene, call, &claims[kind]) == Admission::Begun {
                    going.push((process, call, kind, true_ms));
                }
            }
        }
    }
    // What is still going arrives now at the latest.
    ledger.extend(going.iter().map(|(_, _, kind, began)| (*began, *kind == 1)));
    ledger
}
