//! Checks the path and the headers of a guest's request (`SECURITY.md` E2, E7). Pure.
//!
//! A guest gives a path below a base URL, so most tricks with URLs have no room: what is left is
//! checked after decoding, and the joined URL is compared with the base again. `allowlist` decides
//! where the URL may lead.

use percent_encoding::{percent_decode, percent_decode_str};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::escape::plain;
use crate::method_override;
use crate::refusal::EgressRefusal;

/// Headers that only the host sets; a guest that names one is refused. `plugins/README.md` says why
/// of each. Those that replace the method are told by `method_override`.
const HOST_HEADERS: &[&str] = &[
    "accept-encoding",
    "alt-used",
    "authorization",
    "cf-connecting-ip",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];
/// Headers of an answer that no guest sees: sessions and credentials, and what was true only of the
/// connection or of the encoding that the host undid.
const HIDDEN_HEADERS: &[&str] = &[
    "alt-svc",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const HOST_HEADER_PREFIXES: &[&str] = &["proxy-", "x-forwarded-"];

/// More headers or longer values than these are no honest request.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_BYTES_MAX: usize = 64 << 10;
const PATH_BYTES_MAX: usize = 32 << 10;
/// The longest part of a header's name that an error repeats.
const NAME_BYTES_SHOWN: usize = 80;

/// The URL of `path` below `base`, or the refusal.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, EgressRefusal> {
    check_path(path)?;
    let prefix = base.path().trim_end_matches('/');
    let joined = format!("{}{prefix}{path}", base.origin().ascii_serialization());
    let url =
        Url::parse(&joined).map_err(|_| EgressRefusal::Path("the path does not make a URL"))?;
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if url.origin() != base.origin() || url.path() != format!("{prefix}{path}") {
        return Err(EgressRefusal::Path("the path leaves its base URL"));
    }
    Ok(url)
}

fn check_path(path: &str) -> Result<(), EgressRefusal> {
    if path.len() > PATH_BYTES_MAX {
        return Err(EgressRefusal::Path("the path is too long"));
    }
    if !path.starts_with('/') || path.starts_with("//") {
        let what = "a path begins with one `/`, and absolute URLs are not taken";
        return Err(EgressRefusal::Path(what));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains(['#', '\\']) {
        return Err(EgressRefusal::Path("the path has characters that must be percent-encoded"));
    }
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let decoded = percent_decode_str(path).collect::<Vec<u8>>();
    // A server behind a proxy may decode a second time.
    let twice = percent_decode(&decoded).collect::<Vec<u8>>();
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(EgressRefusal::Path("the path has control characters"));
    }
    if steps(&decoded) || steps(&twice) {
        return Err(EgressRefusal::Path("the path has `.` or `..`"));
    }
    Ok(())
}

/// True where a server could take a segment for `.` or `..`: some cut `;parameters` off it first.
fn steps(path: &[u8]) -> bool {
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(bare, b"." | b"..")
    })
}

/// True where a header of this name, in lower case, may carry credentials.
pub(crate) fn may_authenticate(name: &str) -> bool {
    let folded = name.replace('_', "-");
    let is_taken = HOST_HEADERS.contains(&folded.as_str())
        || HOST_HEADER_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
        || method_override::is_override_header(&folded);
    matches!(name, "authorization" | "cookie") || !is_taken
}

/// The guest's headers, ready to be sent. `own` are the headers that carry the slot's credentials.
pub(crate) fn headers(
    headers: &[(String, String)],
    own: &[&str],
) -> Result<HeaderMap, EgressRefusal> {
    if headers.len() > HEADERS_MAX {
        return Err(EgressRefusal::Header("too many headers"));
    }
    if headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        > HEADERS_BYTES_MAX
    {
        return Err(EgressRefusal::Header("the headers are too long"));
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        // Servers that pass headers on as variables take `_` for `-`.
        let folded = name.replace('_', "-");
        let reserved = HOST_HEADERS.contains(&folded.as_str())
            || HOST_HEADER_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
            || own.iter().any(|own| own.replace('_', "-") == folded);
        if reserved {
            return Err(EgressRefusal::HostHeader(name.clone()));
        }
        if method_override::is_override_header(&folded) {
            return Err(EgressRefusal::OverrideHeader(plain(name, NAME_BYTES_SHOWN)));
        }
        // `from_static` would panic on upper case and `from_bytes` would fold it: a guest writes
        // lower case.
        let key = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| {
            EgressRefusal::Header("a header's name is not in lower case or not a name")
        })?;
        let plain = value.len() <= HEADER_BYTES_MAX
            && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let value = HeaderValue::from_str(value).ok().filter(|_| plain);
        map.append(key, value.ok_or(EgressRefusal::Header("a header's value is not plain text"))?);
    }
    Ok(map)
}

