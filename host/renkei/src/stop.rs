//! The signals that end the program: SIGINT (Ctrl-C) and SIGTERM.
//!
//! The first one asks for a clean end, the second one ends the process at once: what is committed
//! is whole at any moment. Whoever serves has [`GRACE_MS`] for a clean end and is cut off then.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The time that a cycle may go on after the first signal, ms.
pub(crate) const GRACE_MS: u64 = 5_000;

/// Returns at the first SIGINT or SIGTERM after the call, whenever it is awaited; the next one ends
/// the process. Where signals cannot be watched, never.
pub(crate) fn requested() -> impl Future<Output = ()> {
    let signals = signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok());
    async move {
        let Some((mut interrupt, mut terminate)) = signals else {
            return std::future::pending().await;
        };
        next(&mut interrupt, &mut terminate).await;
        tokio::spawn(async move {
            let number = next(&mut interrupt, &mut terminate).await;
            tracing::warn!("a second signal: ending at once");
            // As a shell reports a process that a signal ended.
            std::process::exit(128_i32.saturating_add(number.as_raw_value()));
        });
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    }
}
