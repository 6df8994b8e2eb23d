//! The signals that end the program: SIGINT (Ctrl-C) and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at the first SIGINT or SIGTERM. Where signals cannot be watched, never.
pub(crate) async fn requested() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