/// True where a guest may see a header of an answer. `own` as in [`headers`].
pub(crate) fn shows(name: &str, own: &[&str]) -> bool {
    !HIDDEN_HEADERS.contains(&name) && !name.starts_with("proxy-") && !own.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_join(base: &str, path: &str, expected: Option<&str>) {
        let joined = join(&base.parse().unwrap(), path);
        assert_eq!(joined.as_ref().map(Url::as_str).ok(), expected, "{base} {path}: {joined:?}");
    }

    #[test]
    fn paths_stay_below_their_base() {
        let base = "https://api.example.com";
        check_join(base, "/a/b?c=%2F..&d=1", Some("https://api.example.com/a/b?c=%2F..&d=1"));
        check_join("https://h/x/", "/a", Some("https://h/x/a"));
        check_join(base, "/a%2Fb%20c", Some("https://api.example.com/a%2Fb%20c"));
        for bad in [
            "",
            "a",
            "//evil.example",
            "https://evil.example/",
            "@evil.example/",
            "/../a",
            "/a/..",
            "/a/%2e%2E/b",
            "/a/%2e%2e%2fb",
            "/a\\..\\b",
            "/a/..;x=1/b",
            "/a/%252e%252e/b",
            "/a/.%2e/b",
            "/a%5c..%5cb",
            "/a#b",
            "/a b",
            "/a\r\nx",
            "/a%0d%0ab",
            "/a%00",
            "/ä",
        ] {
            check_join(base, bad, None);
        }
    }

    fn check_header(name: &str, value: &str, taken: bool) {
        let given = [(name.to_owned(), value.to_owned())];
        assert_eq!(headers(&given, &["x-api-key", "x_token"]).is_ok(), taken, "{name}: {value:?}");
    }

    #[test]
    fn headers_of_the_host_are_refused() {
        check_header("content-type", "text/csv; charset=utf-8", true);
        check_header("sforce-call-options", "client=renkei", true);
        for name in ["authorization", "cookie", "host", "proxy-authorization", "x-forwarded-for"] {
            check_header(name, "x", false);
        }
        for name in [
            "transfer-encoding",
            "transfer_encoding",
            "x-http-method-override",
            "te",
            "x-original-url",
        ] {
            check_header(name, "x", false);
        }
        for name in ["x-api-key", "x-token", "x_token", "Authorization", "Content-Type", "a b", ""]
        {
            check_header(name, "x", false);
        }
        for value in ["a\r\nhost: x", "a\0", "ä", "a\tb"] {
            check_header("accept", value, false);
        }
    }

    #[test]
    fn header_about_the_connection_carries_no_credentials() {
        for (name, expected) in [
            ("x-api-key", true),
            ("authorization", true),
            ("cookie", true),
            ("host", false),
            ("transfer_encoding", false),
            ("x-forwarded-for", false),
            ("x-http-method-override", false),
        ] {
            assert_eq!(may_authenticate(name), expected, "{name}");
        }
    }

    #[test]
    fn header_that_replaces_the_method_is_refused_and_the_error_says_what_to_do() {
        for name in ["x-http-method-override", "x-http-method", "x_method_override", "x-method"] {
            let given = [(name.to_owned(), "DELETE".to_owned())];
            let refusal = headers(&given, &[]).unwrap_err();
            assert_eq!(refusal, EgressRefusal::OverrideHeader(name.to_owned()));
            let text = refusal.to_string();
            assert!(text.contains(name) && text.contains("Send the method itself"), "{text}");
        }
    }

    #[test]
    fn guide_of_authors_lists_every_header_that_is_refused() {
        let guide = include_str!("../../../plugins/README.md");
        let section = guide.split("### Headers that are refused").nth(1).unwrap();
        let section = section.split("\n#").next().unwrap();
        let prefixes = HOST_HEADER_PREFIXES.iter().map(|prefix| format!("`{prefix}*`"));
        for name in HOST_HEADERS.iter().map(|name| format!("`{name}`")).chain(prefixes) {
            assert!(section.contains(&name), "{name} is refused, and the guide does not say so");
        }
    }

    #[test]
    fn headers_are_few_and_short() {
        let many = vec![("accept".to_owned(), "x".to_owned()); HEADERS_MAX + 1];
        assert!(headers(&many, &[]).is_err());
        let check = |bytes: usize, times: usize, taken: bool| {
            let long = vec![("accept".to_owned(), "x".repeat(bytes)); times];
            assert_eq!(headers(&long, &[]).is_ok(), taken, "{bytes} bytes {times} times");
        };
        check(HEADER_BYTES_MAX, 3, true);
        check(HEADER_BYTES_MAX + 1, 1, false);
        check(HEADER_BYTES_MAX, 4, false);
    }

    #[test]
    fn a_guest_sees_neither_sessions_nor_credentials() {
        for (name, expected) in [
            ("content-type", true),
            ("retry-after", true),
            ("x-api-key", false),
            ("set-cookie", false),
            ("proxy-authenticate", false),
            ("content-encoding", false),
        ] {
            assert_eq!(shows(name, &["x-api-key"]), expected, "{name}");
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        const PIECES: &[&str] =
            &["/", "..", "%2e", "%2F", "\\", "@", ":", "//", "?", "#", ";", "%", "evil.example"];
        let piece = prop_oneof![prop::sample::select(PIECES).prop_map(String::from), ".{0,3}"];
        proptest::collection::vec(piece, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever the path is, it is refused or stays on the base's host and below its path.
        #[test]
        fn no_path_leaves_its_base(path in pieces(), slash in any::<bool>()) {
            let base: Url = "https://api.example.com:8443/base".parse().unwrap();
            let path = if slash { format!("/{path}") } else { path };
            if let Ok(url) = join(&base, &path) {
                prop_assert_eq!(url.origin(), base.origin());
                prop_assert_eq!((url.username(), url.password()), ("", None));
                prop_assert!(url.path().starts_with("/base/"), "{}", url);
                prop_assert!(url.path_segments().unwrap().all(|segment| segment != ".."));
                prop_assert_eq!(url.as_str().parse::<Url>().unwrap(), url);
            }
        }

        /// Whatever the headers are, they are refused or hold nothing that ends a line.
        #[test]
        fn no_header_smuggles_another(name in pieces(), value in any::<String>()) {
            if let Ok(map) = headers(&[(name, value)], &[]) {
                prop_assert_eq!(map.len(), 1);
                for (name, value) in &map {
                    prop_assert!(!HOST_HEADERS.contains(&name.as_str()));
                    prop_assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)));
                }
            }
        }
    }
}
