//! Credentials of every kind against a server on loopback: where the host writes them, where nobody
//! else may write, and that no answer gives them back.

use renkei_egress::{EgressRefusal, RedirectFault, SendError};
use renkei_package::AuthMethod;
use renkei_test_servers::{RawAnswer, RawServer};
use reqwest::Method;

use super::*;

const KEY: &str = "api-key/1+with signs";
const KEY_IN_URL: &str = "api-key%2F1%2Bwith%20signs";
const TOKEN: &str = "fixed-token-1";

/// The courier with more lines in its connection.
fn manifest_with(lines: &str) -> ConnectorManifest {
    let text = manifest::connector("courier");
    let line = "refused_status = [401]\n";
    let text =
        text.replace("token_path = \"/token\"\n", "").replace(line, &format!("{line}{lines}\n"));
    let mut manifest = Manifest::from_toml(&text, None).unwrap().connector().unwrap().clone();
    for connection in &mut manifest.connections {
        connection.auth.extend([AuthMethod::Basic, AuthMethod::Fixed]);
    }
    manifest
}

/// A fixed credential of the manifest.
fn declared(place: &str, field: &str, prefix: &str) -> String {
    format!(
        "token_path = \"/token\"\n[[connection.credential]]\nname = \"api_key\"\n\
         place = \"{place}\"\nfield = \"{field}\"\nprefix = \"{prefix}\"\n"
    )
}

fn options() -> AuthOptions {
    let credentials = BTreeMap::from([("api_key".to_owned(), KEY.into())]);
    AuthOptions { credentials, ..AuthOptions::default() }
}

fn open_with(base: &str, auth: SystemAuth, auth_options: AuthOptions) -> Arc<SystemEgress> {
    let config = SystemConfig { auth_options, ..system_config(Some(base), auth) };
    let clock = Arc::<HandClock>::default();
    let (gate, network) = (QuotaGate::alone(clock.clone()), NetworkOverrides::default());
    let tokens = Arc::new(NoTokens);
    Arc::new(SystemEgress::new(config, gate, clock, tokens, 1, (2, &network)).unwrap())
}

fn bearer() -> SystemAuth {
    SystemAuth::Bearer(TOKEN.into())
}

fn with_type(request: HttpRequest, kind: &str, body: &str) -> HttpRequest {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    HttpRequest { method: Method::POST, headers, body: body.into(), ..request }
}

/// Answers what it got: path, headers, body.
async fn echo() -> Server {
    Server::start(|_, seen, _| {
        reply(200, format!("{} {:?} {}", seen.path, seen.headers, seen.body))
    })
    .await
}

#[tokio::test]
async fn key_and_token_go_in_two_headers_of_one_request() {
    let server = echo().await;
    let system = open_with(&server.base, bearer(), options());
    let manifest = manifest_with(&declared("header", "x-api-key", ""));
    let mut job = JobEgress::open(&system, &manifest, &generation()).unwrap();
    let answer = job.send(get("/things")).await.unwrap();
    let seen = &server.seen("/things")[0];
    assert_eq!(seen.authorization, "Bearer fixed-token-1");
    assert_eq!(seen.headers["x-api-key"], KEY);
    let told = String::from_utf8(answer.body).unwrap();
    assert!(!told.contains("api-key/1") && !told.contains(TOKEN), "{told}");
    for name in ["x-api-key", "x_api_key", "authorization"] {
        let headers = vec![(name.to_owned(), "mine".to_owned())];
        let refused = job.send(HttpRequest { headers, ..get("/things") }).await;
        let refusal = EgressRefusal::HostHeader(name.to_owned());
        assert_eq!(refused, Err(SendError::Refused(refusal)));
    }
}

#[tokio::test]
async fn basic_and_prefixes_are_written_as_configured() {
    let check = async |auth: SystemAuth, lines: &str, prefix: Option<&str>, expected: &str| {
        let server = echo().await;
        let prefix = prefix.map(str::to_owned);
        let auth_options = AuthOptions { prefix, ..options() };
        let system = open_with(&server.base, auth, auth_options);
        let manifest = manifest_with(&format!("{lines}\n{}", declared("header", "x-key", "Key ")));
        let mut job = JobEgress::open(&system, &manifest, &generation()).unwrap();
        let answer = job.send(get("/things")).await.unwrap();
        let seen = &server.seen("/things")[0];
        assert_eq!(
            (seen.authorization.as_str(), &*seen.headers["x-key"]),
            (expected, &*format!("Key {KEY}"))
        );
        let told = String::from_utf8(answer.body).unwrap();
        assert!(!told.contains("fixed-token") && !told.contains("ZmlyZTpmaXhlZ"), "{told}");
    };
    let basic = SystemAuth::Basic { username: "fire".to_owned(), password: TOKEN.into() };
    check(basic, "", None, "Basic ZmlyZTpmaXhlZC10b2tlbi0x").await;
    check(bearer(), "token_prefix = \"Zoho-oauthtoken \"", None, "Zoho-oauthtoken fixed-token-1")
        .await;
    check(bearer(), "", Some("Token token="), "Token token=fixed-token-1").await;
    check(SystemAuth::Fixed, "", None, "").await;
    let header = SystemAuth::Header { name: "authorization".to_owned(), value: TOKEN.into() };
    check(header.clone(), "", None, TOKEN).await;
    check(header, "", Some("GenieKey "), "GenieKey fixed-token-1").await;
}

