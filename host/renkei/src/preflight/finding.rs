//! A finding: something in the configuration that does not fit the live systems.

use std::collections::HashMap;

use renkei_model::plugin::Schema;
use serde::Serialize;

/// Live schemas by system and object.
pub(crate) type Schemas = HashMap<(String, String), Schema>;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Errors stop a sync, warnings do not.
    pub(crate) severity: Severity,
    /// The entity, and the field where it is about one; or a table of the configuration.
    pub(crate) place: String,
    /// `system.object`; or the table's file.
    pub(crate) member: String,
    /// The mistake.
    pub(crate) message: String,
    /// The next step.
    pub(crate) hint: Option<String>,
    /// The work that cannot go on because of it.
    #[serde(skip)]
    pub(crate) stops: FindingScope,
}

/// The work that an error stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FindingScope {
    /// The configuration as a whole.
    Everything,
    /// One object: the system's others go on (`host/sync/RULES.md` V14).
    Object,
    /// One field of a member, once the mapping has served: the system has changed since
    /// (`host/sync/RULES.md` V13).
    Field(Standstill),
}

/// A field that is paused in a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standstill {
    pub(crate) entity: String,
    pub(crate) field: String,
    pub(crate) system: String,
    pub(crate) object: String,
    pub(crate) column: String,
}

/// The weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    Error,
    Warning,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {} in {}: {}", self.place, self.member, self.message)
    }
}

impl Finding {
    /// The finding and, on a line of its own, its hint.
    pub(crate) fn lines(&self) -> Vec<String> {
        let hint = self.hint.as_ref().map(|hint| format!("  hint: {hint}"));
        [self.to_string()].into_iter().chain(hint).collect()
    }
}
