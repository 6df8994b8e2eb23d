//! Rotated refresh tokens: `tokens.json` beside the configuration, mode 0600, replaced atomically
//! and durably.
//!
//! Apart from the database, because that one may be copied for support and these are secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use renkei_runtime::{TokenStore, TokenStoreError};
use secrecy::{ExposeSecret as _, SecretString};

/// The file of refresh tokens. Keys are `system/slot`.
#[derive(Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
    writing: Mutex<()>,
}

impl TokenFile {
    /// The file in the configuration's directory; it need not exist.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { path: dir.join("tokens.json"), writing: Mutex::new(()) }
    }

    fn read(&self) -> Result<BTreeMap<String, String>, TokenStoreError> {
        match renkei_files::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| self.failed("is not readable")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn write(&self, tokens: &BTreeMap<String, String>) -> Result<(), TokenStoreError> {
        let text = serde_json::to_vec(tokens).map_err(|error| self.failed(error))?;
        renkei_files::replace(&self.path, &text).map_err(|error| self.failed(error))
    }

    fn failed(&self, reason: impl std::fmt::Display) -> TokenStoreError {
        TokenStoreError(format!("{}: {reason}", self.path.display()))
    }
}

#[async_trait]
impl TokenStore for TokenFile {
    async fn load(
        &self,
        system: &str,
        slot: &str,
    ) -> Result<Option<SecretString>, TokenStoreError> {
        Ok(self.read()?.remove(&format!("{system}/{slot}")).map(Into::into))
    }

    async fn save(
        &self,
        system: &str,
        slot: &str,
        refresh_token: &SecretString,
    ) -> Result<(), TokenStoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = self.read()?;
        tokens.insert(format!("{system}/{slot}"), refresh_token.expose_secret().to_owned());
        self.write(&tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

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
    }
}
