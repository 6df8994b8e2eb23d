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
    /// The rest that the admin says about them.
    pub auth_options: AuthOptions,
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
            && self.auth_options.has_same_credentials(&other.auth_options)
    }
}

/// The options beside the way to authenticate.
#[derive(Debug, Clone, Default)]
pub struct AuthOptions {
    /// The fixed credentials that the manifest declares, by name.
    pub credentials: BTreeMap<String, SecretString>,
    /// The text before the token in its header, instead of the manifest's.
    pub prefix: Option<String>,
    /// The token endpoint, instead of the manifest's.
    pub token_url: Option<String>,
    /// The page of the login, instead of the manifest's.
    pub login_url: Option<String>,
    /// The scopes that a login asks for, instead of the manifest's.
    pub login_scope: Option<String>,
}

impl AuthOptions {
    fn has_same_credentials(&self, other: &Self) -> bool {
        let exposed = |options: &Self| -> Vec<(String, String)> {
            let all = options.credentials.iter();
            all.map(|(name, secret)| (name.clone(), secret.expose_secret().to_owned())).collect()
        };
        exposed(self) == exposed(other)
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
    /// A user name and a password (RFC 7617).
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// Only the fixed credentials of [`AuthOptions`].
    Fixed,
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
        /// The first refresh token; a stored newer one goes before it. Without it, the one that a
        /// login stored.
        refresh_token: Option<SecretString>,
    },
}

impl SystemAuth {
    /// True where tokens come from an endpoint.
    pub(crate) fn needs_tokens(&self) -> bool {
        matches!(self, Self::ClientCredentials { .. } | Self::RefreshToken { .. })
    }

    fn is_same(&self, other: &Self) -> bool {
        let equal =
            |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (self, other) {
            (Self::None, Self::None) | (Self::Fixed, Self::Fixed) => true,
            (Self::Basic { username: one, .. }, Self::Basic { username: other, .. }) => {
                one == other
            }
            (Self::Bearer(one), Self::Bearer(other)) => equal(one, other),
            (Self::Header { value: one, .. }, Self::Header { value: other, .. }) => {
                equal(one, other)
            }
            (
                Self::ClientCredentials { client_id: one, .. },
                Self::ClientCredentials { client_id: other, .. },
            ) => one == other,
            (
                Self::RefreshToken { refresh_token: Some(one), .. },
                Self::RefreshToken { refresh_token: Some(other), .. },
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
