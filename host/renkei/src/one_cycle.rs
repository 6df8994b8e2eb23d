//! One cycle of a host, with a progress line while it runs and its report as numbers for people and
//! scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use indicatif::ProgressBar;
use renkei_sync::cycle::{CycleResult, run_cycle};
use renkei_sync::engine::{
    CycleError, CycleEvent, CycleObserver, CycleOptions, CycleReport, Engine, FirstSyncAnswer,
    WriteResult,
};
use renkei_sync::model::plugin::PluginError;
use renkei_sync::model::preview::CyclePlan;
use renkei_sync::model::record::Action;
use renkei_sync::ports::Clock as _;
use renkei_sync::read::accounts::OwnAccounts;
use renkei_sync::read::transforms::TransformCalls;
use serde_json::{Value, json};

use crate::failing::Waiting;
use crate::failure::Failure;
use crate::first_sync;
use crate::host::{self, Host};
use crate::noted;
use crate::plain;

/// How long a cycle waits for systems that did not answer before it, ms.
const LEARN_MS: u64 = 5_000;

/// Runs one cycle.
pub(crate) async fn run(
    host: &Host,
    options: CycleOptions,
    progress: &ProgressBar,
) -> Result<Cycled, Failure> {
    let observer = Progress { bar: progress.clone(), counts: Mutex::default() };
    let store = host.store.as_ref();
    let spec = host.spec_now().await;
    let systems = OwnAccounts {
        systems: host.runtime.as_ref(),
        spec: &host.spec,
        store,
        verified: &host.verified,
    };
    let (data, is_copy) = (&host.config.data, !options.apply);
    let act = async || noted::act(data, &host.store, &spec, host.clock.now_ms(), is_copy).await;
    let mut decided = act().await?;
    let engine = Engine {
        spec: &spec,
        systems: &systems,
        transforms: TransformCalls::new(host.runtime.as_ref()),
        store,
        clock: host.clock.as_ref(),
        observer: &observer,
        options: asking(CycleOptions { sweep_pages: host.config.sweep_pages, ..options }),
    };
    // A system that hangs does not hold up the cycle of the others.
    let learning = host.learn_missing();
    tokio::pin!(learning);
    let learned = tokio::select! {
        biased;
        () = &mut learning => true,
        () = host.clock.sleep_ms(LEARN_MS) => false,
    };
    let began_ms = host.clock.now_ms();
    let cycle = run_cycle(&engine);
    tokio::pin!(cycle);
    let result = tokio::select! {
        result = &mut cycle => result,
        () = &mut learning, if !learned => cycle.await,
    };
    let result = result.map_err(|error| match error {
        CycleError::Store(error) => Failure::store(error),
        other => Failure::from(other),
    })?;
    decided.extend(act().await?);
    let waiting = Waiting::read(host, began_ms).await?;
    tell(&result.report, &waiting, host.clock.now_ms() - began_ms);
    let silent = |(_, _, error): &(_, _, PluginError)| matches!(error, PluginError::Host { .. });
    if let (Some(next), true) = (&host.unanswered, result.report.failures.iter().any(silent)) {
        tracing::warn!("{next}");
    }
    let CycleResult { report, plan } = result;
    Ok(Cycled { report, plan, waiting, decided })
}

/// The program asks before it writes for the first time, unless a person has said so already.
fn asking(options: CycleOptions) -> CycleOptions {
    match options.first_sync {
        FirstSyncAnswer::Unasked => CycleOptions { first_sync: FirstSyncAnswer::Ask, ..options },
        FirstSyncAnswer::Ask | FirstSyncAnswer::Approved => options,
    }
}

/// What a cycle did and what waits for a person after it.
pub(crate) struct Cycled {
    pub(crate) report: CycleReport,
    pub(crate) plan: CyclePlan,
    pub(crate) waiting: Waiting,
    /// The reviews whose noted answers were given.
    pub(crate) decided: Vec<String>,
}

