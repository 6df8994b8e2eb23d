//! Places of requests: addresses in every spelling, rebinding, redirects, URLs, slots, and what
//! remains possible.

use renkei_fixtures::plugin_with;

use super::*;
use crate::CountedCause;
use crate::tests::stage::client_credentials;
use renkei_egress::TARGET_BYTES_USUAL;
use renkei_test_servers::token;
use renkei_test_servers::{NameServer, RawAnswer, RawServer};

const PUBLIC: &str = "93.184.216.34";
const NAMES: &[&str] = &["api.example.com", "eu.pods.example.com"];

/// The metadata service of clouds, this machine and the own network, in the spellings that URL
/// parsers know.
const LITERALS: &[&str] = &[
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.169.254.",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "127.0.0.1",
    "127.1",
    "[::1]",
    "10.0.0.1",
    "0.0.0.0",
];

/// A manifest that names an address as its base: the plugin does not even open.
#[tokio::test]
async fn addresses_in_a_manifest_are_refused() {
    let street = Street::new(None, None).await;
    for literal in LITERALS {
        let before = street.counted(RefusalReason::Address);
        let origin = format!("https://{literal}");
        let changed = |manifest: String| manifest.replace("https://api.example.com", &origin);
        street.house.replace_file("courier.wasm", &plugin_with(Fixture::Courier, "1.0.0", changed));
        // It asks for another host than before, so it waits for an admin.
        let approve = crate::PluginRequest::Reload(Some("courier".to_owned()));
        street.house.runtime.admin(approve).await.unwrap();
        let error = unopened(&street).await;
        assert!(error.contains(": the address of "), "{literal}: {error}");
        street.was_refused(before, RefusalReason::Address).await;
    }
    assert_eq!(street.requests(), 0);
}

/// A guest that writes an address where its path should be, and a token answer that gives one.
#[tokio::test]
async fn addresses_from_a_guest_and_a_token_answer_are_refused() {
    let rogue = RawServer::start(|_| RawAnswer::answer(200, "", b"reached")).await;
    let street = Street::new(Some(&rogue.base), None).await;
    for literal in LITERALS {
        for path in [format!("http://{literal}/x"), format!("//{literal}/x"), literal.to_string()] {
            street
                .refused(&page_request(&path), RefusalReason::Path, "absolute URLs are not taken")
                .await;
        }
    }
    assert_eq!(rogue.heads(), Vec::<String>::new());

    let login =
        Server::start(|_, _, before| token(&format!("https://{}", LITERALS[before]), "t", ""));
    let login = login.await;
    for _ in LITERALS {
        // Another one each time: renewals of one system are bounded.
        let street = Street::with(Some(&login.base), client_credentials(), None).await;
        let before = street.counted(RefusalReason::Origin);
        let error = street.open().await.read_page(&page_request("/things")).await.unwrap_err();
        assert!(error.to_string().contains("allow-list"), "{error}");
        street.was_refused(before, RefusalReason::Origin).await;
        assert_eq!(street.requests(), 0);
    }
}

/// The name is public when it is asked for first and this machine the second time. The connection
/// is made to the address that was checked, so that the second request goes nowhere.
#[tokio::test]
async fn rebound_name_is_refused() {
    let rogue = RawServer::tls(NAMES, |_| RawAnswer::answer(200, "", b"reached")).await;
    for second in ["127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "::ffff:127.0.0.1", "fd00::1"]
    {
        let names = NameServer::new(&[("api.example.com", &[&[PUBLIC], &[second]])]);
        let street = Street::new(None, Some(network(&rogue, &names))).await;
        let before = rogue.heads().len();
        assert_eq!(street.send(&page_request("/things")).await.cursor, b"reached");
        for _ in 0..3 {
            street
                .refused(
                    &page_request("/things"),
                    RefusalReason::Address,
                    "the address of api.example",
                )
                .await;
        }
        assert_eq!(rogue.heads().len(), before + 1, "{second}: the second was never dialled");
        assert_eq!(names.asked().len(), 4, "once per connection");
    }
    // Of a mixed answer only what is public is dialled.
    let names = NameServer::new(&[("api.example.com", &[&["127.0.0.1", PUBLIC, "10.0.0.1"]])]);
    let street = Street::new(None, Some(network(&rogue, &names))).await;
    assert_eq!(street.send(&page_request("/things")).await.cursor, b"reached");
}

/// The names of a token endpoint are judged in the same way.
#[tokio::test]
async fn rebound_name_of_the_token_endpoint_is_refused() {
    let rogue = RawServer::tls(NAMES, |_| RawAnswer::answer(200, "", b"reached")).await;
    let names = NameServer::new(&[("api.example.com", &[&["127.0.0.1"]])]);
    let street = Street::with(None, client_credentials(), Some(network(&rogue, &names))).await;
    street
        .refused(&page_request("/things"), RefusalReason::Address, "the address of api.example")
        .await;
    assert_eq!(rogue.heads(), Vec::<String>::new());
}

/// `localhost` is this machine only by the admin's word, and then nothing else.
#[tokio::test]
async fn localhost_is_this_machine() {
    let rogue = RawServer::start(|_| RawAnswer::answer(200, "", b"reached")).await;
    let base = rogue.base.replace("127.0.0.1", "localhost");
    let names = NameServer::new(&[("localhost", &[&["127.0.0.1"], &[PUBLIC]])]);
    let street = Street::new(Some(&base), Some(network(&rogue, &names))).await;
    assert_eq!(street.send(&page_request("/things")).await.cursor, b"reached");
    street
        .refused(&page_request("/things"), RefusalReason::Address, "the address of localhost")
        .await;
}

fn lead_by_path() -> impl Fn(&str) -> RawAnswer + Send + Sync + 'static {
    |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        match path.split_once("?to=") {
            Some((status, place)) => {
                // A guest cannot write it in its path.
                let place = place.replace("BACKSLASH", "\\");
                RawAnswer::lead(status.trim_start_matches('/').parse().unwrap(), &place)
            }
            _ => RawAnswer::answer(200, "", path.as_bytes()),
        }
    }
}

