//! Answers of hostile servers: bombs, bodies without end, heads without end, deep JSON
//! (`host/egress/SECURITY.md` E8).
//!
//! The bound on memory is that of `decode`: 32 MiB of body and a decoder's window, whatever the
//! server sends; and what is not taken stays in the server's hands, which these tests measure.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use renkei_model::effect::EffectCall;
use renkei_model::record::{Action, Operation, Outcome, WriteRequest};
use std::io::Write as _;
use tokio::time::Instant;

use super::*;
use crate::tests::stage::client_credentials;
use renkei_egress::{DECODED_BYTES_MAX, WIRE_BYTES_MAX};
use renkei_test_servers::{NameServer, RawAnswer, RawServer};

/// 64 MiB of zeros, by Node's `zlib.brotliCompressSync`.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe\
    09f0088c30200\
    ddfb3ffeffffc13f0110870500baf77ffcffff837f02200e0b0074effff8ffff07ff04401c1600e8deff\
    f1ffff0ffe0980\
    382c00d0bdffcbffff3ffc1300715800a07bff07";

/// The bytes that the kernel may have taken from the server although nobody reads them.
const SOCKETS: usize = 16 << 20;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn street(rogue: &RawServer) -> Street {
    Street::new(Some(&rogue.base), None).await
}

#[tokio::test]
async fn bombs_are_refused() {
    let zeros = vec![0; 64 << 20];
    let (gz, zst) = (gzip(&zeros), zstd::encode_all(&zeros[..], 3).unwrap());
    let rogue = RawServer::start(move |head| match head.split(' ').nth(1) {
        Some("/gzip") => RawAnswer::answer(200, "content-encoding: gzip\r\n", &gz),
        Some("/zstd") => RawAnswer::answer(200, "content-encoding: zstd\r\n", &zst),
        Some("/br") => {
            let bomb = hex::decode(BROTLI_BOMB).unwrap();
            RawAnswer::answer(200, "content-encoding: br\r\n", &bomb)
        }
        _ => RawAnswer::answer(200, "", b"fine"),
    })
    .await;
    let street = street(&rogue).await;
    for path in ["/gzip", "/zstd", "/br"] {
        street
            .refused(&page_request(path), RefusalReason::Ratio, "more than 100 times its size")
            .await;
    }
    assert_eq!(street.send(&page_request("/fine")).await.cursor, b"fine");
}

#[tokio::test]
async fn answer_that_decodes_to_too_much_is_refused() {
    // Of a ratio that is allowed: noise by the KiB, each 40 times.
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from(state >> 24).unwrap()
    };
    let mut body = Vec::with_capacity(DECODED_BYTES_MAX + (1 << 20));
    while body.len() <= DECODED_BYTES_MAX {
        let piece: Vec<u8> = (0..1_024).map(|_| noise()).collect();
        (0..40).for_each(|_| body.extend_from_slice(&piece));
    }
    let wire = gzip(&body);
    assert!(wire.len() < WIRE_BYTES_MAX && body.len() / wire.len() < 100);
    let rogue =
        RawServer::start(move |_| RawAnswer::answer(200, "content-encoding: gzip\r\n", &wire))
            .await;
    let street = street(&rogue).await;
    let before = street.counted(RefusalReason::DecodedBytes);
    street.open().await.read_page(&page_request("/things")).await.unwrap_err();
    street.was_refused(before, RefusalReason::DecodedBytes).await;
}

#[tokio::test]
async fn nested_and_unknown_encodings_are_refused() {
    let rogue = RawServer::start(|head| {
        let named = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
        let twice = gzip(&gzip(b"twice"));
        match named {
            "lines" => {
                RawAnswer::answer(200, "content-encoding: gzip\r\nContent-Encoding: br\r\n", &twice)
            }
            "head" => RawAnswer::answer(200, "content-encoding: gzip\r\n", b""),
            named => RawAnswer::answer(200, &format!("content-encoding: {named}\r\n"), &twice),
        }
    })
    .await;
    let street = street(&rogue).await;
    for named in ["gzip,gzip", "gzip,identity,br", "lines"] {
        street
            .refused(&page_request(&format!("/{named}")), RefusalReason::Encoding, "more than once")
            .await;
    }
    for named in ["deflate", "compress", "aes128gcm", "gzip;q=1"] {
        street
            .refused(
                &page_request(&format!("/{named}")),
                RefusalReason::Encoding,
                "nobody asked for",
            )
            .await;
    }
    // One that is not declared is the guest's own to undo, in its own memory.
    assert_eq!(street.send(&page_request("/gzip")).await.cursor, gzip(b"twice"));
    assert_eq!(street.send(&page_request("/head")).await.cursor, b"");
    assert_eq!(lines(&rogue.heads()[0], "accept-encoding"), ["accept-encoding: gzip, br, zstd"]);
}

