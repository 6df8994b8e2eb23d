//! Decides where a redirect leads (RFC 9110 15.4; `SECURITY.md` E6). Pure.
//!
//! | status | GET, HEAD | PUT, DELETE | POST, PATCH |
//! |---|---|---|---|
//! | 301, 302 | same method | same method and body | not followed: the guest sees the answer |
//! | 303 | same method | GET | GET |
//! | 307, 308 | same method | same method and body | same method and body: nothing was done |
//!
//! The next place is checked as every other (`allowlist`), and plain HTTP never follows TLS. A
//! request that is led to another host arrives there without credentials and without the guest's
//! own headers.

use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap};
use url::Url;

use crate::allowlist::Allowlist;
use crate::limits::REDIRECTS_MAX;
use crate::refusal::{EgressRefusal, RedirectFault};

/// The request that a redirect asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedirectHop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) keep_body: bool,
    /// Credentials go along: only within scheme, host and port.
    pub(crate) same_origin: bool,
}

/// The request that the answer to `method` at `from` leads to, after `hops` redirects before it;
/// none if it is no redirect or one that is not followed.
pub(crate) fn next(
    allowlist: &Allowlist,
    (method, from): (&Method, &Url),
    (status, location): (u16, Option<&[u8]>),
    hops: u32,
) -> Result<Option<RedirectHop>, RedirectFault> {
    let Some(location) = location else { return Ok(None) };
    let Some((method, keep_body)) = resent(status, method) else { return Ok(None) };
    if hops >= REDIRECTS_MAX {
        return Err(RedirectFault::TooMany);
    }
    let location = std::str::from_utf8(location).map_err(|_| RedirectFault::NoUrl)?;
    let mut url = from.join(location).map_err(|_| RedirectFault::NoUrl)?;
    url.set_fragment(None);
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(RedirectFault::Downgrade);
    }
    allowlist.check(&method, &url).map_err(|refusal| RedirectFault::Place(Box::new(refusal)))?;
    let same_origin = url.origin() == from.origin();
    Ok(Some(RedirectHop { method, url, keep_body, same_origin }))
}

/// The method and whether the body goes with it.
fn resent(status: u16, method: &Method) -> Option<(Method, bool)> {
    match status {
        301 | 302 if method.is_idempotent() => Some((method.clone(), true)),
        303 if method == Method::HEAD => Some((Method::HEAD, false)),
        303 => Some((Method::GET, false)),
        307 | 308 => Some((method.clone(), true)),
        _ => None,
    }
}

/// Of the guest's headers, those that say only how the answer or the body is to be read.
pub(crate) fn harmless(headers: &HeaderMap, keep_body: bool) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE] {
        let wanted = keep_body || name != CONTENT_TYPE;
        if let Some(value) = headers.get(&name).filter(|_| wanted) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

/// `unsure` is whether what was sent before may have been carried out.
pub(crate) fn refused(fault: RedirectFault, unsure: bool) -> EgressRefusal {
    EgressRefusal::Redirect { fault, unsure }
}

#[cfg(test)]
mod tests {
    use renkei_package::AllowedOrigin;

    use super::*;
    use crate::allowlist::tests::courier_connection;

    const FROM: &str = "https://api.example.com/a/b?c";

    fn follow(
        method: &Method,
        status: u16,
        location: &str,
        hops: u32,
    ) -> Result<Option<RedirectHop>, RedirectFault> {
        let connection = courier_connection();
        let allowlist = Allowlist::new(&connection, None);
        assert!(
            connection.allow.contains(&AllowedOrigin::parse("https://*.pods.example.com").unwrap())
        );
        let (from, answer) = (FROM.parse().unwrap(), (status, Some(location.as_bytes())));
        next(&allowlist, (method, &from), answer, hops)
    }

    #[test]
    fn methods_change_only_as_the_rfc_says() {
        let check = |method: Method, status, expected: Option<(Method, bool)>| {
            let hop = follow(&method, status, "/x", 0).unwrap();
            let got = hop.map(|hop| (hop.method, hop.keep_body));
            assert_eq!(got, expected, "{method} {status}");
        };
        for method in [Method::GET, Method::HEAD] {
            for status in [301, 302, 307, 308] {
                check(method.clone(), status, Some((method.clone(), true)));
            }
            check(method.clone(), 303, Some((method, false)));
        }
        for method in [Method::POST, Method::PATCH] {
            check(method.clone(), 301, None);
            check(method.clone(), 302, None);
            check(method.clone(), 303, Some((Method::GET, false)));
            check(method.clone(), 308, Some((method, true)));
        }
        check(Method::DELETE, 302, Some((Method::DELETE, true)));
        for status in [200, 300, 304, 305, 306, 400] {
            check(Method::GET, status, None);
        }
    }

    #[test]
    fn redirect_places_are_checked() {
        let check = |location: &str, expected: Option<(&str, bool)>| {
            let hop = follow(&Method::GET, 302, location, 0);
            let got = hop.as_ref().ok().and_then(Option::as_ref);
            let got = got.map(|hop| (hop.url.as_str(), hop.same_origin));
            assert_eq!(got, expected, "{location}: {hop:?}");
        };
        check("/x#y", Some(("https://api.example.com/x", true)));
        check("c", Some(("https://api.example.com/a/c", true)));
        check("//eu.pods.example.com/x", Some(("https://eu.pods.example.com/x", false)));
        for refused in [
            "http://api.example.com/x",
            "https://api.example.com:444/x",
            "https://evil.example/",
            "//evil.example/",
            "https://u:p@api.example.com/",
            "https://169.254.169.254/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "/\\evil.example/",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://",
        ] {
            check(refused, None);
        }
        let downgrade = follow(&Method::GET, 302, "http://api.example.com/", 0);
        assert_eq!(downgrade, Err(RedirectFault::Downgrade));
        let most = REDIRECTS_MAX;
        assert!(follow(&Method::GET, 302, "/x", most - 1).is_ok());
        assert_eq!(follow(&Method::GET, 302, "/x", most), Err(RedirectFault::TooMany));
    }

    #[test]
    fn only_harmless_headers_go_elsewhere() {
        let mut headers = HeaderMap::new();
        for name in ["accept", "content-type", "x-api-key", "sforce-call-options"] {
            headers.insert(name, "x".parse().unwrap());
        }
        let names =
            |headers: HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(harmless(&headers, true)), ["accept", "content-type"]);
        assert_eq!(names(harmless(&headers, false)), ["accept"]);
    }
}
