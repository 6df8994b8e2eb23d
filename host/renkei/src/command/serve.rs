//! `renkei serve`: a cycle, a pause, and again, until SIGTERM or Ctrl-C. Plugins are reloaded by
//! the runtime meanwhile.
//!
//! A signal during a cycle lets the cycle end within [`stop::GRACE_MS`], because a calm end leaves
//! nothing to probe; then the cycle is given up. What it has committed is whole at any moment, and
//! the next one asks the systems about what was sent and not answered.

use indicatif::ProgressBar;
use renkei_runtime::ReloadEvent;
use renkei_sync::engine::CycleOptions;
use renkei_sync::plugin::Generation;
use renkei_sync::ports::Clock as _;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::admin_socket::{ControlSocket, Request};
use crate::cli::ServeArgs;
use crate::clock::SystemClock;
use crate::command::decide;
use crate::database::Access;
use crate::failure::Failure;
use crate::first_sync;
use crate::host::{Host, Patience};
use crate::one_cycle::{self, Cycled};
use crate::output::Output;
use crate::stop;

/// Serves until a signal comes.
pub(crate) async fn run(args: &ServeArgs, output: Output) -> Result<(), Failure> {
    let clock = SystemClock::program();
    let mut host = Host::open(&args.dir.dir, clock, Access::Keep, Patience::Long).await?;
    host.require_fit().await?;
    let interval_ms = args
        .interval_seconds
        .map_or(host.config.interval_ms, |seconds| seconds.saturating_mul(1000));
    tracing::info!(dir = %args.dir.dir.display(), interval_ms, "serving");
    output.note("serving; Ctrl-C or SIGTERM ends within seconds, a second one at once");
    output.event(&json!({ "event": "serving", "interval_ms": interval_ms }))?;
    keep_in_step(&host, interval_ms, output).await
}

/// The loop, for `serve` and for the demo.
pub(crate) async fn keep_in_step(
    host: &Host,
    interval_ms: u64,
    output: Output,
) -> Result<(), Failure> {
    let runtime = std::sync::Arc::clone(&host.runtime);
    let control = ControlSocket::open(&host.config.data, runtime).inspect_err(|error| {
        let who = "`renkei decide` and `renkei plugin`";
        tracing::warn!(%error, "no control socket; {who} must wait until this ends");
    });
    let mut serving = Serving {
        host,
        output,
        events: host.runtime.events(),
        control: control.ok(),
        waits_for: None,
    };
    let bar = output.progress("serving");
    let stop = stop::requested();
    tokio::pin!(stop);
    loop {
        if serving.cycle(&bar, &mut stop).await? || serving.pause(interval_ms, &mut stop).await? {
            break;
        }
    }
    bar.finish_and_clear();
    tracing::info!("stopped");
    Ok(())
}

/// What happens beside the cycles.
struct Serving<'a> {
    host: &'a Host,
    output: Output,
    events: Receiver<ReloadEvent>,
    control: Option<ControlSocket>,
    /// What the log has said that the first sync waits for.
    waits_for: Option<String>,
}

