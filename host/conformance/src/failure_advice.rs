//! Advice for a call that gave no answer.
//!
//! A rule's own advice is about answers that break it. A call that traps, does not end or meets an
//! unknown name breaks every rule in the same way. So its advice follows the cause of the failure.

use renkei_model::plugin::{Cap, PluginError, StopCause};

use crate::rules::{self, ContractRule};

/// The causes of a failed call whose advice is not the rule's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCause {
    /// The plugin trapped, or reported a fault of its own.
    Trap,
    /// The call ran out of time.
    Time,
    /// The call passed another limit.
    Limit,
    /// The answer does not fit the contract.
    Contract,
    /// The code does not know what the manifest lists.
    Unsupported,
}

impl FailureCause {
    /// The cause of an error; none where the rule's own advice fits.
    pub fn classify(error: &PluginError) -> Option<Self> {
        match error {
            PluginError::Unsupported { .. } => Some(Self::Unsupported),
            PluginError::Broken { cause, .. } => match cause {
                StopCause::Trap | StopCause::OwnFault => Some(Self::Trap),
                StopCause::Contract => Some(Self::Contract),
                StopCause::Limit(Cap::RunTime | Cap::CallTime) => Some(Self::Time),
                StopCause::Limit(_) => Some(Self::Limit),
                _ => None,
            },
            _ => None,
        }
    }

    /// The next step. `subject` is the function or object; `has_output` is true where the plugin
    /// wrote a line.
    pub(crate) fn advice(self, rule: &ContractRule, subject: &str, has_output: bool) -> String {
        // The advice of these two rules covers such errors.
        if *rule == rules::SETTINGS || (*rule == rules::COLUMNS && self == Self::Contract) {
            return rule.advice.to_owned();
        }
        let advice = match self {
            Self::Trap if has_output => "see the output above",
            Self::Trap => {
                "the plugin ended without a line of output: let it log or print where it is"
            }
            Self::Time => {
                "the call does not end, or takes far too long: look for a loop without an end and \
                 for work that grows faster than the rows"
            }
            Self::Limit => "stay below the limit named above: hold less at once",
            Self::Contract => {
                "make the answer fit the contract: the column, row or value that does not is named \
                 above"
            }
            Self::Unsupported if subject.is_empty() => {
                "the manifest lists what the code does not: make them the same"
            }
            Self::Unsupported => {
                return format!("the manifest lists `{subject}`, the code does not");
            }
        };
        advice.to_owned()
    }
}
