//! Logins and sessions.
//!
//! An access token has no `expires_in`; it lives as long as it is used within the session timeout.
//! Tokens are made from a counter and the org's seed, so a run repeats itself.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ids;
use super::json::{Json, JsonPairs};
use crate::consent::{CodeFault, IssuedCodes, LoginVisit};

/// Everything a client needs to log in; the only one this org knows.
#[derive(Debug)]
pub(crate) struct OrgLogin {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) org_id: String,
    pub(crate) user_id: String,
    pub(crate) base_url: String,
}

#[derive(Debug)]
struct OrgSession {
    used_at_ms: i64,
}

/// Tokens given out so far.
#[derive(Debug)]
pub(crate) struct OrgSessions {
    pub(crate) login: OrgLogin,
    seed: u64,
    issued: u64,
    access: HashMap<String, OrgSession>,
    refresh: HashSet<String>,
    codes: IssuedCodes,
}

/// Choices in a token answer that the vendor leaves open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenPolicy {
    pub(crate) rotate_refresh: bool,
    pub(crate) lifetime_ms: i64,
    pub(crate) code_lifetime_ms: i64,
    pub(crate) say_expiry: bool,
}

/// An OAuth error: code and description, always HTTP 400.
pub(crate) type OAuthError = (&'static str, &'static str);

impl OrgSessions {
    /// The sessions of an org served at `base_url`, whose only user is `user_id`.
    pub(crate) fn new(seed: u64, base_url: &str, user_id: String) -> Self {
        let login = OrgLogin {
            client_id: format!("3MVG9sim{seed}"),
            client_secret: secret(seed, "client-secret", 0),
            username: "renkei@sim.example.jp".to_owned(),
            password: secret(seed, "password", 0),
            org_id: ids::render("00D", seed % 1_000_000),
            user_id,
            base_url: base_url.to_owned(),
        };
        let refresh = HashSet::from([refresh_token(seed, 0)]);
        let (access, codes) = (HashMap::new(), IssuedCodes::default());
        Self { login, seed, issued: 0, access, refresh, codes }
    }

    /// Credentials that `renkei sim` prints for clients.
    pub(crate) fn credentials(&self) -> Value {
        let login = &self.login;
        json!({
            "client_id": login.client_id,
            "client_secret": login.client_secret,
            "refresh_token": refresh_token(self.seed, 0),
            "username": login.username,
            "password": login.password,
            "login_url": login.base_url,
            "token_url": format!("{}/services/oauth2/token", login.base_url),
        })
    }

    /// True if the token opens a session now; use prolongs it.
    pub(crate) fn admit(&mut self, token: &str, now_ms: i64, lifetime_ms: i64) -> bool {
        match self.access.get_mut(token) {
            Some(session) if now_ms - session.used_at_ms < lifetime_ms => {
                session.used_at_ms = now_ms;
                true
            }
            _ => {
                self.access.remove(token);
                false
            }
        }
    }

    /// Ends a session or forgets a refresh token.
    pub(crate) fn end(&mut self, token: &str) -> bool {
        let refresh = self.refresh.remove(token);
        self.access.remove(token).is_some() || refresh
    }

