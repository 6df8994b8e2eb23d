//! `renkei serve`: a cycle, a pause, and again, until SIGTERM or Ctrl-C. Plugins are reloaded by
//! the runtime meanwhile.
//!
//! A signal during a cycle lets the cycle end: what it has committed is whole at any moment, but a
//! calm end leaves nothing to probe.

use renkei_runtime::ReloadEvent;
use renkei_sync::engine::CycleOptions;
use renkei_sync::ports::Clock as _;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::ServeArgs;
use crate::clock::SystemClock;
use crate::cycle;
use crate::failure::Failure;
use crate::host::{Access, Host};
use crate::output::Output;
use crate::stop;

/// Serves until a signal comes.
pub(crate) async fn run(args: &ServeArgs, output: Output) -> Result<(), Failure> {
    let host = Host::open(&args.dir.dir, SystemClock::real(), Access::Keep).await?;
    host.require_fit().await?;
    let interval_ms = args
        .interval_seconds
        .map_or(host.config.interval_ms, |seconds| seconds.saturating_mul(1000));
    tracing::info!(dir = %args.dir.dir.display(), interval_ms, "serving");
    output.note("serving; Ctrl-C or SIGTERM ends after the cycle that runs");
    keep_in_step(&host, interval_ms, output).await
}

/// The loop, for `serve` and for the demo.
pub(crate) async fn keep_in_step(
    host: &Host,
    interval_ms: u64,
    output: Output,
) -> Result<(), Failure> {
    let mut events = host.runtime.events();
    let bar = output.progress("serving");
    let stop = stop::requested();
    tokio::pin!(stop);
    let mut stopping = false;
    while !stopping {
        {
            let running = cycle::run(host, CycleOptions::default(), &bar);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    result = &mut running => {
                        // A failed system is in the log and is tried again; a failed store is the
                        // end.
                        result?;
                        break;
                    }
                    event = events.recv() => tell(event),
                    () = &mut stop, if !stopping => {
                        tracing::info!("draining");
                        stopping = true;
                    }
                }
            }
        }
        if !stopping {
            stopping = pause(host, interval_ms, &mut events, &mut stop).await;
        }
    }
    bar.finish_and_clear();
    tracing::info!("stopped");
    Ok(())
}

/// Waits out the interval; whether a signal came.
async fn pause(
    host: &Host,
    interval_ms: u64,
    events: &mut Receiver<ReloadEvent>,
    stop: &mut (impl Future<Output = ()> + Unpin),
) -> bool {
    let over = host.clock.sleep_ms(interval_ms);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return false,
            event = events.recv() => tell(event),
            () = &mut *stop => return true,
        }
    }
}

/// The log's line of what happened to a plugin.
fn tell(event: Result<ReloadEvent, RecvError>) {
    match event {
        Ok(ReloadEvent::Loaded { file, generation, replaced }) => tracing::info!(
            file,
            plugin = %generation,
            digest = generation.digest,
            replaced = replaced.map(|old| old.to_string()),
            "plugin loaded"
        ),
        Ok(ReloadEvent::Refused { file, reason, serving }) => tracing::error!(
            file,
            reason,
            serving = serving.map(|old| old.to_string()),
            "plugin refused"
        ),
        Ok(ReloadEvent::Removed { generation }) => {
            tracing::warn!(plugin = %generation, "plugin removed");
        }
        Ok(ReloadEvent::OneWay { generation, function, reason }) => tracing::warn!(
            plugin = %generation,
            function,
            reason,
            "two-way function breaks a law and runs one-way"
        ),
        Ok(other) => tracing::info!(event = ?other, "plugins changed"),
        Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "plugin events missed"),
        // The runtime lives as long as the host.
        Err(RecvError::Closed) => {}
    }
}
