//! The evidence about a guest's requests in one call. It decides who is to blame for a call that
//! the guest gives up; what the guest says of it does not.
//!
//! Pure. A guest chooses what it asks, so what it can bring about alone is no excuse: a request
//! that its own manifest forbids, a time that no server keeps, an answer that only says that the
//! request was wrong.

use std::collections::BTreeSet;

use renkei_package::Permission;

use crate::http::SendError;
use crate::refusal::EgressRefusal;

/// Whoever gives a server less time than this cannot blame it for being late, ms.
const PATIENT_MS: u32 = 1_000;

/// The strongest evidence of a call; the last variant is the strongest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallEvidence {
    /// Nobody was asked.
    #[default]
    NoRequest,
    /// A request was sent, and nothing outside of the guest failed.
    Answered,
    /// The remote system, the network, the credentials, a quota or an admin stood in the way.
    ExternalFailure,
}

impl CallEvidence {
    /// An answer came. Only these statuses say that the server or the account failed, whatever was
    /// asked.
    pub(crate) fn from_status(status: u16) -> Self {
        match status {
            401 | 403 | 408 | 423 | 425 | 429 | 500.. => Self::ExternalFailure,
            _ => Self::Answered,
        }
    }

    /// No answer came to a request on `slot` that gave the server `timeout_ms`; an admin denied
    /// `denied`.
    pub(crate) fn from_error(
        failure: &SendError,
        (slot, timeout_ms): (&str, Option<u32>),
        denied: &BTreeSet<Permission>,
    ) -> Self {
        let hasty = timeout_ms.is_some_and(|ms| ms < PATIENT_MS);
        match failure {
            SendError::Timeout | SendError::Refused(EgressRefusal::Deadline) if hasty => {
                Self::Answered
            }
            SendError::Refused(refusal) => Self::from_refusal(refusal, slot, denied),
            _ => Self::ExternalFailure,
        }
    }

    fn from_refusal(refusal: &EgressRefusal, slot: &str, denied: &BTreeSet<Permission>) -> Self {
        let mut of_slot = denied.iter().filter(|permission| permission.slot() == Some(slot));
        let excused = match refusal {
            EgressRefusal::Slot(_) => of_slot.any(|one| matches!(one, Permission::Slot { .. })),
            EgressRefusal::Method(_) | EgressRefusal::NamedMethod(_) => {
                of_slot.any(|one| matches!(one, Permission::Method { .. }))
            }
            EgressRefusal::Ungranted(_) => {
                of_slot.any(|one| matches!(one, Permission::Path { .. }))
            }
            EgressRefusal::Quota(_)
            | EgressRefusal::Path(_)
            | EgressRefusal::HostHeader(_)
            | EgressRefusal::OverrideHeader(_)
            | EgressRefusal::HostParameter(_)
            | EgressRefusal::CredentialBody
            | EgressRefusal::Header(_) => false,
            _ => true,
        };
        if excused { Self::ExternalFailure } else { Self::NoRequest }
    }

    /// The host failed something that is no request: an excuse only for who asked somebody.
    pub(crate) fn with_external_failure(self) -> Self {
        if self == Self::NoRequest { Self::NoRequest } else { Self::ExternalFailure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_an_excuse_where_no_request_could_help() {
        for status in [200, 204, 301, 400, 404, 405, 409, 422] {
            assert_eq!(CallEvidence::from_status(status), CallEvidence::Answered, "{status}");
        }
        for status in [401, 403, 408, 423, 429, 500, 502, 503, 599] {
            assert_eq!(
                CallEvidence::from_status(status),
                CallEvidence::ExternalFailure,
                "{status}"
            );
        }
    }

    #[test]
    fn failure_that_a_guest_causes_alone_is_no_excuse() {
        let text = || "x".to_owned();
        let place = EgressRefusal::Origin(text());
        for (failure, timeout_ms, denied, expected) in [
            (SendError::Quota(1), None, "", CallEvidence::ExternalFailure),
            (SendError::NoAnswer(text()), Some(1), "", CallEvidence::ExternalFailure),
            (SendError::Unauthorized(text()), None, "", CallEvidence::ExternalFailure),
            (SendError::Timeout, None, "", CallEvidence::ExternalFailure),
            (SendError::Timeout, Some(1_000), "", CallEvidence::ExternalFailure),
            (SendError::Timeout, Some(999), "", CallEvidence::Answered),
            (EgressRefusal::Deadline.into(), Some(1), "", CallEvidence::Answered),
            (EgressRefusal::Deadline.into(), None, "", CallEvidence::ExternalFailure),
            (EgressRefusal::WireBytes.into(), None, "", CallEvidence::ExternalFailure),
            (place.into(), None, "", CallEvidence::ExternalFailure),
            (EgressRefusal::Slot("main".to_owned()).into(), None, "", CallEvidence::NoRequest),
            (
                EgressRefusal::Slot("main".to_owned()).into(),
                None,
                "slot:main",
                CallEvidence::ExternalFailure,
            ),
            (
                EgressRefusal::Slot("main".to_owned()).into(),
                None,
                "slot:mainly",
                CallEvidence::NoRequest,
            ),
            (EgressRefusal::Method(text()).into(), None, "path:main:/", CallEvidence::NoRequest),
            (
                EgressRefusal::Method(text()).into(),
                None,
                "method:main:GET",
                CallEvidence::ExternalFailure,
            ),
            (
                EgressRefusal::NamedMethod(text()).into(),
                None,
                "path:main:/",
                CallEvidence::NoRequest,
            ),
            (
                EgressRefusal::Ungranted(text()).into(),
                None,
                "path:main:/v1",
                CallEvidence::ExternalFailure,
            ),
            (
                EgressRefusal::Ungranted(text()).into(),
                None,
                "path:other:/v1",
                CallEvidence::NoRequest,
            ),
            (EgressRefusal::Path("x").into(), None, "path:main:/v1", CallEvidence::NoRequest),
            (EgressRefusal::Header("x").into(), None, "slot:main", CallEvidence::NoRequest),
            (EgressRefusal::HostHeader(text()).into(), None, "slot:main", CallEvidence::NoRequest),
            (EgressRefusal::Quota(text()).into(), None, "slot:main", CallEvidence::NoRequest),
        ] {
            let denied: BTreeSet<Permission> = denied.parse().into_iter().collect();
            let found = CallEvidence::from_error(&failure, ("main", timeout_ms), &denied);
            assert_eq!(found, expected, "{failure:?} {timeout_ms:?} {denied:?}");
        }
    }

    #[test]
    fn worst_evidence_of_a_call_counts() {
        assert_eq!(
            CallEvidence::ExternalFailure.max(CallEvidence::Answered),
            CallEvidence::ExternalFailure
        );
        assert_eq!(CallEvidence::NoRequest.with_external_failure(), CallEvidence::NoRequest);
        assert_eq!(CallEvidence::Answered.with_external_failure(), CallEvidence::ExternalFailure);
    }
}
