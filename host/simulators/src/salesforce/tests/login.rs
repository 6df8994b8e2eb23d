//! Tokens, sessions, versions and the daily limit (S-call-1, S-call-3, S-auth-1,
//! S-auth-2, S-limit-1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

fn credential(fixture: &Fixture, name: &str) -> String {
    fixture.org.credentials()[name].as_str().unwrap().to_owned()
}

fn token(fixture: &mut Fixture, form: &str) -> Got {
    let client = credential(fixture, "client_id");
    fixture.send("POST", "/services/oauth2/token", &[], &format!("{form}&client_id={client}"))
}

#[test]
fn every_grant_gives_a_token_without_expiry() {
    let mut org = Fixture::empty();
    let [secret, refresh, user, password] =
        ["client_secret", "refresh_token", "username", "password"].map(|k| credential(&org, k));
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let claims = json!({
        "iss": credential(&org, "client_id"),
        "sub": user,
        "aud": "https://login.salesforce.com",
        "exp": START_MS / 1000 + 180,
    });
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let forms = [
        format!("grant_type=client_credentials&client_secret={secret}"),
        format!("grant_type=refresh_token&refresh_token={refresh}"),
        format!("grant_type=password&client_secret={secret}&username={user}&password={password}"),
        format!(
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={header}.{claims}.sig"
        ),
    ];
    for form in forms {
        let got = token(&mut org, &form);
        assert_eq!(got.status, 200, "{form}: {}", got.text);
        assert!(got.body.get("expires_in").is_none());
        org.token = got.body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(org.get("/limits").status, 200);
    }
    org.fault(json!({"token_says_expiry": true}));
    let form = format!("grant_type=client_credentials&client_secret={secret}");
    assert_eq!(token(&mut org, &form).body["expires_in"], 1800);
}

#[test]
fn bad_token_requests_are_told_apart() {
    let mut org = Fixture::empty();
    let secret = credential(&org, "client_secret");
    let cases = [
        ("grant_type=client_credentials&client_secret=x".to_owned(), "invalid_client"),
        ("grant_type=refresh_token&refresh_token=x".to_owned(), "invalid_grant"),
        (format!("grant_type=password&client_secret={secret}&username=a"), "invalid_grant"),
        (format!("grant_type=magic&client_secret={secret}"), "unsupported_grant_type"),
        (
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c".to_owned(),
            "invalid_grant",
        ),
    ];
    for (form, error) in cases {
        let got = token(&mut org, &form);
        assert_eq!((got.status, got.body["error"].as_str()), (400, Some(error)), "{form}");
    }
    let got = org.send("POST", "/services/oauth2/token", &[], "grant_type=password&client_id=no");
    assert_eq!(got.body["error"], "invalid_client_id");
}