#[tokio::test]
async fn redirects_lead_nowhere_else() {
    let rogue = RawServer::tls(NAMES, lead_by_path()).await;
    let all: &[&[&str]] = &[&[PUBLIC]];
    let names = NameServer::new(&[
        ("api.example.com", all),
        ("eu.pods.example.com", &[&["10.0.0.1"]]),
        ("evil.example", all),
    ]);
    let street = Street::new(None, Some(network(&rogue, &names))).await;
    let mut places: Vec<String> =
        LITERALS.iter().map(|literal| format!("https://{literal}/x")).collect();
    places.extend(
        [
            "https://evil.example/x",
            "//evil.example/x",
            "/BACKSLASHevil.example/x",
            "https://api.example.com@evil.example/x",
            "https://u:p@api.example.com/x",
            "https://api.example.com:8443/x",
            "https://api.example.com.evil.example/x",
            "http://api.example.com/x",
            "HTTP://api.example.com/x",
            "file:///etc/passwd",
            "gopher://api.example.com/x",
        ]
        .map(str::to_owned),
    );
    for place in &places {
        for status in ["302", "303", "307"] {
            let path = format!("/{status}?to={place}");
            let request = page_request(&path);
            let before = rogue.heads().len();
            street.refused(&request, RefusalReason::Redirect, "a redirect was refused: ").await;
            assert_eq!(rogue.heads().len(), before + 1, "{path}");
        }
    }
    // The name is on the list, but its address is private.
    let request = page_request("/302?to=https://eu.pods.example.com/x");
    street.refused(&request, RefusalReason::Redirect, "the address of eu.pods.example.com").await;
    assert!(!names.asked().contains(&"evil.example".to_owned()));
}

/// An allowed host may be led to, but nothing that says who asks goes along, nor comes back.
#[tokio::test]
async fn credentials_stay_with_their_host_on_redirects() {
    let back = "https://api.example.com/back";
    let rogue = RawServer::tls(NAMES, move |head| match head.split(' ').nth(1) {
        Some("/own") => RawAnswer::lead(302, "/here"),
        Some("/far") => RawAnswer::lead(302, "https://eu.pods.example.com/there"),
        Some("/there") => RawAnswer::lead(302, back),
        _ => RawAnswer::answer(200, "", b"end"),
    })
    .await;
    let names = NameServer::new(&[
        ("api.example.com", &[&[PUBLIC]]),
        ("eu.pods.example.com", &[&[PUBLIC]]),
    ]);
    let key = SystemAuth::Header { name: "x-api-key".to_owned(), value: TOKEN.into() };
    for (auth, header) in [(key, "x-api-key"), (SystemAuth::Bearer(TOKEN.into()), "authorization")]
    {
        let before = rogue.heads().len();
        let street = Street::with(None, auth, Some(network(&rogue, &names))).await;
        let columns = ["primary", "x-tenant", "acme", "accept", "text/csv"].map(str::to_owned);
        for path in ["/own", "/far"] {
            let columns = columns.to_vec();
            let request = PageRequest { columns, limit: 512, ..page_request(path) };
            assert_eq!(street.send(&request).await.cursor, b"end");
        }
        let heads = rogue.heads().split_off(before);
        let shown = |name| heads.iter().map(|head| lines(head, name).len()).collect::<Vec<_>>();
        assert_eq!(shown("get /"), [1; 5], "own, here, far, there, back");
        assert_eq!(shown(header), [1, 1, 1, 0, 0]);
        assert_eq!(shown("x-tenant"), [1, 1, 1, 0, 0]);
        assert_eq!(shown("accept:"), [1; 5]);
        assert_eq!(lines(&heads[3], "host"), ["host: eu.pods.example.com"]);
        let traffic = street.house.runtime.traffic("acme").unwrap();
        assert_eq!((traffic.requests, traffic.redirects, traffic.refused.total()), (5, 3, 0));
    }
}

