//! `renkei serve`: a cycle, a pause, and again, until SIGTERM or Ctrl-C. Plugins are reloaded by
//! the runtime meanwhile.
//!
//! A signal during a cycle lets the cycle end within [`stop::GRACE_MS`], because a calm end leaves
//! nothing to probe; then the cycle is given up. What it has committed is whole at any moment, and
//! the next one asks the systems about what was sent and not answered. What people decide during a
//! cycle that takes long is noted and answered at once.

use std::pin::Pin;

use indicatif::ProgressBar;
use renkei_admin::cycle::{CycleStatus, CycleSummary};
use renkei_admin::decisions::decide_review;
use renkei_admin::noted_decisions::note_decision;
use renkei_admin::socket::{ControlSocket, DecisionRequest};
use renkei_model::plugin::Generation;
use renkei_model::ports::Clock as _;
use renkei_runtime::ReloadEvent;
use renkei_sync::engine::CycleOptions;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::ServeArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::cycle_report::{self, CycleOutcome};
use crate::database::DatabaseAccess;
use crate::first_sync;
use crate::fitting::require_fit_of;
use crate::host::{ConnectWait, Host, Preflight};
use crate::output::Output;
use crate::stop;

/// The time that a decision waits for the end of a cycle before it is noted, ms.
const PATIENCE_MS: u64 = 2_000;

/// Serves until a signal comes.
pub(crate) async fn run(args: &ServeArgs, output: Output) -> Result<(), CommandError> {
    // Before anything that can take long: compiling, and asking the systems.
    let stop = stop::requested();
    tokio::pin!(stop);
    let opening = Host::open(
        &args.dir.dir,
        SystemClock::program(),
        DatabaseAccess::ReadWrite,
        ConnectWait::Long,
    );
    let mut host = tokio::select! {
        biased;
        host = opening => host?,
        () = &mut stop => return stopped(),
    };
    let mut beginning = ServeLoop::new(&host, output, control(&host));
    let Some(preflight) = beginning.preflight(&mut stop).await? else { return stopped() };
    let control = beginning.control.take();
    require_fit_of(&mut host, &preflight).await?;
    let interval_ms = args
        .interval_seconds
        .map_or(host.config.interval_ms, |seconds| seconds.saturating_mul(1000));
    tracing::info!(dir = %args.dir.dir.display(), interval_ms, "serving");
    output.note("serving; Ctrl-C or SIGTERM ends within seconds, a second one at once");
    output.event(&json!({ "event": "serving", "interval_ms": interval_ms }))?;
    ServeLoop::new(&host, output, control).keep_in_step(interval_ms, &mut stop).await
}

/// The loop, for the demo.
pub(crate) async fn keep_in_step(
    host: &Host,
    interval_ms: u64,
    output: Output,
) -> Result<(), CommandError> {
    let stop = stop::requested();
    tokio::pin!(stop);
    ServeLoop::new(host, output, control(host)).keep_in_step(interval_ms, &mut stop).await
}

fn stopped() -> Result<(), CommandError> {
    tracing::info!("stopped");
    Ok(())
}

fn control(host: &Host) -> Option<ControlSocket> {
    let runtime = std::sync::Arc::clone(&host.runtime);
    let control = ControlSocket::open(&host.config.data, runtime).inspect_err(|error| {
        let who = "`renkei decide` and `renkei plugin`";
        tracing::warn!(%error, "no control socket; {who} must wait until this ends");
    });
    control.ok()
}

/// Returns when the time is over, if there is one.
async fn over(time: &mut Option<Pin<Box<impl Future<Output = ()>>>>) {
    match time {
        Some(time) => time.await,
        None => std::future::pending().await,
    }
}

/// The next decision that somebody asks for.
async fn asked(control: &mut Option<ControlSocket>) -> DecisionRequest {
    match control {
        Some(control) => control.next().await,
        None => std::future::pending().await,
    }
}

/// The loop of cycles, and what happens beside them.
struct ServeLoop<'a> {
    host: &'a Host,
    output: Output,
    events: Receiver<ReloadEvent>,
    control: Option<ControlSocket>,
    /// The last line of the log about the first sync.
    waits_for: Option<String>,
}

impl<'a> ServeLoop<'a> {
    fn new(host: &'a Host, output: Output, control: Option<ControlSocket>) -> Self {
        Self { host, output, events: host.runtime.events(), control, waits_for: None }
    }

