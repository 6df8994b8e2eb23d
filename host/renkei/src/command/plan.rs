//! `renkei plan`: what a sync would write and why, on a copy of the database that is thrown away.

use renkei_admin::cycle::{PlanReport, failed_systems};
use renkei_sync::cycle_plan::CyclePlan;
use renkei_sync::engine::{CycleOptions, CycleReport};

use crate::cli::PlanArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::cycle_report;
use crate::database::DatabaseAccess;
use crate::fitting::require_fit;
use crate::host::{ConnectWait, Host};
use crate::output::Output;

/// Prints the plan. Writes neither to the systems nor to the database.
pub(crate) async fn run(args: &PlanArgs, output: Output) -> Result<(), CommandError> {
    let bar = output.progress("plan");
    let mut host = Host::open(
        &args.dir.dir,
        SystemClock::program(),
        DatabaseAccess::Scratch,
        ConnectWait::Short,
    )
    .await?;
    require_fit(&mut host).await?;
    let options = dry(args.limit);
    let result = cycle_report::run(&host, options, &bar).await;
    bar.finish_and_clear();
    let result = result?;
    let facts = PlanReport::new(&result.plan, &result.report);
    output.result(&facts, || describe(&result.plan, &result.report))?;
    cycle_report::require_success(&host, &result.report).map_err(CommandError::reported)
}

fn describe(plan: &CyclePlan, report: &CycleReport) -> String {
    let unread = failed_systems(report).into_iter().collect::<Vec<_>>().join(", ");
    match (report.planned, unread.as_str()) {
        (0, "") => format!("{plan}nothing to write"),
        (0, unread) => format!("{plan}not known: {unread} could not be read"),
        (planned, "") => format!("{plan}{planned} operation(s) in all"),
        (planned, unread) => {
            format!("{plan}{planned} operation(s), and maybe more: {unread} could not be read")
        }
    }
}

/// CyclePlan, do not apply.
pub(crate) fn dry(limit: usize) -> CycleOptions {
    CycleOptions { apply: false, plan_operations: limit, ..CycleOptions::default() }
}

#[cfg(test)]
mod tests {
    use renkei_model::plugin::{Generation, PluginError};
    use renkei_sync::cycle_failure::{CycleFailure, CycleStep};

    use super::*;

    fn check(planned: u64, failed: &[&str], expected: &str) {
        let (plan, mut report) = (CyclePlan::default(), CycleReport::default());
        report.planned = planned;
        for system in failed {
            let (version, digest) = ("1.0.0".to_owned(), String::new());
            let plugin = Generation { plugin: (*system).to_owned(), version, digest };
            let error = PluginError::Host { plugin, reason: "no answer".to_owned() };
            report.failures.push(CycleFailure::of_system(system, CycleStep::Open, &error));
        }
        assert_eq!(describe(&plan, &report), expected);
    }

    #[test]
    fn plan_names_systems_that_could_not_be_read() {
        check(0, &[], "nothing to write");
        let two = ["salesforce", "hubspot", "hubspot"];
        check(0, &two, "not known: hubspot, salesforce could not be read");
        check(3, &[], "3 operation(s) in all");
        check(3, &["hubspot"], "3 operation(s), and maybe more: hubspot could not be read");
    }
}
