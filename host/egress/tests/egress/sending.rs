//! Requests: renewal and rotation of tokens, repeats, quotas, secrets in answers, what is refused.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use renkei_egress::{RefusalReason, SendError};
use renkei_model::ports::Clock as _;
use renkei_test_servers::Reply;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = server_of("access-token-2", "").await;
    let clock = Arc::default();
    let system = open_system(&server.base, client_credentials(), &clock, Arc::new(NoTokens));
    let answer = open_job(&system).send(post("/things")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"in".as_slice()));
    assert_eq!(server.seen("/token").len(), 2);
    assert_eq!(
        server.seen("/token")[0].body,
        "grant_type=client_credentials&client_id=client&client_secret=client-secret-1"
    );
    assert_eq!(system.traffic().answers, [0, 1, 0, 1, 0]);

    let server = server_of("access-token-99", "").await;
    let system = open_system(&server.base, client_credentials(), &clock, Arc::new(NoTokens));
    assert_eq!(open_job(&system).send(get("/things")).await.unwrap().status, 401);
    assert_eq!(server.seen("/things").len(), 2);
}

#[tokio::test]
async fn renewal_is_single_flight() {
    let server = server_of("access-token-2", "").await;
    let system =
        open_system(&server.base, client_credentials(), &Arc::default(), Arc::new(NoTokens));
    let sends = (0..8).map(|_| {
        let mut job = open_job(&system);
        async move { job.send(get("/things")).await.unwrap().status }
    });
    assert_eq!(futures::future::join_all(sends).await, [200; 8]);
    assert_eq!(server.seen("/token").len(), 2);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_saved_and_used() {
    let server = Server::start(|base, seen, _| match seen.path.as_str() {
        "/token" if seen.body.contains("refresh-token-1") => {
            token(base, "access-token-1", r#","refresh_token":"refresh-token-2""#)
        }
        "/token" if seen.body.contains("refresh-token-2") => token(base, "access-token-2", ""),
        "/token" => reply(400, r#"{"error":"invalid_grant"}"#),
        _ => reply(200, seen.authorization.clone()),
    })
    .await;
    let clock = Arc::default();
    let tokens = Arc::new(TokensInMemory::default());
    let first = open_system(&server.base, refresh_token("refresh-token-1"), &clock, tokens.clone());
    assert_eq!(open_job(&first).send(get("/things")).await.unwrap().status, 200);
    assert_eq!(tokens.saved().as_deref(), Some("refresh-token-2"));

    let second =
        open_system(&server.base, refresh_token("refresh-token-1"), &clock, tokens.clone());
    open_job(&second).send(get("/things")).await.unwrap();
    let asked = server.seen("/token");
    assert!(asked.last().unwrap().body.contains("refresh-token-2"), "{asked:?}");

    let stale = Arc::new(TokensInMemory::with("refresh-token-0"));
    let third = open_system(&server.base, refresh_token("refresh-token-1"), &clock, stale.clone());
    assert_eq!(open_job(&third).send(get("/things")).await.unwrap().status, 200);
    assert_eq!(stale.saved().as_deref(), Some("refresh-token-2"));

    let void =
        open_system(&server.base, refresh_token("refresh-token-9"), &clock, Arc::new(NoTokens));
    let refused = open_job(&void).send(get("/things")).await.unwrap_err();
    let expected = "the token endpoint answered HTTP 400 (invalid_grant)";
    assert_eq!(refused, SendError::Unauthorized(expected.to_owned()));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let server = Server::start(|base, seen, before| match seen.path.as_str() {
        "/token" => token(base, &format!("access-token-{before}"), r#","expires_in":"1800""#),
        _ => reply(200, ""),
    })
    .await;
    let clock = Arc::<HandClock>::default();
    let system = open_system(&server.base, client_credentials(), &clock, Arc::new(NoTokens));
    let mut job = open_job(&system);
    for (advance, renewals) in [(0, 1), (1_739_000, 1), (1_000, 2)] {
        clock.advance(advance);
        job.send(get("/things")).await.unwrap();
        assert_eq!(server.seen("/token").len(), renewals, "after {advance} ms");
    }
}

#[tokio::test]
async fn a_guest_may_call_its_credentials_refused() {
    let server = server_of("access-token-2", "").await;
    let system =
        open_system(&server.base, client_credentials(), &Arc::default(), Arc::new(NoTokens));
    let mut job = open_job(&system);
    job.send(get("/things")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(job.report_refused("primary").await, Ok(()));
    }
    assert!(matches!(job.report_refused("primary").await, Err(SendError::Unauthorized(_))));
    job.begin_call();
    assert!(matches!(job.report_refused("other").await, Err(SendError::Refused(_))));
    assert_eq!(job.report_refused("primary").await, Ok(()));
}

#[tokio::test]
async fn a_quota_status_waits_and_repeats() {
    let server = Server::start(|_, _, before| match before {
        0 => (429, vec![("retry-after", "3".to_owned())], vec![]),
        _ => reply(201, "made"),
    })
    .await;
    let clock = Arc::<HandClock>::default();
    let system = open_bearer(&server.base, &clock);
    assert_eq!(open_job(&system).send(post("/things")).await.unwrap().status, 201);
    assert_eq!(clock.now_ms(), 3_000);
    assert_eq!(system.traffic().repeats, 1);

    let server =
        Server::start(|_, _, _| (429, vec![("retry-after", "7200".to_owned())], vec![])).await;
    let refused = open_job(&open_bearer(&server.base, &clock)).send(get("/things")).await;
    // RULES.md R25: a server's word holds for an hour.
    assert_eq!(refused, Err(SendError::Quota(3_600_000)));
}

#[tokio::test]
async fn trouble_is_repeated_only_where_that_is_safe() {
    let server = Server::start(|_, _, before| reply(if before < 2 { 503 } else { 200 }, "")).await;
    let system = open_bearer(&server.base, &Arc::default());
    assert_eq!(open_job(&system).send(get("/get")).await.unwrap().status, 200);
    assert_eq!(open_job(&system).send(post("/post")).await.unwrap().status, 503);
    let search = HttpRequest { repeatable: true, ..post("/search") };
    assert_eq!(open_job(&system).send(search).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_broken_connection_is_no_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let hangs_up = tokio::spawn(async move {
        for connections in 1.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4];
            stream.read_exact(&mut head).await.unwrap();
            if &head == b"GET " && connections == 4 {
                return connections;
            }
        }
        0
    });
    let system = open_bearer(&base, &Arc::default());
    assert!(matches!(open_job(&system).send(post("/x")).await, Err(SendError::NoAnswer(_))));
    assert_eq!(system.traffic().requests, 1);
    assert!(open_job(&system).send(get("/x")).await.is_err());
    assert_eq!(hangs_up.await.unwrap(), 4, "one POST, then a GET again and again");
}

#[tokio::test]
async fn an_unreachable_system_is_tried_once_per_request_until_it_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    let system = open_bearer(&format!("http://{place}"), &Arc::default());
    let mut requests = 0;
    let mut check = async |attempts: u64| {
        let result = open_job(&system).send(get("/things")).await;
        let Err(SendError::NoAnswer(said)) = result else { panic!("{result:?}") };
        assert!(said.starts_with(&format!("nothing answers at http://{place} (")), "{said}");
        assert!(system.is_unreachable());
        requests += attempts;
        assert_eq!(system.traffic().requests, requests);
    };
    check(2).await;
    check(1).await;
    check(1).await;
    // It is back: what broke was connected, and the next trouble is a new one.
    let listener = tokio::net::TcpListener::bind(place).await.unwrap();
    let hangs_up = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap();
        drop(listener);
        drop(stream);
    });
    check(2).await;
    hangs_up.await.unwrap();
    check(1).await;
}

