//! `renkei sync`: one cycle, and what it did.

use renkei_sync::engine::{CycleOptions, FirstSyncAnswer};

use crate::cli::SyncArgs;
use crate::clock::SystemClock;
use crate::database::Access;
use crate::failure::Failure;
use crate::first_sync;
use crate::host::{Host, Patience};
use crate::one_cycle::{self, Cycled};
use crate::output::Output;

/// Exit code 3 or 5 when a system or plugin failed, 6 when a first sync waits; the others' work is
/// done all the same.
pub(crate) async fn run(args: &SyncArgs, output: Output) -> Result<(), Failure> {
    let dir = &args.dir.dir;
    let bar = output.progress("sync");
    let mut host = Host::open(dir, SystemClock::program(), Access::Keep, Patience::Short).await?;
    host.require_fit().await?;
    let first_sync = if args.yes { FirstSyncAnswer::Approved } else { FirstSyncAnswer::Ask };
    let options = CycleOptions { first_sync, ..CycleOptions::default() };
    let result = one_cycle::run(&host, options, &bar).await;
    bar.finish_and_clear();
    let Cycled { report, waiting, .. } = result?;
    let mut facts = one_cycle::facts(&report);
    waiting.add_to(&mut facts);
    output.result(&facts, || one_cycle::describe(&report, &waiting, Some(dir)))?;
    one_cycle::require_success(&host, &report).map_err(Failure::reported)?;
    match report.first_sync {
        Some(_) => Err(first_sync::failure(dir).reported()),
        None => Ok(()),
    }
}