#[tokio::test]
async fn key_in_the_query_is_the_hosts_and_shows_nowhere() {
    let server = Server::start(|base, seen, _| match seen.path.split('?').next() {
        Some("/again") => (307, vec![("location", format!("{base}/things?b=2"))], vec![]),
        Some("/elsewhere") => {
            (307, vec![("location", format!("https://evil.example{}", seen.path))], vec![])
        }
        _ => (200, vec![("x-url", format!("{base}{}", seen.path))], seen.path.clone().into_bytes()),
    })
    .await;
    let system = open_with(&server.base, SystemAuth::Fixed, options());
    let manifest = manifest_with(&declared("query", "apikey", ""));
    let mut job = JobEgress::open(&system, &manifest, &generation()).unwrap();
    let answer = job.send(get("/things?a=1")).await.unwrap();
    let sent = format!("/things?a=1&apikey={KEY_IN_URL}");
    assert_eq!(server.paths(), [sent]);
    let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    assert!(told.contains("apikey=[redacted]") && !told.contains("api-key"), "{told}");
    for path in ["/things?apikey=mine", "/things?a=1&APIKEY=mine", "/things?%61pikey=mine"] {
        let refused = job.send(get(path)).await;
        let refusal = EgressRefusal::HostParameter("apikey".to_owned());
        assert_eq!(refused, Err(SendError::Refused(refusal)), "{path}");
    }
    job.send(get("/again")).await.unwrap();
    assert_eq!(server.paths().last().unwrap(), &format!("/things?b=2&apikey={KEY_IN_URL}"));
    let refused = job.send(get("/elsewhere")).await.unwrap_err();
    assert!(matches!(refused, SendError::Refused(EgressRefusal::Redirect { .. })), "{refused:?}");
    assert!(!format!("{refused:?}").contains("api-key"), "{refused:?}");
    drop(server);
    let nobody = open_with("http://127.0.0.1:9", SystemAuth::Fixed, options());
    let mut job = JobEgress::open(&nobody, &manifest, &generation()).unwrap();
    let failure = format!("{:?}", job.send(get("/things")).await.unwrap_err());
    assert!(failure.contains("127.0.0.1:9") && !failure.contains("api"), "{failure}");
}

/// Both hosts are on the list; the credentials belong to the first.
#[tokio::test]
async fn redirect_to_another_host_takes_no_key_along() {
    let server = RawServer::tls(&["api.example.com", "eu.pods.example.com"], |head| {
        let place = head.split(' ').nth(1).unwrap_or_default();
        match place.split('?').next() {
            Some("/with") => RawAnswer::lead(307, &format!("https://eu.pods.example.com{place}")),
            Some("/without") => RawAnswer::lead(307, "https://eu.pods.example.com/there"),
            Some("/there") => RawAnswer::lead(307, "https://eu.pods.example.com/end"),
            _ => RawAnswer::answer(200, "", b"end"),
        }
    })
    .await;
    let public = |_| Ok(vec!["93.184.215.14".parse().unwrap()]);
    let network = NetworkOverrides::to_one_place(public, server.place, server.roots());
    let config = SystemConfig { auth_options: options(), ..system_config(None, SystemAuth::Fixed) };
    let clock = Arc::<HandClock>::default();
    let gate = QuotaGate::alone(clock.clone());
    let tokens = Arc::new(NoTokens);
    let system = SystemEgress::new(config, gate, clock, tokens, 1, (2, &network)).unwrap();
    let manifest = manifest_with(&declared("query", "apikey", ""));
    let mut job = JobEgress::open(&Arc::new(system), &manifest, &generation()).unwrap();
    assert_eq!(job.send(get("/without")).await.unwrap().body, b"end");
    let refused = job.send(get("/with")).await.unwrap_err();
    let fault = RedirectFault::Credentials;
    let refusal = EgressRefusal::Redirect { fault, unsure: false };
    assert_eq!(refused, SendError::Refused(refusal));
    let with_key: Vec<bool> = server.heads().iter().map(|head| head.contains(KEY_IN_URL)).collect();
    assert_eq!(with_key, [true, false, false, true], "never at the other host");
}

