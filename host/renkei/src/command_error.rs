//! The failure of a command: an exit code that scripts can branch on, and three parts for people:
//! what happened, where, and hints for the next step.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use renkei_admin::error::kind_of_plugins;
use renkei_admin::{ErrorReport, FailureKind, RequestError, text};
use renkei_conformance::KitError;
use renkei_model::plugin::PluginError;
use renkei_model::store::port::StoreError;
use renkei_package::{BuildError, ManifestError, NewError, PackageError};
use renkei_runtime::{AdminError, PackageReadError, RuntimeError};
use renkei_store::OpenError;

use crate::config::{ConfigError, SecretError};
use crate::io_hints::{FREE_SPACE, hint_of_io};

/// The next step for a mistake in the configuration that has none of its own.
const SEE_EXAMPLE: &str = "correct that line: `renkei init --dir example` writes an example to \
                           compare with, and CONFIG.md explains every key";

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: FailureKind,
    /// The error with its causes.
    error: anyhow::Error,
    /// The file, line or address that it is about.
    place: Option<String>,
    /// The next steps, the most likely first.
    hints: Vec<String>,
    /// The command's own output says it already.
    reported: bool,
}

impl CommandError {
    /// Wrong usage or configuration; nothing was written.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::Usage, anyhow::anyhow!("{message}"))
    }

    /// A system could not be reached or refused the credentials.
    pub(crate) fn system(error: impl Into<anyhow::Error>) -> Self {
        Self::new(FailureKind::System, error.into())
    }

    /// The database could not be opened or written.
    pub(crate) fn database(error: impl Into<anyhow::Error>) -> Self {
        Self::new(FailureKind::Database, error.into())
    }

    /// A plugin is missing, broken or built for another contract.
    pub(crate) fn plugin(error: impl Into<anyhow::Error>) -> Self {
        Self::new(FailureKind::Plugin, error.into())
    }

    /// The first sync awaits a decision.
    pub(crate) fn first_sync(message: impl fmt::Display) -> Self {
        Self::new(FailureKind::FirstSync, anyhow::anyhow!("{message}"))
    }

    fn new(kind: FailureKind, error: anyhow::Error) -> Self {
        let mut hints = Vec::new();
        for hint in error.chain().filter_map(hint_of) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        if hints.is_empty() {
            let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
            hints.extend(causes.find_map(hint_of_io));
        }
        let place = error.chain().find_map(place_of);
        Self { kind, error, place, hints, reported: false }
    }

    /// The same failure, for which a plugin is to blame.
    fn into_plugin(self) -> Self {
        Self { kind: FailureKind::Plugin, ..self }
    }

    /// The same failure, about this file, line or address.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        Self { place: Some(place.to_string()), ..self }
    }

    /// The same failure with a next step.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The same failure, of which nothing more need be printed as JSON: the command has printed
    /// its result with the failure in it.
    pub(crate) fn reported(self) -> Self {
        Self { reported: true, ..self }
    }

    /// Returns whether the command's own output says it already.
    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }

    /// Returns whether another process works on the database.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(OpenError::InUse { .. }))
    }

    /// The exit code that `main` returns.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }

    /// The next steps, the most likely first.
    pub(crate) fn hints(&self) -> impl Iterator<Item = String> {
        self.hints.iter().map(|hint| text::message(hint))
    }

    /// The three parts as JSON has them.
    pub(crate) fn report(&self) -> ErrorReport {
        let hint = self.hints().collect::<Vec<_>>();
        ErrorReport {
            error: text::message(&self.message()),
            place: self.place.as_deref().map(text::message),
            hint: (!hint.is_empty()).then(|| hint.join("\n")),
        }
    }

    /// The error with the whole chain of causes. Many errors say their cause themselves; it is not
    /// said twice.
    fn message(&self) -> String {
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        // An error that tells its place in its text does not tell it twice.
        let place = self.place.as_ref().map(|place| format!("{place}: "));
        place.map_or(text.clone(), |place| text.replacen(&place, "", 1))
    }
}

impl fmt::Display for CommandError {
    /// The place and the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message();
        let whole = match &self.place {
            Some(place) => format!("{place}: {message}"),
            None => message,
        };
        f.write_str(&text::message(&whole))
    }
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    /// Errors of ours have a kind and a place; of others nothing is known.
    fn from(error: E) -> Self {
        let error = match error.into().downcast::<ConfigError>() {
            Ok(mistake) => return from_config(&mistake),
            Err(error) => error,
        };
        let request = error.downcast_ref::<RequestError>();
        let kind = request.map_or_else(|| kind_of(&error), RequestError::kind);
        Self::new(kind, error)
    }
}

fn from_config(mistake: &ConfigError) -> CommandError {
    let failure = CommandError::usage(mistake.message()).at(mistake.place());
    let failure = if mistake.is_about_plugin() { failure.into_plugin() } else { failure };
    failure.hint(mistake.next_step().unwrap_or(SEE_EXAMPLE))
}

