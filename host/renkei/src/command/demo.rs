//! `renkei demo`: everything from nothing to two CRMs in step, in front of your eyes.
//!
//! Builds the plugins, starts the simulators in a process of their own, previews, syncs, lets
//! people edit on both sides, syncs again, judges the result by reading the simulators, and goes on
//! serving.

use std::path::{Path, PathBuf};

use renkei_admin::cycle::CycleSummary;
use renkei_admin::failures::PendingWork;
use renkei_model::effect::EffectKind;
use renkei_model::ports::Clock as _;
use renkei_sync::engine::{CycleOptions, CycleReport, FirstSyncAnswer};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::DemoArgs;
use crate::clock::SystemClock;
use crate::command::plan;
use crate::command::serve::keep_in_step;
use crate::command_error::CommandError;
use crate::cycle_report::{self, CycleOutcome};
use crate::database::DatabaseAccess;
use crate::demo::edits::{self, DemoEdit};
use crate::demo::simulators::{CallLedger, Simulators};
use crate::demo::store_facts::StoreFacts;
use crate::demo::verify::{self, DemoVerdict, SimulatedRecords};
use crate::demo::{setup, story};
use crate::fitting::require_fit;
use crate::host::{ConnectWait, Host};
use crate::output::Output;

/// Longer than any lag of the simulators, in their time.
const SIMULATOR_LAG_MS: u64 = 30_000;
/// The pause between two cycles when the demo goes on.
const INTERVAL_MS: u64 = 5_000;

/// The next step where the directory cannot be made.
const ANOTHER: &str = "give --dir a directory that can be made";

/// The report that `--json` prints.
#[derive(Serialize)]
struct DemoReport {
    people: u32,
    seed: u64,
    /// Operations that the preview of the first sync showed.
    previewed: u64,
    converged: bool,
    idle_writes: u64,
    lost_edits: u64,
    duplicates: u64,
    conflicts: usize,
    reviews: usize,
    calls: BySystem,
    records_per_second: f64,
    first_sync: CycleSummary,
    second_sync: CycleSummary,
    memory_mb: Option<u64>,
    plugins: Value,
    unexplained: Vec<String>,
    /// Configuration and database; nothing where they go with the demo.
    dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct BySystem {
    hubspot: Calls,
    salesforce: Calls,
}

/// The simulator's own ledger: calls made, the least that were needed, and quota windows that were
/// exceeded.
#[derive(Serialize)]
struct Calls {
    made: u64,
    minimum: u64,
    breaches: usize,
    by_kind: Vec<Value>,
}

impl From<CallLedger> for Calls {
    fn from(ledger: CallLedger) -> Self {
        let CallLedger { made, minimum, breaches, by_kind } = ledger;
        Self { made, minimum, breaches: breaches.len(), by_kind }
    }
}

impl std::fmt::Display for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} / {}", self.made, self.minimum)
    }
}

/// Runs the demo.
pub(crate) async fn run(args: &DemoArgs, output: Output) -> Result<(), CommandError> {
    let (dir, _temporary) = directory(args)?;
    output.note(&format!("configuration and database: {}", dir.display()));
    // What may fail comes before the configuration: it is in the way of a second try.
    setup::build_plugins(&dir.join("plugins"), output)?;
    if let Some(more) = &args.plugins {
        setup::add_plugins(more, &dir.join("plugins"))?;
    }
    let origin_ms = SystemClock::real_now_ms();
    let simulators = Simulators::start(&simulator_arguments(args, origin_ms)).await?;
    setup::configure(&dir, &simulators)?;
    setup::warm_cache(&dir).await?;
    let clock = SystemClock::scaled(origin_ms, args.speed);

    let previewed = preview(&dir, clock, output).await?;
    let mut host = Host::open(&dir, clock, DatabaseAccess::ReadWrite, ConnectWait::Long).await?;
    require_fit(&mut host).await?;
    let played = play(&host, &simulators, output).await?;
    let report = report(args, previewed, &host, &simulators, &played).await?;
    output.result(&report, || describe(args, &dir, &report, &played))?;
    if !args.once {
        output.note("going on; edit the simulated CRMs or stop with Ctrl-C");
        keep_in_step(&host, INTERVAL_MS, output).await?;
    }
    simulators.stop().await?;
    if report.converged && report.lost_edits + report.duplicates + report.idle_writes == 0 {
        Ok(())
    } else {
        Err(CommandError::from(anyhow::anyhow!("the demo broke a promise"))
            .hint("its report says which"))
    }
}

