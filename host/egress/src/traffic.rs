//! TrafficCounters of what was sent for one system, readable by the program.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::refusal::{REASONS, RefusalCounts, RefusalReason};

/// Live counters, only ever added to, and what the last answer said of the system's clock.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounters {
    pub(crate) requests: AtomicU64,
    pub(crate) answers: [AtomicU64; 5],
    pub(crate) unanswered: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) renewals: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) target_bytes: AtomicU64,
    pub(crate) redirects: AtomicU64,
    pub(crate) alarms: AtomicU64,
    refused: [AtomicU64; REASONS],
    ahead_ms: Mutex<Option<i64>>,
}

/// The traffic of one system since the program started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Requests sent for guests, repeats included; those to token endpoints are `renewals`.
    pub requests: u64,
    /// Answers by class: 1xx, 2xx, 3xx, 4xx, 5xx.
    pub answers: [u64; 5],
    /// Requests without a whole answer.
    pub unanswered: u64,
    /// Requests that repeated an earlier one.
    pub repeats: u64,
    /// Requests to token endpoints.
    pub renewals: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
    /// Body bytes received, as they came.
    pub bytes_in: u64,
    /// Bytes of the paths, queries and headers that guests chose. A guest could tell an allowed
    /// host things by them (`SECURITY.md` E13).
    pub target_bytes: u64,
    /// Redirects followed; each is one of `requests` too.
    pub redirects: u64,
    /// Times at which so many such bytes, or so many hosts, were unusual; the audit has a line for
    /// each.
    pub alarms: u64,
    /// Refusals to send a request or to take an answer, by reason.
    pub refused: RefusalCounts,
    /// The time by which the system's clock was ahead of the host's in the last answer that had a
    /// date, ms; below zero it was behind.
    pub ahead_ms: Option<i64>,
}

pub(crate) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(u64::try_from(amount).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl TrafficCounters {
    pub(crate) fn answered(&self, status: u16, bytes: usize) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(counter) = self.answers.get(class) {
            add(counter, 1);
        }
        add(&self.bytes_in, bytes);
    }

    pub(crate) fn refused(&self, reason: RefusalReason) {
        if let Some(counter) = self.refused.get(reason as usize) {
            add(counter, 1);
        }
    }

    /// The system's clock was so far ahead of the host's.
    pub(crate) fn clock(&self, ahead_ms: i64) {
        *self.ahead_ms.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead_ms);
    }

    pub(crate) fn read(&self) -> Traffic {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            requests: get(&self.requests),
            answers: self.answers.each_ref().map(get),
            unanswered: get(&self.unanswered),
            repeats: get(&self.repeats),
            renewals: get(&self.renewals),
            bytes_out: get(&self.bytes_out),
            bytes_in: get(&self.bytes_in),
            target_bytes: get(&self.target_bytes),
            redirects: get(&self.redirects),
            alarms: get(&self.alarms),
            ahead_ms: *self.ahead_ms.lock().unwrap_or_else(PoisonError::into_inner),
            refused: RefusalCounts(self.refused.each_ref().map(get)),
        }
    }
}
