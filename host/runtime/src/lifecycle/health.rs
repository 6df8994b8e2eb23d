//! Judges whether a generation serves well: pure rules over its calls.
//!
//! - A new generation is on probation for [`HealthRules::calls`] calls or, from the first of them
//!   on, [`HealthRules::window_ms`]: when it fails more often than the one before it did, that one
//!   serves again.
//! - Without an earlier one, [`HealthRules::in_a_row`] failures without a success between them put
//!   the plugin in quarantine, first for [`HealthRules::first_ms`], then twice as long each time.
//!
//! Only what the plugin itself does counts ([`CallResult::Fault`]): a trap, a limit, a broken
//! contract. A failure of the remote system, the network or the host, and one that an earlier
//! generation has with the same input too, is [`CallResult::Excused`].

/// The result of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallResult {
    Good,
    Fault,
    Excused,
}

/// The verdict after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HealthVerdict {
    Fine,
    /// Too many failures on probation: this many, of so many calls.
    RollBack {
        failures: u64,
        calls: u64,
    },
    /// No call until then (ms since 1970), after so many failures in a row.
    Quarantine {
        until_ms: i64,
        failures: u32,
    },
}

/// The rules of probation and quarantine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HealthRules {
    /// Calls of a probation.
    pub(crate) calls: u64,
    /// Its longest time.
    pub(crate) window_ms: i64,
    /// Failures of a probation that prove nothing yet.
    pub(crate) slack: u64,
    /// Failures that lead to quarantine.
    pub(crate) in_a_row: u32,
    /// The shortest quarantine.
    pub(crate) first_ms: i64,
    /// The longest.
    pub(crate) longest_ms: i64,
}

impl HealthRules {
    const CONNECTOR: Self = Self {
        calls: 200,
        window_ms: 600_000,
        slack: 2,
        in_a_row: 5,
        first_ms: 1_000,
        longest_ms: 300_000,
    };

    pub(crate) fn connector() -> Self {
        Self::CONNECTOR
    }

    /// The engine asks again with halves of a batch that fails, so a few bad rows among many are
    /// dozens of failures in a row and still no reason to stop.
    pub(crate) fn transform() -> Self {
        Self { in_a_row: 64, ..Self::CONNECTOR }
    }
}

/// The health of one generation. Times are ms since 1970 of the injected clock.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    rules: HealthRules,
    calls: u64,
    failures: u64,
    in_a_row: u32,
    probation: Option<Probation>,
    quarantine: Option<Quarantine>,
}

#[derive(Debug, Clone, Copy)]
struct Probation {
    /// The time of its first call.
    since_ms: Option<i64>,
    before: FailureRate,
}

/// Failures, and the calls that they are of.
pub(crate) type FailureRate = (u64, u64);

#[derive(Debug, Clone, Copy)]
struct Quarantine {
    since_ms: i64,
    length_ms: i64,
}

impl Quarantine {
    fn until_ms(&self) -> i64 {
        self.since_ms.saturating_add(self.length_ms)
    }
}

impl Health {
    /// Of a generation that follows none.
    pub(crate) fn new(rules: HealthRules) -> Self {
        Self { rules, calls: 0, failures: 0, in_a_row: 0, probation: None, quarantine: None }
    }

    /// Of a generation that is watched, because one that failed so often can serve again.
    pub(crate) fn on_probation(rules: HealthRules, before: FailureRate) -> Self {
        Self { probation: Some(Probation { since_ms: None, before }), ..Self::new(rules) }
    }

    /// The rate by which the next generation is measured: its failures, or, while it is on
    /// probation itself, those of the one before it.
    pub(crate) fn rate(&self, now_ms: i64) -> FailureRate {
        match self.probation {
            Some(probation) if self.is_on_probation(now_ms) => probation.before,
            _ => (self.failures, self.calls),
        }
    }

    /// True where an earlier generation may still be needed.
    pub(crate) fn is_on_probation(&self, now_ms: i64) -> bool {
        self.probation.is_some_and(|probation| {
            let age_ms = probation.since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
            self.calls < self.rules.calls && age_ms < self.rules.window_ms
        })
    }

    /// Until when no call is taken, if so.
    pub(crate) fn quarantined_until(&self, now_ms: i64) -> Option<i64> {
        // A clock that was set back ends it: nobody knows how long it still is.
        let quarantine = self.quarantine.filter(|quarantine| quarantine.since_ms <= now_ms);
        quarantine.map(|quarantine| quarantine.until_ms()).filter(|until| *until > now_ms)
    }

    /// Counts a call.
    pub(crate) fn record(&mut self, unit: CallResult, now_ms: i64) -> HealthVerdict {
        match unit {
            CallResult::Excused => HealthVerdict::Fine,
            CallResult::Good => {
                self.begin_probation(now_ms);
                self.calls += 1;
                self.in_a_row = 0;
                self.quarantine = None;
                HealthVerdict::Fine
            }
            CallResult::Fault => {
                self.begin_probation(now_ms);
                let on_probation = self.is_on_probation(now_ms);
                self.calls += 1;
                self.failures += 1;
                self.in_a_row = self.in_a_row.saturating_add(1);
                if on_probation { self.judge() } else { self.isolate(now_ms) }
            }
        }
    }

    fn begin_probation(&mut self, now_ms: i64) {
        if let Some(probation) = &mut self.probation {
            probation.since_ms.get_or_insert(now_ms);
        }
    }