impl Serving<'_> {
    /// Runs one cycle; whether a signal came. After a signal the cycle has a short time to end.
    async fn cycle(
        &mut self,
        bar: &ProgressBar,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, Failure> {
        let running = one_cycle::run(self.host, CycleOptions::default(), bar);
        tokio::pin!(running);
        loop {
            tokio::select! {
                result = &mut running => {
                    // A failed system is in the log and is tried again; a failed store is the end.
                    self.cycled(&result?)?;
                    return Ok(false);
                }
                event = self.events.recv() => self.reloaded(event)?,
                () = &mut *stop => break,
            }
        }
        tracing::info!("draining");
        let over = self.host.clock.sleep_ms(stop::GRACE_MS);
        tokio::select! {
            result = &mut running => self.cycled(&result?)?,
            () = over => tracing::warn!(
                grace_ms = stop::GRACE_MS,
                "the cycle did not end in time and is given up; the next one goes on where it was"
            ),
        }
        Ok(true)
    }

    /// Waits out the interval and decides what people ask for; whether a signal came. Decisions go
    /// before the end of the pause, so that each has its turn however short the pause is.
    async fn pause(
        &mut self,
        interval_ms: u64,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, Failure> {
        let over = self.host.clock.sleep_ms(interval_ms);
        tokio::pin!(over);
        loop {
            let asked = async {
                match &mut self.control {
                    Some(control) => control.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut *stop => return Ok(true),
                request = asked => self.decide(request).await?,
                event = self.events.recv() => self.reloaded(event)?,
                () = &mut over => return Ok(false),
            }
        }
    }

    async fn decide(&self, request: Request) -> Result<(), Failure> {
        if !request.is_wanted() {
            return Ok(());
        }
        let Host { store, spec, clock, .. } = self.host;
        let result = decide::decide(store, spec, clock.now_ms(), &request.decision).await;
        if let Ok(decided) = &result {
            tracing::info!(review = decided.review, "decided");
            self.output.event(&json!({ "event": "decided", "review": decided.review }))?;
        }
        request.answer(result);
        Ok(())
    }

    fn cycled(&mut self, cycled: &Cycled) -> Result<(), Failure> {
        let waits = cycled.report.first_sync.as_ref().map(first_sync::log_line);
        let (waits_for, line) = waits.unzip();
        if let Some(line) = line.filter(|_| waits_for != self.waits_for) {
            tracing::warn!("{line}");
        }
        self.waits_for = waits_for;
        let mut line = one_cycle::facts(&cycled.report);
        cycled.waiting.add_to(&mut line);
        if let Some(line) = line.as_object_mut() {
            line.insert("event".to_owned(), "cycle".into());
        }
        Ok(self.output.event(&line)?)
    }

    /// What happened to a plugin; the runtime has logged it already.
    fn reloaded(&self, event: Result<ReloadEvent, RecvError>) -> Result<(), Failure> {
        match event {
            Ok(event) => Ok(self.output.event(&facts(&event))?),
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "plugin events missed");
                Ok(())
            }
            // The runtime lives as long as the host.
            Err(RecvError::Closed) => Ok(()),
        }
    }
}

/// An event for scripts.
fn facts(event: &ReloadEvent) -> Value {
    let plugin = |generation: &Generation| {
        let Generation { plugin, version, digest } = generation;
        json!({ "id": plugin, "version": version, "digest": digest })
    };
    match event {
        ReloadEvent::Loaded { file, generation, replaced } => json!({
            "event": "plugin-loaded",
            "file": file,
            "plugin": plugin(generation),
            "replaced": replaced.as_ref().map(plugin),
        }),
        ReloadEvent::Refused { file, plugin: id, digest, cause, reason, serving } => json!({
            "event": "plugin-refused",
            "file": file,
            "id": id,
            "digest": digest,
            "cause": cause.name(),
            "reason": reason,
            "serving": serving.as_ref().map(plugin),
        }),
        ReloadEvent::Removed { generation } => {
            json!({ "event": "plugin-removed", "plugin": plugin(generation) })
        }
        ReloadEvent::OneWay { generation, function, reason } => json!({
            "event": "plugin-one-way",
            "plugin": plugin(generation),
            "function": function,
            "reason": reason,
        }),
        ReloadEvent::Waiting { file, generation, why, reason, serving } => json!({
            "event": "plugin-waits",
            "file": file,
            "plugin": plugin(generation),
            "why": why,
            "reason": reason,
            "serving": serving.as_ref().map(plugin),
        }),
        ReloadEvent::RolledBack { from, to, reason } => json!({
            "event": "plugin-rolled-back",
            "from": plugin(from),
            "plugin": plugin(to),
            "reason": reason,
        }),
        ReloadEvent::Quarantined { generation, until_ms, failures } => json!({
            "event": "plugin-quarantined",
            "plugin": plugin(generation),
            "until_ms": until_ms,
            "failures": failures,
        }),
        ReloadEvent::Approved { generation } => {
            json!({ "event": "plugin-approved", "plugin": plugin(generation) })
        }
        ReloadEvent::Hold { plugin: id, on, serving } => json!({
            "event": "plugin-hold",
            "id": id,
            "on": on,
            "serving": serving.as_ref().map(plugin),
        }),
        ReloadEvent::Granted { plugin: id, allowed, denied, serving } => json!({
            "event": "plugin-grants",
            "id": id,
            "serving": serving.as_ref().map(plugin),
            "allowed": allowed,
            "denied": denied,
        }),
        other => json!({ "event": "plugins-changed", "what": format!("{other:?}") }),
    }
}
