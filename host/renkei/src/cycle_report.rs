//! One cycle of a host, with a progress line while it runs and its report as numbers for people and
//! scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use indicatif::ProgressBar;
use renkei_admin::cycle::{CycleSummary, failed_systems};
use renkei_admin::failures::PendingWork;
use renkei_admin::noted_decisions::apply_noted_decisions;
use renkei_admin::text;
use renkei_model::effect::EffectKind;
use renkei_model::plugin::PluginError;
use renkei_model::ports::Clock as _;
use renkei_sync::accounts::OwnAccounts;
use renkei_sync::cycle::{CycleResult, run_cycle};
use renkei_sync::cycle_failure::CycleFailure;
use renkei_sync::cycle_plan::CyclePlan;
use renkei_sync::engine::{
    CycleError, CycleEvent, CycleObserver, CycleOptions, CycleReport, Engine, FirstSyncAnswer,
    WriteResult,
};
use renkei_sync::read::transforms::TransformCalls;

use crate::command_error::CommandError;
use crate::first_sync;
use crate::host::{self, Host};

/// Failures that the summary of a cycle names.
const NAMED_MAX: usize = 3;
/// The time that a cycle waits for systems that did not answer before it, ms.
const LEARN_MS: u64 = 5_000;

/// Runs one cycle.
pub(crate) async fn run(
    host: &Host,
    options: CycleOptions,
    progress: &ProgressBar,
) -> Result<CycleOutcome, CommandError> {
    let observer = CycleProgress { bar: progress.clone(), counts: Mutex::default() };
    let store = host.store.as_ref();
    let spec = host.spec_now().await;
    let systems = OwnAccounts {
        systems: host.runtime.as_ref(),
        spec: &host.spec,
        store,
        verified: &host.verified,
    };
    let (data, is_copy) = (&host.config.data, !options.apply);
    let act =
        async || apply_noted_decisions(data, store, &spec, host.clock.now_ms(), is_copy).await;
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
        CycleError::Store(error) => CommandError::database(error),
        other => CommandError::from(other),
    })?;
    decided.extend(act().await?);
    let pending = PendingWork::read(store, began_ms).await?;
    log_cycle(&result.report, &pending, host.clock.now_ms() - began_ms);
    let silent = |failure: &CycleFailure| matches!(failure.error, PluginError::Host { .. });
    if let (Some(next), true) = (&host.unanswered, result.report.failures.iter().any(silent)) {
        tracing::warn!("{next}");
    }
    let CycleResult { report, plan } = result;
    Ok(CycleOutcome { report, plan, pending, decided })
}

/// The program asks before it writes for the first time, unless a person has said so already.
fn asking(options: CycleOptions) -> CycleOptions {
    match options.first_sync {
        FirstSyncAnswer::Unasked => CycleOptions { first_sync: FirstSyncAnswer::Ask, ..options },
        FirstSyncAnswer::Ask | FirstSyncAnswer::Approved => options,
    }
}

/// The outcome of a cycle, and the work that is left for people.
pub(crate) struct CycleOutcome {
    pub(crate) report: CycleReport,
    pub(crate) plan: CyclePlan,
    pub(crate) pending: PendingWork,
    /// The reviews whose noted answers were given.
    pub(crate) decided: Vec<String>,
}

