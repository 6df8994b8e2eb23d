//! Requests to the plugin's own system, through the host.
//!
//! A request names a connection slot and a path below that slot's base URL. The host adds the
//! credentials, waits for the declared quotas, and repeats what is safe to repeat; see
//! `wit/v0.2/http.wit`. Natively a test's handler answers (`testing::with_http`).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::renkei::plugin::http as import;
use crate::{Attributes, Error, Problem, Remedy};

pub use import::{Failure, Method, Request, Response};

/// The slot that a request uses unless it names another.
pub const PRIMARY: &str = "primary";

/// RFC 3986: everything but the unreserved characters is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Request {
    /// A request with nothing but a method and a path. The path is percent-encoded already; see
    /// [`escape`].
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            slot: PRIMARY.to_owned(),
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            repeatable: false,
            quotas: Vec::new(),
            timeout_ms: None,
            facts: Attributes::new(),
        }
    }

    /// A GET, repeated by the host where that helps.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// A POST: sent once, unless [`Request::repeatable`].
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, path)
    }

    /// A PUT, repeated by the host where that helps.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::Put, path)
    }

    /// A PATCH: sent once, unless [`Request::repeatable`].
    pub fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::Patch, path)
    }

    /// A DELETE, repeated by the host where that helps.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, path)
    }

    /// Adds `name=value` to the query, both encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&escape(name));
        self.path.push('=');
        self.path.push_str(&escape(value));
        self
    }

    /// Adds a header; the name in lower case. Credentials are the host's business and refused.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>, content_type: &str) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Sets a JSON body.
    ///
    /// # Panics
    /// For a value that has no JSON form, such as a map with keys that are not text: a fault of the
    /// plugin, which the host reports as a trap.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only a Serialize of the plugin's own can fail here")]
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        self.body(serde_json::to_vec(value).expect("a JSON form"), "application/json")
    }

    /// Uses this declared quota besides those of every call.
    #[must_use]
    pub fn quota(mut self, name: &str) -> Self {
        self.quotas.push(name.to_owned());
        self
    }

    /// Says that the request may be sent twice although its method says otherwise (a search, an
    /// upsert by key).
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Uses another connection slot of the manifest.
    #[must_use]
    pub fn slot(mut self, name: &str) -> Self {
        name.clone_into(&mut self.slot);
        self
    }

    /// Waits at most so many ms, within the host's own limit.
    #[must_use]
    pub fn timeout_ms(mut self, ms: u32) -> Self {
        self.timeout_ms = Some(ms);
        self
    }

    /// Sends it and waits for the answer, whatever its status.
    ///
    /// # Errors
    /// See [`Failure`]. With `?` it becomes an [`Error`], in a write with `.into()` an `Outcome`.
    pub fn send(&self) -> Result<Response, Failure> {
        send(self)
    }
}

impl Method {
    /// As it is on the wire, such as `GET`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl Failure {
    /// True if the request may have reached the system, so that its effect is unknown.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::TooLarge(_) | Self::Timeout => true,
            Self::Cancelled | Self::Other(_) => true,
            Self::Quota(_) | Self::Denied(_) | Self::Unauthorized(_) => false,
        }
    }
}

impl Response {
    /// An answer without headers, for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), facts: Attributes::new() }
    }

    /// True for a status of 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The server's clock when it answered, ms; its `date` header says so.
    pub fn server_time(&self) -> Option<i64> {
        crate::time::parse_http_date(self.header("date")?)
    }

    /// The body as JSON of this shape. Look at the status first: an error page has another shape.
    ///
    /// # Errors
    /// `invalid` where the body is no JSON at all (a proxy or a login page answered), `bug` where
    /// it is JSON of another shape. Neither quotes the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read_json(&self.body).map_err(|fault| {
            let place = format!("line {} column {}", fault.line(), fault.column());
            if fault.is_data() {
                let shape = std::any::type_name::<T>();
                Error::bug(format!("answer {} does not fit {shape} at {place}", self.status))
            } else {
                let kind = self.header("content-type").unwrap_or("no content type");
                let message = format!("answer {} ({kind}) is not JSON at {place}", self.status);
                Error::Invalid(Problem::new("not-json", message, Remedy::Admin))
            }
        })
    }
}