/// One JSON text that never ends: the host never reads it as JSON, it counts bytes.
#[tokio::test]
async fn endless_body_is_refused() {
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let rogue = RawServer::start(move |head| match head.split(' ').nth(1) {
        Some("/chunked") => RawAnswer::Endless(
            b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\"\r\n".to_vec(),
            chunk.clone(),
        ),
        Some("/gigabyte") => RawAnswer::Endless(
            b"HTTP/1.1 200 x\r\ncontent-length: 1073741824\r\n\r\n\"".to_vec(),
            vec![b'x'; 0x10000],
        ),
        _ => RawAnswer::Endless(b"HTTP/1.1 200 x\r\n\r\n".to_vec(), vec![b'x'; 0x10000]),
    })
    .await;
    let street = street(&rogue).await;
    for path in ["/chunked", "/gigabyte", "/until-it-closes"] {
        let (written, counted) = (rogue.written(), street.counted(RefusalReason::WireBytes));
        street.open().await.read_page(&page_request(path)).await.unwrap_err();
        street.was_refused(counted, RefusalReason::WireBytes).await;
        let taken = rogue.written() - written;
        assert!(taken <= WIRE_BYTES_MAX + SOCKETS, "{path}: {taken} bytes were taken");
    }
}

/// A body, and a head, that come byte by byte: the time is that of the whole answer.
#[tokio::test]
async fn slow_body_is_refused() {
    let rogue = RawServer::start(|head| match head.split(' ').nth(1) {
        Some("/body") => RawAnswer::Drip(
            b"HTTP/1.1 200 x\r\ncontent-length: 99999\r\n\r\n".to_vec(),
            b"x".to_vec(),
        ),
        Some("/head") => RawAnswer::Drip(b"HTTP/1.1 200 x\r\nx-a: ".to_vec(), b"x".to_vec()),
        Some("/informational") => RawAnswer::Drip(Vec::new(), b"HTTP/1.1 103 x\r\n\r\n".to_vec()),
        _ => RawAnswer::answer(200, "", b"fine"),
    })
    .await;
    let street = street(&rogue).await;
    let began = Instant::now();
    // By POST, which the host does not repeat.
    let posted = |path| PageRequest { limit: within(150, path).limit + 2, ..page_request(path) };
    let counted = street.counted(RefusalReason::Deadline);
    street.open().await.read_page(&posted("/body")).await.unwrap_err();
    street.was_refused(counted, RefusalReason::Deadline).await;
    for path in ["/head", "/informational"] {
        street.open().await.read_page(&posted(path)).await.unwrap_err();
        street.neighbour_works().await;
    }
    // Far from what it would take, and far from the 60 s that hold where a guest names no time.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(street.house.runtime.traffic("acme").unwrap().unanswered, 3);
    assert_eq!(street.send(&page_request("/fine")).await.cursor, b"fine");
}

#[tokio::test]
async fn hundred_thousand_headers_are_refused() {
    let rogue = RawServer::start(|head| match head.split(' ').nth(1) {
        Some("/many") => RawAnswer::answer(200, &"x-a: b\r\n".repeat(100_000), b""),
        Some("/some") => RawAnswer::answer(200, &"x-a: b\r\n".repeat(201), b""),
        Some("/large") => RawAnswer::answer(200, &format!("x-a: {}\r\n", "b".repeat(70_000)), b""),
        Some("/endless") => {
            RawAnswer::Endless(b"HTTP/1.1 200 x\r\n".to_vec(), b"x-a: b\r\n".repeat(100))
        }
        Some("/one") => {
            RawAnswer::Endless(b"HTTP/1.1 200 x\r\nx-a: ".to_vec(), vec![b'b'; 0x10000])
        }
        _ => RawAnswer::answer(200, &"x-a: b\r\n".repeat(150), b"fine"),
    })
    .await;
    let street = street(&rogue).await;
    for path in ["/many", "/some", "/large", "/endless", "/one"] {
        let written = rogue.written();
        street
            .refused(&page_request(path), RefusalReason::AnswerHeaders, "more than 200 headers")
            .await;
        assert!(rogue.written() - written <= (1 << 20) + SOCKETS, "{path}");
    }
    assert_eq!(street.send(&page_request("/fine")).await.cursor, b"fine");
}

