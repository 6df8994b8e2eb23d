//! Bounds: the time of a request, renewals, a pause that a server asks for; and answers of token
//! endpoints.

use renkei_egress::SendError;
use renkei_model::ports::Clock as _;
use renkei_test_servers::{NameServer, RawServer, Reply};

use super::*;

/// `RULES.md R3`: repeats do not prolong what the guest asked for.
#[tokio::test]
async fn a_time_limit_is_that_of_all_attempts_together() {
    let server = Server::start(|_, _, _| reply(503, "")).await;
    let clock = Arc::<HandClock>::default();
    let system = open_bearer(&server.base, &clock);
    let hasty = HttpRequest { timeout_ms: Some(600), ..get("/things") };
    assert_eq!(open_job(&system).send(hasty).await.unwrap().status, 503);
    assert!(clock.now_ms() <= 600, "{} ms of pauses", clock.now_ms());
    assert!(system.traffic().requests < 4, "{}", system.traffic().requests);
    // A pause that a quota asks for is a wait for the quota.
    let server = Server::start(|_, _, before| match before {
        0 => (429, vec![("retry-after", "5".to_owned())], vec![]),
        _ => reply(200, "in"),
    })
    .await;
    let patient = HttpRequest { timeout_ms: Some(2_000), ..get("/things") };
    let answer = open_job(&open_bearer(&server.base, &clock)).send(patient).await.unwrap();
    assert_eq!(answer.body, b"in");
}

#[tokio::test]
async fn a_hung_server_takes_the_time_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let system = open_bearer(&base, &Arc::default());
    let hung = HttpRequest { timeout_ms: Some(300), ..get("/things") };
    assert_eq!(open_job(&system).send(hung).await, Err(SendError::Timeout));
    assert_eq!(system.traffic().requests, 1, "no time is left for another attempt");
}

/// `RULES.md R2`: TCP lives, and nobody speaks HTTP/2 on it any more.
#[tokio::test]
async fn a_silent_connection_is_not_used_again() {
    let answers = vec![vec![("x-place".to_owned(), "first".to_owned())]];
    let server = RawServer::http2(&["api.example.com"], answers).await;
    let names = NameServer::new(&[("api.example.com", &[&["93.184.216.34"]])]);
    let config = system_config(None, SystemAuth::Bearer("fixed-token-1".into()));
    let clock = Arc::<HandClock>::default();
    let (gate, ways) = (QuotaGate::alone(clock.clone()), network(&server, &names));
    let system = SystemEgress::new(config, gate, clock, Arc::new(NoTokens), 1, (2, &ways)).unwrap();
    let system = Arc::new(system);
    let hasty = || HttpRequest { timeout_ms: Some(500), ..get("/things") };
    for round in 0..2 {
        assert_eq!(open_job(&system).send(hasty()).await.unwrap().status, 200, "round {round}");
        assert_eq!(open_job(&system).send(hasty()).await, Err(SendError::Timeout), "round {round}");
    }
}

