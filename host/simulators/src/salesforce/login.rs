//! The endpoints around a session: token, authorize, revoke, userinfo, identity, and the SOAP
//! `login` and `logout` that jsforce uses for user name and password (S-auth-1, S-auth-5).

use std::collections::HashMap;

use super::auth::TokenPolicy;
use super::error::ApiFault;
use super::json::Json;
use super::org::{CallTally, Org};
use super::reply::OrgReply;
use crate::consent::{ConsentStep, LoginVisit};
use crate::http::SimRequest;
use crate::ledger::CallShape;

impl Org {
    pub(super) fn oauth(&mut self, request: &SimRequest, what: &str, now_ms: i64) -> OrgReply {
        self.tally = token_tally();
        match (request.method.as_str(), what) {
            ("POST", "token") => self.token(request, now_ms),
            ("POST" | "GET", "revoke") => self.revoke_token(request),
            ("GET" | "POST", "authorize") => self.authorize(request, now_ms),
            ("GET" | "POST", "userinfo") if self.logged_in(request, now_ms) => self.user_info(),
            ("GET" | "POST", "userinfo") => {
                OrgReply::fault(&ApiFault::new(403, "Bad_OAuth_Token", "Bad_OAuth_Token"))
            }
            _ => OrgReply::fault(&ApiFault::not_found()),
        }
    }

    fn token(&mut self, request: &SimRequest, now_ms: i64) -> OrgReply {
        let form = form(request);
        let policy = TokenPolicy {
            rotate_refresh: self.faults.rotate_refresh_token,
            lifetime_ms: self.faults.token_lifetime_ms,
            code_lifetime_ms: self.faults.code_lifetime_ms,
            say_expiry: self.faults.salesforce.token_says_expiry,
        };
        match self.sessions.token(&form, request.header("authorization"), now_ms, policy) {
            Ok(answer) => OrgReply::ok(answer),
            Err((error, description)) => oauth_error(error, description),
        }
    }

    fn revoke_token(&mut self, request: &SimRequest) -> OrgReply {
        let form = form(request);
        let token = request.query("token").or_else(|| form.get("token").map(String::as_str));
        if token.is_some_and(|token| self.sessions.end(token)) {
            OrgReply::empty(200)
        } else {
            oauth_error("unsupported_token_type", "this token type is not supported")
        }
    }

    /// The web server flow: the page for a person, and what a button of it does.
    fn authorize(&mut self, request: &SimRequest, now_ms: i64) -> OrgReply {
        let visit = LoginVisit::read(request);
        if visit.field("client_id") != self.sessions.login.client_id {
            return oauth_error("invalid_client_id", "client identifier invalid");
        }
        if visit.field("response_type") != "code" || visit.field("redirect_uri").is_empty() {
            return oauth_error("invalid_request", "redirect_uri must match configuration");
        }
        let place = match visit.step {
            ConsentStep::Look => {
                return OrgReply::text("text/html;charset=UTF-8", visit.page("Salesforce"));
            }
            ConsentStep::Allow => {
                let code = self.sessions.authorize(&visit, now_ms);
                visit.lead_back(&[("code", &code)])
            }
            ConsentStep::Deny => visit.lead_back(&[
                ("error", "access_denied"),
                ("error_description", "end-user denied authorization"),
            ]),
        };
        OrgReply::empty(302).with_header("location", place)
    }

    fn user_info(&self) -> OrgReply {
        let login = &self.sessions.login;
        OrgReply::ok(Json::object([
            ("sub", self.identity_url().into()),
            ("user_id", login.user_id.as_str().into()),
            ("organization_id", login.org_id.as_str().into()),
            ("preferred_username", login.username.as_str().into()),
            ("email", login.username.as_str().into()),
            ("email_verified", true.into()),
            ("zoneinfo", self.faults.time_zone.as_str().into()),
            ("locale", "ja_JP".into()),
            ("active", true.into()),
        ]))
    }

    pub(super) fn identity_url(&self) -> String {
        let login = &self.sessions.login;
        format!("{}/id/{}/{}", login.base_url, login.org_id, login.user_id)
    }

    /// Answer at the URL that a token answer calls `id`; jsforce's `identity()`.
    pub(super) fn identity(&mut self, request: &SimRequest, now_ms: i64) -> OrgReply {
        self.tally = token_tally();
        if !self.logged_in(request, now_ms) {
            return OrgReply::fault(&ApiFault::new(403, "Bad_OAuth_Token", "Bad_OAuth_Token"));
        }
        let login = &self.sessions.login;
        let rest = format!("{}/services/data/v{{version}}/", login.base_url);
        OrgReply::ok(Json::object([
            ("id", self.identity_url().into()),
            ("user_id", login.user_id.as_str().into()),
            ("organization_id", login.org_id.as_str().into()),
            ("username", login.username.as_str().into()),
            ("active", true.into()),
            ("urls", Json::object([("rest", rest.into())])),
        ]))
    }

    /// `POST /services/Soap/u/NN.0` or `/c/NN.0`: login and logout, nothing else.
    pub(super) fn soap(&mut self, request: &SimRequest, now_ms: i64) -> OrgReply {
        self.tally = token_tally();
        let body = String::from_utf8_lossy(&request.body);
        if body.contains("<logout") || body.contains(":logout") {
            self.sessions.end(&element(&body, "sessionId").unwrap_or_default());
            return envelope("<logoutResponse/>");
        }
        let field = |name| element(&body, name).unwrap_or_default();
        let session = self.sessions.by_password(&field("username"), &field("password"), now_ms);
        let Some(session) = session else {
            return soap_fault(
                "INVALID_LOGIN",
                "Invalid username, password, security token; or user locked out.",
            );
        };
        let login = &self.sessions.login;
        let url = format!("{}{}/{}", login.base_url, request.path, login.org_id);
        envelope(&format!(
            "<loginResponse><result><metadataServerUrl>{url}</metadataServerUrl>\
             <passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
             <serverUrl>{url}</serverUrl><sessionId>{session}</sessionId>\
             <userId>{user}</userId><userInfo><organizationId>{org}</organizationId>\
             <userId>{user}</userId></userInfo></result></loginResponse>",
            user = login.user_id,
            org = login.org_id,
        ))
    }
}

fn token_tally() -> CallTally {
    CallTally { shape: CallShape::Token, ..CallTally::metadata("token") }
}

fn form(request: &SimRequest) -> HashMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn oauth_error(error: &'static str, description: &'static str) -> OrgReply {
    OrgReply::json(
        400,
        Json::object([("error", error.into()), ("error_description", description.into())]),
    )
}

/// The text of the first element called `name`, whatever its namespace prefix and attributes.
fn element(xml: &str, name: &str) -> Option<String> {
    let mut rest = xml;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (tag, text) = after.split_once('>')?;
        rest = text;
        let own = tag.split_whitespace().next().unwrap_or_default();
        if own.rsplit(':').next() != Some(name) || own.starts_with('/') {
            continue;
        }
        let (text, _) = text.split_once(&format!("</{own}>"))?;
        let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        return Some(plain.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&"));
    }
}

fn envelope(body: &str) -> OrgReply {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\"><soapenv:Body>{body}</soapenv:Body>\
         </soapenv:Envelope>"
    );
    OrgReply::text("text/xml;charset=UTF-8", text)
}

fn soap_fault(code: &str, message: &str) -> OrgReply {
    let fault = format!(
        "<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}\
         </faultstring><detail><sf:LoginFault xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"sf:LoginFault\">\
         <sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{message}\
         </sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>"
    );
    OrgReply { status: 500, ..envelope(&fault) }
}
