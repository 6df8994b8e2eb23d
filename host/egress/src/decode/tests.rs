//! Honest bodies come out as they went in; bombs, damaged and nested ones do not.

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// 64 MiB of zeros, by Node's `zlib.brotliCompressSync`.
pub(crate) const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4\
    611180eefd1fffffffe09f0088\
    c30200ddfb3ffeffffc13f0110870500baf77ffcffff837f02200e0b0074effff8ffff07ff04\
    401c1600e8defff1ffff0\
    ffe0980382c00d0bdffcbffff3ffc1300715800a07bff07";

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 3).unwrap()
}

fn decode(encoding: ContentEncoding, wire: &[u8], step: usize) -> Result<Vec<u8>, DecodeError> {
    let mut body = BodyDecoder::new(encoding)?;
    for chunk in wire.chunks(step) {
        body.push_chunk(chunk)?;
    }
    body.finish()
}

/// Text that compresses a little.
fn text(bytes: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + u8::try_from(state >> 27).unwrap()
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn honest_bodies_are_decoded() {
    let body = text(300_000);
    for step in [1, 7, 4096, usize::MAX] {
        assert_eq!(decode(ContentEncoding::Identity, &body, step).as_ref(), Ok(&body));
        assert_eq!(decode(ContentEncoding::Gzip, &gzip(&body), step).as_ref(), Ok(&body));
        assert_eq!(decode(ContentEncoding::Zstd, &zstd(&body), step).as_ref(), Ok(&body));
        let brotli = hex::decode(BROTLI_RENKEI).unwrap();
        assert_eq!(decode(ContentEncoding::Brotli, &brotli, step), Ok(b"renkei".repeat(10)));
    }
    let members = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(decode(ContentEncoding::Gzip, &members, 3), Ok(b"one two".to_vec()));
    let frames = [zstd(b"one "), zstd(b"two")].concat();
    assert_eq!(decode(ContentEncoding::Zstd, &frames, 3), Ok(b"one two".to_vec()));
    for encoding in [
        ContentEncoding::Identity,
        ContentEncoding::Gzip,
        ContentEncoding::Brotli,
        ContentEncoding::Zstd,
    ] {
        assert_eq!(decode(encoding, b"", 1), Ok(vec![]), "no body at all: {encoding:?}");
    }
}

/// "renkei" ten times, by Node's `zlib.brotliCompressSync`.
const BROTLI_RENKEI: &str = "1b3b00f88d946edeb42c5b93ab34b7b8270e001b";

#[test]
fn damaged_bodies_are_refused() {
    let body = text(50_000);
    let brotli = hex::decode(BROTLI_RENKEI).unwrap();
    for (encoding, wire) in [
        (ContentEncoding::Gzip, gzip(&body)),
        (ContentEncoding::Zstd, zstd(&body)),
        (ContentEncoding::Brotli, brotli),
    ] {
        let cut = &wire[..wire.len() - 3];
        assert_eq!(decode(encoding, cut, 1_000), Err(DecodeError::Damaged), "{encoding:?} cut off");
        let more = [&wire[..], b"more than there should be"].concat();
        assert_eq!(
            decode(encoding, &more, 1_000),
            Err(DecodeError::Damaged),
            "{encoding:?} and more"
        );
    }
}

#[test]
fn every_cap_holds_while_the_body_comes() {
    let check = |encoding, wire: &[u8], expected: EgressRefusal| {
        assert_eq!(
            decode(encoding, wire, 16 << 10),
            Err(DecodeError::Refused(expected)),
            "{encoding:?}"
        );
    };
    check(ContentEncoding::Identity, &vec![b'x'; WIRE_BYTES_MAX + 1], EgressRefusal::WireBytes);
    let zeros = vec![0; 64 << 20];
    check(ContentEncoding::Gzip, &gzip(&zeros), EgressRefusal::Ratio);
    check(ContentEncoding::Zstd, &zstd(&zeros), EgressRefusal::Ratio);
    check(ContentEncoding::Brotli, &hex::decode(BROTLI_BOMB).unwrap(), EgressRefusal::Ratio);
    // Just below the ratio, but more than the cap: 8 KiB of noise, repeated, compresses about 20:1.
    let noise = text(1 << 20);
    let slow: Vec<u8> = noise
        .chunks(1_024)
        .flat_map(|chunk| std::iter::repeat_n(chunk, 40).flatten().copied().collect::<Vec<_>>())
        .collect();
    assert!(slow.len() > DECODED_BYTES_MAX);
    check(ContentEncoding::Gzip, &gzip(&slow), EgressRefusal::DecodedBytes);
    check(ContentEncoding::Zstd, &gzip_free_zstd(&slow), EgressRefusal::DecodedBytes);
}

fn gzip_free_zstd(body: &[u8]) -> Vec<u8> {
    let wire = zstd(body);
    assert!(body.len() / wire.len() < RATIO_MAX, "the ratio would be hit first");
    wire
}

#[test]
fn the_buffer_never_outgrows_the_cap() {
    let mut sink = CappedBuffer::default();
    sink.at(WIRE_BYTES_MAX);
    let piece = vec![b'x'; 1 << 20];
    while sink.write_all(&piece).is_ok() {
        assert!(sink.body.capacity() <= DECODED_BYTES_MAX);
    }
    assert_eq!(sink.body.len(), DECODED_BYTES_MAX);
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&text(100_000)).unwrap();
    let wire = encoder.finish().unwrap();
    assert_eq!(decode(ContentEncoding::Zstd, &wire, 4096), Err(DecodeError::Damaged));
}

#[test]
fn encodings_are_known_by_name() {
    let check = |lines: &[&str], expected: Result<ContentEncoding, EgressRefusal>| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_ENCODING, line.parse().unwrap());
        }
        assert_eq!(encoding(&headers), expected, "{lines:?}");
    };
    check(&[], Ok(ContentEncoding::Identity));
    check(&["identity"], Ok(ContentEncoding::Identity));
    check(&["GZIP"], Ok(ContentEncoding::Gzip));
    check(&["identity, br"], Ok(ContentEncoding::Brotli));
    check(&["zstd"], Ok(ContentEncoding::Zstd));
    check(&["gzip, gzip"], Err(EgressRefusal::NestedEncoding));
    check(&["gzip", "br"], Err(EgressRefusal::NestedEncoding));
    check(&["deflate"], Err(EgressRefusal::Encoding));
    check(&["gzip, compress"], Err(EgressRefusal::Encoding));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes, decoding ends with a body or a fault.
    #[test]
    fn no_bytes_make_a_decoder_panic(
        wire in proptest::collection::vec(any::<u8>(), 0..400),
        step in 1_usize..50,
    ) {
        for encoding in [ContentEncoding::Gzip, ContentEncoding::Brotli, ContentEncoding::Zstd] {
            if let Ok(body) = decode(encoding, &wire, step) {
                prop_assert!(body.len() <= DECODED_BYTES_MAX);
            }
        }
    }
}
