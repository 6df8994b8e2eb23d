//! A host for tests: the imports, played natively and in memory.
//!
//! Everything is per thread and undone when the closure ends, so tests run in parallel. Handlers
//! answer at once and once: retries, quotas, grants and credentials are the host's own and are
//! tested there.

mod loopback;

use std::cell::{Cell, RefCell};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::http::{Failure, Request, Response};
use crate::log::Level;
use crate::signing::Algorithm;

pub use loopback::loopback;

type Handler = Box<dyn FnMut(&Request) -> Result<Response, Failure>>;
type Sleeper = Box<dyn FnMut(u64) -> Result<(), Failure>>;

thread_local! {
    static HANDLER: RefCell<Option<Handler>> = const { RefCell::new(None) };
    static SLEEPER: RefCell<Option<Sleeper>> = const { RefCell::new(None) };
    static WAITS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static THROTTLES: RefCell<Vec<Throttle>> = const { RefCell::new(Vec::new()) };
    static TIME_LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static SECRETS: RefCell<Vec<(String, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// One line that the plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The severity.
    pub level: Level,
    /// The text.
    pub message: String,
    /// Names and ids.
    pub attributes: Vec<(String, String)>,
}

/// A quota that the plugin reported as used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// The connection.
    pub slot: String,
    /// The quota of the manifest.
    pub quota: String,
    /// The time until it is not.
    pub ms: u64,
}

/// Runs `test` with this handler in the host's place. Several requests at once
/// ([`crate::http::send_all`]) reach it one after another, in their order. The handler that was
/// there before comes back afterwards.
///
/// ```
/// use renkei_sdk::http::{Request, Response};
/// use renkei_sdk::testing::{respond, with_http};
///
/// let answer = with_http(
///     |request| {
///         assert_eq!(request.path, "/people?limit=2");
///         Ok(respond(200, r#"{"total": 7}"#))
///     },
///     || Request::get("/people").query("limit", "2").send(),
/// );
/// assert_eq!(answer.unwrap().status, 200);
/// ```
pub fn with_http<T>(
    handler: impl FnMut(&Request) -> Result<Response, Failure> + 'static,
    test: impl FnOnce() -> T,
) -> T {
    let before = HANDLER.replace(Some(Box::new(handler)));
    let _restore = Restore(Some(|| drop(HANDLER.replace(before))));
    test()
}

/// Runs `test` with this handler in place of [`crate::http::wait`]: it moves the test's clock, or
/// refuses as a host does whose limit is reached. Without one, waits end at once. See [`waited`].
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// use renkei_sdk::http::{Failure, wait};
/// use renkei_sdk::testing::{waited, with_wait};
///
/// let clock = Rc::new(Cell::new(0));
/// let moved = Rc::clone(&clock);
/// let sleeper = move |ms| {
///     moved.set(moved.get() + ms);
///     if moved.get() > 600_000 { Err(Failure::Timeout) } else { Ok(()) }
/// };
/// with_wait(sleeper, || {
///     assert_eq!(wait(5_000), Ok(()));
///     assert_eq!(wait(600_000), Err(Failure::Timeout));
/// });
/// assert_eq!((clock.get(), waited()), (605_000, vec![5_000]));
/// ```
pub fn with_wait<T>(
    sleeper: impl FnMut(u64) -> Result<(), Failure> + 'static,
    test: impl FnOnce() -> T,
) -> T {
    let before = SLEEPER.replace(Some(Box::new(sleeper)));
    let _restore = Restore(Some(|| drop(SLEEPER.replace(before))));
    test()
}

/// The waits granted on this thread since the last call, in ms.
pub fn waited() -> Vec<u64> {
    WAITS.take()
}

/// The quotas reported as used up on this thread since the last call ([`crate::http::throttled`]).
pub fn throttles() -> Vec<Throttle> {
    THROTTLES.take()
}

/// Runs `test` with so many ms left to the call ([`crate::http::time_left`]).
///
/// ```
/// use renkei_sdk::http::time_left;
/// use renkei_sdk::testing::with_time_left;
///
/// assert_eq!(with_time_left(1_500, time_left), 1_500);
/// assert_eq!(time_left(), u64::MAX);
/// ```
pub fn with_time_left<T>(ms: u64, test: impl FnOnce() -> T) -> T {
    let before = TIME_LEFT.replace(ms);
    let _restore = Restore(Some(|| TIME_LEFT.set(before)));
    test()
}

/// Runs `test` with a secret that [`crate::signing::verify`] knows.
pub fn with_secret<T>(name: &str, value: &[u8], test: impl FnOnce() -> T) -> T {
    let before = SECRETS.with_borrow(Clone::clone);
    SECRETS.with_borrow_mut(|secrets| secrets.insert(0, (name.to_owned(), value.to_vec())));
    let _restore = Restore(Some(|| drop(SECRETS.replace(before))));
    test()
}

/// The lines logged on this thread since the last call.
pub fn logged() -> Vec<Line> {
    LINES.take()
}

/// Texts as a list of columns, ids or names.
pub fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// A JSON answer.
pub fn respond(status: u16, json: &str) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Response { headers, ..Response::new(status, json) }
}

/// Runs its closure when it goes, also while a failed test unwinds.
struct Restore<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Restore<F> {
    fn drop(&mut self) {
        if let Some(restore) = self.0.take() {
            restore();
        }
    }
}