/// In HTTP/2 the same caps have the same names.
#[tokio::test]
async fn too_many_headers_over_http2_are_refused() {
    let fields = |count, bytes| vec![("x-a".to_owned(), "b".repeat(bytes)); count];
    let sizes = [(1, 70_000), (1, 900_000), (201, 1), (20_000, 1), (1, 1)];
    let answers = sizes.map(|(count, bytes)| fields(count, bytes)).to_vec();
    let rogue = RawServer::http2(&["api.example.com"], answers).await;
    let names = NameServer::new(&[("api.example.com", &[&["93.184.216.34"]])]);
    let street = Street::new(None, Some(network(&rogue, &names))).await;
    for _ in 0..4 {
        street
            .refused(
                &page_request("/things"),
                RefusalReason::AnswerHeaders,
                "more than 200 headers",
            )
            .await;
    }
    assert_eq!(street.send(&page_request("/things")).await.cursor, b"");
    assert_eq!(names.asked().len(), 1, "the connection was not broken");
}

/// Depth is no matter of size: the guest gets the bytes and its own parser decides (`serde_json` of
/// the SDK stops at depth 128; a parser without such a limit runs into the guest's stack).
/// The host itself parses only the token answer, and that stops at depth 128.
#[tokio::test]
async fn deep_json_is_an_error() {
    let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert!(serde_json::from_str::<serde_json::Value>(&deep(129)).is_err());
    let rogue = RawServer::start(move |head| match head.split(' ').nth(1) {
        Some("/less") => RawAnswer::answer(200, "", deep(30_000).as_bytes()),
        _ => RawAnswer::answer(200, "", deep(100_000).as_bytes()),
    })
    .await;
    let guest = street(&rogue).await;
    assert_eq!(guest.send(&page_request("/less")).await.cursor.len(), 60_000);
    // The courier gives back what it got, and that is more than a cursor may be.
    let error = guest.open().await.read_page(&page_request("/more")).await.unwrap_err();
    assert!(error.to_string().contains("its cursor is larger than 65536 bytes"), "{error}");
    guest.neighbour_works().await;
    drop(guest);

    let street = Street::with(Some(&rogue.base), client_credentials(), None).await;
    let error = street.open().await.read_page(&page_request("/things")).await.unwrap_err();
    assert!(error.to_string().contains("with no token and no error code"), "{error}");
    street.neighbour_works().await;
}

/// `RULES.md P16`: "nothing was written" is said of the last attempt.
#[tokio::test]
async fn a_create_put_off_after_an_attempt_that_broke_off_is_uncertain() {
    let asked = AtomicU32::new(0);
    let rogue = RawServer::start(move |head| match head.split(' ').nth(1) {
        Some("/failing") if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
            RawAnswer::answer(503, "", b"")
        }
        _ => RawAnswer::answer(200, "", b"fine"),
    })
    .await;
    let street = street(&rogue).await;
    let write = async |object: &str, action| {
        let (intent, object) = ("intent".to_owned(), object.to_owned());
        let cells = Vec::new();
        let one = Operation { intent, action, id: None, key: vec![], if_version: None, cells };
        let (columns, options, operations) = (Vec::new(), Vec::new(), vec![one]);
        let request = WriteRequest { object, columns, operations, options };
        street.open().await.perform(EffectCall::Write(&request)).await.unwrap().remove(0)
    };
    let uncertain = write("/failing", Action::Create).await;
    assert!(matches!(uncertain, Outcome::Uncertain(_)), "{uncertain:?}");
    assert_eq!(write("/fine", Action::Create).await, Outcome::RetryAfter(5_000));
}
