//! The circuit breaker of one origin: how long an answer is waited for. Pure: the time is given.
//!
//! A system that hangs takes the whole time of each request, so it would hold up a cycle once per
//! object (`RULES.md R21`). After one request waited in vain, the next two are given [`TRY`] each;
//! when they get nothing either, requests fail at once, but for one each [`REST`]. Any answer ends
//! that; a connection that is cut after a wait is none. A system that always takes longer than
//! [`TRY`] is given the whole time each [`WHOLE_EVERY`].

use std::time::Duration;

use tokio::time::Instant;

/// The time of a request while the breaker is open; whoever waited for less opens none.
pub(crate) const TRY: Duration = Duration::from_secs(10);
/// The time in which nothing is sent after the third request without an answer.
pub(crate) const REST: Duration = Duration::from_secs(30);
/// The interval at which a request has the whole time although the breaker is open.
const WHOLE_EVERY: Duration = Duration::from_secs(600);
/// The time within which a cut connection is an answer: whoever cuts it is there.
const AT_ONCE: Duration = Duration::from_secs(1);
/// So many requests without an answer are followed by a rest.
const IN_VAIN_MAX: u32 = 3;

/// The end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestEnding {
    /// With an answer, or with one that is not taken.
    Answer,
    /// The connection was cut before there was one.
    Cut,
    /// Nothing came in time, or not all of it.
    Silence,
}

/// Closed until a request has waited in vain for long.
#[derive(Debug, Default)]
pub(crate) struct CircuitBreaker(Option<Outage>);

#[derive(Debug, Clone, Copy)]
struct Outage {
    since: Instant,
    /// The last request with the whole time began then.
    whole: Instant,
    /// The last request without an answer ended, or one began after a rest.
    tried: Instant,
    in_vain: u32,
}

impl CircuitBreaker {
    /// The time of a request that wants so much; an error says for how long nobody has answered
    /// and for how long nothing is sent.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        wanted: Duration,
    ) -> Result<Duration, (Duration, Duration)> {
        let Some(outage) = &mut self.0 else { return Ok(wanted) };
        let rested = now.saturating_duration_since(outage.tried);
        if outage.in_vain >= IN_VAIN_MAX && rested < REST {
            let since = now.saturating_duration_since(outage.since);
            return Err((since, REST.saturating_sub(rested)));
        }
        // Whoever comes at the same time waits for what comes of this one.
        outage.tried = now;
        if now.saturating_duration_since(outage.whole) >= WHOLE_EVERY {
            outage.whole = now;
            return Ok(wanted);
        }
        Ok(wanted.min(TRY))
    }

    /// A request ended so, begun at `began`.
    pub(crate) fn ended(&mut self, began: Instant, now: Instant, ending: RequestEnding) {
        let at_once = now.saturating_duration_since(began) < AT_ONCE;
        match ending {
            RequestEnding::Answer => self.0 = None,
            RequestEnding::Cut if at_once => self.0 = None,
            RequestEnding::Cut | RequestEnding::Silence => self.waited(began, now),
        }
    }

    fn waited(&mut self, began: Instant, now: Instant) {
        match &mut self.0 {
            Some(outage) => {
                outage.in_vain = outage.in_vain.saturating_add(1);
                outage.tried = outage.tried.max(now);
            }
            None if now.saturating_duration_since(began) >= TRY => {
                self.0 = Some(Outage { since: began, whole: began, tried: now, in_vain: 1 });
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Duration = Duration::from_secs(60);

    /// `RULES.md R21`.
    #[test]
    fn a_system_that_hangs_takes_the_whole_time_once() {
        let mut breaker = CircuitBreaker::default();
        let start = Instant::now();
        let (mut now, mut cost) = (start, Duration::ZERO);
        // Twenty requests one after another in each of seven cycles, a minute apart.
        for cycle in 0..7 {
            let before = cost;
            for _ in 0..20 {
                let Ok(time) = breaker.begin(now, WHOLE) else { continue };
                (cost, now) = (cost + time, now + time);
                breaker.ended(now - time, now, RequestEnding::Silence);
            }
            let most = if cycle == 0 { WHOLE + TRY + TRY } else { TRY };
            assert_eq!(cost - before, most, "cycle {cycle}");
            now += WHOLE;
        }
        let (since, rest) = {
            assert!(breaker.begin(now, WHOLE).is_ok());
            breaker.begin(now, WHOLE).unwrap_err()
        };
        assert_eq!((since, rest), (now - start, REST));
    }

    #[test]
    fn any_answer_closes_the_breaker() {
        let mut breaker = CircuitBreaker::default();
        let now = Instant::now();
        breaker.ended(now, now + WHOLE, RequestEnding::Silence);
        assert_eq!(breaker.begin(now + WHOLE, WHOLE), Ok(TRY));
        assert_eq!(breaker.begin(now + WHOLE, TRY / 2), Ok(TRY / 2));
        breaker.ended(now, now + WHOLE, RequestEnding::Answer);
        assert_eq!(breaker.begin(now + WHOLE, WHOLE), Ok(WHOLE));
    }

    /// A balancer in front of a system that hangs cuts each connection after 25 s.
    #[test]
    fn a_connection_that_is_cut_after_a_wait_is_no_answer() {
        let mut breaker = CircuitBreaker::default();
        let start = Instant::now();
        let (mut now, mut cost) = (start, Duration::ZERO);
        for _ in 0..20 {
            let Ok(time) = breaker.begin(now, WHOLE) else { continue };
            let idle = Duration::from_secs(25);
            let ending = if time < idle { RequestEnding::Silence } else { RequestEnding::Cut };
            let time = time.min(idle);
            (cost, now) = (cost + time, now + time);
            breaker.ended(now - time, now, ending);
        }
        assert_eq!(cost, Duration::from_secs(25) + TRY + TRY);
        // One that takes two seconds to cut them does not end it either; one that resets at once is
        // there.
        now += REST;
        assert_eq!(breaker.begin(now, WHOLE), Ok(TRY));
        breaker.ended(now, now + 2 * AT_ONCE, RequestEnding::Cut);
        assert!(breaker.begin(now + 2 * AT_ONCE, WHOLE).is_err());
        breaker.ended(now, now + AT_ONCE / 2, RequestEnding::Cut);
        assert_eq!(breaker.begin(now, WHOLE), Ok(WHOLE));
    }

    #[test]
    fn a_short_timeout_opens_no_breaker() {
        let mut breaker = CircuitBreaker::default();
        let now = Instant::now();
        for _ in 0..10 {
            breaker.ended(now, now + TRY - Duration::from_millis(1), RequestEnding::Silence);
        }
        assert_eq!(breaker.begin(now + TRY, WHOLE), Ok(WHOLE));
    }

    #[test]
    fn a_slow_system_is_given_the_whole_time_now_and_then() {
        let mut breaker = CircuitBreaker::default();
        let now = Instant::now();
        breaker.ended(now, now + WHOLE, RequestEnding::Silence);
        assert_eq!(breaker.begin(now + WHOLE_EVERY, WHOLE), Ok(WHOLE));
        assert_eq!(breaker.begin(now + WHOLE_EVERY, WHOLE), Ok(TRY));
    }
}
