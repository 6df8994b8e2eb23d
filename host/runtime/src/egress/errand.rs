//! What a guest's requests came to in one call: who is to blame for a call that the guest gives up
//! is read from this and never from what the guest says of it.
//!
//! Pure. A guest chooses what it asks, so what it can bring about alone is no excuse: a request
//! that its own manifest forbids, a time that no server keeps, an answer that only says that the
//! request was wrong.

use std::collections::BTreeSet;

use super::{Failure, Refusal};

/// Whoever gives a server less time than this cannot blame it for being late, ms.
const PATIENT_MS: u32 = 1_000;

/// The most that the requests of a call came to; the last is the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errand {
    /// Nobody was asked.
    #[default]
    Idle,
    /// A request was sent, and nothing outside of the guest failed.
    Asked,
    /// The remote system, the network, the credentials, a quota or an admin stood in the way.
    Failed,
}

impl Errand {
    /// An answer came. Only these statuses say that the server or the account failed, whatever was
    /// asked.
    pub(super) fn answered(status: u16) -> Self {
        match status {
            401 | 403 | 408 | 423 | 425 | 429 | 500.. => Self::Failed,
            _ => Self::Asked,
        }
    }

    /// No answer came to a request on `slot` that gave the server `timeout_ms`; the admin took
    /// `denied` away (the words of `lifecycle/grants.rs`).
    pub(super) fn failed(
        failure: &Failure,
        (slot, timeout_ms): (&str, Option<u32>),
        denied: &BTreeSet<String>,
    ) -> Self {
        let hasty = timeout_ms.is_some_and(|ms| ms < PATIENT_MS);
        match failure {
            Failure::Timeout | Failure::Refused(Refusal::Deadline) if hasty => Self::Asked,
            Failure::Refused(refusal) => Self::refused(refusal, slot, denied),
            _ => Self::Failed,
        }
    }

    fn refused(refusal: &Refusal, slot: &str, denied: &BTreeSet<String>) -> Self {
        let cut = |start: String| denied.iter().any(|word| word.starts_with(&start));
        let excused = match refusal {
            Refusal::Slot(_) => denied.contains(&format!("slot:{slot}")),
            Refusal::Method(_) => cut(format!("method:{slot}:")),
            Refusal::Ungranted(_) => cut(format!("path:{slot}:")),
            Refusal::Quota(_) | Refusal::Path(_) | Refusal::HostHeader(_) | Refusal::Header(_) => {
                false
            }
            _ => true,
        };
        if excused { Self::Failed } else { Self::Idle }
    }

    /// The host failed something that is no request: an excuse only for who asked somebody.
    pub(super) fn and_failed(self) -> Self {
        if self == Self::Idle { Self::Idle } else { Self::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_an_excuse_where_no_request_could_help() {
        for status in [200, 204, 301, 400, 404, 405, 409, 422] {
            assert_eq!(Errand::answered(status), Errand::Asked, "{status}");
        }
        for status in [401, 403, 408, 423, 429, 500, 502, 503, 599] {
            assert_eq!(Errand::answered(status), Errand::Failed, "{status}");
        }
    }

    #[test]
    fn what_a_guest_brings_about_alone_is_no_excuse() {
        let text = || "x".to_owned();
        let place = Refusal::Origin(text());
        for (failure, timeout_ms, denied, expected) in [
            (Failure::Quota(1), None, "", Errand::Failed),
            (Failure::NoAnswer(text()), Some(1), "", Errand::Failed),
            (Failure::Unauthorized(text()), None, "", Errand::Failed),
            (Failure::Timeout, None, "", Errand::Failed),
            (Failure::Timeout, Some(1_000), "", Errand::Failed),
            (Failure::Timeout, Some(999), "", Errand::Asked),
            (Refusal::Deadline.into(), Some(1), "", Errand::Asked),
            (Refusal::Deadline.into(), None, "", Errand::Failed),
            (Refusal::WireBytes.into(), None, "", Errand::Failed),
            (place.into(), None, "", Errand::Failed),
            (Refusal::Slot("main".to_owned()).into(), None, "", Errand::Idle),
            (Refusal::Slot("main".to_owned()).into(), None, "slot:main", Errand::Failed),
            (Refusal::Slot("main".to_owned()).into(), None, "slot:mainly", Errand::Idle),
            (Refusal::Method(text()).into(), None, "path:main:/", Errand::Idle),
            (Refusal::Method(text()).into(), None, "method:main:GET", Errand::Failed),
            (Refusal::Ungranted(text()).into(), None, "path:main:/v1", Errand::Failed),
            (Refusal::Ungranted(text()).into(), None, "path:other:/v1", Errand::Idle),
            (Refusal::Path("x").into(), None, "path:main:/v1", Errand::Idle),
            (Refusal::Header("x").into(), None, "slot:main", Errand::Idle),
            (Refusal::HostHeader(text()).into(), None, "slot:main", Errand::Idle),
            (Refusal::Quota(text()).into(), None, "slot:main", Errand::Idle),
        ] {
            let denied = BTreeSet::from([denied.to_owned()]);
            let found = Errand::failed(&failure, ("main", timeout_ms), &denied);
            assert_eq!(found, expected, "{failure:?} {timeout_ms:?} {denied:?}");
        }
    }

    #[test]
    fn the_worst_of_a_call_counts() {
        assert_eq!(Errand::Failed.max(Errand::Asked), Errand::Failed);
        assert_eq!(Errand::Idle.and_failed(), Errand::Idle);
        assert_eq!(Errand::Asked.and_failed(), Errand::Failed);
    }
}
