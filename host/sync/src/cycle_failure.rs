//! Work that failed in a cycle: of a whole system, of one object, or of an entity's transform.

use std::fmt;

use renkei_model::plugin::PluginError;
use renkei_model::spec::MemberSpec;

/// Work that failed in a cycle.
#[derive(Debug, Clone)]
pub struct CycleFailure {
    /// The system; `transform` where the transform of an entity failed.
    pub system: String,
    /// The object, where the system's other objects may fare better.
    pub object: Option<String>,
    /// The entity, where its transform failed.
    pub entity: Option<String>,
    /// The step that failed.
    pub step: CycleStep,
    /// The error.
    pub error: PluginError,
}

/// The step of a cycle at which work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CycleStep {
    /// Opening a job of the connector.
    Open,
    /// Reading the pages of an object.
    Read,
    /// Asking for the schema of an object.
    Schema,
    /// Calling a transform.
    Transform,
    /// Reading records again before they are written.
    LookAgain,
    /// Sending operations.
    Write,
    /// Settling what answers or sweeps say of records.
    Settle,
}

impl CycleStep {
    /// The word in logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Schema => "schema",
            Self::Transform => "transform",
            Self::LookAgain => "look-again",
            Self::Write => "write",
            Self::Settle => "settle",
        }
    }
}

impl CycleFailure {
    /// A failure of the whole system.
    pub fn of_system(system: &str, step: CycleStep, error: &PluginError) -> Self {
        let (system, error) = (system.to_owned(), error.clone());
        Self { system, object: None, entity: None, step, error }
    }

    /// A failure of one object. Refused credentials are the whole system's; anything else may be
    /// about this object alone, so the other objects go on (`RULES.md` R12, R20).
    pub(crate) fn of_object(member: &MemberSpec, step: CycleStep, error: &PluginError) -> Self {
        let whole = matches!(error, PluginError::Unauthorized { .. });
        let object = (!whole).then(|| member.object.clone());
        Self { object, ..Self::of_system(&member.system, step, error) }
    }

    /// A failure of an entity's transform.
    pub(crate) fn of_transform(entity: &str, error: &PluginError) -> Self {
        let entity = Some(entity.to_owned());
        Self { entity, ..Self::of_system("transform", CycleStep::Transform, error) }
    }
}

impl fmt::Display for CycleFailure {
    /// The step with what it was about, such as `read contacts`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.word())?;
        match self.object.as_ref().or(self.entity.as_ref()) {
            Some(about) => write!(f, " {about}"),
            None => Ok(()),
        }
    }
}
