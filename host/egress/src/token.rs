//! Requests tokens from one OAuth2 token endpoint (RFC 6749 4.4 and 6).
//!
//! The endpoint's answers stay in the host; of a refusal only its error code is passed on. Its
//! redirects are not followed: the request holds the credentials themselves. What is no answer of a
//! token endpoint (a page, a redirect) says nothing about the credentials, and the error says so.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;
use url::{Url, form_urlencoded};

use renkei_model::ports::Clock;
use renkei_package::TokenStyle;

use crate::allowlist::Allowlist;
use crate::audit::EgressAudit;
use crate::client::{ExchangeError, HttpClient, OutgoingRequest, ServerAnswer};
use crate::escape::plain;
use crate::limits::REQUEST_TIMEOUT;
use crate::redact::Redactor;
use crate::refusal::EgressRefusal;
use crate::secret_header::sensitive;
use crate::token_faults;
use crate::traffic::add;

/// An endpoint in trouble is asked so often; a refusal is final.
const ATTEMPTS: u32 = 3;
const PAUSE_MS: u64 = 1_000;
/// Error codes of RFC 6749 5.2 that are about the way of asking and not about the credentials.
const ABOUT_THE_WAY: [&str; 4] =
    ["invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"];
/// The longest error code that is told on.
const CODE_BYTES_MAX: usize = 80;

/// The endpoint of one slot.
#[derive(Clone)]
pub(crate) struct TokenEndpoint {
    pub(crate) client: HttpClient,
    pub(crate) audit: EgressAudit,
    pub(crate) url: Url,
    /// That URL's place.
    pub(crate) own_place: Arc<Allowlist>,
    pub(crate) style: TokenStyle,
    /// The field of the answer that replaces the base URL.
    pub(crate) base_url_field: Option<String>,
    /// The places that such a field may name.
    pub(crate) allowlist: Arc<Allowlist>,
}

/// The grant by which tokens are requested.
#[derive(Clone, Copy)]
pub(crate) enum TokenGrant<'a> {
    Client {
        scope: Option<&'a str>,
    },
    Refresh(&'a SecretString),
    /// The code of a person's consent (RFC 6749 4.1.3, RFC 7636 4.5).
    Code {
        code: &'a SecretString,
        verifier: &'a SecretString,
        redirect_uri: &'a str,
    },
}

/// The tokens that an endpoint gives.
pub(crate) struct TokenResponse {
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) expires_in_s: Option<i64>,
    pub(crate) base: Option<Url>,
}

/// The reason why there is no token.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The endpoint refuses these credentials.
    Refused(String),
    /// The answer is none of a token endpoint, or gives what is not allowed: other credentials
    /// would not help.
    Unfit(String),
    /// It cannot be reached or is in trouble.
    NoAnswer(String),
}

