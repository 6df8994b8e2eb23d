//! Counts every call a simulator answers, and what the calls would have been at the least.
//!
//! `made` is the number of requests apart from metadata and token requests, refused ones included.
//! `minimum` is the least number of requests that page and batch limits allow for the rows that
//! were read and written. Each (kind, object) stands for itself:
//! - pages: a scan is one chain of pages and starts with a request without a cursor; a scan of r
//!   rows at cap c needs max(1, ceil(r / c));
//! - batches: rows of all calls together need ceil(rows / cap), or the steps of one bulk job where
//!   the API has jobs for such rows and that is less. A single-record write or read is a batch of
//!   one where the API has a batch for it, so writing one by one shows as waste;
//! - steps of a query job: creation, one status request, each result page once per job;
//! - steps of an ingest job: rows of all jobs together need one creation, upload, close and status
//!   request, and each list of results that has rows, or ceil(rows / cap) batches where that is
//!   less. So a job for few rows, and many jobs where one would do, show as waste.
//!
//! A request that was refused or failed as a whole adds to `made` only.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Weight of a call in the minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallShape {
    /// A page of a scan; `first` when the request carried no cursor.
    Page { first: bool },
    /// Rows that could travel together with others of the same kind.
    Batch,
    /// The same for rows that one bulk job could carry, all of them, in so many requests.
    BatchOrJob { steps: u64 },
    /// A protocol step of a bulk job; `needed` the first time in its job.
    Step { needed: bool },
    /// A protocol step of a job that could carry the rows of all jobs of the same kind.
    SharedStep(&'static str),
    /// Descriptions, properties, owners, limits: counted apart.
    Metadata,
    /// Token requests: counted apart.
    Token,
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct LedgerCall<'a> {
    /// Name of the call, such as `search` or `update`.
    pub kind: &'static str,
    /// To which object, as the vendor names it; empty where there is none.
    pub object: &'a str,
    pub shape: CallShape,
    /// Rows that the answer or the request carried; 0 for a failed request.
    pub rows: usize,
    /// Most rows that one such request can carry.
    pub cap: usize,
}

/// The counts of one simulator since its start or the last reset.
#[derive(Debug, Default)]
pub struct RequestLedger {
    kinds: BTreeMap<(&'static str, String), KindCounts>,
    metadata: u64,
    token: u64,
    refused: u64,
    breaches: BTreeMap<&'static str, QuotaBreach>,
}

#[derive(Debug, Default)]
struct KindCounts {
    calls: u64,
    rows: u64,
    cap: u64,
    batch_rows: u64,
    /// Requests that one job for all rows of batches would take.
    job_steps: Option<u64>,
    /// Steps of jobs, each once, and the rows that the jobs carried.
    shared: BTreeSet<&'static str>,
    shared_rows: u64,
    /// Needed by job steps and by scans that have ended.
    settled: u64,
    /// Rows of the scan under way.
    scan_rows: Option<u64>,
}

/// Requests beyond one quota window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuotaBreach {
    pub window: &'static str,
    pub limit: u32,
    pub count: u64,
    pub first_at_ms: i64,
    pub last_at_ms: i64,
}

/// The ledger as `GET /_sim/ledger` answers it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct LedgerReport {
    pub made: u64,
    pub minimum: u64,
    pub metadata: u64,
    pub token: u64,
    /// Requests answered with the vendor's rate limit error, for whatever cause.
    pub refused: u64,
    pub breaches: Vec<QuotaBreach>,
    pub by_kind: Vec<KindReport>,
}

/// One line of [`LedgerReport::by_kind`].
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KindReport {
    pub kind: &'static str,
    pub object: String,
    pub calls: u64,
    pub rows: u64,
    pub cap: u64,
    pub minimum: u64,
}

impl RequestLedger {
    /// Notes one answered request.
    pub fn note(&mut self, call: LedgerCall<'_>) {
        match call.shape {
            CallShape::Metadata => self.metadata += 1,
            CallShape::Token => self.token += 1,
            _ => {
                self.kinds.entry((call.kind, call.object.to_owned())).or_default().note(&call);
            }
        }
    }

    /// Notes a request beyond the quota `window`, whose limit is `limit`.
    pub fn breach(&mut self, window: &'static str, limit: u32, at_ms: i64) {
        let breach = self.breaches.entry(window).or_insert(QuotaBreach {
            window,
            limit,
            count: 0,
            first_at_ms: at_ms,
            last_at_ms: at_ms,
        });
        breach.count += 1;
        breach.last_at_ms = at_ms;
    }

