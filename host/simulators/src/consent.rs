//! The vendor's page where a person consents to an app, and the codes that it gives (RFC 6749 4.1,
//! RFC 7636).
//!
//! Whoever asks for HTML gets a page with two buttons, as a browser does; a script without that
//! wish is taken for a person who allows at once. The page is a plain form, so that a test can
//! press a button.

use std::collections::HashMap;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded::{Serializer, parse};

use crate::http::SimRequest;

/// The field of the page's form that says which button was pressed.
const DECISION: &str = "decision";

/// A browser's request for the page.
#[derive(Debug)]
pub(crate) struct LoginVisit {
    fields: Vec<(String, String)>,
    pub(crate) step: ConsentStep,
}

/// The step of a person at the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsentStep {
    /// The page is to be shown.
    Look,
    Allow,
    Deny,
}

impl LoginVisit {
    /// Reads a request for the page, or one of its buttons.
    pub(crate) fn read(request: &SimRequest) -> Self {
        let pressed = request.method == Method::POST;
        let fields: Vec<(String, String)> = match pressed {
            true => parse(&request.body).into_owned().collect(),
            false => request.parameters.clone(),
        };
        let decision = fields.iter().find(|(name, _)| name == DECISION);
        let wants_page = request.header("accept").is_some_and(|kinds| kinds.contains("text/html"));
        let step = match decision.filter(|_| pressed).map(|(_, value)| value.as_str()) {
            Some("allow") => ConsentStep::Allow,
            Some(_) => ConsentStep::Deny,
            None if wants_page || pressed => ConsentStep::Look,
            None => ConsentStep::Allow,
        };
        Self { fields, step }
    }

    /// A parameter of the login; empty where it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The page of `vendor`.
    pub(crate) fn page(&self, vendor: &str) -> String {
        let hidden: String = self
            .fields
            .iter()
            .filter(|(name, _)| name != DECISION)
            .map(|(name, value)| {
                format!(
                    "<input type=\"hidden\" name=\"{}\" value=\"{}\">\n",
                    escape(name),
                    escape(value)
                )
            })
            .collect();
        let client = escape(self.field("client_id"));
        format!(
            "<!doctype html>\n<title>Allow access?</title>\n<h1>{vendor}, simulated</h1>\n\
             <p>The app {client} asks for access to this account.</p>\n\
             <form method=\"post\">\n{hidden}\
             <button name=\"{DECISION}\" value=\"allow\">Allow</button>\n\
             <button name=\"{DECISION}\" value=\"deny\">Deny</button>\n</form>\n"
        )
    }

    /// The URL to which the browser is led with this answer and the login's state.
    pub(crate) fn lead_back(&self, answer: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(answer);
        let state = self.field("state");
        if !state.is_empty() {
            query.append_pair("state", state);
        }
        let uri = self.field("redirect_uri");
        let sign = if uri.contains('?') { '&' } else { '?' };
        format!("{uri}{sign}{}", query.finish())
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The codes given so far that nobody has exchanged.
#[derive(Debug, Default)]
pub(crate) struct IssuedCodes(HashMap<String, IssuedCode>);

#[derive(Debug)]
struct IssuedCode {
    /// The challenge that the verifier must meet, if the login had one.
    challenge: Option<String>,
    /// Empty where any will do.
    redirect_uri: String,
    issued_ms: i64,
}

/// The reason why a code is not exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeFault {
    Unknown,
    Expired,
    Verifier,
    RedirectUri,
}

impl IssuedCodes {
    /// Keeps a code that is good for anybody who has it.
    pub(crate) fn issue_open(&mut self, code: String) {
        let (challenge, redirect_uri) = (None, String::new());
        self.0.insert(code, IssuedCode { challenge, redirect_uri, issued_ms: i64::MAX });
    }

    /// Keeps a code for the login of `visit`.
    pub(crate) fn issue(&mut self, code: String, visit: &LoginVisit, now_ms: i64) {
        let challenge = Some(visit.field("code_challenge")).filter(|text| !text.is_empty());
        let issued = IssuedCode {
            challenge: challenge.map(str::to_owned),
            redirect_uri: visit.field("redirect_uri").to_owned(),
            issued_ms: now_ms,
        };
        self.0.insert(code, issued);
    }

    /// Takes a code back; it is good once.
    pub(crate) fn exchange(
        &mut self,
        code: &str,
        (verifier, redirect_uri): (&str, &str),
        (now_ms, lifetime_ms): (i64, i64),
    ) -> Result<(), CodeFault> {
        let issued = self.0.remove(code).ok_or(CodeFault::Unknown)?;
        if now_ms.saturating_sub(issued.issued_ms) >= lifetime_ms {
            return Err(CodeFault::Expired);
        }
        if !issued.redirect_uri.is_empty() && issued.redirect_uri != redirect_uri {
            return Err(CodeFault::RedirectUri);
        }
        let hashed = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        match issued.challenge {
            Some(challenge) if challenge != hashed => Err(CodeFault::Verifier),
            _ => Ok(()),
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::*;

    const TARGET: &str = "/authorize?client_id=a%22b&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fc&state=s%26t&\
                          code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn visit(method: Method, accept: &str, body: &str) -> LoginVisit {
        let headers = HeaderMap::from_iter([(
            axum::http::header::ACCEPT,
            HeaderValue::from_str(accept).unwrap(),
        )]);
        LoginVisit::read(&SimRequest::new(method, TARGET, headers, body.to_owned()))
    }

    #[test]
    fn browser_sees_a_page_and_a_button_decides() {
        let seen = visit(Method::GET, "text/html,*/*", "");
        assert_eq!(seen.step, ConsentStep::Look);
        let page = seen.page("Salesforce");
        assert!(
            page.contains("value=\"a&quot;b\"") && page.contains("value=\"s&amp;t\""),
            "{page}"
        );
        assert_eq!(visit(Method::GET, "*/*", "").step, ConsentStep::Allow);
        for (button, step) in [("allow", ConsentStep::Allow), ("deny", ConsentStep::Deny)] {
            let body = format!("redirect_uri=http%3A%2F%2Fl%2Fc%3Fx&state=s%26t&decision={button}");
            let pressed = visit(Method::POST, "text/html", &body);
            assert_eq!(pressed.step, step);
            assert_eq!(pressed.lead_back(&[("a", "b c")]), "http://l/c?x&a=b+c&state=s%26t");
        }
    }

    #[test]
    fn code_is_good_once_in_time_for_its_login() {
        let login = visit(Method::GET, "", "");
        let place = "http://localhost:1/c";
        for (verifier, place, at_ms, expected) in [
            (VERIFIER, place, 9, Ok(())),
            (VERIFIER, place, 10, Err(CodeFault::Expired)),
            ("wrong", place, 9, Err(CodeFault::Verifier)),
            ("", place, 9, Err(CodeFault::Verifier)),
            (VERIFIER, "http://localhost:2/c", 9, Err(CodeFault::RedirectUri)),
        ] {
            let mut codes = IssuedCodes::default();
            codes.issue("code".to_owned(), &login, 0);
            assert_eq!(codes.exchange("code", (verifier, place), (at_ms, 10)), expected);
            let again = codes.exchange("code", (VERIFIER, place), (0, 10));
            assert_eq!(again, Err(CodeFault::Unknown));
        }
    }
}