/// The directory, and the guard that removes a temporary one at the end.
fn directory(args: &DemoArgs) -> Result<(PathBuf, Option<tempfile::TempDir>), CommandError> {
    match &args.dir {
        Some(dir) => {
            setup::require_new(dir)?;
            std::fs::create_dir_all(dir)
                .map_err(|error| CommandError::usage(error).at(dir.display()).hint(ANOTHER))?;
            Ok((dir.clone(), None))
        }
        None => {
            let temporary = tempfile::Builder::new().prefix("renkei-demo-").tempdir()?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

fn simulator_arguments(args: &DemoArgs, origin_ms: i64) -> Vec<String> {
    let mut list = vec![
        format!("--people={}", args.people),
        format!("--seed={}", args.seed),
        format!("--speed={}", args.speed),
        format!("--clock-origin-ms={origin_ms}"),
    ];
    if args.no_limits {
        list.push("--no-limits".to_owned());
    }
    list
}

/// Shows what the first sync would do, without doing it; how many operations that is.
async fn preview(dir: &Path, clock: SystemClock, output: Output) -> Result<u64, CommandError> {
    let bar = output.progress("preview");
    let mut host = Host::open(dir, clock, DatabaseAccess::Scratch, ConnectWait::Long).await?;
    require_fit(&mut host).await?;
    let result = cycle_report::run(&host, plan::dry(8), &bar).await?;
    bar.finish_and_clear();
    output.note(&format!("preview of the first sync:\n{}", result.plan));
    Ok(result.report.planned)
}

/// The events of the demo, for its report.
struct Played {
    first: CycleReport,
    first_ms: i64,
    memory: PeakMemory,
    second: CycleReport,
    idle_writes: u64,
    edits: Vec<DemoEdit>,
    world: SimulatedRecords,
    known: StoreFacts,
    verdict: DemoVerdict,
}

async fn play(
    host: &Host,
    simulators: &Simulators,
    output: Output,
) -> Result<Played, CommandError> {
    // What building and compiling the plugins took is not the host's need.
    let mut memory = PeakMemory::default();
    memory.forget();
    let bar = output.progress("first sync");
    let began_ms = SystemClock::real_now_ms();
    let CycleOutcome { report, pending, .. } = cycle_report::run(host, approved(), &bar).await?;
    let first = succeed(host, report)?;
    let first_ms = SystemClock::real_now_ms() - began_ms;
    bar.finish_and_clear();
    memory.note();
    output.note(&format!("first sync: {}", describe_cycle(&first, &pending)));

    let edits = edits::make(simulators).await?;
    host.clock.sleep_ms(SIMULATOR_LAG_MS).await;
    memory.forget();
    let bar = output.progress("second sync");
    let CycleOutcome { report, pending, .. } = cycle_report::run(host, approved(), &bar).await?;
    let second = succeed(host, report)?;
    bar.finish_and_clear();
    output.note(&format!("second sync: {}", describe_cycle(&second, &pending)));

    host.clock.sleep_ms(SIMULATOR_LAG_MS).await;
    let bar = output.progress("idle cycle");
    let idle = succeed(host, cycle_report::run(host, approved(), &bar).await?.report)?;
    bar.finish_and_clear();
    memory.note();

    let world = SimulatedRecords::read(simulators).await?;
    let known = StoreFacts::read(&host.store, &edits).await.map_err(CommandError::database)?;
    let verdict = verify::judge(&world, &known, &edits);
    let idle_writes = idle.applied();
    Ok(Played { first, first_ms, memory, second, idle_writes, edits, world, known, verdict })
}

/// Options of a cycle that asks nobody: who watches the demo has seen the preview.
fn approved() -> CycleOptions {
    CycleOptions { first_sync: FirstSyncAnswer::Approved, ..CycleOptions::default() }
}

fn describe_cycle(report: &CycleReport, pending: &PendingWork) -> String {
    cycle_report::describe(&CycleSummary::from(report), pending, None)
}

fn succeed(host: &Host, report: CycleReport) -> Result<CycleReport, CommandError> {
    cycle_report::require_success(host, &report)?;
    Ok(report)
}

async fn report(
    args: &DemoArgs,
    previewed: u64,
    host: &Host,
    simulators: &Simulators,
    played: &Played,
) -> Result<DemoReport, CommandError> {
    let first_sync = CycleSummary::from(&played.first);
    let handled = first_sync.matched
        + first_sync.done(EffectKind::Create)
        + first_sync.done(EffectKind::Update);
    let plugins = host.runtime.list();
    let plugins: Vec<Value> = plugins
        .iter()
        .filter_map(|file| file.serving.as_ref())
        .map(|serving| {
            json!({
                "id": serving.plugin,
                "version": serving.version,
                "digest": serving.digest,
            })
        })
        .collect();
    Ok(DemoReport {
        people: args.people,
        seed: args.seed,
        previewed,
        converged: played.verdict.converged,
        idle_writes: played.idle_writes,
        lost_edits: played.verdict.lost_edits,
        duplicates: played.verdict.duplicates,
        conflicts: played.known.open.len(),
        reviews: played.known.reviews_open,
        calls: BySystem {
            hubspot: simulators.hubspot.ledger().await?.into(),
            salesforce: simulators.salesforce.ledger().await?.into(),
        },
        records_per_second: per_second(handled, played.first_ms),
        first_sync,
        second_sync: CycleSummary::from(&played.second),
        memory_mb: played.memory.mb,
        plugins: json!(plugins),
        unexplained: played.verdict.unexplained.clone(),
        dir: args.dir.clone(),
    })
}

fn per_second(records: u64, ms: i64) -> f64 {
    records as f64 * 1000.0 / ms.max(1) as f64
}

/// The most resident memory, in MiB, that this process had while it was the host and not the demo's
/// people or judge, who hold both worlds in memory. Linux only; nothing elsewhere.
#[derive(Default)]
struct PeakMemory {
    mb: Option<u64>,
}

impl PeakMemory {
    /// Takes the kernel's high-water mark into account.
    fn note(&mut self) {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak_kib: Option<u64> = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok());
        self.mb = self.mb.max(peak_kib.map(|kib| kib / 1024));
    }

    /// Resets the kernel's mark, so that what happened since `note` does not count.
    fn forget(&self) {
        // Where the kernel does not allow it, the figure is only larger than it should be.
        drop(std::fs::write("/proc/self/clear_refs", "5"));
    }
}

fn describe(args: &DemoArgs, dir: &Path, report: &DemoReport, played: &Played) -> String {
    let mut text = story::table(&played.edits, &played.world, &played.known);
    let yes = |good: bool| if good { "yes" } else { "NO" };
    text.push_str(&format!(
        "\n\nin step: {} ({} values compared, {} open conflict(s), {} open review(s))\n\
         writes of an idle cycle: {}; edits lost: {}; duplicates: {}\n\
         first sync: {:.0} records a second; calls made / least: HubSpot {}, Salesforce {}",
        yes(report.converged),
        played.verdict.compared,
        report.conflicts,
        report.reviews,
        report.idle_writes,
        report.lost_edits,
        report.duplicates,
        report.records_per_second,
        report.calls.hubspot,
        report.calls.salesforce,
    ));
    let is_kept = args.dir.is_some() || !args.once;
    if let (true, Some(edit)) = (is_kept, played.edits.first()) {
        let (record, dir) = (edit.key(), dir.display());
        text.push_str(&format!(
            "\nask why: renkei why {record} --dir {dir}\nopen reviews: renkei status --dir {dir}"
        ));
    }
    for line in &report.unexplained {
        text.push_str(&format!("\n  unexplained: {line}"));
    }
    text
}
