//! Tokens: the static one of a private app, and OAuth with expiry and rotation
//! (H-auth-1, H-auth-2, H-auth-3).
//!
//! Token strings are made from seed and a serial number, so runs with one seed agree on them.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::limits::ClientApp;
use super::portal::PORTAL_ID;
use super::portal::portal_id;
use super::route::OauthCall;
use crate::consent::{CodeFault, ConsentStep, IssuedCodes, LoginVisit};
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};

const CLIENT_ID: &str = "0a1b2c3d-0000-4000-8000-renkeisim001";
const SCOPES: [&str; 6] = [
    "oauth",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.companies.read",
    "crm.objects.deals.read",
    "crm.schemas.contacts.read",
];

/// Every token of the account.
#[derive(Debug)]
pub(super) struct HubSpotTokens {
    seed: u64,
    serial: u64,
    private_token: Option<String>,
    /// Access tokens with their expiry.
    access: HashMap<String, i64>,
    refresh: HashSet<String>,
    codes: IssuedCodes,
    client_secret: String,
}

impl HubSpotTokens {
    pub(super) fn new(seed: u64) -> Self {
        let mut auth = Self {
            seed,
            serial: 0,
            private_token: Some(format!("pat-na1-{seed:08x}-0000-4000-8000-000000000001")),
            access: HashMap::new(),
            refresh: HashSet::new(),
            codes: IssuedCodes::default(),
            client_secret: format!("secret-{seed:08x}"),
        };
        let first = auth.next("refresh");
        auth.refresh.insert(first);
        auth.codes.issue_open(auth.first_code());
        auth
    }

    /// Credentials of a client: a private app's token, or client, secret and refresh token.
    pub(super) fn credentials(&self) -> Value {
        json!({
            "private_app_token": self.private_token,
            "client_id": CLIENT_ID,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh.iter().next(),
            "authorization_code": self.first_code(),
            "portal_id": PORTAL_ID,
        })
    }

    /// Makes every token issued so far invalid, the private app's and refresh tokens included.
    pub(super) fn revoke(&mut self) {
        self.private_token = None;
        self.access.clear();
        self.refresh.clear();
    }

