//! The credentials of one slot of one system: fixed, or had from a token endpoint and renewed.
//!
//! - Renewal is single-flight: whoever finds the token refused names the serial that it used, and
//!   only the first of them asks the endpoint.
//! - A renewal runs in a task of its own: a job that is cancelled in the middle must not lose a
//!   rotated refresh token.
//! - A rotated refresh token is saved before the access token that came with it is used.
//! - Renewals are bounded: whoever asks for more than [`RENEWALS_AT_ONCE`] in a row waits
//!   [`RENEWAL_MS`] for each further one, because a token that is refused again and again is not
//!   helped by another one.
//! - Tokens are renewed a little before they expire, so that a refusal is the exception.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use renkei_model::ports::Clock;

use crate::http::SendError;
use crate::redact::Redactor;
use crate::secret_header::{sensitive, unauthorized};
use crate::system::{SystemAuth, TokenStore};
use crate::token::{self, TokenEndpoint, TokenError, TokenGrant};

/// A token is renewed when less than this is left, or a tenth of its life if that is shorter.
const RENEW_BEFORE_MS: i64 = 60_000;

/// So many renewals in a row, and then one in so many ms.
const RENEWALS_AT_ONCE: i64 = 10;
const RENEWAL_MS: i64 = 60_000;

/// So many refresh tokens are tried.
const REFRESH_MAX: usize = 2;
/// So many replaced tokens are still taken out of answers: those on their way may echo them.
const FORMER_MAX: usize = 16;

/// The header that lets a request in.
#[derive(Debug, Clone)]
pub(crate) struct AuthHeader {
    /// Name and value of the header, marked sensitive.
    pub(crate) header: Option<(String, HeaderValue)>,
    /// The base URL that came with the token.
    pub(crate) base: Option<Url>,
    /// The serial of the token, for [`SlotCredentials::renew`].
    pub(crate) serial: u64,
}

/// The credentials of one slot of one system.
pub(crate) struct SlotCredentials {
    system: String,
    slot: String,
    auth: SystemAuth,
    /// Further secrets of the system that no guest may see.
    others: Vec<SecretString>,
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    state: Mutex<CredentialState>,
    redactor: ArcSwap<Redactor>,
}

#[derive(Default)]
struct CredentialState {
    serial: u64,
    token: Option<AccessToken>,
    /// Replaced access and refresh tokens, the newest last.
    former: VecDeque<SecretString>,
    /// Refresh tokens to try, the newest first.
    refresh: Vec<SecretString>,
    loaded: bool,
    /// The time at which the renewals so far are paid for, one each [`RENEWAL_MS`].
    paid_ms: Option<i64>,
    /// The reason why the last renewal failed.
    fault: Option<SendError>,
}

impl CredentialState {
    /// Takes one of the renewals that there are; if there is none, how long until there is, ms.
    fn take_renewal(&mut self, now_ms: i64) -> Result<(), i64> {
        let paid_ms = self.paid_ms.map_or(now_ms, |paid_ms| paid_ms.max(now_ms));
        // A clock that was set back does not make it longer.
        let paid_ms = paid_ms.min(now_ms.saturating_add(RENEWAL_MS * RENEWALS_AT_ONCE));
        let ahead_ms = paid_ms.saturating_sub(now_ms);
        self.paid_ms = Some(paid_ms);
        if ahead_ms > RENEWAL_MS * (RENEWALS_AT_ONCE - 1) {
            return Err(ahead_ms - RENEWAL_MS * (RENEWALS_AT_ONCE - 1));
        }
        self.paid_ms = Some(paid_ms.saturating_add(RENEWAL_MS));
        Ok(())
    }

    /// These are used no more, but may still be echoed.
    fn retire(&mut self, secrets: impl IntoIterator<Item = SecretString>) {
        self.former.extend(secrets);
        while self.former.len() > FORMER_MAX {
            self.former.pop_front();
        }
    }
}

struct AccessToken {
    access: SecretString,
    renew_at_ms: Option<i64>,
    base: Option<Url>,
}

impl SlotCredentials {
    pub(crate) fn new(
        (system, slot): (&str, &str),
        auth: SystemAuth,
        others: Vec<SecretString>,
        store: Arc<dyn TokenStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut others = others;
        if let SystemAuth::Basic { username, password } = &auth {
            others.push(basic_pair(username, password));
        }
        let credentials = Self {
            system: system.to_owned(),
            slot: slot.to_owned(),
            auth,
            others,
            store,
            clock,
            state: Mutex::default(),
            redactor: ArcSwap::default(),
        };
        credentials.rebuild_redactor(&CredentialState::default());
        credentials
    }