/// The log's line of a finished cycle, and one per system that failed: a system that is down fails
/// at each of its objects, for one reason.
fn log_cycle(report: &CycleReport, pending: &PendingWork, took_ms: i64) {
    pending.log();
    let mut by_system: BTreeMap<&str, Vec<&CycleFailure>> = BTreeMap::new();
    for failure in &report.failures {
        by_system.entry(&failure.system).or_default().push(failure);
    }
    for (system, failures) in by_system {
        let Some(first) = failures.first() else { continue };
        let doing: BTreeSet<String> = failures.iter().map(ToString::to_string).collect();
        let waiting = doing.len();
        let doing = doing.into_iter().collect::<Vec<_>>().join(", ");
        let hint = first.error.hint();
        let error = text::message(&first.error.to_string());
        tracing::error!(system, doing, waiting, error, hint, "system failed");
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
    let CycleSummary { writes, refused, .. } = CycleSummary::from(report);
    tracing::info!(
        writes,
        matched = report.matched,
        founded = report.founded,
        questions = report.questions,
        swept = report.swept.rows,
        missed = report.swept.missed,
        missing = report.swept.missing,
        refused,
        failing = pending.failing,
        failed = failed_systems(report).len(),
        took_ms,
        "cycle done"
    );
}

/// Describes a cycle for people, with the work that is left for them, of earlier cycles too; in
/// `dir` it can be listed.
pub(crate) fn describe(cycle: &CycleSummary, pending: &PendingWork, dir: Option<&Path>) -> String {
    let open = pending.open_reviews;
    let lists = |dir: &Path| format!(" (`renkei status --dir {}` lists them)", dir.display());

    // What lists them stands beside them: a system that failed is not in that list.
    let hint = dir.filter(|_| open > 0).map(lists);
    let decided = dir.filter(|_| cycle.decided > 0);
    let decided =
        decided.map(|dir| format!(" (`renkei status --decided --dir {}`)", dir.display()));
    let CycleSummary { read, matched, founded, .. } = cycle;
    let done: Vec<String> = EffectKind::ALL
        .into_iter()
        .map(|kind| format!("{} {}", kind.done_word(), cycle.done(kind)))
        .collect();
    let mut text = format!(
        "read {read} records; linked {matched} to others, {founded} new link(s); {}; \
         {} refused or unclear; {} conflict(s) decided by rule{}; {open} open review(s){}",
        done.join(", "),
        cycle.refused,
        cycle.decided,
        decided.unwrap_or_default(),
        hint.unwrap_or_default(),
    );
    for (system, ahead_ms) in &cycle.clocks {
        text.push_str(&format!(
            "; the clock of {system} is {} s {} this host's: check both",
            ahead_ms.saturating_abs() / 1000,
            if *ahead_ms > 0 { "ahead of" } else { "behind" },
        ));
    }
    match cycle.restored.map(|restored| restored.read_again) {
        Some(true) => text.push_str("; the database was put back: everything was read again"),
        Some(false) => text.push_str(
            "; the database was put back: nothing is written before everything has been read again, which the next cycle goes on with",
        ),
        None => {}
    }
    let hint = dir.filter(|_| open == 0).map(lists).unwrap_or_default();
    text.push_str(&describe_failures(pending, &hint));
    if cycle.failed > 0 {
        let names = cycle.stopped.join(", ");
        text.push_str(&format!("; {} system(s) failed: {names}", cycle.failed));
    }
    if let (Some(waits), Some(dir)) = (&cycle.first_sync, dir) {
        text.push_str(&first_sync::describe(waits, dir));
    }
    text
}

/// Describes failures of records; empty where nothing fails.
fn describe_failures(pending: &PendingWork, hint: &str) -> String {
    if pending.failing == 0 {
        return String::new();
    }
    let named = pending.failed_records.iter().take(NAMED_MAX);
    let named: Vec<String> =
        named.map(|failed| format!("{} {}", failed.subject(), failed.class.word())).collect();
    let named = match named.as_slice() {
        [] => String::new(),
        named => format!(", new: {}", named.join(", ")),
    };
    format!("; {} failure(s) of records{named}{hint}", pending.failing)
}

/// A cycle in which a system failed is a failed command; the other systems' work is done all the
/// same.
pub(crate) fn require_success(host: &Host, report: &CycleReport) -> Result<(), CommandError> {
    match report.failures.first() {
        None => Ok(()),
        Some(failure) => Err(host::of_plugin(host, &failure.system, failure.error.clone())),
    }
}

#[derive(Default)]
struct ProgressCounts {
    read: u64,
    swept: u64,
    linked: u64,
    planned: u64,
    written: u64,
}

struct CycleProgress {
    bar: ProgressBar,
    counts: Mutex<ProgressCounts>,
}

impl CycleObserver for CycleProgress {
    fn event(&self, event: &CycleEvent<'_>) {
        let Ok(mut counts) = self.counts.lock() else { return };
        match event {
            CycleEvent::Read { rows, .. } => counts.read += rows,
            CycleEvent::Swept { counts: found, .. } => counts.swept += found.rows,
            CycleEvent::Linked { matched, founded, .. } => counts.linked += matched + founded,
            CycleEvent::Planned { operations, .. } => counts.planned += operations,
            CycleEvent::Written { result: WriteResult::Applied, .. } => counts.written += 1,
            _ => {}
        }
        let ProgressCounts { read, swept, linked, planned, written } = *counts;
        self.bar.set_message(format!(
            "read {read}, linked {linked}, planned {planned}, written {written}, swept {swept}"
        ));
        self.bar.tick();
    }
}

#[cfg(test)]
mod tests {
    use renkei_admin::failures::FailureBrief;
    use renkei_model::plugin::Generation;
    use renkei_model::state::FailureClass;
    use renkei_sync::cycle_failure::CycleStep;

    use super::*;

    fn check(report: &CycleReport, pending: &PendingWork, expected: &str) {
        let said = describe(&CycleSummary::from(report), pending, Some(Path::new("sync")));
        assert!(said.ends_with(expected), "{said}");
    }

    #[test]
    fn hint_stands_beside_the_reviews_that_it_lists() {
        let mut report = CycleReport::default();
        let (plugin, version) = ("hubspot".to_owned(), "1.0.0".to_owned());
        let plugin = Generation { plugin, version, digest: String::new() };
        let error = PluginError::Host { plugin, reason: "no answer".to_owned() };
        report.failures.push(CycleFailure::of_system("hubspot", CycleStep::Open, &error));
        let pending = PendingWork { open_reviews: 2, ..PendingWork::default() };
        let expected = "; 2 open review(s) (`renkei status --dir sync` lists them); \
                        1 system(s) failed: hubspot";
        check(&report, &pending, expected);
        let pending = PendingWork::default();
        check(&report, &pending, "; 0 open review(s); 1 system(s) failed: hubspot");
        let (system, object) = ("hubspot".to_owned(), Some("contacts".to_owned()));
        report.stopped.insert((system, object));
        check(&report, &pending, "; 1 system(s) failed: hubspot (contacts)");
    }

    /// `host/sync/RULES.md` V5.
    #[test]
    fn summary_names_failures_of_records() {
        let failed = FailureBrief {
            entity: "person".to_owned(),
            link: None,
            record: "salesforce.Lead/00Q1".to_owned(),
            field: Some("city".to_owned()),
            class: FailureClass::Refused,
            codes: vec!["STRING_TOO_LONG".to_owned()],
        };
        let failed_records = vec![failed];
        let pending = PendingWork { open_reviews: 0, failing: 4, failed_records };
        let said = describe_failures(&pending, " (hint)");
        let expected = "; 4 failure(s) of records, new: salesforce.Lead/00Q1 city refused (hint)";
        assert_eq!(said, expected);
    }
}