    /// Notes that a request was answered with a rate limit error.
    pub fn refusal(&mut self) {
        self.refused += 1;
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The counts so far; a scan under way counts as if it had ended.
    pub fn report(&self) -> LedgerReport {
        let by_kind: Vec<KindReport> = self.kinds.iter().map(KindCounts::report).collect();
        LedgerReport {
            made: by_kind.iter().map(|kind| kind.calls).sum(),
            minimum: by_kind.iter().map(|kind| kind.minimum).sum(),
            metadata: self.metadata,
            token: self.token,
            refused: self.refused,
            breaches: self.breaches.values().cloned().collect(),
            by_kind,
        }
    }
}

impl KindCounts {
    fn note(&mut self, call: &LedgerCall<'_>) {
        let rows = call.rows as u64;
        self.calls += 1;
        self.rows += rows;
        self.cap = self.cap.max(call.cap as u64);
        match call.shape {
            CallShape::Page { first: true } => {
                self.settled += self.open_scan();
                self.scan_rows = Some(rows);
            }
            CallShape::Page { first: false } => *self.scan_rows.get_or_insert(0) += rows,
            CallShape::Batch => self.batch_rows += rows,
            CallShape::BatchOrJob { steps } => {
                self.batch_rows += rows;
                self.job_steps = Some(steps);
            }
            CallShape::SharedStep(step) => {
                self.shared.insert(step);
                self.shared_rows += rows;
            }
            CallShape::Step { needed } => self.settled += u64::from(needed),
            CallShape::Metadata | CallShape::Token => {}
        }
    }

    fn open_scan(&self) -> u64 {
        self.scan_rows.map_or(0, |rows| rows.div_ceil(self.cap.max(1)).max(1))
    }

    fn report(((kind, object), counts): (&(&'static str, String), &Self)) -> KindReport {
        let batches = counts.batch_rows.div_ceil(counts.cap.max(1));
        let batches = batches.min(counts.job_steps.unwrap_or(u64::MAX));
        let steps = u64::try_from(counts.shared.len()).unwrap_or(u64::MAX);
        let jobs = steps.min(counts.shared_rows.div_ceil(counts.cap.max(1)));
        KindReport {
            kind,
            object: object.clone(),
            calls: counts.calls,
            rows: counts.rows,
            cap: counts.cap,
            minimum: counts.settled + counts.open_scan() + batches + jobs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(calls: &[(CallShape, usize)], made: u64, minimum: u64) {
        let mut ledger = RequestLedger::default();
        for &(shape, rows) in calls {
            ledger.note(LedgerCall { kind: "k", object: "o", shape, rows, cap: 100 });
        }
        let report = ledger.report();
        assert_eq!((report.made, report.minimum), (made, minimum), "{calls:?}");
    }

    #[test]
    fn the_minimum_follows_the_definition() {
        let first = CallShape::Page { first: true };
        let next = CallShape::Page { first: false };
        check(&[(first, 0)], 1, 1);
        check(&[(first, 100), (next, 50)], 2, 2);
        check(&[(first, 20), (next, 20)], 2, 1);
        check(&[(first, 1), (first, 1)], 2, 2);
        check(&[(CallShape::Batch, 100), (CallShape::Batch, 1)], 2, 2);
        check(&[(CallShape::Batch, 1), (CallShape::Batch, 1)], 2, 1);
        check(&[(CallShape::Batch, 0)], 1, 0);
        check(
            &[(CallShape::Step { needed: true }, 0), (CallShape::Step { needed: false }, 0)],
            2,
            1,
        );
        check(&[(CallShape::Metadata, 0), (CallShape::Token, 0)], 0, 0);
    }

    #[test]
    fn jobs_are_needed_where_they_are_cheaper() {
        let written = |rows| (CallShape::BatchOrJob { steps: 5 }, rows);
        check(&[written(100), written(100)], 2, 2);
        check(&vec![written(100); 9], 9, 5);
        let job = |rows| {
            let steps = ["create", "upload", "close", "status", "status", "successful"];
            steps.map(|step| (CallShape::SharedStep(step), if step == "upload" { rows } else { 0 }))
        };
        check(&job(2000), 6, 5);
        check(&[job(2000), job(2000)].concat(), 12, 5);
        check(&job(201), 6, 3);
        check(&job(0), 6, 0);
    }

    #[test]
    fn breaches_are_counted_per_window() {
        let mut ledger = RequestLedger::default();
        ledger.breach("daily", 3, 10);
        ledger.breach("daily", 3, 20);
        let breaches = ledger.report().breaches;
        let expected =
            QuotaBreach { window: "daily", limit: 3, count: 2, first_at_ms: 10, last_at_ms: 20 };
        assert_eq!(breaches, [expected]);
    }
}