    /// The name of the header that carries the credentials.
    pub(crate) fn header_name(&self) -> Option<&str> {
        match &self.auth {
            SystemAuth::None | SystemAuth::Fixed => None,
            SystemAuth::Header { name, .. } => Some(name),
            SystemAuth::Bearer(_)
            | SystemAuth::Basic { .. }
            | SystemAuth::ClientCredentials { .. }
            | SystemAuth::RefreshToken { .. } => Some("authorization"),
        }
    }

    /// Takes this slot's secrets out of what a guest or a log may see.
    pub(crate) fn redactor(&self) -> Arc<Redactor> {
        self.redactor.load_full()
    }

    /// The credentials as they are now; had first or renewed if they are about to expire. `prefix`
    /// is the text before a token.
    pub(crate) async fn current(
        self: &Arc<Self>,
        endpoint: Option<&TokenEndpoint>,
        prefix: &str,
    ) -> Result<AuthHeader, SendError> {
        if let Some(auth_header) = self.fixed(prefix) {
            return auth_header;
        }
        let serial = {
            let state = self.state.lock().await;
            match &state.token {
                Some(token) if token.is_fresh(self.clock.now_ms()) => {
                    return token.header(prefix, state.serial);
                }
                _ => state.serial,
            }
        };
        self.renew(serial, endpoint, prefix).await
    }

