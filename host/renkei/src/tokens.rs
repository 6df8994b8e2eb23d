//! The store of refresh tokens, of logins and rotated ones: `tokens.json` beside the configuration,
//! mode 0600, replaced atomically and durably.
//!
//! Apart from the database, because that one may be copied for support and these are secrets. A
//! file that others may read is refused. Several processes write it (a `serve` that rotates, a
//! login beside it), so each change is made under a lock file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use renkei_model::ports::Clock as _;
use renkei_package::PRIMARY_SLOT;
use renkei_runtime::{TokenStore, TokenStoreError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::clock::SystemClock;

/// The file of refresh tokens. Keys are `system/slot`.
#[derive(Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
}

/// A stored token. Earlier versions wrote the text alone.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredToken {
    Bare(String),
    Dated { refresh_token: String, stored_at_ms: i64 },
}

impl StoredToken {
    fn into_text(self) -> String {
        match self {
            Self::Bare(text) | Self::Dated { refresh_token: text, .. } => text,
        }
    }
}

/// Tokens by `system/slot`.
type StoredTokens = BTreeMap<String, StoredToken>;

impl TokenFile {
    /// The file in the configuration's directory; it need not exist.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { path: dir.join("tokens.json") }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The time when the primary slot's token was stored, if there is one; none within for one of
    /// an earlier version.
    pub(crate) fn stored_at_ms(
        &self,
        system: &str,
    ) -> Result<Option<Option<i64>>, TokenStoreError> {
        Ok(self.read()?.remove(&key(system, PRIMARY_SLOT)).map(|stored| match stored {
            StoredToken::Bare(_) => None,
            StoredToken::Dated { stored_at_ms, .. } => Some(stored_at_ms),
        }))
    }

    /// Removes the tokens of a system; true where there was one.
    pub(crate) fn remove(&self, system: &str) -> Result<bool, TokenStoreError> {
        self.change(|tokens| {
            let before = tokens.len();
            let beginning = key(system, "");
            tokens.retain(|key, _| !key.starts_with(&beginning));
            tokens.len() < before
        })
    }

    fn read(&self) -> Result<StoredTokens, TokenStoreError> {
        match std::fs::metadata(&self.path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                let path = self.path.display();
                return Err(self.failed(format!(
                    "may be read by others: run `chmod 600 {path}` and log in anew"
                )));
            }
            _ => {}
        }
        match renkei_files::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| self.failed("is not readable")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Changes the file as no other process does meanwhile; what is unchanged is not written.
    fn change(
        &self,
        change: impl FnOnce(&mut StoredTokens) -> bool,
    ) -> Result<bool, TokenStoreError> {
        let _lock = self.lock().map_err(|error| self.failed(error))?;
        let mut tokens = self.read()?;
        if !change(&mut tokens) {
            return Ok(false);
        }
        let text = serde_json::to_vec(&tokens).map_err(|error| self.failed(error))?;
        renkei_files::replace(&self.path, &text).map_err(|error| self.failed(error))?;
        Ok(true)
    }

    /// Held until it is dropped. A file of its own, because the tokens' is replaced.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = renkei_files::open(&options, &self.path.with_extension("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    fn failed(&self, reason: impl std::fmt::Display) -> TokenStoreError {
        TokenStoreError(format!("{}: {reason}", self.path.display()))
    }
}

fn key(system: &str, slot: &str) -> String {
    format!("{system}/{slot}")
}

#[async_trait]
impl TokenStore for TokenFile {
    async fn load(
        &self,
        system: &str,
        slot: &str,
    ) -> Result<Option<SecretString>, TokenStoreError> {
        Ok(self.read()?.remove(&key(system, slot)).map(|stored| stored.into_text().into()))
    }

    async fn save(
        &self,
        system: &str,
        slot: &str,
        refresh_token: &SecretString,
    ) -> Result<(), TokenStoreError> {
        let refresh_token = refresh_token.expose_secret().to_owned();
        let stored_at_ms = SystemClock::program().now_ms();
        self.change(|tokens| {
            let stored = StoredToken::Dated { refresh_token, stored_at_ms };
            tokens.insert(key(system, slot), stored);
            true
        })
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rotated_token_is_kept_in_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path());
        assert!(file.load("hubspot", "primary").await.unwrap().is_none());
        file.save("hubspot", "primary", &"first".into()).await.unwrap();
        file.save("hubspot", "primary", &"second".into()).await.unwrap();
        let again = TokenFile::new(dir.path()).load("hubspot", "primary").await.unwrap().unwrap();
        assert_eq!(again.expose_secret(), "second");
        let mode = std::fs::metadata(dir.path().join("tokens.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(file.remove("hubspot").unwrap() && !file.remove("hubspot").unwrap());
        assert!(file.load("hubspot", "primary").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn file_of_an_earlier_version_is_read_and_one_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.json");
        std::fs::write(&path, r#"{"hubspot/primary": "s3cret"}"#).unwrap();
        let file = TokenFile::new(dir.path());
        let error = file.load("hubspot", "primary").await.unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("s3cret"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let token = file.load("hubspot", "primary").await.unwrap().unwrap();
        assert_eq!(token.expose_secret(), "s3cret");
        assert_eq!(file.stored_at_ms("hubspot").unwrap(), Some(None));
    }

    #[tokio::test]
    async fn tokens_that_are_stored_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = TokenFile::new(dir.path());
                scope.spawn(move || {
                    let save = file.change(|tokens| {
                        tokens.insert(format!("{number}/primary"), StoredToken::Bare("t".into()));
                        true
                    });
                    save.unwrap();
                });
            }
        });
        assert_eq!(TokenFile::new(dir.path()).read().unwrap().len(), 8);
    }
}
