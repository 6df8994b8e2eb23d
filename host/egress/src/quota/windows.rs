//! The calls that an account's windows remember, as plain data that processes can hand on.
//!
//! A server counts arrivals, which lie somewhere between our sending and our receiving; so a slot
//! of a window is taken when a call is sent and free again only `per_ms` after the call has
//! *ended*. Whatever the network does in between, no window of the server sees more than `calls`.
//!
//! Everything that is not known exactly is taken to have happened later than it did: old calls are
//! kept in cells and count as if all of a cell had ended with its last; after a clock was set back
//! no call is younger than it was; a call of a process that died ends when that is noticed; what a
//! damaged record forgot counts as a full window. So the memory is bounded and never too lenient.

use std::collections::{BTreeMap, VecDeque};

use renkei_package::Quota;
use serde::{Deserialize, Serialize};

/// Added to each window for the granularity of the two clocks.
const MARGIN_MS: i64 = 10;

/// The quota that every request uses.
pub(crate) const EVERY: &str = "all";

/// So many cells of one name are kept as they are; beyond, those of old calls are merged.
const EXACT_CELLS: usize = 128;

/// A merged cell spans at most this part of the window it counts in.
const GRAINS: i64 = 100;

/// Windows this long outlast a power cut and a start of the machine.
const LASTING_MS: u64 = 60_000;

/// The part of a lasting window that is kept back for what a power cut may make forgotten.
const SPARE: u32 = 500;

/// No call lasts so long (a request ends after 60 s): one that does was lost.
const CALL_MOST_MS: i64 = 600_000;

/// The longest time that a server's word holds.
const PAUSE_MAX_MS: u64 = crate::limits::RETRY_AFTER_MAX_MS;

/// The quotas that one request uses.
#[derive(Debug, Clone)]
pub struct QuotaClaim {
    names: Vec<String>,
    quotas: Vec<Quota>,
    concurrent: usize,
}

impl QuotaClaim {
    /// A request that uses the quotas `named`, and `all` as every request does.
    pub fn new(named: &[String], quotas: &[Quota], concurrent: u32) -> Self {
        let mut names = vec![EVERY.to_owned()];
        names.extend(named.iter().filter(|name| *name != EVERY).cloned());
        names.sort();
        names.dedup();
        let used = quotas.iter().filter(|quota| names.contains(&quota.name));
        Self {
            quotas: used.cloned().collect(),
            names,
            concurrent: usize::try_from(concurrent).unwrap_or(usize::MAX),
        }
    }
}

/// The process that looks at the windows, and the time.
#[derive(Clone, Copy)]
pub(crate) struct WindowContext<'a> {
    pub(crate) now_ms: i64,
    /// The process that asks.
    pub(crate) process: u64,
    /// True where another process lives.
    pub(crate) alive: &'a dyn Fn(u64) -> bool,
}

/// The answer to a call that wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It has begun.
    Begun,
    AfterMs(u64),
    /// After a call in flight has ended; `elsewhere` if one of them belongs to another process.
    OnEnd {
        elsewhere: bool,
    },
}

/// The calls of one account that its windows still remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaWindows {
    /// The latest time at which anybody looked.
    seen_ms: i64,
    past: BTreeMap<String, QuotaHistory>,
    in_flight: Vec<CallInFlight>,
    /// The server's word, by quota.
    not_before_ms: BTreeMap<String, i64>,
    /// Every window counts as used up at this time.
    full_at_ms: Option<i64>,
    /// Calls since this was last made to outlast a power cut.
    unsaved: u32,
}

/// The ended calls of one quota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct QuotaHistory {
    /// The longest window ever declared for it.
    horizon_ms: i64,
    /// Ascending.
    cells: VecDeque<CallCell>,
}

/// Calls that ended from one time to another; they count as if all had ended at the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct CallCell(i64, i64, u32);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CallInFlight {
    process: u64,
    /// The process's own number of it.
    call: u64,
    began_ms: i64,
    names: Vec<String>,
}

impl QuotaWindows {
    /// Takes note of the time; to be called before anything else is asked.
    pub(crate) fn observe(&mut self, now_ms: i64) {
        let back = self.seen_ms.saturating_sub(now_ms);
        if back > 0 {
            self.set_back(back);
        }
        self.seen_ms = now_ms;
        let latest_ms = now_ms.saturating_add(signed(PAUSE_MAX_MS));
        self.not_before_ms.values_mut().for_each(|until_ms| *until_ms = latest_ms.min(*until_ms));
        self.end_all(now_ms, |call| call.began_ms.saturating_add(CALL_MOST_MS) <= now_ms);
    }

    /// Lets the process's call of this number begin if it may.
    pub(crate) fn try_begin(
        &mut self,
        context: WindowContext<'_>,
        call: u64,
        claim: &QuotaClaim,
    ) -> Admission {
        let mut next = self.next(context, claim);
        if next == (Admission::OnEnd { elsewhere: true }) && self.end_dead(context) {
            next = self.next(context, claim);
        }
        if next != Admission::Begun {
            return next;
        }
        self.unsaved = self.unsaved.saturating_add(1);
        let (process, names) = (context.process, claim.names.clone());
        self.in_flight.push(CallInFlight { process, call, began_ms: context.now_ms, names });
        for name in &claim.names {
            let lengths = lengths(claim, name);
            self.past.entry(name.clone()).or_default().tidy(context.now_ms, &lengths);
        }
        next
    }

