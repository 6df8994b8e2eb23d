//! Blames a failed call on the plugin, or excuses it: faults of the remote system, the network or
//! the host never count against a plugin.
//!
//! - Pure, and by types alone: a guest chooses its words and which of its errors it answers with,
//!   so neither acquits it. A guest that was stopped is at fault by its
//!   [`StopCause`](renkei_model::plugin::StopCause); an error that it answers with is weighed
//!   against what its requests came to in that call ([`CallEvidence`]). A transform asks nobody, so
//!   it has nobody to blame.
//! - An error that says no more than that the input is wrong is in doubt: it counts where the
//!   version before takes the same input, and never leads to quarantine, where an admin would no
//!   longer see what is wrong.

use renkei_model::plugin::PluginError;

use crate::lifecycle::health::CallResult;
use crate::sandbox::call_failure::CallFailure;
use renkei_egress::CallEvidence;

/// The blame for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    Good,
    Fault,
    /// Its fault, unless the input is wrong as it says.
    Doubt,
    Excused,
}

/// Blames or excuses the plugin for a call, by types alone.
pub(crate) fn judge<T>(result: &Result<T, CallFailure>) -> Blame {
    match result {
        Ok(_) => Blame::Good,
        Err(CallFailure::Host(PluginError::Broken { cause, .. })) if cause.is_its_own() => {
            Blame::Fault
        }
        Err(CallFailure::Host(_)) => Blame::Excused,
        Err(CallFailure::Guest(error, evidence)) => weigh_answer(error, *evidence),
    }
}

fn weigh_answer(error: &PluginError, evidence: Option<CallEvidence>) -> Blame {
    use PluginError::{Broken, Forbidden, Host, Invalid, NotFound, Unsupported};
    match (error, evidence) {
        (Broken { .. }, _) => Blame::Fault,
        // Bad rows fail over and over, in ever smaller batches.
        (Invalid { .. }, None) => Blame::Doubt,
        (_, None) => Blame::Fault,
        (_, Some(CallEvidence::ExternalFailure)) => Blame::Excused,
        (Host { .. } | Unsupported { .. }, _) => Blame::Fault,
        (_, Some(CallEvidence::Answered)) => Blame::Excused,
        (Invalid { .. } | NotFound { .. } | Forbidden { .. }, _) => Blame::Doubt,
        (_, Some(CallEvidence::NoRequest)) => Blame::Fault,
    }
}

/// Turns blame into the result that health counts. `before` is the blame for the earlier version
/// with the same input, where one would serve again.
pub(crate) fn weigh(blame: Blame, before: Option<Blame>) -> CallResult {
    match (blame, before) {
        (Blame::Good, _) => CallResult::Good,
        (Blame::Fault, Some(Blame::Fault | Blame::Doubt)) => CallResult::Excused,
        (Blame::Fault, _) | (Blame::Doubt, Some(Blame::Good)) => CallResult::Fault,
        (Blame::Doubt | Blame::Excused, _) => CallResult::Excused,
    }
}

#[cfg(test)]
mod tests {
    use renkei_model::plugin::{Cap, Generation, StopCause};
    use renkei_model::record::{Problem, Remedy};

    use super::*;

    fn plugin() -> Generation {
        let (plugin, version) = ("a".to_owned(), "1.0.0".to_owned());
        Generation { plugin, version, digest: String::new() }
    }

    fn broken(cause: StopCause, reason: &str) -> PluginError {
        PluginError::Broken { plugin: plugin(), cause, reason: reason.to_owned() }
    }

