//! The HTTP client: one per system, and the only place that makes one.
//!
//! No proxy from the environment (it would move name resolution out of our hands), no redirects
//! (each would have to pass the policy), no cookies, no decompression (none is offered, so what
//! comes is what counts against the cap), and a connection pool that no other system shares
//! (TRUST.md 2.5, items 4 to 6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, redirect};
use url::Url;

/// The largest answer, bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 32 << 20;
/// More header bytes than this are no honest answer.
const HEADER_BYTES_MAX: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Default and upper bound of a request's time.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// One request as it leaves.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The host's credentials among them, marked sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// One whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole answer. The reasons name no URL: a query may hold field values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// No connection was made, so nothing was sent.
    #[error("no connection: {0}; is the system up and its base_url right?")]
    NotSent(String),
    /// It broke on the way.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// More than [`ANSWER_BYTES_MAX`].
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

/// See the module's text. Its copies share what it knows about the system.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    connects: u32,
    /// Nobody could be reached although it was tried as often as that is worth.
    unreachable: Arc<AtomicBool>,
}

impl Client {
    /// `connects` is how often a connection is tried before the system counts as unreachable.
    pub(crate) fn new(connects: u32) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("renkei/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, connects: connects.max(1), unreachable: Arc::default() })
    }

    /// How often a request that cannot connect is tried. Once while the system is unreachable: of
    /// twenty requests to a machine that is down one waits, not each.
    pub(crate) fn connects(&self) -> u32 {
        if self.unreachable.load(Ordering::Relaxed) { 1 } else { self.connects }
    }

    /// No connection was made, as often as it was tried. Until the next answer that holds for all.
    pub(crate) fn give_up(&self) {
        self.unreachable.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn exchange(&self, request: Outgoing) -> Result<Answer, NoAnswer> {
        let result = self.try_exchange(request).await;
        if !matches!(result, Err(NoAnswer::NotSent(_))) {
            self.unreachable.store(false, Ordering::Relaxed);
        }
        result
    }

    async fn try_exchange(&self, request: Outgoing) -> Result<Answer, NoAnswer> {
        let mut response = self
            .http
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .timeout(request.timeout)
            .send()
            .await
            .map_err(no_answer)?;
        let headers = std::mem::take(response.headers_mut());
        let header_bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        if header_bytes.sum::<usize>() > HEADER_BYTES_MAX {
            return Err(NoAnswer::TooLarge);
        }
        if headers.get(reqwest::header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return Err(NoAnswer::Broken(
                "the answer is compressed, which nobody asked for".into(),
            ));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(NoAnswer::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status().as_u16(), headers, body })
    }
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    let not_sent = error.is_connect() || error.is_builder();
    let timeout = error.is_timeout();
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    match (not_sent, timeout) {
        (true, _) => NoAnswer::NotSent(reason),
        (false, true) => NoAnswer::Timeout,
        (false, false) => NoAnswer::Broken(reason),
    }
}
