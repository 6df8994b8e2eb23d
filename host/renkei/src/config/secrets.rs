//! Secrets, from the environment or a file that only its owner may read, never from the
//! configuration itself.
//!
//! `RENKEI_SECRET_<NAME>` (upper case, other characters as `_`) comes before `secrets.toml`, which
//! must have mode 0600.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::slips::slip;

/// Looks secrets up by name.
pub(crate) struct SecretSource {
    file: PathBuf,
    values: BTreeMap<String, SecretString>,
}

/// The reason why a secret is not available. Never holds one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("{path}: may be read by others (mode {mode:o})")]
    Exposed { path: String, mode: u32 },
    #[error("{path}: cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path}: holds something else than secrets")]
    Malformed { path: String },
    #[error("this is no name of a secret, and the text is not repeated here in case it is one")]
    NotAName,
    #[error("secret `{name}` is missing")]
    Missing { name: String, variable: String, path: String },
    #[error("secret `{name}` in {place} {what}")]
    Slip { name: String, place: String, what: &'static str },
}

impl SecretError {
    /// The next step.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Exposed { path, .. } => format!("run `chmod 600 {path}`"),
            Self::Unreadable { path, .. } => format!("make {path} readable for this user"),
            Self::Malformed { .. } => "each line must be `name = \"secret\"`".to_owned(),
            Self::NotAName => "give the secret's name: lower-case letters and `_`".to_owned(),
            Self::Missing { name, variable, path } => {
                format!("set {variable} or add `{name} = \"...\"` to {path}")
            }
            Self::Slip { .. } => "put the bare secret there".to_owned(),
        }
    }
}

impl SecretSource {
    /// Reads `secrets.toml` in `dir` if it is there.
    pub(crate) fn open(dir: &Path) -> Result<Self, SecretError> {
        let file = dir.join("secrets.toml");
        let path = file.display().to_string();
        if !file.exists() {
            return Ok(Self { file, values: BTreeMap::new() });
        }
        let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
        let mode = std::fs::metadata(&file).map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { path, mode });
        }
        let text = renkei_files::read_text(&file).map_err(unreadable)?;
        // The parser's own message could quote the line with the secret, so it is not passed on.
        let values: BTreeMap<String, String> =
            toml::from_str(&text).map_err(|_| SecretError::Malformed { path })?;
        let values = values.into_iter().map(|(name, value)| (name, value.into())).collect();
        Ok(Self { file, values })
    }

    /// The secret called `name`.
    pub(crate) fn get(&self, name: &str) -> Result<SecretString, SecretError> {
        if !is_name(name) {
            return Err(SecretError::NotAName);
        }
        let variable = variable(name);
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        if let Ok(value) = std::env::var(&variable) {
            return checked(name, &variable, value.into(), variable.clone());
        }
        let path = self.file.display().to_string();
        match self.values.get(name) {
            Some(value) => checked(name, &variable, value.clone(), path),
            None => Err(SecretError::Missing { name: name.to_owned(), variable, path }),
        }
    }
}

/// The secret, unless it was pasted wrongly.
fn checked(
    name: &str,
    variable: &str,
    value: SecretString,
    place: String,
) -> Result<SecretString, SecretError> {
    match slip(name, variable, value.expose_secret()) {
        Some(what) => Err(SecretError::Slip { name: name.to_owned(), place, what }),
        None => Ok(value),
    }
}

/// Tokens hold digits, capitals or signs, so a pasted one is no name and never printed.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c == '_';
    !name.is_empty() && name.len() <= 60 && name.chars().all(fits)
}

/// The environment variables that hold secrets: no other program that is started gets them.
pub(crate) fn secret_variables() -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())).collect()
}

/// The beginning of the names of such variables.
const PREFIX: &str = "RENKEI_SECRET_";

/// The environment variable that may hold the secret called `name`.
fn variable(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("{PREFIX}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// `RULES.md R27`.
    #[test]
    fn pipe_in_the_place_of_the_configuration_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = |name: &str| {
            let path = dir.path().join(name);
            let made = std::process::Command::new("mkfifo").arg("-m600").arg(&path).status();
            assert!(made.unwrap().success());
        };
        pipe("secrets.toml");
        let error = SecretSource::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("secrets.toml") && error.contains("not a regular file"), "{error}");
        pipe("renkei.toml");
        let error = Config::read(dir.path()).err().unwrap().to_string();
        assert!(error.contains("renkei.toml") && error.contains("not a regular file"), "{error}");
    }

    fn dir_with(text: &str, mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        dir
    }

    #[test]
    fn private_secrets_file_is_read() {
        let dir = dir_with("token = \"s3cret\"", 0o600);
        let secrets = SecretSource::open(dir.path()).unwrap();
        assert_eq!(secrets.get("token").unwrap().expose_secret(), "s3cret");
    }

    #[test]
    fn exposed_secrets_file_is_refused_with_the_command_to_run() {
        let dir = dir_with("token = \"s3cret\"", 0o644);
        let hint = SecretSource::open(dir.path()).err().unwrap().hint();
        assert!(hint.contains("chmod 600"), "{hint}");
    }

    #[test]
    fn malformed_secrets_file_does_not_leak_its_content() {
        let dir = dir_with("token = s3cret", 0o600);
        let message = SecretSource::open(dir.path()).err().unwrap().to_string();
        assert!(!message.contains("s3cret"), "{message}");
    }

    #[test]
    fn pasted_secret_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let pasted = "pat-na1-00000001-0000";
        let message =
            SecretSource::open(dir.path()).unwrap().get(pasted).err().unwrap().to_string();
        assert!(!message.contains("pat"), "{message}");
    }

    #[test]
    fn quoted_secret_is_refused_and_not_shown() {
        let dir = dir_with("token = \"'s3cret'\"", 0o600);
        let message =
            SecretSource::open(dir.path()).unwrap().get("token").err().unwrap().to_string();
        assert!(message.contains("secrets.toml is in quotation marks"), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }

    #[test]
    fn hint_for_a_missing_secret_names_both_places() {
        let dir = tempfile::tempdir().unwrap();
        let hint = SecretSource::open(dir.path()).unwrap().get("hub_token").err().unwrap().hint();
        assert!(hint.contains("RENKEI_SECRET_HUB_TOKEN") && hint.contains("secrets.toml"));
    }
}
