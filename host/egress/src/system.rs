//! The configuration of one system: the account that a connector serves.
//!
//! Secrets are [`SecretString`]s from here to the wire: they have no `Display`, their `Debug` says
//! nothing, and no guest sees them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use renkei_model::record::Attributes;

/// One account of a CRM.
#[derive(Debug, Clone)]
pub struct SystemConfig {
    /// Its name in the configuration.
    pub name: String,
    /// The id of the connector that serves it.
    pub plugin: String,
    /// Replaces the manifest's base URL of slot `primary`. A loopback URL (a simulator) replaces
    /// the manifest's allow-list too.
    pub base_url: Option<String>,
    /// The credentials of slot `primary`.
    pub auth: SystemAuth,
    /// Given to the connector's `configure`.
    pub settings: Attributes,
    /// The manifest's further secrets by name, for `signing`.
    pub secrets: BTreeMap<String, SecretString>,
}

impl SystemConfig {
    /// True where both reach the same account, as far as the configuration tells.
    pub fn same_account(&self, other: &Self) -> bool {
        (&self.plugin, &self.base_url) == (&other.plugin, &other.base_url)
            && self.auth.is_same(&other.auth)
    }
}

/// The way in which requests are authenticated.
#[derive(Debug, Clone)]
pub enum SystemAuth {
    /// Not at all.
    None,
    /// A fixed token in `authorization: Bearer`.
    Bearer(SecretString),
    /// A fixed value in a header of its own.
    Header {
        /// The header's name, in lower case.
        name: String,
        /// Its value.
        value: SecretString,
    },
    /// OAuth2 client credentials (RFC 6749 4.4).
    ClientCredentials {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: SecretString,
        /// The scopes asked for, if the endpoint wants them.
        scope: Option<String>,
    },
    /// OAuth2 refresh token (RFC 6749 6); rotation is persisted through [`TokenStore`].
    RefreshToken {
        /// The client's id.
        client_id: String,
        /// The client's secret, unless the client is public.
        client_secret: Option<SecretString>,
        /// The first refresh token; a stored newer one goes before it.
        refresh_token: SecretString,
    },
}

impl SystemAuth {
    fn is_same(&self, other: &Self) -> bool {
        let equal =
            |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bearer(one), Self::Bearer(other)) => equal(one, other),
            (Self::Header { value: one, .. }, Self::Header { value: other, .. }) => {
                equal(one, other)
            }
            (
                Self::ClientCredentials { client_id: one, .. },
                Self::ClientCredentials { client_id: other, .. },
            ) => one == other,
            (
                Self::RefreshToken { refresh_token: one, .. },
                Self::RefreshToken { refresh_token: other, .. },
            ) => equal(one, other),
            _ => false,
        }
    }
}

/// Keeps rotated refresh tokens between runs; implemented by the program.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The refresh token last saved for a slot of a system.
    async fn load(&self, system: &str, slot: &str)
    -> Result<Option<SecretString>, TokenStoreError>;
    /// Replaces it, durably: the old one may be void already.
    async fn save(
        &self,
        system: &str,
        slot: &str,
        refresh_token: &SecretString,
    ) -> Result<(), TokenStoreError>;
}

/// The store of refresh tokens failed; the text names no secret.
#[derive(Debug, thiserror::Error)]
#[error("the store of refresh tokens failed: {0}")]
pub struct TokenStoreError(pub String);

/// Forgets everything: for systems without rotating tokens.
#[derive(Debug, Default)]
pub struct NoTokens;

#[async_trait]
impl TokenStore for NoTokens {
    async fn load(&self, _: &str, _: &str) -> Result<Option<SecretString>, TokenStoreError> {
        Ok(None)
    }

    async fn save(&self, _: &str, _: &str, _: &SecretString) -> Result<(), TokenStoreError> {
        Ok(())
    }
}
