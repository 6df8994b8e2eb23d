//! `renkei sync`: one cycle, and what it did.

use renkei_admin::cycle::{CycleStatus, CycleSummary};
use renkei_sync::engine::{CycleOptions, FirstSyncAnswer};

use crate::cli::SyncArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::cycle_report::{self, CycleOutcome};
use crate::database::DatabaseAccess;
use crate::first_sync;
use crate::fitting::require_fit;
use crate::host::{ConnectWait, Host};
use crate::output::Output;

/// Exit code 3 or 5 when a system or plugin failed, 6 when a first sync waits; the others' work is
/// done all the same.
pub(crate) async fn run(args: &SyncArgs, output: Output) -> Result<(), CommandError> {
    let dir = &args.dir.dir;
    let bar = output.progress("sync");
    let mut host =
        Host::open(dir, SystemClock::program(), DatabaseAccess::ReadWrite, ConnectWait::Short)
            .await?;
    require_fit(&mut host).await?;
    let first_sync = if args.yes { FirstSyncAnswer::Approved } else { FirstSyncAnswer::Ask };
    let options = CycleOptions { first_sync, ..CycleOptions::default() };
    let result = cycle_report::run(&host, options, &bar).await;
    bar.finish_and_clear();
    let CycleOutcome { report, pending, .. } = result?;
    let status = CycleStatus { summary: CycleSummary::from(&report), pending };
    output
        .result(&status, || cycle_report::describe(&status.summary, &status.pending, Some(dir)))?;
    cycle_report::require_success(&host, &report).map_err(CommandError::reported)?;
    match report.first_sync {
        Some(_) => Err(first_sync::failure(dir).reported()),
        None => Ok(()),
    }
}