#[tokio::test]
async fn key_in_the_body_is_written_into_json_and_forms_only() {
    let server = echo().await;
    let system = open_with(&server.base, SystemAuth::Fixed, options());
    let manifest = manifest_with(&declared("body", "key", ""));
    let mut job = JobEgress::open(&system, &manifest, &generation()).unwrap();
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    job.send(with_type(get("/json"), json, r#"{"a": 1.50}"#)).await.unwrap();
    assert_eq!(server.seen("/json")[0].body, format!(r#"{{"key":"{KEY}","a": 1.50}}"#));
    let answer = job.send(with_type(get("/form"), form, "a=%2f")).await.unwrap();
    assert_eq!(server.seen("/form")[0].body, "a=%2f&key=api-key%2F1%2Bwith+signs");
    assert!(!String::from_utf8_lossy(&answer.body).contains("api-key"), "{answer:?}");
    job.send(get("/none")).await.unwrap();
    assert_eq!(server.seen("/none")[0].body, "");
    for (kind, body) in [(json, "[1]"), (json, "{\"a\""), ("text/csv", "a,b")] {
        let refused = job.send(with_type(get("/x"), kind, body)).await;
        assert_eq!(refused, Err(SendError::Refused(EgressRefusal::CredentialBody)), "{body}");
    }
    for (kind, body) in [(json, r#"{"\u006bey": 1}"#), (form, "KEY=mine")] {
        let refused = job.send(with_type(get("/x"), kind, body)).await;
        let refusal = EgressRefusal::HostParameter("key".to_owned());
        assert_eq!(refused, Err(SendError::Refused(refusal)), "{body}");
    }
}

/// Pardot: tokens from the login host, records elsewhere.
#[tokio::test]
async fn tokens_come_from_another_host_than_the_api() {
    let api = Server::start(|_, seen, _| match seen.authorization.as_str() {
        "Bearer access-token-1" => reply(200, "in"),
        _ => reply(401, "out"),
    })
    .await;
    let place = api.base.clone();
    let login = Server::start(move |_, _, _| token(&place, "access-token-1", "")).await;
    let lines = "token_url = \"https://login.example.com/oauth2/token\"";
    let manifest = manifest_with(lines);
    let open = |token_url: Option<String>| {
        let auth_options = AuthOptions { token_url, ..options() };
        let system = open_with(&api.base, client_credentials(), auth_options);
        JobEgress::open(&system, &manifest, &generation())
    };
    let mut job = open(Some(format!("{}/oauth2/token", login.base))).unwrap();
    assert_eq!(job.send(get("/things")).await.unwrap().body, b"in");
    assert_eq!(
        (login.paths(), api.paths()),
        (vec!["/oauth2/token".to_owned()], vec!["/things".to_owned()])
    );
    assert!(login.seen("/oauth2/token")[0].body.contains("client-secret-1"));
    let error = open(None).err().unwrap();
    assert!(error.contains("set `token_url` in `auth` too"), "{error}");
    let error = open(Some("https://evil.example/token".to_owned())).err().unwrap();
    assert!(error.contains("is neither at https://login.example.com nor among"), "{error}");
}

#[tokio::test]
async fn credential_that_nobody_gave_is_named() {
    let system = open_with("http://127.0.0.1:9", bearer(), AuthOptions::default());
    let manifest = manifest_with(&declared("header", "x-api-key", ""));
    let error = JobEgress::open(&system, &manifest, &generation()).err().unwrap();
    assert!(error.contains("`api_key` is missing"), "{error}");
    let manifest = manifest_with(&declared("header", "transfer-encoding", ""));
    let system = open_with("http://127.0.0.1:9", bearer(), options());
    let error = JobEgress::open(&system, &manifest, &generation()).err().unwrap();
    assert!(error.contains("carries no credentials"), "{error}");
}

/// Another process, or `renkei auth login`, stores a newer refresh token while a job runs.
#[tokio::test]
async fn refresh_token_that_was_stored_meanwhile_is_used() {
    let server = Server::start(|base, seen, before| match seen.path.as_str() {
        "/token" if seen.body.contains("refresh-token-2") => token(base, "access-token-2", ""),
        "/token" if before == 0 => token(base, "access-token-1", ""),
        "/token" => reply(400, r#"{"error":"invalid_grant"}"#),
        _ if seen.authorization == "Bearer access-token-2" => reply(200, "in"),
        _ => reply(401, "out"),
    })
    .await;
    let tokens = Arc::new(TokensInMemory::default());
    let auth = SystemAuth::RefreshToken {
        client_id: "client".to_owned(),
        client_secret: None,
        refresh_token: None,
    };
    let system = open_system(&server.base, auth, &Arc::default(), tokens.clone());
    let refused = open_job(&system).send(get("/things")).await.unwrap_err();
    let told = "there is no refresh token: run `renkei auth login acme`".to_owned();
    assert_eq!(refused, SendError::Unauthorized(told));
    tokens.save("acme", "primary", &"refresh-token-1".into()).await.unwrap();
    assert!(open_job(&system).send(get("/things")).await.is_err(), "a token that is refused");
    tokens.save("acme", "primary", &"refresh-token-2".into()).await.unwrap();
    assert_eq!(open_job(&system).send(get("/things")).await.unwrap().body, b"in");
}
