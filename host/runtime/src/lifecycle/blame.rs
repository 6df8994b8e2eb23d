//! Whose fault a failed call is: the plugin's own, or not (issue 3: faults of the remote system or
//! the network never count against a plugin).
//!
//! - Pure, and by types alone: a guest chooses its words and which of its errors it answers with,
//!   so neither acquits it. A guest that was stopped is at fault by its
//!   [`StopCause`](renkei_sync::model::plugin::StopCause); an error that it answers with is weighed
//!   against what its requests came to in that call ([`CallEvidence`]). A transform asks nobody, so it
//!   has nobody to blame.
//! - An error that says no more than that the input is wrong is in doubt: it counts where the
//!   version before takes the same input, and never leads to quarantine, where an admin would no
//!   longer see what is wrong.

use renkei_sync::model::plugin::PluginError;

use crate::lifecycle::health::Unit;
use renkei_egress::CallEvidence;

/// A call that failed, and who says so.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The host: it stopped the guest, could not take its answer, or never asked it.
    Host(PluginError),
    /// The guest, with what its requests came to; a transform has no way to send one.
    Guest(PluginError, Option<CallEvidence>),
}

impl From<PluginError> for Failed {
    fn from(error: PluginError) -> Self {
        Self::Host(error)
    }
}

impl From<Failed> for PluginError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Host(error) | Failed::Guest(error, _) => error,
        }
    }
}

/// What one call says of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    Good,
    Fault,
    /// Its fault, unless the input is wrong as it says.
    Doubt,
    Excused,
}

/// What a call's result says of the plugin.
pub(crate) fn judge<T>(result: &Result<T, Failed>) -> Blame {
    match result {
        Ok(_) => Blame::Good,
        Err(Failed::Host(PluginError::Broken { cause, .. })) if cause.is_its_own() => Blame::Fault,
        Err(Failed::Host(_)) => Blame::Excused,
        Err(Failed::Guest(error, evidence)) => said(error, *evidence),
    }
}

fn said(error: &PluginError, evidence: Option<CallEvidence>) -> Blame {
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

/// What counts of a call, given what the version before came to with the same input, where there is
/// one that would serve again.
pub(crate) fn weigh(blame: Blame, before: Option<Blame>) -> Unit {
    match (blame, before) {
        (Blame::Good, _) => Unit::Good,
        (Blame::Fault, Some(Blame::Fault | Blame::Doubt)) => Unit::Excused,
        (Blame::Fault, _) | (Blame::Doubt, Some(Blame::Good)) => Unit::Fault,
        (Blame::Doubt | Blame::Excused, _) => Unit::Excused,
    }
}

#[cfg(test)]
mod tests {
    use renkei_sync::model::plugin::{Cap, Generation, StopCause};
    use renkei_sync::model::record::{Problem, Remedy};

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
    fn what_a_guest_says_is_weighed_against_what_it_did() {
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
                let found = judge::<()>(&Err(Failed::Guest(error.clone(), evidence)));
                assert_eq!(found, expected, "{error} {evidence:?}");
            }
        }
    }

    #[test]
    fn the_version_before_decides_what_is_in_doubt() {
        use Blame::{Doubt, Excused, Fault, Good};
        for (blame, before, expected) in [
            (Good, None, Unit::Good),
            (Excused, None, Unit::Excused),
            (Excused, Some(Good), Unit::Excused),
            (Fault, None, Unit::Fault),
            (Fault, Some(Good), Unit::Fault),
            (Fault, Some(Excused), Unit::Fault),
            (Fault, Some(Fault), Unit::Excused),
            (Fault, Some(Doubt), Unit::Excused),
            (Doubt, None, Unit::Excused),
            (Doubt, Some(Good), Unit::Fault),
            (Doubt, Some(Doubt), Unit::Excused),
            (Doubt, Some(Fault), Unit::Excused),
            (Doubt, Some(Excused), Unit::Excused),
        ] {
            assert_eq!(weigh(blame, before), expected, "{blame:?} {before:?}");
        }
    }
}