    /// New credentials instead of those with `serial`. Whoever comes second gets what the first one
    /// fetched.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        serial: u64,
        endpoint: Option<&TokenEndpoint>,
        prefix: &str,
    ) -> Result<AuthHeader, SendError> {
        if !self.can_renew() {
            return Err(unauthorized("the credentials are fixed and were refused"));
        }
        let endpoint =
            endpoint.ok_or_else(|| unauthorized("the plugin names no token endpoint"))?.clone();
        let (this, prefix) = (Arc::clone(self), prefix.to_owned());
        let renewal =
            tokio::spawn(async move { this.renew_once(serial, &endpoint, &prefix).await });
        renewal.await.unwrap_or_else(|_| Err(unauthorized("the renewal was cut off")))
    }

    /// True where asking for new credentials makes sense at all.
    pub(crate) fn can_renew(&self) -> bool {
        self.auth.needs_tokens()
    }

    fn fixed(&self, prefix: &str) -> Option<Result<AuthHeader, SendError>> {
        let fixed = |name: &str, text: &str| {
            let header = sensitive(text).map(|value| Some((name.to_owned(), value)));
            header.map(|header| AuthHeader { header, base: None, serial: 0 })
        };
        match &self.auth {
            SystemAuth::None | SystemAuth::Fixed => {
                Some(Ok(AuthHeader { header: None, base: None, serial: 0 }))
            }
            SystemAuth::Bearer(token) => {
                Some(fixed("authorization", &format!("{prefix}{}", token.expose_secret())))
            }
            SystemAuth::Basic { username, password } => {
                let pair = basic_pair(username, password);
                Some(fixed("authorization", &format!("Basic {}", pair.expose_secret())))
            }
            SystemAuth::Header { name, value } => {
                Some(fixed(name, &format!("{prefix}{}", value.expose_secret())))
            }
            SystemAuth::ClientCredentials { .. } | SystemAuth::RefreshToken { .. } => None,
        }
    }

    async fn renew_once(
        &self,
        serial: u64,
        endpoint: &TokenEndpoint,
        prefix: &str,
    ) -> Result<AuthHeader, SendError> {
        let mut state = self.state.lock().await;
        if state.serial != serial
            && let Some(token) = &state.token
        {
            return token.header(prefix, state.serial);
        }
        if let Err(ms) = state.take_renewal(self.clock.now_ms()) {
            let seconds = ms.div_euclid(1_000).saturating_add(1);
            return Err(state.fault.clone().unwrap_or_else(|| {
                unauthorized(&format!(
                    "new tokens are refused again and again, and the next one is requested in \
                     {seconds} s"
                ))
            }));
        }
        self.load_refresh_tokens(&mut state).await?;
        let answer = self.request_token(&mut state, endpoint).await;
        state.fault = answer.as_ref().err().cloned();
        let answer = answer?;
        if let Some(rotated) = answer.refresh_token.clone() {
            // Even unsaved it is the only one that still works, so the job goes on with it.
            if let Err(error) = self.store.save(&self.system, &self.slot, &rotated).await {
                tracing::error!(system = %self.system, slot = %self.slot, %error,
                    "a rotated refresh token could not be saved; it is lost when the program ends");
            }
            state.refresh.insert(0, rotated);
            let known = state.refresh.len();
            let void = state.refresh.drain(REFRESH_MAX.min(known)..).collect::<Vec<_>>();
            state.retire(void);
        }
        let now_ms = self.clock.now_ms();
        let renew_at_ms = answer.expires_in_s.map(|seconds| {
            let life_ms = seconds.saturating_mul(1_000);
            now_ms.saturating_add(life_ms - RENEW_BEFORE_MS.min(life_ms / 10))
        });
        let token = AccessToken { access: answer.access_token, renew_at_ms, base: answer.base };
        let auth_header = token.header(prefix, state.serial + 1)?;
        let old = state.token.replace(token).map(|old| old.access);
        state.retire(old);
        state.serial += 1;
        self.rebuild_redactor(&state);
        tracing::info!(system = %self.system, slot = %self.slot, "credentials renewed");
        Ok(auth_header)
    }

    async fn load_refresh_tokens(&self, state: &mut CredentialState) -> Result<(), SendError> {
        let SystemAuth::RefreshToken { refresh_token, .. } = &self.auth else { return Ok(()) };
        // Each time: a login, or another process, may have stored a newer one.
        let stored = self.store.load(&self.system, &self.slot).await;
        let stored = stored.map_err(|error| SendError::NoAnswer(error.to_string()))?;
        let first = !std::mem::replace(&mut state.loaded, true);
        let configured = refresh_token.clone().filter(|_| first);
        let is_known = |token: &SecretString| {
            let mut known = state.refresh.iter().chain(&state.former);
            known.any(|known| known.expose_secret() == token.expose_secret())
        };
        let newer = stored.filter(|token| !is_known(token));
        state.refresh.splice(0..0, newer);
        state.refresh.extend(configured);
        let known = state.refresh.len();
        let void = state.refresh.drain(REFRESH_MAX.min(known)..).collect::<Vec<_>>();
        state.retire(void);
        self.rebuild_redactor(state);
        Ok(())
    }

    /// Asks the endpoint; where a stored refresh token is refused, the configured one may be newer.
    async fn request_token(
        &self,
        state: &mut CredentialState,
        endpoint: &TokenEndpoint,
    ) -> Result<token::TokenResponse, SendError> {
        let (client_id, client_secret, wanted) = match &self.auth {
            SystemAuth::ClientCredentials { client_id, client_secret, scope } => (
                client_id,
                Some(client_secret),
                vec![TokenGrant::Client { scope: scope.as_deref() }],
            ),
            SystemAuth::RefreshToken { client_id, client_secret, .. } => {
                let wanted = state.refresh.iter().map(TokenGrant::Refresh).collect();
                (client_id, client_secret.as_ref(), wanted)
            }
            _ => return Err(unauthorized("the credentials are fixed")),
        };
        let mut refused = TokenError::Refused(format!(
            "there is no refresh token: run `renkei auth login {}`",
            self.system
        ));
        for wanted in wanted {
            let redactor = self.redactor();
            match endpoint
                .request_token(client_id, client_secret, wanted, &redactor, &*self.clock)
                .await
            {
                Ok(answer) => return Ok(answer),
                Err(error @ TokenError::Refused(_)) => refused = error,
                Err(error @ (TokenError::NoAnswer(_) | TokenError::Unfit(_))) => {
                    refused = error;
                    break;
                }
            }
        }
        let redactor = self.redactor();
        Err(match refused {
            TokenError::Refused(reason) => SendError::Unauthorized(redactor.text(reason)),
            TokenError::Unfit(reason) => SendError::Unfit(redactor.text(reason)),
            TokenError::NoAnswer(reason) => SendError::NoAnswer(redactor.text(reason)),
        })
    }

    fn rebuild_redactor(&self, state: &CredentialState) {
        let mut secrets: Vec<&SecretString> = match &self.auth {
            SystemAuth::None | SystemAuth::Fixed => vec![],
            SystemAuth::Bearer(token) => vec![token],
            SystemAuth::Basic { password, .. } => vec![password],
            SystemAuth::Header { value, .. } => vec![value],
            SystemAuth::ClientCredentials { client_secret, .. } => vec![client_secret],
            SystemAuth::RefreshToken { client_secret, refresh_token, .. } => {
                client_secret.iter().chain(refresh_token).collect()
            }
        };
        secrets.extend(state.token.as_ref().map(|token| &token.access));
        secrets.extend(&state.former);
        secrets.extend(&self.others);
        secrets.extend(&state.refresh);
        let exposed = secrets.iter().map(|secret| secret.expose_secret());
        self.redactor.store(Arc::new(Redactor::new(exposed)));
    }
}

impl AccessToken {
    fn is_fresh(&self, now_ms: i64) -> bool {
        self.renew_at_ms.is_none_or(|at| now_ms < at)
    }

    fn header(&self, prefix: &str, serial: u64) -> Result<AuthHeader, SendError> {
        let value = sensitive(&format!("{prefix}{}", self.access.expose_secret()))?;
        let header = Some(("authorization".to_owned(), value));
        Ok(AuthHeader { header, base: self.base.clone(), serial })
    }
}

/// User name and password as HTTP writes them.
fn basic_pair(username: &str, password: &SecretString) -> SecretString {
    STANDARD.encode(format!("{username}:{}", password.expose_secret())).into()
}