    /// Asks the systems before the first cycle; nothing where a signal came. What people ask for
    /// meanwhile is decided at once: no cycle runs yet.
    async fn preflight(
        &mut self,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<Option<Preflight>, CommandError> {
        let asking = self.host.preflight();
        tokio::pin!(asking);
        loop {
            tokio::select! {
                biased;
                () = &mut *stop => return Ok(None),
                request = asked(&mut self.control) => self.decide(request).await?,
                preflight = &mut asking => return Ok(Some(preflight)),
            }
        }
    }

    /// Cycles and pauses, until a signal comes.
    async fn keep_in_step(
        mut self,
        interval_ms: u64,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<(), CommandError> {
        let bar = self.output.progress("serving");
        while !self.cycle(&bar, stop).await? && !self.pause(interval_ms, stop).await? {}
        bar.finish_and_clear();
        stopped()
    }

    /// Runs one cycle; whether a signal came. After a signal the cycle has a short time to end.
    async fn cycle(
        &mut self,
        bar: &ProgressBar,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, CommandError> {
        let running = cycle_report::run(self.host, CycleOptions::default(), bar);
        let mut running = Box::pin(running);
        let mut asking = Vec::new();
        let mut patience = None;
        let is_over = loop {
            tokio::select! {
                result = &mut running => {
                    // A failed system is in the log and is tried again; a failed store is the end.
                    self.cycled(result?)?;
                    break true;
                }
                event = self.events.recv() => self.reloaded(event)?,
                () = &mut *stop => break false,
                request = asked(&mut self.control) => {
                    asking.push(request);
                    patience.get_or_insert_with(|| Box::pin(self.host.clock.sleep_ms(PATIENCE_MS)));
                }
                () = over(&mut patience) => {
                    patience = None;
                    self.note(asking.drain(..)).await?;
                }
            }
        };
        if !is_over {
            tracing::info!("draining");
            let over = self.host.clock.sleep_ms(stop::GRACE_MS);
            tokio::select! {
                result = &mut running => self.cycled(result?)?,
                () = over => tracing::warn!(
                    grace_ms = stop::GRACE_MS,
                    "the cycle did not end in time and is given up; the next one goes on where it \
                     was"
                ),
            }
        }
        // Nothing of it comes between a reading and a writing any more.
        drop(running);
        for request in asking {
            self.decide(request).await?;
        }
        Ok(!is_over)
    }

    /// The cycle takes long: what people ask for is kept until it has ended.
    async fn note(
        &self,
        requests: impl Iterator<Item = DecisionRequest>,
    ) -> Result<(), CommandError> {
        let Host { config, store, spec, clock, .. } = self.host;
        for request in requests.filter(DecisionRequest::is_wanted) {
            let (data, now_ms) = (&config.data, clock.now_ms());
            let noted = note_decision(data, store.as_ref(), spec, now_ms, &request.decision).await;
            if let Ok(noted) = &noted {
                self.output.event(&json!({ "event": "noted", "review": noted.review }))?;
            }
            request.respond(noted);
        }
        Ok(())
    }

    /// Waits out the interval and decides what people ask for; whether a signal came. Decisions go
    /// before the end of the pause, so that each has its turn however short the pause is.
    async fn pause(
        &mut self,
        interval_ms: u64,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, CommandError> {
        let over = self.host.clock.sleep_ms(interval_ms);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                () = &mut *stop => return Ok(true),
                request = asked(&mut self.control) => self.decide(request).await?,
                event = self.events.recv() => self.reloaded(event)?,
                () = &mut over => return Ok(false),
            }
        }
    }

    async fn decide(&self, request: DecisionRequest) -> Result<(), CommandError> {
        if !request.is_wanted() {
            return Ok(());
        }
        let Host { store, spec, clock, .. } = self.host;
        let result = decide_review(store.as_ref(), spec, clock.now_ms(), &request.decision).await;
        if let Ok(decided) = &result {
            tracing::info!(review = decided.review, "decided");
            self.output.event(&json!({ "event": "decided", "review": decided.review }))?;
        }
        request.respond(result);
        Ok(())
    }

    fn cycled(&mut self, cycled: CycleOutcome) -> Result<(), CommandError> {
        for review in &cycled.decided {
            self.output.event(&json!({ "event": "decided", "review": review }))?;
        }
        let summary = CycleSummary::from(&cycled.report);
        let waits = summary.first_sync.as_ref().map(first_sync::log_line);
        let (waits_for, line) = waits.unzip();
        if let Some(line) = line.filter(|_| waits_for != self.waits_for) {
            tracing::warn!("{line}");
        }
        self.waits_for = waits_for;
        let status = CycleStatus { summary, pending: cycled.pending };
        Ok(self.output.event(&ServeCycleEvent { event: "cycle", status })?)
    }

    /// Prints what happened to a plugin; the runtime has logged it already.
    fn reloaded(&self, event: Result<ReloadEvent, RecvError>) -> Result<(), CommandError> {
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

/// A finished cycle for scripts.
#[derive(Serialize)]
struct ServeCycleEvent {
    event: &'static str,
    #[serde(flatten)]
    status: CycleStatus,
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
        ReloadEvent::Refused { file, plugin: id, digest, cause, reason, hint, serving } => json!({
            "event": "plugin-refused",
            "file": file,
            "id": id,
            "digest": digest,
            "cause": cause.name(),
            "reason": reason,
            "hint": hint,
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