impl TokenEndpoint {
    pub(crate) async fn request_token(
        &self,
        client_id: &str,
        client_secret: Option<&SecretString>,
        wanted: TokenGrant<'_>,
        redactor: &Redactor,
        clock: &dyn Clock,
    ) -> Result<TokenResponse, TokenError> {
        self.own_place.check_origin(&self.url).map_err(|refusal| self.refused(&refusal))?;
        let mut attempt = 0;
        let trouble = loop {
            attempt += 1;
            let request = self.request(client_id, client_secret, wanted)?;
            add(&self.audit.counters.renewals, 1);
            let (trouble, most) = match self.client.exchange(request).await {
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    return self.read(&answer, redactor);
                }
                Ok(answer) => (format!("HTTP {}", answer.status), ATTEMPTS),
                Err(error @ ExchangeError::NotSent(_)) => {
                    let most = self.client.connects().min(ATTEMPTS);
                    if attempt >= most {
                        self.client.give_up();
                    }
                    (error.to_string(), most)
                }
                Err(ExchangeError::Refused(refusal)) => return Err(self.refused(&refusal)),
                Err(error @ ExchangeError::BreakerOpen { .. }) => (error.to_string(), 1),
                Err(error) => (error.to_string(), ATTEMPTS),
            };
            if attempt >= most {
                break trouble;
            }
            clock.sleep_ms(PAUSE_MS << attempt).await;
        };
        Err(TokenError::NoAnswer(format!("the token endpoint is in trouble: {trouble}")))
    }

    fn request(
        &self,
        client_id: &str,
        client_secret: Option<&SecretString>,
        wanted: TokenGrant<'_>,
    ) -> Result<OutgoingRequest, TokenError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut form = form_urlencoded::Serializer::new(String::new());
        match wanted {
            TokenGrant::Client { scope } => {
                form.append_pair("grant_type", "client_credentials");
                form.extend_pairs(scope.map(|scope| ("scope", scope)));
            }
            TokenGrant::Refresh(token) => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", token.expose_secret());
            }
            TokenGrant::Code { code, verifier, redirect_uri } => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("code", code.expose_secret());
                form.append_pair("code_verifier", verifier.expose_secret());
                form.append_pair("redirect_uri", redirect_uri);
            }
        }
        match (self.style, client_secret) {
            (TokenStyle::Basic, Some(secret)) => {
                let encode = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let pair = format!("{}:{}", encode(client_id), encode(secret.expose_secret()));
                let value = sensitive(&format!("Basic {}", STANDARD.encode(pair)))
                    .map_err(|_| TokenError::Refused("the client secret is no header".into()))?;
                headers.insert(AUTHORIZATION, value);
            }
            (_, secret) => {
                form.append_pair("client_id", client_id);
                form.extend_pairs(secret.map(|secret| ("client_secret", secret.expose_secret())));
            }
        }
        Ok(OutgoingRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: form.finish().into_bytes(),
            timeout: REQUEST_TIMEOUT,
        })
    }

    fn read(
        &self,
        answer: &ServerAnswer,
        redactor: &Redactor,
    ) -> Result<TokenResponse, TokenError> {
        let status = answer.status;
        let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |field: &str| json.get(field).and_then(Json::as_str);
        let is_fine = (200..300).contains(&status);
        // Searched whole: of a secret that is cut the rest would not be found.
        let code = text("error").or_else(|| text("status").filter(|_| !is_fine));
        let told = code.map(|code| plain(&redactor.text(code.to_owned()), CODE_BYTES_MAX));
        if !is_fine {
            let known = text("error_description").or_else(|| text("message"));
            let known = known.and_then(token_faults::explain);
            return Err(match told {
                Some(told) => refused_with(status, (code, known), &told),
                None if status == 401 && !is_page(answer) => TokenError::Refused(format!(
                    "the token endpoint answered HTTP {status} (no error code)"
                )),
                None => TokenError::Unfit(self.unfit(answer)),
            });
        }
        let Some(access_token) = text("access_token") else {
            // Some services refuse with a status that says all is well.
            return Err(match told {
                Some(told) => refused_with(status, (code, None), &told),
                None => TokenError::Unfit(self.unfit(answer)),
            });
        };
        let base = match self.base_url_field.as_deref() {
            Some(field) => Some(self.base(field, text(field))?),
            None => None,
        };
        Ok(TokenResponse {
            access_token: access_token.into(),
            refresh_token: text("refresh_token").map(SecretString::from),
            expires_in_s: json.get("expires_in").and_then(seconds),
            base,
        })
    }

    /// An answer that no token endpoint gives.
    fn unfit(&self, answer: &ServerAnswer) -> String {
        let (status, origin) = (answer.status, self.url.origin().ascii_serialization());
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let what = match location.filter(|_| (300..400).contains(&status)) {
            Some(location) => match self.url.join(location) {
                // Of the place only the origin: a query may hold anything.
                Ok(place) => {
                    let place = place.origin().ascii_serialization();
                    format!("a redirect to {place}, which is not followed")
                }
                Err(_) => "a redirect to no URL".to_owned(),
            },
            None if is_page(answer) => "a web page and no token".to_owned(),
            None => "no token and no error code".to_owned(),
        };
        format!(
            "the token endpoint at {origin} answered HTTP {status} with {what}, as where \
             `base_url` is not that of the API, or that of another environment"
        )
    }

    fn base(&self, field: &str, value: Option<&str>) -> Result<Url, TokenError> {
        let unfit = |reason: String| TokenError::Unfit(reason);
        let value = value.ok_or_else(|| unfit(format!("the token answer has no `{field}`")))?;
        let url: Url = value.parse().map_err(|_| unfit(format!("`{field}` is not a URL")))?;
        self.allowlist.check_origin(&url).map_err(|refusal| {
            self.audit.record_refusal(&refusal);
            unfit(format!(
                "the credentials were accepted, but the token answer sends requests to another \
                 place (`{field}`): {refusal}"
            ))
        })?;
        Ok(url)
    }

    fn refused(&self, refusal: &EgressRefusal) -> TokenError {
        self.audit.record_refusal(refusal);
        TokenError::Unfit(format!("the token endpoint: {refusal}"))
    }
}

/// A refusal with an error code, which may say that not the credentials are wrong.
fn refused_with(
    status: u16,
    (code, known): (Option<&str>, Option<&str>),
    told: &str,
) -> TokenError {
    let said = format!("the token endpoint answered HTTP {status} ({told})");
    match code {
        Some(code) if ABOUT_THE_WAY.contains(&code) => TokenError::Unfit(format!(
            "{said}: it refuses not the credentials but the way of requesting tokens, which `auth` \
             of this system and the permissions of its app decide"
        )),
        _ => TokenError::Refused(match known {
            Some(known) => format!("{said}: {known}"),
            None => said,
        }),
    }
}

/// True where an answer is a page for people.
fn is_page(answer: &ServerAnswer) -> bool {
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
        || answer.body.trim_ascii_start().starts_with(b"<")
}

/// Some services give the number as text.
fn seconds(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|seconds| *seconds > 0)
}
