//! `renkei sync`: one cycle, and what it did.

use renkei_sync::engine::CycleOptions;

use crate::cli::DirArgs;
use crate::clock::SystemClock;
use crate::database::Access;
use crate::failure::Failure;
use crate::host::{Host, Patience};
use crate::one_cycle::{self, Cycled};
use crate::output::Output;

/// Exit code 3 or 5 when a system or plugin failed; the others' work is done all the same.
pub(crate) async fn run(args: &DirArgs, output: Output) -> Result<(), Failure> {
    let bar = output.progress("sync");
    let mut host =
        Host::open(&args.dir, SystemClock::program(), Access::Keep, Patience::Short).await?;
    host.require_fit().await?;
    let result = one_cycle::run(&host, CycleOptions::default(), &bar).await;
    bar.finish_and_clear();
    let Cycled { report, waiting, .. } = result?;
    let mut facts = one_cycle::facts(&report);
    waiting.add_to(&mut facts);
    output.result(&facts, || one_cycle::describe(&report, &waiting, Some(&args.dir)))?;
    one_cycle::require_success(&host, &report).map_err(Failure::reported)
}
