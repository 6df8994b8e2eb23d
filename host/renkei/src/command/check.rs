//! `renkei check`: the configuration against the plugins and the live systems. Writes nothing.

use renkei_admin::text;
use renkei_model::value::Value;
use serde_json::json;

use crate::cli::DirArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::database::DatabaseAccess;
use crate::host::{ConnectWait, Host, Preflight, of_plugin};
use crate::output::Output;
use crate::preflight::{Finding, Severity};

/// Exit code 2 when something would stop a sync.
pub(crate) async fn run(args: &DirArgs, output: Output) -> Result<(), CommandError> {
    let bar = output.progress("asking the systems");
    let host =
        Host::open(&args.dir, SystemClock::program(), DatabaseAccess::Scratch, ConnectWait::Short)
            .await?;
    let preflight = host.preflight().await;
    bar.finish_and_clear();
    let errors =
        preflight.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let json = json!({
        "fits": errors == 0 && preflight.failures.is_empty(),
        "systems": preflight.accounts.iter().map(|(system, account)| json!({
            "system": system,
            "account": account.id,
            "name": account.name,
        })).collect::<Vec<_>>(),
        "failures": preflight.failures.iter().map(|(system, error)| json!({
            "system": system,
            "error": error.to_string(),
            "hint": error.hint(),
        })).collect::<Vec<_>>(),
        "findings": preflight.findings,
    });
    output.result(&json, || describe(&preflight, errors))?;
    if errors > 0 {
        let failure = CommandError::usage(format!("the configuration has {errors} error(s)"));
        let hint = "correct the entities or the systems, then run `renkei check` again";
        return Err(failure.hint(hint).reported());
    }
    match preflight.failures.into_iter().next() {
        None => Ok(()),
        Some((system, error)) => Err(of_plugin(&host, &system, error).reported()),
    }
}

fn describe(preflight: &Preflight, errors: usize) -> String {
    let accounts = preflight.accounts.iter().map(|(system, account)| {
        let facts = account.facts.iter().filter_map(|(code, value)| match value {
            Value::Integer(number) => Some(format!(", {code} {number}")),
            Value::Text(text) => Some(format!(", {code} {text}")),
            _ => None,
        });
        format!("{system}: {} {}{}", account.id, account.name, facts.collect::<String>())
    });
    let findings = preflight.findings.iter().flat_map(Finding::lines);
    let silent = preflight.failures.iter().flat_map(|(system, error)| {
        let hint = error.hint().map(|hint| format!("  hint: {hint}"));
        [format!("{system}: {error}")].into_iter().chain(hint)
    });
    let verdict = match (errors, preflight.failures.is_empty()) {
        (0, true) => "The configuration fits.",
        (0, false) if preflight.accounts.is_empty() => {
            "Nothing answered; whether the configuration fits is not known."
        }
        (0, false) => "What answered fits; the rest could not be asked.",
        _ => "The configuration does not fit.",
    };
    accounts
        .chain(silent)
        .chain(findings)
        .chain([verdict.to_owned()])
        .map(|line| text::line(&line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use renkei_model::plugin::Account;

    use super::*;

    /// `RULES.md R23`: the name of an account makes no line of its own.
    #[test]
    fn name_with_a_line_feed_stays_on_its_line() {
        let name = "ACME\nThe configuration fits.\u{1b}[2J".to_owned();
        let facts = vec![("zone\n".to_owned(), Value::Text("a\nb".into()))];
        let account = Account { id: "1\n2".to_owned(), name, facts };
        let accounts = vec![("hubspot".to_owned(), account)];
        let text = describe(&Preflight { accounts, ..Preflight::default() }, 1);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.ends_with("\nThe configuration does not fit."), "{text}");
    }
}
