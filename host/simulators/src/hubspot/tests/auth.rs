//! Tokens, quotas and faults: all that strikes before a handler runs.
//!
//! After H-auth-1 to H-auth-5 and H-limit-1 to H-limit-6; windows are tried by advancing the clock.

use super::*;

fn token(account: &mut Account, form: &str) -> (u16, Value) {
    let credentials = account.hubspot.auth.credentials();
    let field = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
    let form =
        format!("client_id={}&client_secret={}&{form}", field("client_id"), field("client_secret"));
    let request = SimRequest::new(Method::POST, "/oauth/v1/token", HeaderMap::new(), form);
    let answer = account.hubspot.handle(&request);
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

fn refresh_token(account: &Account) -> String {
    account.hubspot.auth.credentials()["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_refresh_token_is_rotated_and_good_once() {
    let mut account = Account::empty();
    let form = format!("grant_type=refresh_token&refresh_token={}", refresh_token(&account));
    let (status, first) = token(&mut account, &form);
    assert_eq!((status, &first["expires_in"]), (200, &json!(1_800)));
    assert_eq!(first["token_type"], "bearer");
    let (status, error) = token(&mut account, &form);
    assert_eq!((status, &error["status"]), (400, &json!("BAD_REFRESH_TOKEN")));
    let next = first["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={next}");
    assert_eq!(token(&mut account, &form).0, 200);
}

#[test]
fn client_credentials_bring_no_refresh_token() {
    let mut account = Account::empty();
    let (status, answer) = token(&mut account, "grant_type=client_credentials");
    assert_eq!((status, answer.get("refresh_token")), (200, None));
}

#[test]
fn an_access_token_expires_and_can_be_revoked() {
    let mut account = Account::empty();
    let (_, answer) = token(&mut account, "grant_type=client_credentials");
    account.token = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(account.get(CONTACTS).0, 200);
    account.clock.advance(1_800_000);
    let (status, error) = account.get(CONTACTS);
    assert_eq!((status, &error["category"]), (401, &json!("EXPIRED_AUTHENTICATION")));
    account.sim("POST", "revoke", json!({}));
    let (status, error) = account.get(CONTACTS);
    assert_eq!((status, &error["category"]), (401, &json!("INVALID_AUTHENTICATION")));
}

#[test]
fn the_ten_second_window_is_told_and_enforced() {
    let mut account = Account::with(
        0,
        Faults {
            hubspot: HubSpotFaults { rolling_limit: 3, ..Faults::default().hubspot },
            ..Faults::default()
        },
    );
    let (_, headers, _) = account.send("GET", CONTACTS, Value::Null);
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("x-hubspot-ratelimit-max"), Some("3"));
    assert_eq!(header("x-hubspot-ratelimit-remaining"), Some("2"));
    assert_eq!(header("x-hubspot-ratelimit-daily-remaining"), Some("624999"));
    account.get(CONTACTS);
    account.get(CONTACTS);
    let (status, headers, error) = account.send("GET", CONTACTS, Value::Null);
    assert_eq!((status, &error["policyName"]), (429, &json!("TEN_SECONDLY_ROLLING")));
    assert_eq!(error["message"], "You have reached your ten_secondly_rolling limit.");
    assert!(!headers.contains_key("retry-after"));
    account.clock.advance(10_000);
    assert_eq!(account.get(CONTACTS).0, 200);
    let ledger = account.sim("GET", "ledger", Value::Null);
    assert_eq!(ledger["breaches"][0]["window"], "TEN_SECONDLY_ROLLING");
    assert_eq!((&ledger["breaches"][0]["count"], &ledger["refused"]), (&json!(1), &json!(1)));
}

#[test]
fn a_public_app_has_the_lower_limit_and_no_daily_headers() {
    let mut account = Account::with(0, Faults::default());
    let (_, answer) = token(&mut account, "grant_type=client_credentials");
    account.token = answer["access_token"].as_str().unwrap().to_owned();
    let (_, headers, _) = account.send("GET", CONTACTS, Value::Null);
    assert_eq!(headers.get("x-hubspot-ratelimit-max").unwrap(), "110");
    assert!(!headers.contains_key("x-hubspot-ratelimit-daily"));
}

#[test]
fn the_day_ends_at_midnight_in_tokyo() {
    let faults = Faults {
        daily_limit: 1,
        hubspot: HubSpotFaults { retry_after_on_429: true, ..Faults::default().hubspot },
        ..Faults::default()
    };
    let mut account = Account::with(0, faults);
    account.get(CONTACTS);
    let (status, headers, error) = account.send("GET", CONTACTS, Value::Null);
    assert_eq!((status, &error["policyName"]), (429, &json!("DAILY")));
    assert!(headers.contains_key("retry-after"));
    account.clock.advance(5 * 3_600_000);
    assert_eq!(account.get(CONTACTS).0, 200);
}

#[test]
fn faults_strike_every_nth_time_and_before_anything_is_done() {
    let mut account = Account::with(0, Faults { lock_error_every: 2, ..Faults::none() });
    let new = json!({"properties": {}});
    let statuses: Vec<u16> = (0..4).map(|_| account.post(CONTACTS, new.clone()).0).collect();
    assert_eq!(statuses, [201, 423, 201, 423]);
    assert_eq!(account.get(CONTACTS).1["results"].as_array().unwrap().len(), 2);
    account.hubspot.faults = Faults { server_error_every: 1, ..Faults::none() };
    assert_eq!(account.get(CONTACTS).0, 502);
    account.hubspot.faults = Faults {
        hubspot: HubSpotFaults { migrating: true, ..Faults::none().hubspot },
        ..Faults::none()
    };
    let (status, headers, _) = account.send("GET", CONTACTS, Value::Null);
    assert_eq!(status, 477);
    assert_eq!(headers.get("retry-after").unwrap(), "3600");
}

#[test]
fn a_url_can_be_too_long() {
    let mut account = Account::empty();
    let names = vec!["city"; 4_000].join(",");
    assert_eq!(account.get(&format!("{CONTACTS}?properties={names}")).0, 414);
}
