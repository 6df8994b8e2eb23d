//! Requests that real client libraries send to Salesforce are taken.
//!
//! The rules are `host/sync/RULES.md` S5, S6 and S9 to S11.

use super::*;

/// RULES.md S5.
#[test]
fn unprocessed_rows_are_found_in_any_case() {
    let mut org = Fixture::empty();
    let job = r#"{"object":"Contact","operation":"insert","contentType":"CSV"}"#;
    let id = org.call("POST", "/jobs/ingest", job).id();
    org.send("PUT", &format!("{BASE}/jobs/ingest/{id}/batches"), &[], "LastName\na\n");
    org.call("PATCH", &format!("/jobs/ingest/{id}"), r#"{"state":"Aborted"}"#);
    for name in ["unprocessedrecords", "unprocessedRecords", "UnprocessedRecords"] {
        assert_eq!(org.get(&format!("/jobs/ingest/{id}/{name}")).status, 200, "{name}");
    }
}

/// RULES.md S6.
#[test]
fn attributes_stand_anywhere_in_a_record_but_must_be_there() {
    let mut org = Fixture::empty();
    let body = r#"{"records":[
        {"FirstName":"x","LastName":"a","attributes":{"type":"Contact"}},
        {"LastName":"b","attributes":{"type":"Contact"},"FirstName":"x"},
        {"LastName":"c"}]}"#;
    let got = org.call("POST", "/composite/sobjects", body);
    let done = |at: usize| got.body[at]["success"].clone();
    assert_eq!([done(0), done(1), done(2)], [json!(true), json!(true), json!(false)]);
    assert_eq!(got.body[2]["errors"][0]["statusCode"], "JSON_PARSER_ERROR");
}

/// RULES.md S9.
#[test]
fn soap_login_takes_any_prefix_and_both_services() {
    let mut org = Fixture::empty();
    let credentials = org.org.credentials();
    let text = |key: &str| credentials[key].as_str().unwrap().to_owned();
    let (user, password) = (text("username"), text("password"));
    for (prefix, service) in [("", "u"), ("n1:", "u"), ("urn:", "c")] {
        let body = format!(
            "<{prefix}login xmlns:x=\"urn:y\"><{prefix}username>{user}</{prefix}username>\
             <{prefix}password>{password}</{prefix}password></{prefix}login>"
        );
        let got = org.send("POST", &format!("/services/Soap/{service}/60.0"), &[], &body);
        assert!(got.text.contains("<sessionId>"), "{prefix} {service}: {}", got.text);
    }
    let body = "<n1:login><n1:username>x</n1:username></n1:login>";
    let got = org.send("POST", "/services/Soap/c/60.0", &[], body);
    assert_eq!(got.status, 500);
    assert!(
        got.text.contains("<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>"),
        "{}",
        got.text
    );
}

/// RULES.md S10.
#[test]
fn a_token_is_signed_with_the_clients_secret() {
    use base64::Engine;
    use hmac::{Hmac, KeyInit, Mac};
    let mut org = Fixture::empty();
    let credentials = org.org.credentials();
    let secret = credentials["client_secret"].as_str().unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={secret}",
        credentials["client_id"].as_str().unwrap()
    );
    let token = org.send("POST", "/services/oauth2/token", &[], &form).body;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(token["id"].as_str().unwrap().as_bytes());
    mac.update(token["issued_at"].as_str().unwrap().as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(token["signature"], signature);
}

/// RULES.md S11.
#[test]
fn the_resources_of_a_version_name_the_identity() {
    let mut org = Fixture::empty();
    let resources = org.send("GET", BASE, &[], "").body;
    let identity = resources["identity"].as_str().unwrap();
    let path = identity.strip_prefix("http://127.0.0.1:1").unwrap();
    let who = org.send("GET", path, &[], "").body;
    assert_eq!(who["username"], "renkei@sim.example.jp");
}