/// Percent-encodes a value for a path segment or a query.
///
/// ```
/// assert_eq!(renkei_sdk::http::escape("山田 a/b"), "%E5%B1%B1%E7%94%B0%20a%2Fb");
/// ```
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Sends several requests at once and answers in their order, one result each. The host decides how
/// many are on the way at a time; one that fails stops no other. Every one counts as if sent alone.
///
/// ```no_run
/// use renkei_sdk::http::{self, Request};
/// # use renkei_sdk::Error;
///
/// fn names(ids: &[String]) -> Result<Vec<String>, Error> {
///     let requests = ids.iter().map(|id| Request::get(format!("/people/{}", http::escape(id))));
///     let answers = http::send_all(requests.collect());
///     answers.into_iter().map(|answer| answer?.json()).collect()
/// }
/// ```
pub fn send_all(requests: Vec<Request>) -> Vec<Result<Response, Failure>> {
    #[cfg(target_family = "wasm")]
    return import::send_all(&requests);
    #[cfg(not(target_family = "wasm"))]
    requests.iter().map(send).collect()
}

/// Says that the answer just read means "a quota is used up" although its status does not: which
/// quota of the manifest (`all` included), and for how many ms. From then on the host holds back
/// what uses it. Then send again: the host waits, or answers `quota`. Natively
/// `testing::throttles` has it.
///
/// # Errors
/// `denied` for a slot or a quota that the manifest does not name.
pub fn throttled(slot: &str, quota: &str, ms: u64) -> Result<(), Failure> {
    #[cfg(target_family = "wasm")]
    return import::throttled(slot, quota, ms);
    #[cfg(all(not(target_family = "wasm"), feature = "testing"))]
    {
        crate::testing::throttle(slot, quota, ms);
        Ok(())
    }
    #[cfg(all(not(target_family = "wasm"), not(feature = "testing")))]
    Err(Failure::Denied(format!("there is no host to hold back {quota} of {slot} for {ms} ms")))
}

/// The time that is left to this call, in ms of the host's clock, waiting not counted. A connector
/// with work for longer ends early with what it has: a page with `more`, `retry-after` for the rest
/// of a write. Natively there is no end, unless `testing::with_time_left` sets one.
pub fn time_left() -> u64 {
    #[cfg(target_family = "wasm")]
    return import::time_left();
    #[cfg(all(not(target_family = "wasm"), feature = "testing"))]
    return crate::testing::time_left();
    #[cfg(all(not(target_family = "wasm"), not(feature = "testing")))]
    u64::MAX
}

/// Says that the answer just read means "refused credentials" although its status does not. The
/// host renews the slot's credentials once; then send again.
///
/// # Errors
/// `unauthorized` where the credentials could not be renewed.
pub fn refused(slot: &str) -> Result<(), Failure> {
    #[cfg(target_family = "wasm")]
    return import::refused(slot);
    #[cfg(not(target_family = "wasm"))]
    Err(Failure::Unauthorized(format!("there is no host to renew slot {slot}")))
}

/// Returns after `ms` ms of the host's clock, for polling within one call: start something, wait,
/// ask whether it is done. Natively `testing::with_wait` says what happens.
///
/// ```no_run
/// use renkei_sdk::http::{self, Failure, Request};
///
/// fn done(path: &str) -> Result<bool, Failure> {
///     let mut pause_ms = 1_000;
///     loop {
///         match http::wait(pause_ms) {
///             Ok(()) => {}
///             // The call has waited as long as it may: give up in good order.
///             Err(Failure::Timeout) => return Ok(false),
///             Err(other) => return Err(other),
///         }
///         if Request::get(path).send()?.status == 200 {
///             return Ok(true);
///         }
///         pause_ms = (pause_ms * 2).min(30_000);
///     }
/// }
/// ```
///
/// # Errors
/// `timeout`, at once, where the call would wait for longer than the host allows in all (10
/// minutes unless it is set up otherwise).
pub fn wait(ms: u64) -> Result<(), Failure> {
    #[cfg(target_family = "wasm")]
    return import::wait(ms);
    #[cfg(all(not(target_family = "wasm"), feature = "testing"))]
    return crate::testing::wait(ms);
    #[cfg(all(not(target_family = "wasm"), not(feature = "testing")))]
    Err(Failure::Denied(format!("there is no host here to wait {ms} ms with")))
}

#[cfg(target_family = "wasm")]
fn send(request: &Request) -> Result<Response, Failure> {
    import::send(request)
}

#[cfg(all(not(target_family = "wasm"), feature = "testing"))]
fn send(request: &Request) -> Result<Response, Failure> {
    crate::testing::answer(request)
}

