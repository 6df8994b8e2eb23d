//! The HTTP client: one per system, and the only place that makes one.
//!
//! `resolver` looks up names, so that connections are made to public addresses only. There is no
//! proxy from the environment (it would move that out of our hands), no redirects (each has to pass
//! the allowlist first), no cookies, and a connection pool that no other system shares. `decode`
//! decodes bodies under its caps. A request's time is that of its whole answer, so a body that
//! drips ends with it. A connection on which a request waited in vain is not used again: TCP may
//! live on where nobody answers any more. An origin that answers nothing is waited for less
//! (`circuit_breaker`).

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, redirect, tls};
use tokio::time::Instant;
use url::Url;

use crate::allowlist::{LOCALHOST, is_local};
use crate::circuit_breaker::{CircuitBreaker, RequestEnding};
use crate::decode::{self, ACCEPTED, BodyDecoder, DecodeError};
use crate::limits::{ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX};
use crate::refusal::EgressRefusal;
use crate::resolver::{NetworkOverrides, PublicResolver};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The interval at which an HTTP/2 connection is asked whether it lives, and how long it may take
/// to say so.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of headers that are taken in over HTTP/2 (which adds 32 for each), and what a
/// server is told. Far more than an answer may have: what is beyond this only breaks the
/// connection, and the caps that have names are [`check_headers`]' to find.
const HTTP2_HEADER_BYTES_MAX: u32 = 1 << 20;

/// One request as it leaves.
pub(crate) struct OutgoingRequest {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The host's credentials among them, marked sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// One whole answer.
pub(crate) struct ServerAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Decoded.
    pub(crate) body: Vec<u8>,
    /// Size of the body as it came, bytes.
    pub(crate) wire: usize,
}

/// The reason why there is no whole answer. The reasons name an origin at most: a query may hold
/// field values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// No connection was made, so nothing was sent.
    #[error("{0}")]
    NotSent(String),
    /// Nobody answered for long, so nothing was sent.
    #[error(
        "nothing at {origin} has answered for {} s, and it is asked again in {} s",
        .since.as_secs(),
        .rest.as_secs().saturating_add(1)
    )]
    BreakerOpen {
        /// The origin that does not answer.
        origin: String,
        /// For how long.
        since: Duration,
        /// The time until something is sent again.
        rest: Duration,
    },
    /// It broke on the way.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The answer began in time, but its body did not end.
    #[error("the answer's body did not end in time")]
    Slow,
    /// The host does not connect there or does not take the answer.
    #[error("{0}")]
    Refused(EgressRefusal),
}

impl ExchangeError {
    /// The way in which the request ended, for the breaker.
    fn ending(&self) -> RequestEnding {
        match self {
            Self::NotSent(_) | Self::Timeout | Self::Slow => RequestEnding::Silence,
            Self::Broken(_) => RequestEnding::Cut,
            Self::BreakerOpen { .. } | Self::Refused(_) => RequestEnding::Answer,
        }
    }
}

/// The HTTP client of one system. Its copies share what it knows about the system.
#[derive(Clone)]
pub(crate) struct HttpClient {
    http: Arc<ArcSwap<reqwest::Client>>,
    /// Makes another one with no connections.
    fresh: Arc<dyn Fn() -> Result<reqwest::Client, reqwest::Error> + Send + Sync>,
    connects: u32,
    /// Nobody could be reached although it was tried as often as that is worth.
    unreachable: Arc<AtomicBool>,
    /// By origin.
    breakers: Arc<Mutex<BTreeMap<String, CircuitBreaker>>>,
}

impl HttpClient {
    /// `connects` is how often a connection is tried before the system counts as unreachable;
    /// `base` is the admin's own base URL.
    pub(crate) fn new(
        connects: u32,
        base: Option<&Url>,
        network: &NetworkOverrides,
    ) -> Result<Self, reqwest::Error> {
        let local_base_url = base.filter(|base| is_local(base)).cloned();
        let network = network.clone();
        let fresh = move || build(local_base_url.as_ref(), &network);
        let http = Arc::new(ArcSwap::from_pointee(fresh()?));
        let (unreachable, breakers) = (Arc::default(), Arc::default());
        Ok(Self { http, fresh: Arc::new(fresh), connects: connects.max(1), unreachable, breakers })
    }

    /// The times that a request that cannot connect is tried. Once while the system is unreachable:
    /// of twenty requests to a machine that is down one waits, not each.
    pub(crate) fn connects(&self) -> u32 {
        if self.is_unreachable() { 1 } else { self.connects }
    }

    /// No connection was made, as often as it was tried. Until the next answer that holds for all.
    pub(crate) fn give_up(&self) {
        self.unreachable.store(true, Ordering::Relaxed);
    }