#[tokio::test]
async fn quotas_are_shared_by_all_jobs() {
    let clock = Arc::<HandClock>::default();
    let arrivals = Arc::<Mutex<Vec<i64>>>::default();
    let server = {
        let (clock, arrivals) = (clock.clone(), arrivals.clone());
        Server::start(move |_, _, _| {
            arrivals.lock().unwrap().push(clock.now_ms());
            clock.advance(30);
            reply(200, "")
        })
        .await
    };
    let system = open_bearer(&server.base, &clock);
    let mut jobs = [open_job(&system), open_job(&system)];
    for index in 0..7 {
        let search = HttpRequest { quotas: vec!["search".to_owned()], ..get("/search") };
        jobs[index % 2].send(search).await.unwrap();
    }
    let arrivals = arrivals.lock().unwrap();
    for window in arrivals.windows(3) {
        assert!(window[2] - window[0] >= 1_000, "three within a second: {arrivals:?}");
    }
    assert!(*arrivals.last().unwrap() < 3_300, "slower than needed: {arrivals:?}");
}

#[tokio::test]
async fn an_echoing_server_shows_no_secret() {
    let server = Server::start(|_, seen, _| -> Reply {
        let echoed = seen.authorization.clone();
        let headers = vec![
            ("x-debug", echoed.clone()),
            ("authorization", echoed.clone()),
            ("set-cookie", "session=1".to_owned()),
        ];
        (200, headers, format!("you sent {echoed}").into_bytes())
    })
    .await;
    let system = open_bearer(&server.base, &Arc::default());
    let answer = open_job(&system).send(get("/things")).await.unwrap();
    assert_eq!(server.seen("/things")[0].authorization, "Bearer fixed-token-1");
    assert_eq!(answer.body, b"you sent Bearer [redacted]");
    let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
    assert_eq!(header("x-debug"), Some("Bearer [redacted]"));
    assert_eq!((header("authorization"), header("set-cookie")), (None, None));
}