    /// The app whose token the request carries.
    ///
    /// # Errors
    /// 401 with the category that says whether the token ever was good.
    pub(super) fn check(&self, request: &SimRequest, now_ms: i64) -> Result<ClientApp, ApiError> {
        let header = request.header("authorization").unwrap_or_default();
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        if self.private_token.as_deref() == Some(token) {
            return Ok(ClientApp::Private);
        }
        match self.access.get(token) {
            Some(expiry_ms) if now_ms < *expiry_ms => Ok(ClientApp::Oauth),
            Some(expiry_ms) => {
                let late_s = (now_ms - expiry_ms) / 1_000;
                let message = format!(
                    "The OAuth token used to make this call expired {late_s} second(s) ago."
                );
                Err(ApiError::new(StatusCode::UNAUTHORIZED, "EXPIRED_AUTHENTICATION", message))
            }
            None => Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 \
                 authentication and you can find more details at \
                 https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            )),
        }
    }

    /// Answers a token request; these need no bearer token.
    pub(super) fn answer(
        &mut self,
        call: &OauthCall,
        request: &SimRequest,
        at: TokenContext<'_>,
    ) -> SimAnswer {
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match call {
            OauthCall::Authorize => self.authorize(&LoginVisit::read(request), at),
            OauthCall::Token => self.token(field, at),
            OauthCall::Introspect => {
                SimAnswer::json(StatusCode::OK, &self.describe(field("token"), at))
            }
            OauthCall::Revoke => {
                self.access.remove(field("token"));
                self.refresh.remove(field("token"));
                SimAnswer::empty(StatusCode::NO_CONTENT)
            }
            OauthCall::Describe(token) if self.access.contains_key(token) => {
                SimAnswer::json(StatusCode::OK, &self.describe(token, at))
            }
            OauthCall::Describe(_) => {
                ApiError::not_found("access token not found").answer(at.correlation_id)
            }
        }
    }

    /// The code of whoever reads the credentials; good once.
    fn first_code(&self) -> String {
        format!("code-{:08x}", self.seed)
    }

    /// The page for a person, and what a button of it does.
    fn authorize(&mut self, visit: &LoginVisit, at: TokenContext<'_>) -> SimAnswer {
        if visit.field("client_id") != CLIENT_ID {
            return at.refuse("BAD_CLIENT_ID", "missing or unknown client id");
        }
        if visit.field("redirect_uri").is_empty() {
            return at.refuse("BAD_REDIRECT_URI", "missing or invalid redirect uri");
        }
        let place = match visit.step {
            ConsentStep::Look => {
                let page = visit.page("HubSpot").into_bytes();
                return SimAnswer::typed(StatusCode::OK, "text/html;charset=utf-8", page);
            }
            ConsentStep::Allow => {
                let code = self.next("code");
                self.codes.issue(code.clone(), visit, at.now_ms);
                visit.lead_back(&[("code", &code)])
            }
            ConsentStep::Deny => visit.lead_back(&[
                ("error", "access_denied"),
                ("error_description", "The user denied access"),
            ]),
        };
        SimAnswer::empty(StatusCode::FOUND).with_header("location", &place)
    }

    fn token<'f>(&mut self, field: impl Fn(&str) -> &'f str, at: TokenContext<'_>) -> SimAnswer {
        if field("client_id") != CLIENT_ID {
            return at.refuse("BAD_CLIENT_ID", "missing or unknown client id");
        }
        if field("client_secret") != self.client_secret {
            return at.refuse("BAD_CLIENT_SECRET", "missing or invalid client secret");
        }
        let refresh_token = match field("grant_type") {
            "client_credentials" => None,
            "refresh_token" => {
                let old = field("refresh_token");
                if !self.refresh.contains(old) {
                    return at.refuse("BAD_REFRESH_TOKEN", "missing or unknown refresh token");
                }
                Some(if at.faults.rotate_refresh_token {
                    self.refresh.remove(old);
                    self.issue_refresh()
                } else {
                    old.to_owned()
                })
            }
            "authorization_code" => {
                let proof = (field("code_verifier"), field("redirect_uri"));
                let times = (at.now_ms, at.faults.code_lifetime_ms);
                match self.codes.exchange(field("code"), proof, times) {
                    Ok(()) => Some(self.issue_refresh()),
                    Err(CodeFault::RedirectUri) => {
                        return at.refuse("BAD_REDIRECT_URI", "missing or invalid redirect uri");
                    }
                    Err(_) => return at.refuse("BAD_AUTH_CODE", "missing or unknown auth code"),
                }
            }
            _ => return at.refuse("BAD_GRANT_TYPE", "missing or unknown grant type"),
        };
        let access_token = self.next("access");
        let life_ms = at.faults.token_lifetime_ms;
        self.access.insert(access_token.clone(), at.now_ms + life_ms);
        let mut body = json!({
            "token_type": "bearer",
            "access_token": access_token,
            "expires_in": life_ms / 1_000,
            "hub_id": portal_id(at.faults),
            "user_id": 9_586_501,
            "scopes": SCOPES,
            "token_use": "access_token",
        });
        if let (Some(refresh_token), Some(fields)) = (refresh_token, body.as_object_mut()) {
            fields.insert("refresh_token".to_owned(), json!(refresh_token));
        }
        SimAnswer::json(StatusCode::OK, &body)
    }

    fn issue_refresh(&mut self) -> String {
        let token = self.next("refresh");
        self.refresh.insert(token.clone());
        token
    }

    fn describe(&self, token: &str, at: TokenContext<'_>) -> Value {
        let now_ms = at.now_ms;
        let expiry_ms = self.access.get(token).copied().unwrap_or(now_ms);
        json!({
            "active": now_ms < expiry_ms,
            "token": token,
            "token_type": "access",
            "expires_in": ((expiry_ms - now_ms) / 1_000).max(0),
            "client_id": CLIENT_ID,
            "hub_id": portal_id(at.faults),
            "user_id": 9_586_501,
            "scopes": SCOPES,
        })
    }

    fn next(&mut self, use_: &str) -> String {
        self.serial += 1;
        format!("na1-{use_}-{:08x}-{:06}", self.seed, self.serial)
    }
}

/// Moment, knobs and correlation id of a token request.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenContext<'a> {
    pub now_ms: i64,
    pub faults: &'a Faults,
    pub correlation_id: &'a str,
}

impl TokenContext<'_> {
    /// 400 in the shape of the OAuth v1 endpoint, which is not that of the other errors.
    fn refuse(self, status: &str, message: &str) -> SimAnswer {
        let body =
            json!({"status": status, "message": message, "correlationId": self.correlation_id});
        SimAnswer::json(StatusCode::BAD_REQUEST, &body)
    }
}