    /// True where a power cut would make more forgotten than is kept back for that.
    pub(crate) fn must_last(&self, claim: &QuotaClaim) -> bool {
        let lasting = claim.quotas.iter().filter(|quota| quota.per_ms >= LASTING_MS);
        lasting.map(|quota| spare(quota).max(1)).any(|most| self.unsaved >= most)
    }

    /// It was made to last.
    pub(crate) fn saved(&mut self) {
        self.unsaved = 0;
    }

    /// A call has ended, with an answer or without.
    pub(crate) fn end(&mut self, context: WindowContext<'_>, call: u64, claim: &QuotaClaim) {
        self.in_flight.retain(|other| (other.process, other.call) != (context.process, call));
        // Also when it is not found, for it was taken for lost: it may have been sent late.
        self.note(context.now_ms, &claim.names);
    }

    /// A call that was never sent is in flight no longer, and counts nowhere; whether it was.
    pub(crate) fn take_back(&mut self, context: WindowContext<'_>, call: u64) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|other| (other.process, other.call) != (context.process, call));
        let was_in_flight = self.in_flight.len() < before;
        if was_in_flight {
            // It was written down, so what failed may be making it and those before it last.
            self.unsaved = u32::MAX;
        }
        was_in_flight
    }

    /// Ends the calls of processes that do not live; whether there were any.
    pub(crate) fn end_dead(&mut self, context: WindowContext<'_>) -> bool {
        let before = self.in_flight.len();
        self.end_all(context.now_ms, |call| {
            call.process != context.process && !(context.alive)(call.process)
        });
        self.in_flight.len() < before
    }

    /// The server wants no calls like this one for so long; whether it wanted some until now.
    pub(crate) fn pause(&mut self, now_ms: i64, ms: u64, claim: &QuotaClaim) -> bool {
        let until_ms = now_ms.saturating_add(signed(ms.min(PAUSE_MAX_MS)));
        self.not_before_ms.retain(|_, until_ms| *until_ms > now_ms);
        let is_news = self.not_before_ms.is_empty();
        // Which of its windows is full a server does not say; one that only some calls use is
        // likelier, and if it was the common one, the next call of another kind is told so too.
        let special = claim.names.iter().filter(|name| *name != EVERY);
        let names = special.chain(claim.names.iter().filter(|_| claim.names.len() == 1));
        for name in names {
            let held = self.not_before_ms.entry(name.clone()).or_insert(until_ms);
            *held = until_ms.max(*held);
        }
        is_news
    }

    /// Until when the server's word holds, if it does.
    pub(crate) fn paused_until_ms(&self, now_ms: i64) -> Option<i64> {
        self.not_before_ms.values().copied().max().filter(|until_ms| *until_ms > now_ms)
    }

    /// The server's word holds no longer.
    pub(crate) fn lift_pauses(&mut self) {
        self.not_before_ms.clear();
    }

    /// Counts the calls and obeys the words of `other`, too.
    pub(crate) fn take_in(&mut self, other: Self) {
        for (name, QuotaHistory { horizon_ms, cells }) in other.past {
            let past = self.past.entry(name).or_default();
            past.horizon_ms = past.horizon_ms.max(horizon_ms);
            past.cells.extend(cells);
            past.cells.make_contiguous().sort_by_key(|cell| cell.1);
        }
        self.in_flight.extend(other.in_flight);
        for (name, until_ms) in other.not_before_ms {
            let held = self.not_before_ms.entry(name).or_insert(until_ms);
            *held = until_ms.max(*held);
        }
        self.full_at_ms = self.full_at_ms.max(other.full_at_ms);
    }