#[tokio::test]
async fn the_base_url_that_comes_with_a_token_is_checked() {
    let elsewhere = Arc::new(Mutex::new("/pod".to_owned()));
    let login = {
        let elsewhere = elsewhere.clone();
        Server::start(move |base, seen, _| match seen.path.as_str() {
            "/token" => {
                let place = elsewhere.lock().unwrap().clone();
                let near = if place.starts_with('/') { base } else { "" };
                token(&format!("{near}{place}"), "access-token-1", "")
            }
            path => reply(200, path),
        })
        .await
    };
    let clock = Arc::default();
    let system = open_system(&login.base, client_credentials(), &clock, Arc::new(NoTokens));
    assert_eq!(open_job(&system).send(get("/things")).await.unwrap().body, b"/pod/things");

    "https://evil.example".clone_into(&mut elsewhere.lock().unwrap());
    let system = open_system(&login.base, client_credentials(), &clock, Arc::new(NoTokens));
    let refused = open_job(&system).send(get("/things")).await.unwrap_err();
    assert!(
        matches!(&refused, SendError::Unfit(r) if r.contains("credentials were accepted, but")
            && r.contains("https://evil.example is not on the plugin's allow-list")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn denied_request_is_never_sent() {
    let server = Server::start(|_, _, _| reply(200, "")).await;
    let system = open_bearer(&server.base, &Arc::default());
    for request in [
        HttpRequest { slot: "other".to_owned(), ..get("/things") },
        HttpRequest { quotas: vec!["other".to_owned()], ..get("/things") },
        HttpRequest {
            headers: vec![("authorization".to_owned(), "x".to_owned())],
            ..get("/things")
        },
        get("https://evil.example/"),
        get("//evil.example/"),
    ] {
        let shown = format!("{request:?}");
        let outcome = open_job(&system).send(request).await;
        assert!(matches!(outcome, Err(SendError::Refused(_))), "{shown}");
    }
    assert_eq!(system.traffic().requests, 0);
}

#[tokio::test]
async fn configurations_are_checked() {
    let check = |base: &str, expected: &str| {
        let system = open_bearer(base, &Arc::default());
        let error = JobEgress::open(&system, &connector_manifest(), &generation())
            .err()
            .unwrap_or_default();
        assert!(error.contains(expected), "{base}: {error}");
    };
    check("https://evil.example", "not among https://api.example.com, https://*.pods.example.com");
    check("http://api.example.com", "not among");
    check("nonsense", "is not a URL");
    check("https://eu.pods.example.com", "");
}

/// However many jobs there are and whatever the manifest says.
#[tokio::test]
async fn eight_requests_of_a_system_are_in_flight_at_most() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&open), Arc::clone(&most));
    // Answers when eight wait: with fewer at once there would be no answer at all.
    let eight = Arc::new(tokio::sync::Barrier::new(8));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (eight, (open, most)) = (Arc::clone(&eight), counters.clone());
            tokio::spawn(async move {
                while stream.read_u8().await.is_ok() {
                    let mut head = [0; 3];
                    while &head != b"\n\r\n" {
                        head.rotate_left(1);
                        head[2] = stream.read_u8().await.unwrap();
                    }
                    most.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                    eight.wait().await;
                    open.fetch_sub(1, SeqCst);
                    stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await.unwrap();
                }
            });
        }
    });
    let system = open_bearer(&base, &Arc::default());
    let mut manifest = connector_manifest();
    manifest.concurrent_requests = 64;
    let sends = (0..24).map(|_| {
        let mut job = JobEgress::open(&system, &manifest, &generation()).unwrap();
        async move { job.send(get("/things")).await.unwrap().status }
    });
    assert_eq!(futures::future::join_all(sends).await, [204; 24]);
    assert_eq!(most.load(SeqCst), 8);
}

#[tokio::test]
async fn undeclared_request_is_not_sent() {
    let server = Server::start(|_, _, _| reply(200, "")).await;
    let system = open_bearer(&server.base, &Arc::default());
    let mut manifest = connector_manifest();
    let (reads, acts) = (renkei_package::Method::Get, renkei_package::Method::Post);
    manifest.connections[0].methods = vec![reads, acts];
    manifest.connections[0].paths = vec!["/crm".to_owned()];
    let mut job = JobEgress::open(&system, &manifest, &generation()).unwrap();
    assert!(job.send(get("/crm/v3")).await.is_ok());
    let with_body = |body: &str| HttpRequest { body: body.into(), ..post("/crm/v3") };
    let with_header = HttpRequest {
        headers: vec![("x-http-method-override".to_owned(), "DELETE".to_owned())],
        ..post("/crm/v3")
    };
    for (request, reason) in [
        (HttpRequest { method: reqwest::Method::PUT, ..get("/crm/v3") }, RefusalReason::Method),
        (post("/crm/v3?_HttpMethod=DELETE"), RefusalReason::Method),
        (with_body("_method=delete"), RefusalReason::Method),
        (with_body(r#"{"_method":"DELETE"}"#), RefusalReason::Method),
        (with_header, RefusalReason::Header),
        (get("/crmx"), RefusalReason::Path),
        (get("/"), RefusalReason::Path),
    ] {
        let shown = format!("{request:?}");
        let refused = job.send(request).await;
        assert!(matches!(&refused, Err(SendError::Refused(r)) if r.reason() == reason), "{shown}");
    }
    assert_eq!((system.traffic().requests, system.traffic().refused.total()), (1, 7));
}