#[tokio::test]
async fn redirects_end_and_do_nothing_twice() {
    let rogue = RawServer::start(|head| {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match path {
            "/loop" => RawAnswer::lead(302, "/loop"),
            "/302" => RawAnswer::lead(302, "/end"),
            "/303" => RawAnswer::lead(303, "/end"),
            "/307" => RawAnswer::lead(307, "/end"),
            "/303-away" => RawAnswer::lead(303, "http://evil.example/"),
            "/307-away" => RawAnswer::lead(307, "http://evil.example/"),
            _ => RawAnswer::answer(200, "", method.as_bytes()),
        }
    })
    .await;
    let street = Street::new(Some(&rogue.base), None).await;
    street.refused(&page_request("/loop"), RefusalReason::Redirect, "more than 5 in a row").await;
    assert_eq!(rogue.heads().len(), 6);
    for (method, path, status, body) in [
        (0, "/302", 200, "GET"),
        (2, "/302", 302, ""),
        (4, "/302", 302, ""),
        (2, "/303", 200, "GET"),
        (5, "/302", 200, "DELETE"),
        (2, "/307", 200, "POST"),
    ] {
        let page = street.send(&by(method, path)).await;
        assert_eq!(page.server_time_ms, Some(status), "{method} {path}");
        assert_eq!(page.cursor, body.as_bytes(), "{method} {path}");
    }
    let told = rogue.heads();
    let last = told.last().unwrap();
    assert_eq!(
        lines(last, "content-length"),
        ["content-length: 1"],
        "a POST keeps its body: {last}"
    );
    for path in ["/303-away", "/307-away"] {
        street.refused(&by(2, path), RefusalReason::Redirect, "a redirect was refused").await;
    }
}

/// The body of a token request is the credentials themselves.
#[tokio::test]
async fn redirect_of_a_token_endpoint_is_not_followed() {
    let rogue = RawServer::start(|_| RawAnswer::lead(307, "/elsewhere")).await;
    let street = Street::with(Some(&rogue.base), client_credentials(), None).await;
    let error =
        street.open().await.read_page(&page_request("/things")).await.unwrap_err().to_string();
    assert!(error.contains("HTTP 307"), "{error}");
    assert_eq!(rogue.heads().len(), 1);
    street.neighbour_works().await;
}

#[tokio::test]
async fn headers_are_not_smuggled() {
    let rogue = RawServer::start(|_| RawAnswer::answer(200, "", b"reached")).await;
    let street = Street::new(Some(&rogue.base), None).await;
    for name in [
        "host",
        "authorization",
        "transfer-encoding",
        "transfer_encoding",
        "content-length",
        "connection",
        "cookie",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "x-forwarded-host",
        "accept-encoding",
        "x-http-method-override",
        "x-method",
        "content-encoding",
        "Host",
        "x: y\r\nhost",
        ":authority",
        "",
        "ä",
    ] {
        street.refused(&with_header(name, "chunked"), RefusalReason::Header, "header").await;
    }
    for value in ["a\r\nhost: evil", "a\nb", "a\rb", "a\0b", "a\tb", "ü", "\u{7f}"] {
        street.refused(&with_header("x-ok", value), RefusalReason::Header, "not plain text").await;
    }
    assert_eq!(rogue.heads(), Vec::<String>::new());
    assert_eq!(street.send(&with_header("x-ok", "fine")).await.cursor, b"reached");
    let heads = rogue.heads();
    assert_eq!(lines(&heads[0], "x-ok"), ["x-ok: fine"]);
    assert_eq!(lines(&heads[0], "host").len(), 1);
    assert_eq!(lines(&heads[0], "authorization"), [format!("authorization: Bearer {TOKEN}")]);

    let key = SystemAuth::Header { name: "x-api-key".to_owned(), value: TOKEN.into() };
    let street = Street::with(Some(&rogue.base), key, None).await;
    street.refused(&with_header("x-api-key", "mine"), RefusalReason::Header, "is the host's").await;
}

