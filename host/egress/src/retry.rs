//! Decides whether a request is sent again, and when (`SECURITY.md` E11). Pure: the random number
//! is an argument.
//!
//! A request is sent again only if that cannot do a thing twice: it is safe to repeat, or the
//! answer says that nothing was done (a quota status), or the connection was never made.

use std::time::{Duration, SystemTime};

use renkei_package::Retry;

use crate::limits::RETRY_AFTER_MAX_MS;

/// The most times that one request is sent.
const ATTEMPTS_MAX: u32 = 5;
const BACK_OFF_FIRST_MS: u64 = 500;
const BACK_OFF_MOST_MS: u64 = 30_000;

/// The outcome of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// An answer, with its `retry-after` in ms.
    Answer { status: u16, retry_after_ms: Option<u64> },
    /// No connection: nothing was sent.
    NotSent,
    /// It broke on the way: the effect is unknown.
    Broken,
}

/// The next step after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Give the guest what came.
    Finish,
    /// Send again after so many ms.
    Repeat(u64),
    /// The server said that the quota stays used up for longer than the host waits.
    QuotaUsedUp(u64),
}

/// Decides after the `sent`-th attempt. `connects` is how often a connection is tried; `random` is
/// in `[0, 1)`; `most_ms` is how long the host waits for a quota.
pub(crate) fn decide(
    attempt: AttemptOutcome,
    sent: u32,
    connects: u32,
    repeatable: bool,
    rules: &Retry,
    random: f64,
    most_ms: u64,
) -> RetryDecision {
    let most = if attempt == AttemptOutcome::NotSent { connects } else { ATTEMPTS_MAX };
    let last = sent >= most;
    match attempt {
        AttemptOutcome::Answer { status, retry_after_ms }
            if rules.quota_status.contains(&status) =>
        {
            match retry_after_ms {
                Some(wait) if last || wait > most_ms => RetryDecision::QuotaUsedUp(wait),
                // For how long, only the guest can read in the answer.
                None if last => RetryDecision::Finish,
                told => RetryDecision::Repeat(told.unwrap_or_else(|| back_off(sent, random))),
            }
        }
        AttemptOutcome::Answer { status, retry_after_ms }
            if rules.transient_status.contains(&status) =>
        {
            let wait = retry_after_ms.unwrap_or_else(|| back_off(sent, random));
            if last || !repeatable || wait > most_ms {
                RetryDecision::Finish
            } else {
                RetryDecision::Repeat(wait)
            }
        }
        AttemptOutcome::Answer { .. } => RetryDecision::Finish,
        AttemptOutcome::NotSent if !last => RetryDecision::Repeat(back_off(sent, random)),
        AttemptOutcome::Broken if repeatable && !last => {
            RetryDecision::Repeat(back_off(sent, random))
        }
        AttemptOutcome::NotSent | AttemptOutcome::Broken => RetryDecision::Finish,
    }
}

/// Doubles per attempt, with half of it by chance, so that jobs do not return in step.
fn back_off(sent: u32, random: f64) -> u64 {
    let doubled = BACK_OFF_FIRST_MS.saturating_mul(1 << sent.saturating_sub(1).min(16));
    let whole = Duration::from_millis(doubled.min(BACK_OFF_MOST_MS));
    let wait = whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    u64::try_from(wait.as_millis()).unwrap_or(BACK_OFF_MOST_MS)
}

/// Reads `retry-after`: seconds, or a date compared with the clock (RFC 9110 10.2.3), of both no
/// more than [`RETRY_AFTER_MAX_MS`].
pub(crate) fn retry_after_ms(value: &str, now_ms: i64) -> Option<u64> {
    wait_ms(value, now_ms).map(|ms| ms.min(RETRY_AFTER_MAX_MS))
}

/// A date as HTTP writes it, ms since 1970.
pub(crate) fn date_ms(value: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok()
}

fn wait_ms(value: &str, now_ms: i64) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a long time, too.
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000));
    }
    let at_ms = date_ms(value)?;
    Some(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempt: AttemptOutcome, sent: u32, repeatable: bool, expected: RetryDecision) {
        let rules = Retry { quota_status: vec![429], transient_status: vec![503] };
        assert_eq!(decide(attempt, sent, 3, repeatable, &rules, 0.0, 60_000), expected);
    }

    fn answer(status: u16, retry_after_ms: Option<u64>) -> AttemptOutcome {
        AttemptOutcome::Answer { status, retry_after_ms }
    }

    #[test]
    fn a_quota_status_is_repeated_whatever_the_method() {
        check(answer(429, Some(2_000)), 1, false, RetryDecision::Repeat(2_000));
        check(answer(429, None), 1, false, RetryDecision::Repeat(250));
        check(answer(429, None), 2, false, RetryDecision::Repeat(500));
        check(answer(429, None), 5, false, RetryDecision::Finish);
        check(answer(429, Some(2_000)), 5, false, RetryDecision::QuotaUsedUp(2_000));
        check(answer(429, Some(3_600_000)), 1, true, RetryDecision::QuotaUsedUp(3_600_000));
        check(answer(429, Some(1_000)), 5, true, RetryDecision::QuotaUsedUp(1_000));
    }

    #[test]
    fn trouble_is_repeated_only_where_that_is_safe() {
        check(answer(503, None), 1, true, RetryDecision::Repeat(250));
        check(answer(503, None), 1, false, RetryDecision::Finish);
        check(answer(503, None), 5, true, RetryDecision::Finish);
        check(answer(500, None), 1, true, RetryDecision::Finish);
        check(answer(200, None), 1, true, RetryDecision::Finish);
        check(AttemptOutcome::Broken, 1, true, RetryDecision::Repeat(250));
        check(AttemptOutcome::Broken, 1, false, RetryDecision::Finish);
        check(AttemptOutcome::NotSent, 1, false, RetryDecision::Repeat(250));
        check(AttemptOutcome::NotSent, 2, false, RetryDecision::Repeat(500));
        check(AttemptOutcome::NotSent, 3, true, RetryDecision::Finish);
    }

    #[test]
    fn back_off_is_bounded_and_spread() {
        assert_eq!(back_off(30, 0.0), 15_000);
        assert_eq!(back_off(1, 0.5), 375);
    }

    #[test]
    fn reads_seconds_and_dates() {
        assert_eq!(retry_after_ms("3", 0), Some(3_000));
        assert_eq!(retry_after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 45_000), Some(15_000));
        assert_eq!(retry_after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 90_000), Some(0));
        assert_eq!(retry_after_ms("soon", 0), None);
    }
}