    #[test]
    fn a_guest_that_was_stopped_is_judged_by_the_cause() {
        use Blame::{Excused, Fault};
        for (cause, expected) in [
            (StopCause::Trap, Fault),
            (StopCause::Limit(Cap::RunTime), Fault),
            (StopCause::Limit(Cap::Memory), Fault),
            (StopCause::Contract, Fault),
            (StopCause::OwnFault, Fault),
            (StopCause::Earlier, Excused),
            (StopCause::Cancelled, Excused),
            (StopCause::Limit(Cap::CallTime), Excused),
            (StopCause::Limit(Cap::Places), Excused),
            (StopCause::HostPanic, Excused),
            (StopCause::OperatingSystem, Excused),
        ] {
            for reason in ["", "maximum concurrent", "all places are taken", "cancelled"] {
                let found = judge::<()>(&Err(broken(cause, reason).into()));
                assert_eq!(found, expected, "{cause:?} {reason}");
            }
        }
        let host = PluginError::Host { plugin: plugin(), reason: "in quarantine".to_owned() };
        assert_eq!(judge::<()>(&Err(host.into())), Excused);
        assert_eq!(judge(&Ok(())), Blame::Good);
    }

    #[test]
    fn guests_error_is_weighed_against_its_requests() {
        use Blame::{Doubt, Excused, Fault};
        let problem = || Problem {
            code: "busy".to_owned(),
            message: "maximum concurrent".to_owned(),
            field: None,
            remedy: Remedy::Retry,
        };
        let (code, message, what) = ("x".to_owned(), "no".to_owned(), "no connection".to_owned());
        let reason = what.clone();
        let evidences = [
            None,
            Some(CallEvidence::NoRequest),
            Some(CallEvidence::Answered),
            Some(CallEvidence::ExternalFailure),
        ];
        for (error, expected) in [
            (broken(StopCause::OwnFault, "maximum concurrent"), [Fault, Fault, Fault, Fault]),
            (PluginError::Host { plugin: plugin(), reason }, [Fault, Fault, Fault, Excused]),
            (PluginError::Unsupported { plugin: plugin(), what }, [Fault, Fault, Fault, Excused]),
            (
                PluginError::RetryAfter { plugin: plugin(), after_ms: 1 },
                [Fault, Fault, Excused, Excused],
            ),
            (
                PluginError::Unauthorized { plugin: plugin(), code, message },
                [Fault, Fault, Excused, Excused],
            ),
            (
                PluginError::CursorLost { plugin: plugin(), problem: problem() },
                [Fault, Fault, Excused, Excused],
            ),
            (
                PluginError::Invalid { plugin: plugin(), problem: problem() },
                [Doubt, Doubt, Excused, Excused],
            ),
            (
                PluginError::NotFound { plugin: plugin(), problem: problem() },
                [Fault, Doubt, Excused, Excused],
            ),
            (
                PluginError::Forbidden { plugin: plugin(), problem: problem() },
                [Fault, Doubt, Excused, Excused],
            ),
        ] {
            for (evidence, expected) in evidences.into_iter().zip(expected) {
                let found = judge::<()>(&Err(CallFailure::Guest(error.clone(), evidence)));
                assert_eq!(found, expected, "{error} {evidence:?}");
            }
        }
    }

    #[test]
    fn version_before_decides_a_doubt() {
        use Blame::{Doubt, Excused, Fault, Good};
        for (blame, before, expected) in [
            (Good, None, CallResult::Good),
            (Excused, None, CallResult::Excused),
            (Excused, Some(Good), CallResult::Excused),
            (Fault, None, CallResult::Fault),
            (Fault, Some(Good), CallResult::Fault),
            (Fault, Some(Excused), CallResult::Fault),
            (Fault, Some(Fault), CallResult::Excused),
            (Fault, Some(Doubt), CallResult::Excused),
            (Doubt, None, CallResult::Excused),
            (Doubt, Some(Good), CallResult::Fault),
            (Doubt, Some(Doubt), CallResult::Excused),
            (Doubt, Some(Fault), CallResult::Excused),
            (Doubt, Some(Excused), CallResult::Excused),
        ] {
            assert_eq!(weigh(blame, before), expected, "{blame:?} {before:?}");
        }
    }
}