/// The log's line of a finished cycle, and one per system that failed: a system that is down fails
/// at each of its objects, for one reason.
fn tell(report: &CycleReport, waiting: &Waiting, took_ms: i64) {
    waiting.log();
    let mut by_system: BTreeMap<&str, Vec<(&str, &PluginError)>> = BTreeMap::new();
    for (system, doing, error) in &report.failures {
        by_system.entry(system).or_default().push((doing, error));
    }
    for (system, failures) in by_system {
        let Some((_, error)) = failures.first() else { continue };
        let doing: BTreeSet<&str> = failures.iter().map(|(doing, _)| *doing).collect();
        let waiting = doing.len();
        let doing = doing.into_iter().collect::<Vec<_>>().join(", ");
        let error = plain::message(&error.to_string());
        tracing::error!(system, doing, waiting, error, "system failed");
    }
    for (system, ahead_ms) in &report.clocks {
        let ahead_s = ahead_ms / 1000;
        tracing::warn!(system, ahead_s, "the system's clock is far from this host's; check both");
    }
    if let Some(read_again) = report.restored {
        tracing::warn!(
            read_again,
            "the database was put back from a backup or a copy; nothing is written before everything has been read again"
        );
    }
    tracing::info!(
        writes = report.applied(),
        matched = report.matched,
        founded = report.founded,
        questions = report.questions,
        swept = report.swept.rows,
        missed = report.swept.missed,
        missing = report.swept.missing,
        refused = refused(report),
        failing = waiting.failures,
        failed = failed_systems(report).len(),
        took_ms,
        "cycle done"
    );
}

/// Operations that were refused or whose outcome is not known.
fn refused(report: &CycleReport) -> u64 {
    let bad = [WriteResult::Refused, WriteResult::Uncertain];
    let writes = report.written.iter().filter(|((.., result), _)| bad.contains(result));
    writes.map(|(_, count)| count).sum()
}

/// Systems that failed at anything, each once; `transform` where a transform did.
pub(crate) fn failed_systems(report: &CycleReport) -> BTreeSet<&str> {
    report.failures.iter().map(|(system, ..)| system.as_str()).collect()
}

/// Operations of one kind that were done.
pub(crate) fn done(report: &CycleReport, wanted: Action) -> u64 {
    let done = report
        .written
        .iter()
        .filter(|((_, _, action, result), _)| *action == wanted && *result == WriteResult::Applied);
    done.map(|(_, count)| count).sum()
}

/// A report for scripts.
pub(crate) fn facts(report: &CycleReport) -> Value {
    json!({
        "read": report.read.values().sum::<u64>(),
        "matched": report.matched,
        "founded": report.founded,
        "ambiguous": report.ambiguous.len(),
        "planned": report.planned,
        "writes": report.applied(),
        "created": done(report, Action::Create),
        "updated": done(report, Action::Update),
        "archived": done(report, Action::Archive),
        "merged": done(report, Action::Merge),
        "questions": report.questions,
        "decided": report.decided,
        "swept": report.swept,
        "clocks": report.clocks,
        "first_sync": report.first_sync.as_ref().map(first_sync::facts),
        "restored": report.restored.map(|read_again| json!({ "read_again": read_again })),
        "refused": refused(report),
        "failed": failed_systems(report).len(),
        "failures": report.failures.iter().map(|(system, doing, error)| json!({
            "system": system,
            "doing": doing,
            "error": error.to_string(),
        })).collect::<Vec<_>>(),
        "stopped": stopped(report),
    })
}

/// A report for people, with what waits for them, of earlier cycles too; in `dir` it can be
/// listed.
pub(crate) fn describe(report: &CycleReport, waiting: &Waiting, dir: Option<&Path>) -> String {
    let open = waiting.questions;
    let lists = |dir: &Path| format!(" (`renkei status --dir {}` lists them)", dir.display());

    let read: u64 = report.read.values().sum();
    // What lists them stands beside them: a system that failed is not in that list.
    let hint = dir.filter(|_| open > 0).map(lists);
    let decided = dir.filter(|_| report.decided > 0);
    let decided =
        decided.map(|dir| format!(" (`renkei status --decided --dir {}`)", dir.display()));
    let mut text = format!(
        "read {read} records; linked {} to others, {} new link(s); created {}, updated {}, archived {}, merged {}; \
         {} refused or unclear; {} conflict(s) decided by rule{}; {open} open question(s){}",
        report.matched,
        report.founded,
        done(report, Action::Create),
        done(report, Action::Update),
        done(report, Action::Archive),
        done(report, Action::Merge),
        refused(report),
        report.decided,
        decided.unwrap_or_default(),
        hint.unwrap_or_default(),
    );
    for (system, ahead_ms) in &report.clocks {
        text.push_str(&format!(
            "; the clock of {system} is {} s {} this host's: check both",
            ahead_ms.saturating_abs() / 1000,
            if *ahead_ms > 0 { "ahead of" } else { "behind" },
        ));
    }
    match report.restored {
        Some(true) => text.push_str("; the database was put back: everything was read again"),
        Some(false) => text.push_str(
            "; the database was put back: nothing is written before everything has been read again, which the next cycle goes on with",
        ),
        None => {}
    }
    text.push_str(&waiting.summary(&dir.filter(|_| open == 0).map(lists).unwrap_or_default()));
    let failed = failed_systems(report);
    if !failed.is_empty() {
        let names = stopped(report).join(", ");
        text.push_str(&format!("; {} system(s) failed: {names}", failed.len()));
    }
    if let (Some(waits), Some(dir)) = (&report.first_sync, dir) {
        text.push_str(&first_sync::describe(waits, dir));
    }
    text
}

