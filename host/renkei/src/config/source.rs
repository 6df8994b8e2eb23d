//! A parsed file that keeps its text, so that a mistake names its file and line.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;

use renkei_admin::text;

use crate::io_hints::hint_of_io;

/// A mistake in the configuration: `file:line: what is wrong and what was expected`.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", self.place())]
pub(crate) struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    message: String,
    hint: Option<String>,
    /// A plugin is to blame.
    about_plugin: bool,
}

impl ConfigError {
    /// A mistake of a whole file or directory.
    pub(crate) fn file(path: &Path, message: impl AsRef<str>) -> Self {
        Self::new(path, None, message.as_ref())
    }

    fn new(path: &Path, line: Option<usize>, message: &str) -> Self {
        let (path, message) = (path.to_owned(), text::echo(message));
        Self { path, line, message, hint: None, about_plugin: false }
    }

    /// The same mistake with a next step.
    pub(crate) fn hint(self, hint: impl AsRef<str>) -> Self {
        Self { hint: Some(text::echo(hint.as_ref())), ..self }
    }

    /// The same mistake; a plugin is to blame where that is said.
    pub(super) fn about_plugin(self, about_plugin: bool) -> Self {
        Self { about_plugin, ..self }
    }

    /// True where the file of a plugin that the configuration names waits or was refused.
    pub(crate) fn is_about_plugin(&self) -> bool {
        self.about_plugin
    }

    /// The mistake.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The file, and the line where one shows it.
    pub(crate) fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}", self.path.display())
    }

    /// The next step.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// A parsed file that still knows its text, so that mistakes found later have a line.
pub(crate) struct SourceFile<T> {
    path: PathBuf,
    text: String,
    /// The parsed value.
    pub(crate) value: T,
}

impl<T: DeserializeOwned> SourceFile<T> {
    /// Reads and parses a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = renkei_files::read_text(path).map_err(|error| {
            let mistake = ConfigError::file(path, format!("the file cannot be read: {error}"));
            match error.kind() {
                std::io::ErrorKind::NotFound => mistake.hint("`renkei init` writes an example"),
                _ => match hint_of_io(&error) {
                    Some(hint) => mistake.hint(hint),
                    None => mistake,
                },
            }
        })?;
        Self::parse(path, text)
    }

    /// Parses the text of a file.
    pub(super) fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let value = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_of(&text, &span));
            ConfigError::new(path, line, error.message())
        })?;
        Ok(Self { path: path.to_owned(), text, value })
    }
}

impl<T> SourceFile<T> {
    /// A mistake at this value.
    pub(crate) fn at<V>(&self, place: &Spanned<V>, message: impl AsRef<str>) -> ConfigError {
        let line = line_of(&self.text, &place.span());
        ConfigError::new(&self.path, Some(line), message.as_ref())
    }

    /// The directory that holds the file.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A mistake that no single line shows.
    pub(crate) fn anywhere(&self, message: impl AsRef<str>) -> ConfigError {
        ConfigError::file(&self.path, message)
    }
}

/// The line, counted from 1, on which a span begins.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}