#[test]
fn a_rotated_refresh_token_works_once() {
    let mut org = Fixture::empty();
    let first =
        format!("grant_type=refresh_token&refresh_token={}", credential(&org, "refresh_token"));
    let next = token(&mut org, &first).body["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(token(&mut org, &first).body["error_description"], "expired access/refresh token");
    org.fault(json!({"rotate_refresh_token": false}));
    let form = format!("grant_type=refresh_token&refresh_token={next}");
    for _ in 0..2 {
        assert!(token(&mut org, &form).body.get("refresh_token").is_none());
    }
}

#[test]
fn a_session_ends_when_it_is_not_used() {
    let mut org = Fixture::empty();
    for _ in 0..3 {
        org.clock.advance(1_700_000);
        assert_eq!(org.get("/limits").status, 200);
    }
    org.clock.advance(1_800_000);
    let got = org.get("/limits");
    assert_eq!((got.status, got.code()), (401, "INVALID_SESSION_ID"));
    org.log_in();
    assert_eq!(org.get("/limits").status, 200);
    org.org.revoke();
    assert_eq!(org.get("/limits").status, 401);
    let refresh = credential(&org, "refresh_token");
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(token(&mut org, &form).body["error"], "invalid_grant");
    org.log_in();
    let token = org.token.clone();
    assert_eq!(
        org.send("POST", "/services/oauth2/revoke", &[], &format!("token={token}")).status,
        200
    );
    assert_eq!(org.get("/limits").status, 401);
}

#[test]
fn soap_login_opens_a_session() {
    let mut org = Fixture::empty();
    let [user, password] = ["username", "password"].map(|name| credential(&org, name));
    let body = format!(
        "<login xmlns=\"urn:partner.soap.sforce.com\"><username>{user}</username>\
         <password>{password}</password></login>"
    );
    let got = org.send("POST", "/services/Soap/u/50.0", &[], &body);
    let session = got.text.split_once("<sessionId>").unwrap().1.split_once('<').unwrap().0;
    org.token = session.to_owned();
    assert_eq!(org.get("/limits").status, 200);
    let got = org.send("POST", "/services/Soap/u/50.0", &[], "<username>x</username>");
    assert_eq!(got.status, 500);
    assert!(got.text.contains("<faultstring>INVALID_LOGIN"));
}

#[test]
fn versions_from_31_on_answer() {
    let mut org = Fixture::empty();
    let got = org.send("GET", "/services/data", &[], "");
    assert_eq!(
        got.body[0],
        json!({"label": "Summer '14", "url": "/services/data/v31.0", "version": "31.0"})
    );
    assert_eq!(got.body.as_array().unwrap().last().unwrap()["label"], "Spring '26");
    assert_eq!(got.header("sforce-limit-info"), "");
    for (version, status) in [("v31.0", 200), ("v99.0", 200), ("v30.0", 404), ("v60", 404)] {
        let path = format!("/services/data/{version}/limits");
        assert_eq!(org.send("GET", &path, &[], "").status, status, "{version}");
    }
}

#[test]
fn the_daily_limit_rolls_over_24_hours() {
    let mut org = Fixture::empty();
    org.fault(json!({"daily_limit": 2, "token_lifetime_ms": 1_000_000_000}));
    assert_eq!(org.get("/limits").header("sforce-limit-info"), "api-usage=1/2");
    org.clock.advance(3_600_000);
    assert_eq!(org.get("/limits").body["DailyApiRequests"], json!({"Max": 2, "Remaining": 0}));
    let got = org.get("/limits");
    assert_eq!((got.status, got.code()), (403, "REQUEST_LIMIT_EXCEEDED"));
    assert_eq!(org.org.ledger().report().refused, 1);
    assert_eq!(org.org.ledger().report().breaches.len(), 1);
    org.clock.advance(23 * 3_600_000);
    assert_eq!(org.get("/limits").status, 200);
    assert_eq!(org.get("/limits").status, 403);
}

#[test]
fn other_clients_use_up_the_limits_and_that_is_no_breach() {
    let mut org = Fixture::empty();
    org.fault(json!({"limit_shared_every": 1}));
    let got = org.get("/limits");
    assert_eq!((got.status, got.code()), (403, "REQUEST_LIMIT_EXCEEDED"));
    assert!(got.body.to_string().contains("ConcurrentRequests"));
    org.fault(json!({"limit_shared_every": 0, "day_is_used_up": true}));
    let got = org.get("/limits");
    assert!(got.body.to_string().contains("TotalRequests"));
    assert_eq!(got.header("sforce-limit-info"), "api-usage=625000/625000");
    let report = org.org.ledger().report();
    assert_eq!((report.refused, report.breaches.len()), (2, 0));
}

#[test]
fn server_errors_come_when_asked_for() {
    let mut org = Fixture::empty();
    org.fault(json!({"server_error_every": 2, "lose_reply_after_write": 1}));
    assert_eq!(org.get("/limits").status, 200);
    let got = org.get("/limits");
    assert_eq!((got.status, got.code()), (503, "SERVER_UNAVAILABLE"));
    let got = org.call("POST", "/sobjects/Account", r#"{"Name":"a"}"#);
    assert!(got.answer.lost && got.status == 201);
}
