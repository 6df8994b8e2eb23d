//! The place on this machine to which the browser comes back: `http://localhost:PORT/callback`.
//!
//! It lives for one login and takes one answer, whatever it says: who judges it is
//! `renkei_runtime::Login`. `/` leads to the vendor's page, once: so the browser can be started
//! without the login's state among its arguments, which other users of the machine see. Pages
//! repeat nothing of a request.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The time in which the last page must reach the browser.
const LAST_PAGE: Duration = Duration::from_secs(2);

/// The open port of a login.
pub(super) struct CallbackServer {
    listeners: Vec<TcpListener>,
    port: u16,
}

struct Visits {
    /// The vendor's page.
    page: String,
    led: AtomicBool,
    answer: mpsc::Sender<String>,
}

impl CallbackServer {
    /// Opens the port on both loopback addresses: a browser takes either for `localhost`, and
    /// nobody else may answer on the other one.
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = first.local_addr()?.port();
        let second = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            other => other.ok(),
        };
        Ok(Self { listeners: [first].into_iter().chain(second).collect(), port })
    }

    /// The callback URL, as the vendor's app must have it.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}/callback", self.port)
    }

    /// The page that leads to the vendor's.
    pub(super) fn start_url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// Serves until the browser comes back, and gives the query that it brings.
    pub(super) async fn wait(self, page: &str) -> String {
        let (answer, mut answers) = mpsc::channel(1);
        let visits = Visits { page: page.to_owned(), led: AtomicBool::new(false), answer };
        let router = Router::new()
            .route("/", get(lead))
            .route("/callback", get(come_back))
            .with_state(Arc::new(visits));
        let (stop, stopped) = watch::channel(());
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            let mut stopped = stopped.clone();
            let server = axum::serve(listener, router.clone())
                .with_graceful_shutdown(async move { drop(stopped.changed().await) });
            servers.spawn(server.into_future());
        }
        // The routes hold the sender.
        let query = answers.recv().await.unwrap_or_default();
        drop(stop);
        let rest = async { while servers.join_next().await.is_some() {} };
        // A browser that keeps its connection is not waited for.
        tokio::time::timeout(LAST_PAGE, rest).await.ok();
        query
    }
}

async fn lead(State(visits): State<Arc<Visits>>) -> Response {
    if visits.led.swap(true, Ordering::Relaxed) {
        return page(StatusCode::GONE, "This login has begun in another tab. Go on there.");
    }
    let place = [(header::LOCATION, visits.page.clone())];
    (StatusCode::FOUND, place, QUIET).into_response()
}

async fn come_back(State(visits): State<Arc<Visits>>, RawQuery(query): RawQuery) -> Response {
    // The channel has room for one: the first answer counts.
    let first = visits.answer.try_send(query.unwrap_or_default()).is_ok();
    match first {
        true => page(StatusCode::OK, "Renkei has the answer. Close this tab and look there."),
        false => page(StatusCode::GONE, "Renkei has an answer already."),
    }
}

/// The page is stored nowhere, and its address, which holds the code, goes to no other site.
const QUIET: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONNECTION, "close"),
];

fn page(status: StatusCode, text: &str) -> Response {
    let html = format!("<!doctype html><title>Renkei</title><p>{text}</p>");
    (status, QUIET, Html(html)).into_response()
}
