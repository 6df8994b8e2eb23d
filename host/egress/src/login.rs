//! One login of an admin: authorization code with PKCE (RFC 6749 4.1, RFC 7636, RFC 8252).
//!
//! A [`Login`] makes the URL of the vendor's page, judges what the browser brings back, and
//! exchanges the code for a refresh token. Its state is compared before anything else of the answer
//! is read; its verifier never leaves this process but for the token endpoint. Sockets and browsers
//! are the caller's. Errors never hold the code, the verifier or a token (`SECURITY.md` E18).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use renkei_model::plugin::Generation;
use renkei_model::ports::Clock;
use renkei_package::Connection;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use crate::audit::EgressAudit;
use crate::escape::plain;
use crate::quota::QuotaGate;
use crate::redact::Redactor;
use crate::resolver::NetworkOverrides;
use crate::slot::{ConfiguredSlot, Endpoint};
use crate::system::{NoTokens, SystemAuth, SystemConfig};
use crate::system_egress::SystemEgress;
use crate::token::{TokenEndpoint, TokenError, TokenGrant};

/// The longest error code of a vendor's page that is told on.
const CODE_BYTES_MAX: usize = 80;

/// A login that has begun.
pub struct Login {
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    client_id: String,
    client_secret: Option<SecretString>,
    redirect_uri: String,
    state: SecretString,
    verifier: SecretString,
    page: Url,
    system: String,
}

/// The reason why a login gives no refresh token. No text holds a code or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The configuration or the manifest allows no login.
    #[error("{0}")]
    Setup(String),
    /// The answer belongs to another login, or to nobody's.
    #[error("the browser brought an answer whose `state` is not that of this login")]
    State,
    /// The person, or the vendor, refused.
    #[error("the login page answered `{0}`")]
    Denied(String),
    /// The answer has neither a code nor an error.
    #[error("the browser brought an answer without a code")]
    NoCode,
    /// The token endpoint refused the code.
    #[error("{0}")]
    Refused(String),
    /// The token endpoint could not be asked.
    #[error("{0}")]
    NoAnswer(String),
    /// There is a token for now, and none for later.
    #[error("the login succeeded, but the token answer holds no refresh token")]
    NoRefreshToken,
}

impl LoginError {
    /// The next step.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Setup(_) => "correct `auth` of this system; `plugin inspect` shows its ways",
            Self::State => {
                "nothing was stored: close other tabs of this login and run the command again"
            }
            Self::Denied(code) if code == "access_denied" => {
                "nothing was stored: run the command again and allow the access, or ask an admin \
                 of the account to do it"
            }
            Self::Denied(_) | Self::NoCode => {
                "nothing was stored: compare client id, callback URL and scopes with the app's page"
            }
            Self::Refused(_) => {
                "nothing was stored: a code is good once and for some minutes, so run the command \
                 again; then compare client id, secret and callback URL with the app's page"
            }
            Self::NoAnswer(_) => "nothing was stored: run the command again",
            Self::NoRefreshToken => {
                "let the app issue refresh tokens: Salesforce needs the scope `refresh_token`"
            }
        }
    }
}

impl Login {
    /// Begins a login to the primary slot's account. The browser comes back to `redirect_uri`.
    ///
    /// # Errors
    /// [`LoginError::Setup`].
    pub fn begin(
        config: &SystemConfig,
        connection: &Connection,
        plugin: &Generation,
        redirect_uri: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LoginError> {
        let SystemAuth::RefreshToken { client_id, client_secret, .. } = &config.auth else {
            let reason = "only the scheme `oauth2-refresh-token` has a login".to_owned();
            return Err(LoginError::Setup(reason));
        };
        let declared = connection.login_url.as_deref().ok_or_else(|| {
            LoginError::Setup("the plugin names no page to log in (`login_url`)".to_owned())
        })?;
        let network = (2, &NetworkOverrides::default());
        let gate = QuotaGate::alone(Arc::clone(&clock));
        let (clock_of_it, tokens) = (Arc::clone(&clock), Arc::new(NoTokens));
        let system = SystemEgress::new(config.clone(), gate, clock_of_it, tokens, 0, network)
            .map_err(|error| LoginError::Setup(error.to_string()))?;
        let audit = EgressAudit {
            counters: Arc::clone(&system.counters),
            plugin: plugin.clone(),
            system: config.name.clone(),
        };
        let slot = ConfiguredSlot::new(&system, connection, &audit).map_err(LoginError::Setup)?;
        let endpoint = slot
            .endpoint
            .ok_or_else(|| LoginError::Setup("the plugin names no token endpoint".to_owned()))?;
        let configured = config.auth_options.login_url.as_deref();
        let place = Endpoint { key: "login_url", declared, configured };
        let page = place.find_url(connection, &slot.base).map_err(LoginError::Setup)?;
        let scope = config.auth_options.login_scope.clone();
        let mut login = Self {
            endpoint,
            clock,
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: random_text(),
            verifier: random_text(),
            page,
            system: config.name.clone(),
        };
        login.add_query(&scope.unwrap_or_else(|| connection.login_scopes.join(" ")));
        Ok(login)
    }

    fn add_query(&mut self, scope: &str) {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret()));
        let mut query = self.page.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", &self.client_id);
        query.append_pair("redirect_uri", &self.redirect_uri);
        query.append_pair("state", self.state.expose_secret());
        query.append_pair("code_challenge", &challenge);
        query.append_pair("code_challenge_method", "S256");
        if !scope.is_empty() {
            query.append_pair("scope", scope);
        }
    }

    /// The vendor's page with all that it must know. It holds no token and no verifier.
    pub fn url(&self) -> &str {
        self.page.as_str()
    }

    /// Exchanges what the browser brought, the query of the callback, for a refresh token.
    ///
    /// # Errors
    /// Any but [`LoginError::Setup`].
    pub async fn finish(self, query: &str) -> Result<SecretString, LoginError> {
        let code = self.read_code(query)?;
        let secrets = [&self.verifier, &code, &self.state].into_iter().chain(&self.client_secret);
        let redactor = Redactor::new(secrets.map(|secret| secret.expose_secret()));
        let wanted = TokenGrant::Code {
            code: &code,
            verifier: &self.verifier,
            redirect_uri: &self.redirect_uri,
        };
        let secret = self.client_secret.as_ref();
        let answer = self
            .endpoint
            .request_token(&self.client_id, secret, wanted, &redactor, &*self.clock)
            .await
            .map_err(|error| match error {
                TokenError::Refused(why) | TokenError::Unfit(why) => {
                    LoginError::Refused(redactor.text(why))
                }
                TokenError::NoAnswer(why) => LoginError::NoAnswer(redactor.text(why)),
            })?;
        tracing::info!(system = %self.system, "logged in");
        answer.refresh_token.ok_or(LoginError::NoRefreshToken)
    }

    /// The code of an answer that is this login's.
    fn read_code(&self, query: &str) -> Result<SecretString, LoginError> {
        let field = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        if field("state").as_deref() != Some(self.state.expose_secret()) {
            return Err(LoginError::State);
        }
        if let Some(error) = field("error") {
            return Err(LoginError::Denied(plain(&error, CODE_BYTES_MAX)));
        }
        let code = field("code").filter(|code| !code.is_empty());
        code.map(SecretString::from).ok_or(LoginError::NoCode)
    }
}

/// 256 random bits as text: what nobody guesses (RFC 7636 7.1).
fn random_text() -> SecretString {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}
