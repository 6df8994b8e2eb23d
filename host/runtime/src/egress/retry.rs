//! Whether a request is sent again, and when. Pure: the dice are given.
//!
//! A request is sent again only if that cannot do a thing twice: it is safe to repeat, or the
//! answer says that nothing was done (a quota status), or the connection was never made.

use std::time::{Duration, SystemTime};

use renkei_package::Retry;

/// How often one request is sent at most.
const ATTEMPTS_MAX: u32 = 5;
const BACK_OFF_FIRST_MS: u64 = 500;
const BACK_OFF_MOST_MS: u64 = 30_000;

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// An answer, with its `retry-after` in ms.
    Answer { status: u16, retry_after_ms: Option<u64> },
    /// No connection: nothing was sent.
    NotSent,
    /// It broke on the way: the effect is unknown.
    Broken,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Give the guest what came.
    Settle,
    /// Send again after so many ms.
    Again(u64),
    /// The server said that the quota stays used up for longer than the host waits.
    QuotaFor(u64),
}

/// Decides after the `sent`-th attempt. `connects` is how often a connection is tried; `dice` is in
/// `[0, 1)`; `most_ms` is how long the host waits for a quota.
pub(crate) fn decide(
    attempt: Attempt,
    sent: u32,
    connects: u32,
    repeatable: bool,
    rules: &Retry,
    dice: f64,
    most_ms: u64,
) -> Decision {
    let most = if attempt == Attempt::NotSent { connects } else { ATTEMPTS_MAX };
    let last = sent >= most;
    match attempt {
        Attempt::Answer { status, retry_after_ms } if rules.quota_status.contains(&status) => {
            match retry_after_ms {
                Some(wait) if last || wait > most_ms => Decision::QuotaFor(wait),
                // For how long, only the guest can read in the answer.
                None if last => Decision::Settle,
                told => Decision::Again(told.unwrap_or_else(|| back_off(sent, dice))),
            }
        }
        Attempt::Answer { status, retry_after_ms } if rules.transient_status.contains(&status) => {
            let wait = retry_after_ms.unwrap_or_else(|| back_off(sent, dice));
            if last || !repeatable || wait > most_ms {
                Decision::Settle
            } else {
                Decision::Again(wait)
            }
        }
        Attempt::Answer { .. } => Decision::Settle,
        Attempt::NotSent if !last => Decision::Again(back_off(sent, dice)),
        Attempt::Broken if repeatable && !last => Decision::Again(back_off(sent, dice)),
        Attempt::NotSent | Attempt::Broken => Decision::Settle,
    }
}

/// Doubles per attempt, with half of it by chance, so that jobs do not return in step.
fn back_off(sent: u32, dice: f64) -> u64 {
    let doubled = BACK_OFF_FIRST_MS.saturating_mul(1 << sent.saturating_sub(1).min(16));
    let whole = Duration::from_millis(doubled.min(BACK_OFF_MOST_MS));
    let wait = whole.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0);
    u64::try_from(wait.as_millis()).unwrap_or(BACK_OFF_MOST_MS)
}

/// A server's word on when to come back holds for this long at most, ms; then it is asked again.
pub(crate) const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// Reads `retry-after`: seconds, or a date compared with the clock (RFC 9110 10.2.3), of both no
/// more than [`RETRY_AFTER_MS_MAX`].
pub(crate) fn retry_after_ms(value: &str, now_ms: i64) -> Option<u64> {
    told_ms(value, now_ms).map(|ms| ms.min(RETRY_AFTER_MS_MAX))
}

/// A date as HTTP writes it, ms since 1970.
pub(crate) fn date_ms(value: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok()
}

fn told_ms(value: &str, now_ms: i64) -> Option<u64> {
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

    fn check(attempt: Attempt, sent: u32, repeatable: bool, expected: Decision) {
        let rules = Retry { quota_status: vec![429], transient_status: vec![503] };
        assert_eq!(decide(attempt, sent, 3, repeatable, &rules, 0.0, 60_000), expected);
    }

    fn answer(status: u16, retry_after_ms: Option<u64>) -> Attempt {
        Attempt::Answer { status, retry_after_ms }
    }

    #[test]
    fn a_quota_status_is_repeated_whatever_the_method() {
        check(answer(429, Some(2_000)), 1, false, Decision::Again(2_000));
        check(answer(429, None), 1, false, Decision::Again(250));
        check(answer(429, None), 2, false, Decision::Again(500));
        check(answer(429, None), 5, false, Decision::Settle);
        check(answer(429, Some(2_000)), 5, false, Decision::QuotaFor(2_000));
        check(answer(429, Some(3_600_000)), 1, true, Decision::QuotaFor(3_600_000));
        check(answer(429, Some(1_000)), 5, true, Decision::QuotaFor(1_000));
    }

    #[test]
    fn trouble_is_repeated_only_where_that_is_safe() {
        check(answer(503, None), 1, true, Decision::Again(250));
        check(answer(503, None), 1, false, Decision::Settle);
        check(answer(503, None), 5, true, Decision::Settle);
        check(answer(500, None), 1, true, Decision::Settle);
        check(answer(200, None), 1, true, Decision::Settle);
        check(Attempt::Broken, 1, true, Decision::Again(250));
        check(Attempt::Broken, 1, false, Decision::Settle);
        check(Attempt::NotSent, 1, false, Decision::Again(250));
        check(Attempt::NotSent, 2, false, Decision::Again(500));
        check(Attempt::NotSent, 3, true, Decision::Settle);
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