    /// True where nothing is counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_as(&Self::default())
    }

    /// True where the same is counted as in `other`.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        (&self.past, &self.in_flight, &self.not_before_ms, self.full_at_ms)
            == (&other.past, &other.in_flight, &other.not_before_ms, other.full_at_ms)
    }

    /// Counts nothing any longer.
    pub(crate) fn empty(&mut self) {
        *self = Self { seen_ms: self.seen_ms, ..Self::default() };
    }

    /// Counts every window as used up: the calls until `at_ms` are not known.
    pub(crate) fn fill(&mut self, at_ms: i64) {
        self.full_at_ms = Some(at_ms);
    }

    fn next(&self, context: WindowContext<'_>, claim: &QuotaClaim) -> Admission {
        let elsewhere = self.in_flight.iter().any(|call| call.process != context.process);
        if self.in_flight.len() >= claim.concurrent {
            return Admission::OnEnd { elsewhere };
        }
        let held = claim.names.iter().filter_map(|name| self.not_before_ms.get(name)).max();
        let mut free_ms = held.copied().unwrap_or(i64::MIN);
        for quota in &claim.quotas {
            match self.free_at(context.now_ms, quota) {
                Some(at_ms) => free_ms = free_ms.max(at_ms),
                None => return Admission::OnEnd { elsewhere },
            }
        }
        match u64::try_from(free_ms.saturating_sub(context.now_ms)) {
            Ok(0) | Err(_) => Admission::Begun,
            Ok(ms) => Admission::AfterMs(ms),
        }
    }

    /// The time at which a window has room for one more call; `None`: not before one in flight has
    /// ended.
    fn free_at(&self, now_ms: i64, quota: &Quota) -> Option<i64> {
        let length = signed(quota.per_ms).saturating_add(MARGIN_MS);
        let free_ms = self.full_at_ms.map_or(i64::MIN, |at_ms| at_ms.saturating_add(length));
        let uses = |call: &&CallInFlight| call.names.contains(&quota.name);
        let mut taken = count(self.in_flight.iter().filter(uses).count());
        let cells = self.past.get(&quota.name).map(|past| &past.cells);
        let recent = |cell: &&CallCell| cell.1.saturating_add(length) > now_ms;
        let recent = || cells.into_iter().flatten().filter(recent);
        taken += recent().map(|cell| u64::from(cell.2)).sum::<u64>();
        let room = u64::from(quota.calls - spare(quota));
        let mut over = (taken + 1).saturating_sub(room);
        if over == 0 {
            return Some(free_ms);
        }
        for CallCell(_, ended_ms, calls) in recent() {
            over = over.saturating_sub(u64::from(*calls));
            if over == 0 {
                return Some(free_ms.max(ended_ms.saturating_add(length)));
            }
        }
        None
    }

    fn end_all(&mut self, now_ms: i64, ends: impl Fn(&CallInFlight) -> bool) {
        let (ended, going) = std::mem::take(&mut self.in_flight).into_iter().partition(ends);
        self.in_flight = going;
        let ended: Vec<CallInFlight> = ended;
        for call in ended {
            self.note(now_ms, &call.names);
        }
    }

    fn note(&mut self, now_ms: i64, names: &[String]) {
        for name in names {
            let cells = &mut self.past.entry(name.clone()).or_default().cells;
            match cells.back_mut() {
                Some(CallCell(_, last_ms, calls)) if *last_ms == now_ms => *calls += 1,
                _ => cells.push_back(CallCell(now_ms, now_ms, 1)),
            }
        }
    }

    /// The clock was set back: every age stays what it was when somebody last looked.
    fn set_back(&mut self, by_ms: i64) {
        let earlier = |at_ms: &mut i64| *at_ms = at_ms.saturating_sub(by_ms);
        for cell in self.past.values_mut().flat_map(|past| &mut past.cells) {
            earlier(&mut cell.0);
            earlier(&mut cell.1);
        }
        self.in_flight.iter_mut().for_each(|call| earlier(&mut call.began_ms));
        self.not_before_ms.values_mut().for_each(earlier);
        self.full_at_ms.iter_mut().for_each(earlier);
    }
}

impl QuotaHistory {
    /// Forgets what no window counts any more and merges cells of old calls.
    fn tidy(&mut self, now_ms: i64, lengths: &[i64]) {
        self.horizon_ms = self.horizon_ms.max(lengths.last().copied().unwrap_or(0));
        let horizon = self.horizon_ms.saturating_add(MARGIN_MS);
        while self.cells.front().is_some_and(|cell| cell.1.saturating_add(horizon) <= now_ms) {
            self.cells.pop_front();
        }
        if self.cells.len() <= EXACT_CELLS {
            return;
        }
        let mut kept: VecDeque<CallCell> = VecDeque::with_capacity(self.cells.len());
        for cell in self.cells.drain(..) {
            let grain = grain(now_ms - cell.1, lengths);
            match kept.back_mut() {
                Some(last) if cell.1 - last.0 <= grain => {
                    *last = CallCell(last.0, cell.1, last.2.saturating_add(cell.2));
                }
                _ => kept.push_back(cell),
            }
        }
        self.cells = kept;
    }
}

/// The width that a cell of calls that ended `age` ms ago may have: a part of the window it counts
/// in.
fn grain(age: i64, lengths: &[i64]) -> i64 {
    let window = lengths.iter().find(|length| age <= **length).or(lengths.last());
    window.map_or(0, |length| length / GRAINS)
}

/// The windows of one quota, ascending, ms.
fn lengths(claim: &QuotaClaim, name: &str) -> Vec<i64> {
    let of_name = claim.quotas.iter().filter(|quota| quota.name == name);
    let mut lengths: Vec<i64> = of_name.map(|quota| signed(quota.per_ms)).collect();
    lengths.sort_unstable();
    lengths
}

fn spare(quota: &Quota) -> u32 {
    if quota.per_ms < LASTING_MS { 0 } else { quota.calls / SPARE }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn count(calls: usize) -> u64 {
    u64::try_from(calls).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