/// `RULES.md R13`.
#[tokio::test]
async fn renewals_of_a_token_that_is_always_refused_are_few() {
    let server = server_of("none", "").await;
    let clock = Arc::<HandClock>::default();
    let system = open_system(&server.base, client_credentials(), &clock, Arc::new(NoTokens));
    let mut refused = 0;
    for _ in 0..70 {
        match open_job(&system).send(get("/things")).await {
            Ok(answer) => assert_eq!(answer.status, 401),
            Err(SendError::Unauthorized(reason)) => {
                assert!(reason.contains("again and again"), "{reason}");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(server.seen("/token").len(), 10);
    assert!(refused >= 60, "{refused}");
    clock.advance(60_000);
    open_job(&system).send(get("/things")).await.ok();
    assert_eq!(server.seen("/token").len(), 11, "one more a minute");
}

/// `RULES.md R13`: an endpoint that refuses is not asked again and again either, and what it said
/// stays the reason.
#[tokio::test]
async fn a_refused_renewal_keeps_its_reason() {
    let server = Server::start(|_, _, _| reply(400, r#"{"error":"invalid_client"}"#)).await;
    let system =
        open_system(&server.base, client_credentials(), &Arc::default(), Arc::new(NoTokens));
    for _ in 0..30 {
        let refused = open_job(&system).send(get("/things")).await.unwrap_err();
        let SendError::Unauthorized(reason) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("invalid_client"), "{reason}");
    }
    assert_eq!(server.seen("/token").len(), 10);
}

/// `RULES.md R14`: a page or a redirect says nothing about the credentials.
#[tokio::test]
async fn answer_of_no_token_endpoint_is_named_as_that() {
    let page = || b"<!DOCTYPE html><title>Log in</title>".to_vec();
    let place = || vec![("location", "https://login.example/?next=secret".to_owned())];
    let cases: [(Reply, &str); 5] = [
        ((200, vec![("content-type", "text/html".to_owned())], page()), "a web page and no token"),
        ((401, vec![], page()), "HTTP 401 with a web page"),
        ((302, place(), vec![]), "a redirect to https://login.example, which is not followed"),
        (reply(200, r#"{"ok":true}"#), "no token and no error code"),
        (reply(404, ""), "HTTP 404 with no token"),
    ];
    for (answer, expected) in cases {
        let server = Server::start(move |_, _, _| answer.clone()).await;
        let system =
            open_system(&server.base, client_credentials(), &Arc::default(), Arc::new(NoTokens));
        let refused = open_job(&system).send(get("/things")).await.unwrap_err();
        let SendError::Unfit(reason) = refused else { panic!("{refused:?}") };
        assert!(reason.contains(expected) && reason.contains("`base_url`"), "{reason}");
        assert!(!reason.contains("secret"), "{reason}");
    }
}

/// `RULES.md R14`: an error code counts whatever the status is, and not each is about credentials.
#[tokio::test]
async fn token_refusal_names_what_is_refused() {
    for (status, code, is_unfit) in [
        (200, "invalid_grant", false),
        (400, "invalid_grant", false),
        (401, "invalid_client", false),
        (400, "unsupported_grant_type", true),
        (200, "invalid_scope", true),
    ] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        let server = Server::start(move |_, _, _| reply(status, body.clone())).await;
        let system =
            open_system(&server.base, client_credentials(), &Arc::default(), Arc::new(NoTokens));
        let refused = open_job(&system).send(get("/things")).await.unwrap_err();
        assert_eq!(matches!(refused, SendError::Unfit(_)), is_unfit, "{code}: {refused:?}");
        let said = format!("{refused:?}");
        assert!(said.contains(&format!("HTTP {status} ({code})")), "{said}");
        assert_eq!(said.contains("`auth` of this system"), is_unfit, "{said}");
    }
}

/// `RULES.md R19`: what an answer says of its server's clock is known.
#[tokio::test]
async fn the_date_of_an_answer_is_compared_with_the_clock() {
    let date = || vec![("date", "Thu, 01 Jan 1970 02:00:00 GMT".to_owned())];
    let server = Server::start(move |_, _, _| (200, date(), vec![])).await;
    let system = open_bearer(&server.base, &Arc::default());
    assert_eq!(system.traffic().ahead_ms, None);
    open_job(&system).send(get("/things")).await.unwrap();
    assert_eq!(system.traffic().ahead_ms, Some(7_200_000));
}

/// `RULES.md R15`: a secret that the cut would go through is found before the cut.
#[tokio::test]
async fn an_error_code_is_searched_for_secrets_before_it_is_cut() {
    for before in 50..80 {
        let code = format!("{}client-secret-1", "x".repeat(before));
        let body = format!(r#"{{"error":"{code}"}}"#);
        let server = Server::start(move |_, _, _| reply(400, body.clone())).await;
        let system =
            open_system(&server.base, client_credentials(), &Arc::default(), Arc::new(NoTokens));
        let refused = format!("{:?}", open_job(&system).send(get("/things")).await.unwrap_err());
        assert!(!refused.contains("client-"), "{refused}");
    }
}

/// `RULES.md R25`: what a quota status does not say itself, the guest reads in the answer.
#[tokio::test]
async fn an_answer_that_names_no_time_is_the_guests_to_read() {
    let server = Server::start(|_, _, _| reply(429, "DAILY")).await;
    let clock = Arc::<HandClock>::default();
    let system = open_bearer(&server.base, &clock);
    let answer = open_job(&system).send(post("/things")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (429, b"DAILY".as_slice()));
    assert_eq!(system.traffic().requests, 5, "it may have passed within seconds");
    assert!(clock.now_ms() < 10_000, "{}", clock.now_ms());
}

/// `RULES.md R25`: ten years hold for an hour, and an admin's word lifts it.
#[tokio::test]
async fn a_servers_word_on_time_is_bounded_and_lifted() {
    let server = Server::start(|_, _, before| match before {
        0 => (429, vec![("retry-after", "315360000".to_owned())], vec![]),
        _ => reply(200, "in"),
    })
    .await;
    let clock = Arc::<HandClock>::default();
    let system = open_bearer(&server.base, &clock);
    for _ in 0..3 {
        let held = open_job(&system).send(get("/things")).await.unwrap_err();
        assert!(matches!(held, SendError::Quota(ms) if ms <= 3_600_000), "{held:?}");
    }
    assert_eq!(system.traffic().requests, 1);
    assert_eq!(system.paused_until_ms().await, Some(3_600_000));
    system.lift_pauses().await;
    assert_eq!(system.paused_until_ms().await, None);
    assert_eq!(open_job(&system).send(get("/things")).await.unwrap().body, b"in");
}

/// The names and the certificates of a hostile server.
fn network(server: &RawServer, names: &Arc<NameServer>) -> NetworkOverrides {
    let names = Arc::clone(names);
    NetworkOverrides::to_one_place(move |name| names.look_up(name), server.place, server.roots())
}