    /// Ends every session and forgets every refresh token and code; new logins still work.
    pub(crate) fn end_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
        self.codes.clear();
    }

    /// Opens a session for the right user name and password.
    pub(crate) fn by_password(
        &mut self,
        user: &str,
        password: &str,
        now_ms: i64,
    ) -> Option<String> {
        let login = &self.login;
        (user == login.username && password == login.password).then(|| self.open(now_ms))
    }

    /// Answers a token request given as form fields, with the `Authorization` header if any.
    pub(crate) fn token(
        &mut self,
        form: &HashMap<String, String>,
        basic: Option<&str>,
        now_ms: i64,
        policy: TokenPolicy,
    ) -> Result<Json, OAuthError> {
        const FAILED: OAuthError = ("invalid_grant", "authentication failure");
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let grant = field("grant_type");
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            self.check_assertion(field("assertion"), now_ms)?;
            return Ok(self.answer(now_ms, None, policy));
        }
        self.check_client(form, basic, grant != "refresh_token")?;
        let refresh = match grant {
            "client_credentials" => None,
            "password" => {
                let right = field("username") == self.login.username
                    && field("password") == self.login.password;
                if right { None } else { return Err(FAILED) }
            }
            "refresh_token" => self.refresh(field("refresh_token"), policy)?,
            "authorization_code" => {
                let proof = (field("code_verifier"), field("redirect_uri"));
                let times = (now_ms, policy.code_lifetime_ms);
                self.codes.exchange(field("code"), proof, times).map_err(refuse_code)?;
                Some(self.new_refresh())
            }
            "" => return Err(("invalid_request", "must specify grant_type")),
            _ => return Err(("unsupported_grant_type", "grant type not supported")),
        };
        Ok(self.answer(now_ms, refresh, policy))
    }

    fn check_client(
        &self,
        form: &HashMap<String, String>,
        basic: Option<&str>,
        secret_needed: bool,
    ) -> Result<(), OAuthError> {
        let decoded = basic
            .and_then(|header| STANDARD.decode(header.strip_prefix("Basic ")?).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.split_once(':').map(|(id, key)| (id.to_owned(), key.to_owned())));
        let (id, key) = decoded.map_or_else(
            || (form.get("client_id").cloned(), form.get("client_secret").cloned()),
            |(id, key)| (Some(id), Some(key)),
        );
        if id.as_deref() != Some(&self.login.client_id) {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        match key.as_deref() {
            Some(key) if key == self.login.client_secret => Ok(()),
            None | Some("") if !secret_needed => Ok(()),
            _ => Err(("invalid_client", "invalid client credentials")),
        }
    }

    fn refresh(&mut self, token: &str, policy: TokenPolicy) -> Result<Option<String>, OAuthError> {
        if !self.refresh.contains(token) {
            return Err(("invalid_grant", "expired access/refresh token"));
        }
        if !policy.rotate_refresh {
            return Ok(None);
        }
        self.refresh.remove(token);
        Ok(Some(self.new_refresh()))
    }

    /// Gives a code for the web server flow; the one user has consented.
    pub(crate) fn authorize(&mut self, visit: &LoginVisit, now_ms: i64) -> String {
        self.issued += 1;
        let code = format!("aPrx{}", secret(self.seed, "code", self.issued));
        self.codes.issue(code.clone(), visit, now_ms);
        code
    }

    /// Checks the shape and the claims of a JWT; its signature is taken as right.
    fn check_assertion(&self, assertion: &str, now_ms: i64) -> Result<(), OAuthError> {
        const INVALID: OAuthError = ("invalid_grant", "invalid assertion");
        let part = |at: usize| -> Option<Json> {
            let bytes = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(at)?).ok()?;
            Json::parse(&bytes).ok()
        };
        let (header, claims) = part(0).zip(part(1)).ok_or(INVALID)?;
        let signed = assertion.split('.').count() == 3 && header.text("alg") == Some("RS256");
        let expires = match claims.get("exp") {
            Some(Json::Number(seconds)) => seconds.as_i64().unwrap_or_default(),
            _ => 0,
        };
        let left_s = expires - now_ms / 1000;
        let claimed = claims.text("iss") == Some(&self.login.client_id)
            && claims.text("sub") == Some(&self.login.username)
            && claims.text("aud").is_some();
        if signed && claimed && (1..=300).contains(&left_s) { Ok(()) } else { Err(INVALID) }
    }

    fn new_refresh(&mut self) -> String {
        self.issued += 1;
        let token = refresh_token(self.seed, self.issued);
        self.refresh.insert(token.clone());
        token
    }

    fn open(&mut self, now_ms: i64) -> String {
        self.issued += 1;
        let org = self.login.org_id.get(..15).unwrap_or_default();
        let token = format!("{org}!AR8AQ{}", secret(self.seed, "access", self.issued));
        self.access.insert(token.clone(), OrgSession { used_at_ms: now_ms });
        token
    }

    fn answer(&mut self, now_ms: i64, refresh: Option<String>, policy: TokenPolicy) -> Json {
        let access = self.open(now_ms);
        let login = &self.login;
        let id = format!("{}/id/{}/{}", login.base_url, login.org_id, login.user_id);
        let issued_at = now_ms.to_string();
        let signature = signature(&login.client_secret, &format!("{id}{issued_at}"));
        let mut pairs: JsonPairs = vec![
            ("access_token".into(), access.into()),
            ("instance_url".into(), login.base_url.as_str().into()),
            ("id".into(), id.into()),
            ("token_type".into(), "Bearer".into()),
            ("issued_at".into(), issued_at.into()),
            ("signature".into(), signature.into()),
            ("scope".into(), "api refresh_token".into()),
        ];
        if let Some(refresh) = refresh {
            pairs.push(("refresh_token".into(), refresh.into()));
        }
        if policy.say_expiry {
            pairs.push(("expires_in".into(), Json::Number((policy.lifetime_ms / 1000).into())));
        }
        Json::Object(pairs)
    }
}

fn refuse_code(fault: CodeFault) -> OAuthError {
    match fault {
        CodeFault::Unknown => ("invalid_grant", "invalid authorization code"),
        CodeFault::Expired => ("invalid_grant", "expired authorization code"),
        CodeFault::Verifier => ("invalid_grant", "invalid code verifier"),
        CodeFault::RedirectUri => {
            ("redirect_uri_mismatch", "redirect_uri must match configuration")
        }
    }
}

/// Signature that proves an answer to be the vendor's: HMAC-SHA256 of id and time of issue.
fn signature(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()
    });
    // HMAC takes a key of any length.
    mac.map(|bytes| STANDARD.encode(bytes)).unwrap_or_default()
}

fn refresh_token(seed: u64, number: u64) -> String {
    format!("5Aep861{}", secret(seed, "refresh", number))
}

/// A text nobody guesses that is the same for the same seed.
fn secret(seed: u64, purpose: &str, number: u64) -> String {
    hex::encode(Sha256::digest(format!("{seed}/{purpose}/{number}"))).chars().take(40).collect()
}