#[cfg(all(not(target_family = "wasm"), not(feature = "testing")))]
fn send(_: &Request) -> Result<Response, Failure> {
    Err(Failure::Denied("there is no host here; switch on renkei-sdk's feature `testing`".into()))
}

/// Reads JSON. Vendors keep texts that were cut in the middle of a character and send half of it
/// as an escape, for which strict JSON refuses the whole answer: such a half becomes a NUL, and the
/// host names the cell that has it as one that cannot be read.
///
/// # Errors
/// As `serde_json` says.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body).or_else(|fault| match without_halves(body) {
        Some(whole) if fault.is_syntax() => serde_json::from_slice(&whole),
        _ => Err(fault),
    })
}

/// The body with a NUL in place of every escape of half a surrogate pair; nothing if it has none.
fn without_halves(body: &[u8]) -> Option<Vec<u8>> {
    let escape = |at: usize| -> Option<u32> {
        let digits = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut whole = Vec::new();
    let (mut at, mut found) = (0, false);
    while let Some(byte) = body.get(at) {
        let (taken, half) = match (byte, escape(at)) {
            (b'\\', Some(0xD800..=0xDBFF)) => match escape(at + 6) {
                Some(0xDC00..=0xDFFF) => (12, false),
                _ => (6, true),
            },
            (b'\\', Some(0xDC00..=0xDFFF)) => (6, true),
            // An escaped backslash does not begin an escape.
            (b'\\', None) => (2, false),
            (b'\\', Some(_)) => (6, false),
            _ => (1, false),
        };
        let end = body.len().min(at + taken);
        whole.extend_from_slice(if half { b"\\u0000" } else { body.get(at..end)? });
        found |= half;
        at = end;
    }
    found.then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Extra;

    #[test]
    fn request_has_what_each_step_set() {
        let request = Request::post("/search")
            .query("a", "1 2")
            .query("b", "&")
            .quota("search")
            .repeatable()
            .slot("files")
            .timeout_ms(5_000)
            .json(&["x"]);
        assert_eq!(request.path, "/search?a=1%202&b=%26");
        assert_eq!(
            (request.slot.as_str(), request.quotas.as_slice()),
            ("files", &["search".into()][..])
        );
        assert_eq!(request.headers, [("content-type".into(), "application/json".into())]);
        assert_eq!((request.body.as_slice(), request.timeout_ms), (&br#"["x"]"#[..], Some(5_000)));
        assert!(request.repeatable);
    }

    #[test]
    fn body_of_another_shape_is_an_error_that_does_not_quote_it() {
        let answer = |body: &str| Response::new(200, body).json::<Vec<u32>>().unwrap_err();
        let Error::Bug(message) = answer(r#"["secret"]"#) else { panic!("another shape is a bug") };
        assert!(message.contains("line 1 column 9") && !message.contains("secret"), "{message}");
        let Error::Invalid(problem) = answer("<html>secret") else { panic!("no JSON is invalid") };
        assert_eq!(problem.code, "not-json");
        assert!(!problem.message.contains("secret"), "{}", problem.message);
    }

    /// `host/sync/RULES.md` V10.
    #[test]
    fn half_a_surrogate_becomes_a_nul() {
        let check = |body: &str, expected: &[&str]| {
            let texts: Vec<String> = read_json(body.as_bytes()).unwrap();
            assert_eq!(texts, expected, "{body}");
        };
        check(r#"["Chef \ud83d", "kept"]"#, &["Chef \0", "kept"]);
        check(r#"["\ude00", "\ud83d\ude00"]"#, &["\0", "😀"]);
        check(r#"["\ud83dx", "山田 \"\n"]"#, &["\0x", "山田 \"\n"]);
        // An escaped backslash before the letters is a backslash.
        check(r#"["\\ud83d", "\ud83d"]"#, &["\\ud83d", "\0"]);
        assert!(read_json::<Vec<String>>(br#"["\ud83d""#).is_err());
    }

    #[test]
    fn failure_becomes_the_error_that_the_host_acts_on() {
        assert_eq!(Error::from(Failure::Quota(250)), Error::RetryAfter(250));
        assert!(matches!(Failure::Unauthorized("no".into()).into(), Error::Unauthorized(_)));
        assert_eq!(Error::from(Failure::Timeout), Error::Host("timeout".into()));
        let other = Failure::Other(Extra { code: "paused".into(), text: "until noon".into() });
        assert!(other.may_have_arrived(), "an unknown failure is read as no-answer");
        assert_eq!(Error::from(other), Error::Host("paused: until noon".into()));
    }
}