    /// Half as many again as the earlier one would have had, and a few that prove nothing.
    fn judge(&self) -> HealthVerdict {
        let (failures, calls) = self.probation.map_or((0, 0), |probation| probation.before);
        let expected = self.calls.saturating_mul(failures).checked_div(calls).unwrap_or(0);
        if self.failures > expected + expected / 2 + self.rules.slack {
            return HealthVerdict::RollBack { failures: self.failures, calls: self.calls };
        }
        HealthVerdict::Fine
    }

    fn isolate(&mut self, now_ms: i64) -> HealthVerdict {
        // What began before the quarantine may end in it.
        if self.quarantined_until(now_ms).is_some() {
            return HealthVerdict::Fine;
        }
        let length_ms = match self.quarantine {
            Some(before) => before.length_ms.saturating_mul(2).min(self.rules.longest_ms),
            None if self.in_a_row < self.rules.in_a_row => return HealthVerdict::Fine,
            None => self.rules.first_ms,
        };
        let quarantine = Quarantine { since_ms: now_ms, length_ms };
        self.quarantine = Some(quarantine);
        HealthVerdict::Quarantine { until_ms: quarantine.until_ms(), failures: self.in_a_row }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: HealthRules = HealthRules::CONNECTOR;

    /// The results: `.` good, `x` fault, `e` excused; a number waits so many seconds. The
    /// answer is where the first verdict that is not fine fell, and what it was.
    fn told(health: &mut Health, story: &str) -> Option<(usize, HealthVerdict)> {
        let mut now_ms = 0;
        for (at, word) in story.split_whitespace().enumerate() {
            if let Ok(seconds) = word.parse::<i64>() {
                now_ms += seconds * 1_000;
                continue;
            }
            for letter in word.chars() {
                let unit = match letter {
                    '.' => CallResult::Good,
                    'x' => CallResult::Fault,
                    'e' => CallResult::Excused,
                    other => panic!("{other}"),
                };
                let verdict = health.record(unit, now_ms);
                if verdict != HealthVerdict::Fine {
                    return Some((at, verdict));
                }
            }
        }
        None
    }

    #[test]
    fn a_probation_ends_in_a_roll_back_or_in_peace() {
        let roll_back = |failures, calls| Some(HealthVerdict::RollBack { failures, calls });
        let good = Health::new(RULES);
        let mut bad = Health::new(RULES);
        told(&mut bad, &".x".repeat(50));
        let long = ".".repeat(200);
        for (before, story, expected) in [
            (&good, "xxx", roll_back(3, 3)),
            (&good, "....x ....x ....x", roll_back(3, 15)),
            (&good, "xx", None),
            (&good, "xx eeee eeee", None),
            (&good, "xx 601 x", None),
            (&good, &format!("xx {long} x x"), None),
            (&bad, ".x.x.x.x.x.x.x.x.x.x.x.x", None),
            (&bad, "xxx xxx xxx xxx", roll_back(7, 7)),
        ] {
            let mut health = Health::on_probation(RULES, before.rate(0));
            let found = told(&mut health, story).map(|(_, verdict)| verdict);
            assert_eq!(found, expected, "{story}");
        }
    }

    #[test]
    fn one_on_probation_is_no_measure_for_the_next() {
        let mut good = Health::new(RULES);
        told(&mut good, "..........");
        let mut bad = Health::on_probation(RULES, good.rate(0));
        told(&mut bad, "xx");
        assert_eq!(bad.rate(0), (0, 10));
        told(&mut bad, &".".repeat(200));
        assert_eq!(bad.rate(0), (2, 202), "it has passed");
    }

    #[test]
    fn failures_in_a_row_lead_to_longer_and_longer_quarantine() {
        let mut health = Health::new(RULES);
        let quarantine =
            |until_ms, failures| Some((0, HealthVerdict::Quarantine { until_ms, failures }));
        assert_eq!(told(&mut health, "xxxx . xxxx . xxxx eeee"), None);
        assert_eq!(told(&mut health, "x"), quarantine(1_000, 5));
        assert_eq!(health.quarantined_until(999), Some(1_000));
        assert_eq!(health.quarantined_until(1_000), None);
        assert_eq!(health.quarantined_until(-1), None, "the clock was set back");
        assert_eq!(health.record(CallResult::Fault, 500), HealthVerdict::Fine, "it began before");
        let mut now_ms = 1_000;
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let verdict = health.record(CallResult::Fault, now_ms);
            let until_ms = now_ms + seconds * 1_000;
            let HealthVerdict::Quarantine { until_ms: until, .. } = verdict else {
                panic!("{seconds}: {verdict:?}");
            };
            assert_eq!(until, until_ms, "{seconds}");
            now_ms = until_ms;
        }
        assert_eq!(health.record(CallResult::Good, now_ms), HealthVerdict::Fine);
        assert_eq!(told(&mut health, "xxxx"), None, "a success forgives");
    }

    #[test]
    fn failure_outside_the_plugin_does_not_count() {
        let mut health = Health::on_probation(RULES, (0, 0));
        assert_eq!(told(&mut health, &"e".repeat(1_000)), None);
        assert!(health.is_on_probation(i64::MAX), "nothing was tried yet");
        assert_eq!(told(&mut health, &".".repeat(199)), None);
        assert!(health.is_on_probation(599_999) && !health.is_on_probation(600_000));
        assert!(health.is_on_probation(0));
        health.record(CallResult::Good, 0);
        assert!(!health.is_on_probation(0));
    }
}
