//! Notices when a guest tells an allowed host far more than any API needs (`SECURITY.md` E13).
//!
//! A host that the admin allowed can be told things by paths, queries, headers and, where a whole
//! domain is allowed, by the names of hosts. That cannot be told from work for sure, so it is not
//! refused: what is far beyond any API's habit is counted and logged once per window.

use std::collections::BTreeSet;

/// Bytes of paths, queries and headers in [`MINUTE_MS`] that are unusual: some thousand long
/// queries.
pub const TARGET_BYTES_USUAL: usize = 8 << 20;

/// Hosts of one system in [`HOUR_MS`] that are usual: an account has one, or a few for its parts.
pub(crate) const HOSTS_USUAL: usize = 8;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// Something unusual that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anomaly {
    TargetBytes,
    Hosts,
}

impl Anomaly {
    /// Its fixed name, for the audit.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TargetBytes => "target-bytes",
            Self::Hosts => "hosts",
        }
    }
}

/// The chosen bytes and the hosts of one system's latest requests. Times are ms since 1970 of the
/// injected clock.
#[derive(Debug, Default)]
pub(crate) struct AnomalyDetector {
    minute: i64,
    bytes: usize,
    hour: i64,
    /// At most one more than is usual.
    hosts: BTreeSet<String>,
}

impl AnomalyDetector {
    /// A request of so many chosen bytes goes to `host`. The answer is what has just become
    /// unusual.
    pub(crate) fn note_request(
        &mut self,
        now_ms: i64,
        host: &str,
        bytes: usize,
    ) -> Option<Anomaly> {
        let (minute, hour) = (now_ms.div_euclid(MINUTE_MS), now_ms.div_euclid(HOUR_MS));
        if minute != self.minute {
            (self.minute, self.bytes) = (minute, 0);
        }
        if hour != self.hour {
            self.hour = hour;
            self.hosts.clear();
        }
        let before = self.bytes;
        self.bytes = before.saturating_add(bytes);
        if before <= TARGET_BYTES_USUAL && self.bytes > TARGET_BYTES_USUAL {
            return Some(Anomaly::TargetBytes);
        }
        let is_new = self.hosts.len() <= HOSTS_USUAL && self.hosts.insert(host.to_owned());
        (is_new && self.hosts.len() > HOSTS_USUAL).then_some(Anomaly::Hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_are_reported_once_a_minute() {
        let mut alarm = AnomalyDetector::default();
        let half = TARGET_BYTES_USUAL / 2;
        for (now_ms, bytes, expected) in [
            (0, half, None),
            (1, half, None),
            (2, 1, Some(Anomaly::TargetBytes)),
            (3, usize::MAX, None),
            (60_000, half * 2, None),
            (119_999, 1, Some(Anomaly::TargetBytes)),
            (120_000, 1, None),
        ] {
            assert_eq!(alarm.note_request(now_ms, "a.example", bytes), expected, "{now_ms}");
        }
    }

    #[test]
    fn many_hosts_are_reported_once_an_hour() {
        let mut alarm = AnomalyDetector::default();
        let mut told = |now_ms, hosts: usize| {
            (0..hosts)
                .filter_map(|n| alarm.note_request(now_ms, &format!("{n}.example"), 1))
                .count()
        };
        assert_eq!(told(0, HOSTS_USUAL), 0);
        assert_eq!(told(1, HOSTS_USUAL), 0, "the same again");
        assert_eq!(told(2, HOSTS_USUAL + 1), 1);
        assert_eq!(told(3, 1_000), 0, "told already");
        assert_eq!(told(3_600_000, HOSTS_USUAL), 0);
        assert_eq!(told(3_600_001, 1_000), 1);
        assert!(alarm.hosts.len() <= HOSTS_USUAL + 1, "no list of all that a guest thinks of");
    }
}