/// Systems that failed, with the objects where it is about some of them: `hubspot (contacts)`.
fn stopped(report: &CycleReport) -> Vec<String> {
    let name = |system: &str| {
        let mine = report.stopped.iter().filter(|(name, _)| name == system);
        let objects: Option<Vec<&str>> = mine.map(|(_, object)| object.as_deref()).collect();
        match objects.unwrap_or_default().as_slice() {
            [] => system.to_owned(),
            objects => format!("{system} ({})", objects.join(", ")),
        }
    };
    failed_systems(report).into_iter().map(name).collect()
}

/// A cycle in which a system failed is a failed command; the other systems' work is done all the
/// same.
pub(crate) fn require_success(host: &Host, report: &CycleReport) -> Result<(), Failure> {
    match report.failures.first() {
        None => Ok(()),
        Some((system, _, error)) => {
            Err(host::of_plugin(system, error.clone(), host.unanswered.as_deref()))
        }
    }
}

#[derive(Default)]
struct Counts {
    read: u64,
    swept: u64,
    linked: u64,
    planned: u64,
    written: u64,
}

struct Progress {
    bar: ProgressBar,
    counts: Mutex<Counts>,
}

impl CycleObserver for Progress {
    fn event(&self, event: &CycleEvent<'_>) {
        let Ok(mut counts) = self.counts.lock() else { return };
        match event {
            CycleEvent::Read { rows, .. } => counts.read += rows,
            CycleEvent::Swept { counts: found, .. } => counts.swept += found.rows,
            CycleEvent::Linked { matched, founded, .. } => counts.linked += matched + founded,
            CycleEvent::Planned { operations, .. } => counts.planned += operations,
            CycleEvent::Written { .. } => counts.written += 1,
            _ => {}
        }
        let Counts { read, swept, linked, planned, written } = *counts;
        self.bar.set_message(format!(
            "read {read}, linked {linked}, planned {planned}, written {written}, swept {swept}"
        ));
        self.bar.tick();
    }
}

#[cfg(test)]
mod tests {
    use renkei_sync::model::plugin::Generation;

    use super::*;

    #[test]
    fn the_hint_stands_beside_the_questions_that_it_lists() {
        let mut report = CycleReport::default();
        let (plugin, version) = ("hubspot".to_owned(), "1.0.0".to_owned());
        let plugin = Generation { plugin, version, digest: String::new() };
        let error = PluginError::Host { plugin, reason: "no answer".to_owned() };
        report.failures.push(("hubspot".to_owned(), "open".to_owned(), error));
        let waiting = Waiting { questions: 2, ..Waiting::default() };
        let said = describe(&report, &waiting, Some(Path::new("sync")));
        let expected = "; 2 open question(s) (`renkei status --dir sync` lists them); \
                        1 system(s) failed: hubspot";
        assert!(said.ends_with(expected), "{said}");
        let waiting = Waiting::default();
        let said = describe(&report, &waiting, Some(Path::new("sync")));
        assert!(said.ends_with("; 0 open question(s); 1 system(s) failed: hubspot"), "{said}");
        let (system, object) = ("hubspot".to_owned(), Some("contacts".to_owned()));
        report.stopped.insert((system, object));
        let said = describe(&report, &waiting, Some(Path::new("sync")));
        assert!(said.ends_with("; 1 system(s) failed: hubspot (contacts)"), "{said}");
    }
}
