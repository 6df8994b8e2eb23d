//! A server that gives back what it was sent, in every form (`host/egress/SECURITY.md` E9).

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use flate2::Compression;
use flate2::write::GzEncoder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;
use crate::tests::stage::{client_credentials, refresh_token};
use renkei_test_servers::token;
use renkei_test_servers::{RawAnswer, RawServer};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The forms in which a server may write a text.
fn spellings(secret: &str) -> Vec<String> {
    let bearer = format!("Bearer {secret}");
    vec![
        secret.to_owned(),
        bearer.clone(),
        secret.to_uppercase(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
        STANDARD.encode(&bearer),
        URL_SAFE.encode(format!("x{bearer}y")),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string().to_lowercase(),
        secret.replace('/', "\\/"),
        secret.replace('/', "\\u002f").replace('+', "\\u002B").replace('-', "\\u002d"),
        hex::encode(secret),
    ]
}

#[tokio::test]
async fn echo_is_redacted_in_every_form() {
    let rogue = RawServer::start(|head| {
        let mut path = head.split(' ').nth(1).unwrap_or_default().split('/').skip(1);
        let (way, number) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
        let echo = &spellings(TOKEN)[number.parse::<usize>().unwrap_or(0)];
        let body = format!(r#"{{"you":"sent {echo} "}}"#).into_bytes();
        match way {
            "gzip" => RawAnswer::answer(200, "content-encoding: gzip\r\n", &gzip(&body)),
            "zstd" => {
                let body = zstd::encode_all(&body[..], 1).unwrap();
                RawAnswer::answer(200, "content-encoding: zstd\r\n", &body)
            }
            "error" => RawAnswer::answer(500, "", &body),
            "redirect" => RawAnswer::answer(302, &format!("x-echo: {echo}\r\n"), &body),
            _ => RawAnswer::answer(200, &format!("x-echo: {echo}\r\n"), &body),
        }
    })
    .await;
    let street = Street::new(Some(&rogue.base), None).await;
    for (number, echo) in spellings(TOKEN).iter().enumerate() {
        for way in ["plain", "gzip", "zstd", "error", "redirect"] {
            let body = street.send(&page_request(&format!("/{way}/{number}"))).await.cursor;
            let body = String::from_utf8(body).unwrap();
            assert!(body.contains("[redacted]"), "{way} {echo}: {body}");
            assert!(!body.contains(echo.as_str()), "{way}: {body}");
        }
    }
    street.neighbour_works().await;
}

/// A slow answer echoes a token that was replaced in the meantime, more than once.
#[tokio::test]
async fn rotated_secrets_are_redacted() {
    let all = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&all);
    let server = Server::start(move |base, seen, before| {
        let mut log = log.lock().unwrap();
        if seen.path == "/token" {
            let (access, refresh) =
                (format!("access-token-{before}"), format!("refresh-token-{}", before + 2));
            log.extend([access.clone(), refresh.clone()]);
            return token(base, &access, &format!(r#","refresh_token":"{refresh}""#));
        }
        reply(200, log.join(" "))
    })
    .await;
    for (auth, secrets) in [
        (refresh_token("refresh-token-1"), &["refresh-token-1", "client-secret-1"][..]),
        (client_credentials(), &["client-secret-1"]),
    ] {
        all.lock().unwrap().extend(secrets.iter().map(ToString::to_string));
        let street = Street::with(Some(&server.base), auth, None).await;
        let job = street.open().await;
        for _ in 0..3 {
            job.read_page(&page_request("/things")).await.unwrap();
            job.check().await.unwrap();
        }
        let body = job.read_page(&page_request("/things")).await.unwrap().cursor;
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("[redacted]"), "{body}");
        let shown = all.lock().unwrap().clone();
        assert!(shown.len() >= secrets.len() + 8, "four renewals: {shown:?}");
        assert!(!shown.iter().any(|secret| body.contains(secret.as_str())), "{shown:?}: {body}");
        all.lock().unwrap().clear();
        street.neighbour_works().await;
    }
}

/// The secrets for `signing` are the server's own, so it may echo them as well.
#[tokio::test]
async fn signing_secrets_are_redacted() {
    let rogue =
        RawServer::start(|_| RawAnswer::answer(200, "", b"webhook-secret-1 was used")).await;
    let audit = CapturedLog::start("renkei::audit");
    let config = SystemConfig {
        secrets: [("client_secret".to_owned(), "webhook-secret-1".into())].into(),
        ..system(Fixture::Courier, &rogue.base, SystemAuth::None)
    };
    let house = House::new(&[Fixture::Courier], vec![config]).await;
    let job = house.runtime.open("acme").await.unwrap();
    let page = job.read_page(&page_request("/things")).await.unwrap();
    assert_eq!(page.cursor, b"[redacted] was used");
    assert_eq!(refusals(&audit), Vec::<String>::new());
}

/// A failure tells no more than an answer.
#[tokio::test]
async fn failures_hold_no_secret() {
    let server = Server::start(|_, seen, _| {
        let error = format!(r#"{{"error":"{}"}}"#, seen.body.replace('"', ""));
        (400, vec![], error.into_bytes())
    })
    .await;
    let street = Street::with(Some(&server.base), client_credentials(), None).await;
    let error =
        street.open().await.read_page(&page_request("/things")).await.unwrap_err().to_string();
    assert!(error.contains("HTTP 400") && !error.contains("client-secret-1"), "{error}");
    street.neighbour_works().await;
}
