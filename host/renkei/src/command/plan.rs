//! `renkei plan`: what a sync would write and why, on a copy of the database that is thrown away.

use renkei_sync::cycle::CycleResult;
use renkei_sync::engine::CycleOptions;
use serde_json::json;

use crate::cli::PlanArgs;
use crate::clock::SystemClock;
use crate::cycle;
use crate::database::Access;
use crate::failure::Failure;
use crate::host::{Host, Patience};
use crate::output::Output;

/// Prints the plan. Writes neither to the systems nor to the database.
pub(crate) async fn run(args: &PlanArgs, output: Output) -> Result<(), Failure> {
    let bar = output.progress("plan");
    let host =
        Host::open(&args.dir.dir, SystemClock::real(), Access::Scratch, Patience::Short).await?;
    host.require_fit().await?;
    let options = dry(args.limit);
    let result = cycle::run(&host, options, &bar).await;
    bar.finish_and_clear();
    let result = result?;
    let facts = json!({
        "operations": result.plan.operations,
        "omitted": result.plan.omitted,
        "held": result.plan.held,
        "report": cycle::facts(&result.report),
    });
    output.result(&facts, || describe(&result))?;
    cycle::require_success(&result.report).map_err(Failure::reported)
}

fn describe(result: &CycleResult) -> String {
    let planned = result.report.planned;
    if planned == 0 {
        return format!("{}nothing to write", result.plan);
    }
    format!("{}{planned} operation(s) in all", result.plan)
}

/// Plan, do not apply.
pub(crate) fn dry(limit: usize) -> CycleOptions {
    CycleOptions { apply: false, plan_operations: limit, ..CycleOptions::default() }
}
