//! What a guest may ask to be sent, and where it may go. Pure (TRUST.md 2.5, items 1, 2 and 7).
//!
//! A guest gives a path below a base URL, so most tricks with URLs have no room: what is left is
//! checked after decoding once, and the joined URL is compared with the base again. Checks of
//! resolved addresses are not here yet (README).

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

use renkei_package::AllowedOrigin;

use super::Failure;

/// Headers that only the host sets; a guest that names one is refused.
const HOST_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const HOST_HEADER_PREFIXES: &[&str] = &["proxy-", "x-forwarded-"];

/// More headers or longer values than these are no honest request.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 16 << 10;
const PATH_BYTES_MAX: usize = 32 << 10;

/// The URL of `path` below `base`, or why there is none.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, Failure> {
    check_path(path)?;
    let prefix = base.path().trim_end_matches('/');
    let joined = format!("{}{prefix}{path}", base.origin().ascii_serialization());
    let url = Url::parse(&joined).map_err(|_| denied("the path does not make a URL"))?;
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if url.origin() != base.origin() || url.path() != format!("{prefix}{path}") {
        return Err(denied("the path leaves its base URL"));
    }
    Ok(url)
}

fn check_path(path: &str) -> Result<(), Failure> {
    if path.len() > PATH_BYTES_MAX {
        return Err(denied("the path is too long"));
    }
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(denied("a path begins with one `/`; absolute URLs are not taken"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains(['#', '\\']) {
        return Err(denied("the path has characters that must be percent-encoded"));
    }
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let decoded = percent_decode_str(path).collect::<Vec<u8>>();
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(denied("the path has control characters"));
    }
    let dots = |segment: &[u8]| segment == b"." || segment == b"..";
    if decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(dots) {
        return Err(denied("the path has `.` or `..`"));
    }
    Ok(())
}

/// The guest's headers, ready to be sent. `own` is the header that carries the slot's credentials.
pub(crate) fn headers(
    headers: &[(String, String)],
    own: Option<&str>,
) -> Result<HeaderMap, Failure> {
    if headers.len() > HEADERS_MAX {
        return Err(denied("too many headers"));
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let reserved = HOST_HEADERS.contains(&name.as_str())
            || HOST_HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || own == Some(name.as_str());
        if reserved {
            return Err(denied(&format!("the header `{name}` is the host's")));
        }
        // `from_static` would panic on upper case and `from_bytes` would fold it: a guest writes
        // lower case.
        let key = HeaderName::from_lowercase(name.as_bytes())
            .map_err(|_| denied("a header's name is not in lower case or not a name"))?;
        let plain = value.len() <= HEADER_BYTES_MAX
            && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let value = HeaderValue::from_str(value).ok().filter(|_| plain);
        map.append(key, value.ok_or_else(|| denied("a header's value is not plain text"))?);
    }
    Ok(map)
}

/// Where requests of a slot may go: the manifest's list, or, for a simulator, this machine and
/// nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach<'a> {
    pub(crate) allow: &'a [AllowedOrigin],
    /// Whether the configured base URL is on loopback.
    pub(crate) loopback: bool,
}

impl Reach<'_> {
    pub(crate) fn check(&self, url: &Url) -> Result<(), Failure> {
        let bare = url.username().is_empty() && url.password().is_none();
        let fits = if self.loopback {
            is_loopback(url) && matches!(url.scheme(), "http" | "https")
        } else {
            url.scheme() == "https" && self.allow.iter().any(|allowed| allowed.allows(url))
        };
        if bare && fits {
            return Ok(());
        }
        let host = url.host_str().unwrap_or("nowhere");
        Err(denied(&format!("{}://{host} is not on the plugin's allow-list", url.scheme())))
    }
}

/// Whether a URL names this machine literally.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn denied(reason: &str) -> Failure {
    Failure::Denied(reason.to_owned())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(headers(&given, Some("x-api-key")).is_ok(), taken, "{name}: {value:?}");
    }

    #[test]
    fn headers_of_the_host_are_refused() {
        check_header("content-type", "text/csv; charset=utf-8", true);
        check_header("sforce-call-options", "client=renkei", true);
        for name in ["authorization", "cookie", "host", "proxy-authorization", "x-forwarded-for"] {
            check_header(name, "x", false);
        }
        for name in ["x-api-key", "Authorization", "Content-Type", "a b", ""] {
            check_header(name, "x", false);
        }
        for value in ["a\r\nhost: x", "a\0", "ä", "a\tb"] {
            check_header("accept", value, false);
        }
    }

    fn check_reach(loopback: bool, url: &str, expected: bool) {
        let allow = [AllowedOrigin::parse("https://*.my.salesforce.com").unwrap()];
        let reach = Reach { allow: &allow, loopback };
        assert_eq!(reach.check(&url.parse().unwrap()).is_ok(), expected, "{loopback} {url}");
    }

    #[test]
    fn only_listed_origins_or_a_simulator() {
        check_reach(false, "https://acme.my.salesforce.com/services", true);
        check_reach(false, "https://evil-my.salesforce.com/", false);
        check_reach(false, "http://acme.my.salesforce.com/", false);
        check_reach(false, "https://u:p@acme.my.salesforce.com/", false);
        check_reach(false, "http://127.0.0.1:1/", false);
        check_reach(true, "http://127.0.0.1:1/", true);
        check_reach(true, "http://[::1]:1/", true);
        check_reach(true, "https://acme.my.salesforce.com/", false);
        check_reach(true, "http://169.254.169.254/", false);
    }
}