    /// True while no connection could be made, as often as it was tried.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    pub(crate) async fn exchange(
        &self,
        mut request: OutgoingRequest,
    ) -> Result<ServerAnswer, ExchangeError> {
        let (origin, began) = (request.url.origin().ascii_serialization(), Instant::now());
        let time = self.breaker(&origin, |breaker| breaker.begin(began, request.timeout));
        request.timeout = time.map_err(|(since, rest)| ExchangeError::BreakerOpen {
            origin: origin.clone(),
            since,
            rest,
        })?;
        let http = self.http.load_full();
        let result = Self::try_exchange(&http, request).await;
        if matches!(result, Err(ExchangeError::Timeout | ExchangeError::Slow)) {
            self.replace_connections(&http);
        }
        if !matches!(result, Err(ExchangeError::NotSent(_))) {
            self.unreachable.store(false, Ordering::Relaxed);
        }
        let ending = match &result {
            Err(unheard) => unheard.ending(),
            Ok(_) => RequestEnding::Answer,
        };
        self.breaker(&origin, |breaker| breaker.ended(began, Instant::now(), ending));
        result
    }

    /// An admin wants all origins asked again.
    pub(crate) fn close_breakers(&self) {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn breaker<T>(&self, origin: &str, note: impl FnOnce(&mut CircuitBreaker) -> T) -> T {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        note(breakers.entry(origin.to_owned()).or_default())
    }

    /// A connection on which no answer came may be dead although it stands: no later request is
    /// sent on the connections that there are. Those that wait on them go on.
    fn replace_connections(&self, silent: &Arc<reqwest::Client>) {
        let Ok(fresh) = (self.fresh)() else { return };
        drop(self.http.compare_and_swap(silent, Arc::new(fresh)));
    }

    async fn try_exchange(
        http: &reqwest::Client,
        request: OutgoingRequest,
    ) -> Result<ServerAnswer, ExchangeError> {
        let origin = request.url.origin().ascii_serialization();
        let mut response = http
            .request(request.method, request.url)
            .headers(request.headers)
            .header(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED))
            .body(request.body)
            .timeout(request.timeout)
            .send()
            .await
            .map_err(|error| match no_answer(error) {
                ExchangeError::NotSent(why) => {
                    ExchangeError::NotSent(format!("nothing answers at {origin} ({why})"))
                }
                other => other,
            })?;
        let headers = std::mem::take(response.headers_mut());
        check_headers(&headers).map_err(ExchangeError::Refused)?;
        let encoding = decode::encoding(&headers).map_err(ExchangeError::Refused)?;
        let mut body = BodyDecoder::new(encoding).map_err(not_taken)?;
        while let Some(chunk) = response.chunk().await.map_err(no_end)? {
            body.push_chunk(&chunk).map_err(not_taken)?;
        }
        let (status, wire) = (response.status().as_u16(), body.wire());
        let body = body.finish().map_err(not_taken)?;
        Ok(ServerAnswer { status, headers, body, wire })
    }
}

/// A client without connections; `local_base_url` is the admin's own base URL if it names this
/// machine.
fn build(
    local_base_url: Option<&Url>,
    network: &NetworkOverrides,
) -> Result<reqwest::Client, reqwest::Error> {
    let localhost = local_base_url.is_some_and(|base| base.host_str() == Some(LOCALHOST));
    let resolver = PublicResolver { network: network.clone(), localhost };
    let roots = network.roots.iter().map(|root| Certificate::from_der(root));
    reqwest::Client::builder()
        .dns_resolver(Arc::new(resolver))
        .https_only(local_base_url.is_none_or(|base| base.scheme() == "https"))
        .tls_version_min(tls::Version::TLS_1_2)
        .tls_certs_merge(roots.collect::<Result<Vec<_>, _>>()?)
        .http1_max_headers(ANSWER_HEADERS_MAX)
        .http2_max_header_list_size(HTTP2_HEADER_BYTES_MAX)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("renkei/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn check_headers(headers: &HeaderMap) -> Result<(), EgressRefusal> {
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if headers.len() > ANSWER_HEADERS_MAX || bytes.sum::<usize>() > ANSWER_HEADER_BYTES_MAX {
        return Err(EgressRefusal::AnswerHeaders);
    }
    Ok(())
}

fn not_taken(fault: DecodeError) -> ExchangeError {
    match fault {
        DecodeError::Refused(refusal) => ExchangeError::Refused(refusal),
        DecodeError::Damaged => {
            ExchangeError::Broken("the answer's encoding is damaged".to_owned())
        }
    }
}

/// The body broke off or took too long.
fn no_end(error: reqwest::Error) -> ExchangeError {
    match no_answer(error) {
        ExchangeError::Timeout => ExchangeError::Slow,
        other => other,
    }
}

fn no_answer(error: reqwest::Error) -> ExchangeError {
    let not_sent = error.is_connect() || error.is_builder();
    let timeout = error.is_timeout();
    let error = error.without_url();
    if let Some(refusal) = refusal(&error) {
        return ExchangeError::Refused(refusal);
    }
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    match (not_sent, timeout) {
        (true, _) => ExchangeError::NotSent(reason),
        (false, true) => ExchangeError::Timeout,
        (false, false) => ExchangeError::Broken(reason),
    }
}

/// The refusal among the causes: of the resolver, or of a head that hyper did not take.
fn refusal(error: &reqwest::Error) -> Option<EgressRefusal> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref::<EgressRefusal>() {
            return Some(refusal.clone());
        }
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse_too_large) {
            return Some(EgressRefusal::AnswerHeaders);
        }
        cause = inner.source();
    }
    None
}