pub(crate) fn answer(request: &Request) -> Result<Response, Failure> {
    // Taken out for the call, so that a handler may itself set another one.
    let Some(mut handler) = HANDLER.take() else {
        return Err(Failure::Denied("no testing::with_http around this request".to_owned()));
    };
    let response = handler(request);
    HANDLER.set(Some(handler));
    response
}

pub(crate) fn wait(ms: u64) -> Result<(), Failure> {
    // Taken out for the call, as in `answer`.
    if let Some(mut sleeper) = SLEEPER.take() {
        let slept = sleeper(ms);
        SLEEPER.set(Some(sleeper));
        slept?;
    }
    WAITS.with_borrow_mut(|waits| waits.push(ms));
    Ok(())
}

pub(crate) fn throttle(slot: &str, quota: &str, ms: u64) {
    let throttle = Throttle { slot: slot.to_owned(), quota: quota.to_owned(), ms };
    THROTTLES.with_borrow_mut(|throttles| throttles.push(throttle));
}

pub(crate) fn time_left() -> u64 {
    TIME_LEFT.get()
}

pub(crate) fn record(level: Level, message: &str, attributes: &[(&str, &str)]) {
    let attributes =
        attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let line = Line { level, message: message.to_owned(), attributes };
    LINES.with_borrow_mut(|lines| lines.push(line));
}

pub(crate) fn verify(name: &str, algorithm: Algorithm, message: &[u8], expected: &[u8]) -> bool {
    let secret = SECRETS.with_borrow(|secrets| {
        secrets.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.clone())
    });
    let Some(secret) = secret else { return false };
    match algorithm {
        Algorithm::HmacSha256 => Hmac::<Sha256>::new_from_slice(&secret)
            .is_ok_and(|mac| mac.chain_update(message).verify_slice(expected).is_ok()),
        Algorithm::Sha256Prefixed => {
            let hash = Sha256::new().chain_update(&secret).chain_update(message).finalize();
            hash.as_slice() == expected
        }
        Algorithm::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Option<u16> {
        Request::get("/").send().ok().map(|answer| answer.status)
    }

    #[test]
    fn handlers_nest_and_end() {
        assert_eq!(status(), None);
        with_http(
            |_| Ok(respond(200, "{}")),
            || {
                assert_eq!(status(), Some(200));
                with_http(|_| Ok(respond(404, "{}")), || assert_eq!(status(), Some(404)));
                assert_eq!(status(), Some(200));
            },
        );
        assert_eq!(status(), None);
    }

    #[test]
    fn signatures_are_checked_against_the_secret_of_that_name() {
        // RFC 4231, test case 2; the prefixed hash is SHA-256 of "Jefewhat do ya want for
        // nothing?".
        let message = b"what do ya want for nothing?";
        let hmac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes: Vec<u8> = hmac.as_bytes().chunks(2).map(byte).collect();
        let prefixed = Sha256::digest(b"Jefewhat do ya want for nothing?");
        let check = |name, algorithm, expected: &[u8]| {
            crate::signing::verify(name, algorithm, message, expected)
        };
        with_secret("app", b"Jefe", || {
            assert!(check("app", Algorithm::HmacSha256, &bytes));
            assert!(!check("app", Algorithm::HmacSha256, &bytes[1..]));
            assert!(!check("other", Algorithm::HmacSha256, &bytes));
            assert!(check("app", Algorithm::Sha256Prefixed, &prefixed));
            assert!(!check("app", Algorithm::Other("md5".into()), &prefixed));
        });
        assert!(!check("app", Algorithm::HmacSha256, &bytes));
    }

    #[test]
    fn waits_end_at_once_and_are_kept_unless_refused() {
        assert_eq!(crate::http::wait(7), Ok(()));
        with_wait(
            |_| Err(Failure::Timeout),
            || {
                assert_eq!(crate::http::wait(8), Err(Failure::Timeout));
            },
        );
        assert_eq!(crate::http::wait(9), Ok(()));
        assert_eq!(waited(), [7, 9]);
        assert!(waited().is_empty());
    }

    #[test]
    fn several_requests_are_answered_in_their_order_and_one_that_fails_stops_none() {
        let handler = |request: &Request| match request.path.as_str() {
            "/2" => Err(Failure::Timeout),
            path => Ok(respond(200, path)),
        };
        let requests = ["/1", "/2", "/3"].map(Request::get).to_vec();
        let answers = with_http(handler, || crate::http::send_all(requests));
        let bodies: Vec<_> = answers.into_iter().map(|answer| answer.map(|one| one.body)).collect();
        assert_eq!(bodies, [Ok(b"/1".to_vec()), Err(Failure::Timeout), Ok(b"/3".to_vec())]);
    }

    #[test]
    fn used_up_quotas_are_kept_until_they_are_taken() {
        assert_eq!(crate::http::throttled("primary", "all", 250), Ok(()));
        let (slot, quota) = ("primary".to_owned(), "all".to_owned());
        assert_eq!(throttles(), [Throttle { slot, quota, ms: 250 }]);
        assert_eq!(throttles(), []);
    }

    #[test]
    fn lines_are_kept_until_they_are_taken() {
        crate::log::warn("slow", &[("object", "people")]);
        let attributes = vec![("object".to_owned(), "people".to_owned())];
        assert_eq!(logged(), [Line { level: Level::Warn, message: "slow".into(), attributes }]);
        assert_eq!(logged(), []);
    }
}