#[tokio::test]
async fn path_that_is_a_url_is_refused() {
    let rogue = RawServer::start(|_| RawAnswer::answer(200, "", b"reached")).await;
    let street = Street::new(Some(&format!("{}/base", rogue.base)), None).await;
    for path in [
        "https://evil.example/",
        "http://evil.example",
        "//evil.example/",
        "///evil.example/",
        "@evil.example/",
        ":80@evil.example/",
        ".evil.example/",
        "\\\\evil.example\\",
        "/\\evil.example/",
        "",
        "*",
        "?x",
        "#x",
        "/a#b",
        "/a b",
        "/a\r\nhost: evil",
        "/a\tb",
        "/a\0b",
        "/a%0d%0ahost:%20evil",
        "/a%00b",
        "/ä",
        "/../x",
        "/a/../../x",
        "/a/..",
        "/%2e%2e/x",
        "/%2E./x",
        "/a%2f..%2f..%2fx",
        "/a%5c..%5cx",
        "/..;a=b/x",
        "/%252e%252e/x",
    ] {
        street.refused(&page_request(path), RefusalReason::Path, "path").await;
    }
    assert_eq!(rogue.heads(), Vec::<String>::new());
    street.send(&page_request("/a%2Fb/@evil.example/c?d=https://evil.example/../")).await;
    let heads = rogue.heads();
    let line = "GET /base/a%2Fb/@evil.example/c?d=https://evil.example/../ HTTP/1.1";
    assert_eq!(heads[0].lines().next(), Some(line));
}

/// A guest names slots of its own manifest; whose they are is known from its job.
#[tokio::test]
async fn slot_of_another_system_is_refused() {
    let rogue = RawServer::start(|_| RawAnswer::answer(200, "", b"reached")).await;
    let street = Street::new(Some(&rogue.base), None).await;
    for slot in ["neighbour", "neighbour/primary", "primary@neighbour", "../neighbour", "0", ""] {
        let request = PageRequest { columns: vec![slot.to_owned()], ..page_request("/things") };
        street.refused(&request, RefusalReason::Slot, "no slot").await;
    }
    let request = PageRequest {
        columns: ["primary", "neighbour"].map(str::to_owned).to_vec(),
        ..page_request("/things")
    };
    street.refused(&request, RefusalReason::Quota, "no quota").await;
    street.send(&page_request("/things")).await;
    let theirs = street.neighbour.seen("/things");
    assert!(theirs.iter().all(|seen| seen.authorization == "Bearer neighbours-token"));
    assert!(rogue.heads().iter().all(|head| !head.contains("neighbours-token")));
}

/// A residual, not a refusal: a guest may tell an allowed host things in a path, a header or a
/// body, and no policy of paths can tell an id from a secret. What holds: the words go to hosts of
/// the list only, no name that the guest chooses is ever looked up (so nothing leaves by DNS), the
/// guest has no secret to tell, each call has its cap of requests, and what leaves is counted, so
/// that an unusual amount can be seen.
#[tokio::test]
async fn exfiltration_by_path_is_counted_and_raises_an_alarm() {
    let rogue = RawServer::tls(NAMES, |_| RawAnswer::answer(200, "", b"thanks")).await;
    let names = NameServer::new(&[("api.example.com", &[&[PUBLIC]])]);
    let street = Street::new(None, Some(network(&rogue, &names))).await;
    let told = "c2VjcmV0".repeat(1_000);
    let label = "c2VjcmV0".repeat(7);
    for path in [format!("//{label}.evil.example/"), format!("/{told}%00")] {
        street.refused(&page_request(&path), RefusalReason::Path, "path").await;
    }
    assert!(names.asked().is_empty());
    for n in 1..=3_u64 {
        street.send(&page_request(&format!("/{told}"))).await;
        let traffic = street.house.runtime.traffic("acme").unwrap();
        assert_eq!((traffic.requests, traffic.target_bytes), (n, n * 8_001));
    }
    assert!(names.asked().iter().all(|name| name == "api.example.com"));
    let traffic = || street.house.runtime.traffic("acme").unwrap();
    assert_eq!(traffic().alarms, 0);
    let flood = format!("/{}", "c2VjcmV0".repeat(4_000));
    for _ in 0..=TARGET_BYTES_USUAL / flood.len() {
        street.send(&page_request(&flood)).await;
    }
    assert_eq!(traffic().alarms, 1, "{} bytes", traffic().target_bytes);
    let stops = street.house.runtime.stops();
    let counted = stops.iter().find(|stop| stop.cause == CountedCause::Unusual).unwrap();
    assert_eq!((counted.system.as_str(), counted.times), ("acme", 1));
    let mut lines = street.audit.drain_lines();
    lines.retain(|line| line.starts_with("message=egress unusual plugin=courier version=1.0.0"));
    assert!(
        lines.len() == 1 && lines[0].ends_with("system=acme unusual=target-bytes"),
        "{lines:?}"
    );
    let requests = crate::GuestLimits::connector().requests;
    assert!(requests <= 10_000, "a call has its cap: {requests}");
    street.neighbour_works().await;
}