/// The file or address that an error of ours is about.
fn place_of(error: &(dyn Error + 'static)) -> Option<String> {
    let path = |path: &Path| path.display().to_string();
    let request = || error.downcast_ref().and_then(RequestError::place);
    let open = || error.downcast_ref::<OpenError>().map(|error| path(error.place()));
    let runtime = || error.downcast_ref().and_then(RuntimeError::place).map(path);
    let plugins = || error.downcast_ref().and_then(AdminError::place).map(path);
    let carried = || place_of(error.downcast_ref::<io::Error>()?.get_ref()?);
    request().or_else(open).or_else(runtime).or_else(plugins).or_else(carried)
}

/// The next step that an error of ours has. An error speaks for the errors below it that it shows
/// as its own.
fn hint_of(error: &(dyn Error + 'static)) -> Option<String> {
    fn one<E: Error + 'static, H: Into<String>>(
        error: &(dyn Error + 'static),
        hint: impl FnOnce(&E) -> Option<H>,
    ) -> Option<String> {
        error.downcast_ref().and_then(hint).map(Into::into)
    }
    one(error, RequestError::hint)
        .or_else(|| one(error, AdminError::hint))
        .or_else(|| one(error, RuntimeError::hint))
        .or_else(|| one(error, KitError::hint))
        .or_else(|| one(error, |error: &PackageReadError| error.hint().map(str::to_owned)))
        .or_else(|| one(error, PluginError::hint))
        .or_else(|| one(error, StoreError::hint))
        .or_else(|| one(error, OpenError::hint))
        .or_else(|| one(error, BuildError::hint))
        .or_else(|| one(error, PackageError::hint))
        .or_else(|| one(error, ManifestError::hint))
        .or_else(|| one(error, NewError::hint))
        .or_else(|| one(error, |error: &SecretError| Some(error.hint())))
        .or_else(|| one(error, of_full_disk))
        .or_else(|| one(error, of_inner))
}

/// The hint of the error of ours that an error of the system carries.
fn of_inner(error: &io::Error) -> Option<String> {
    let inner: &(dyn Error + 'static) = error.get_ref()?;
    hint_of(inner)
}

fn of_full_disk(error: &io::Error) -> Option<&'static str> {
    (error.kind() == io::ErrorKind::StorageFull).then_some(FREE_SPACE)
}

fn kind_of(error: &anyhow::Error) -> FailureKind {
    if error.is::<SecretError>() || error.is::<NewError>() || error.is::<KitError>() {
        return FailureKind::Usage;
    }
    if let Some(error) = error.downcast_ref::<AdminError>() {
        return kind_of_plugins(error);
    }
    match error.downcast_ref::<RuntimeError>() {
        Some(RuntimeError::Cache(_) | RuntimeError::Quotas(_) | RuntimeError::PluginState(_)) => {
            FailureKind::Database
        }
        Some(_) => FailureKind::Plugin,
        None => FailureKind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("plugin.wasm: cannot be read: {source}")]
    struct SaysItsCause {
        source: io::Error,
    }

    #[test]
    fn cause_is_said_once() {
        let source = io::Error::other("no such file");
        let error = anyhow::Error::new(SaysItsCause { source }).context("system hubspot");
        let said = CommandError::plugin(error).to_string();
        assert_eq!(said, "system hubspot: plugin.wasm: cannot be read: no such file");
    }

    #[test]
    fn error_of_a_request_keeps_its_kind_and_hint() {
        let failure = CommandError::from(RequestError::UnknownReview("ab".to_owned()));
        assert_eq!(failure.exit_code(), ExitCode::from(2));
        let report = failure.report();
        assert_eq!(report.error, "there is no review ab");
        assert_eq!(report.hint.unwrap(), "`renkei status` lists open reviews");
    }

    #[test]
    fn missing_file_has_a_hint_unless_an_error_above_it_has_one() {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let restore = OpenError::Io { path: "monday.db".into(), source: missing() };
        let inspect = PackageError::Io { name: "crm.wasm".to_owned(), source: missing() };
        for failure in [
            CommandError::database(restore),
            CommandError::plugin(inspect),
            CommandError::from(missing()),
        ] {
            assert!(failure.report().hint.unwrap().starts_with("check the path"), "{failure}");
        }
        let failure = CommandError::plugin(BuildError::Tool { tool: "npm", source: missing() });
        let hints: Vec<String> = failure.hints().collect();
        assert_eq!(hints, ["install Node.js 18 or later (https://nodejs.org)"]);
    }

    #[test]
    fn full_disk_has_a_hint_of_its_own() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = CommandError::database(full).at("renkei.db");
        let report = failure.report();
        assert_eq!(report.place.as_deref(), Some("renkei.db"));
        assert!(report.hint.unwrap().starts_with("free some space"));
    }
}
