//! `renkei plugin list | reload | rollback | hold | grants`.
//!
//! Where `renkei serve` runs on the same data directory, it is asked through its control socket,
//! and what is shown is what it serves. Otherwise this process does the same to what is remembered
//! in the data directory, and the next command obeys it. Only `serve` has something to tell of what
//! was stopped: the counts are those of its process.

use std::collections::BTreeSet;
use std::path::Path;

use renkei_admin::plugins::{
    GrantsReport, PluginAnswer, PluginReport, PluginRequest, PluginStatus, StopReport, is_change,
};
use renkei_admin::socket::request_plugins;
use renkei_admin::text;
use serde_json::json;

use super::plugin_status;
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database::DatabaseAccess;
use crate::host;
use crate::output::Output;
use crate::table;

/// Shows the plugins.
pub(super) async fn list(dir: &Path, output: Output) -> Result<(), CommandError> {
    let PluginOutcome { answer, stops } = send_request(dir, PluginRequest::List).await?;
    let PluginAnswer::Plugins(plugins) = &answer else { return show(&answer, output) };
    output.result(&json!({ "plugins": plugins, "stops": stops }), || {
        let stopped = stops.as_deref().filter(|stops| !stops.is_empty()).map(stopped);
        format!("{}{}", table_of(plugins), stopped.unwrap_or_default())
    })?;
    Ok(())
}

/// Carries out a request and shows the plugins, or permissions, that it is about.
pub(super) async fn run(
    dir: &Path,
    request: PluginRequest,
    output: Output,
) -> Result<(), CommandError> {
    show(&send_request(dir, request).await?.answer, output)
}

/// An answer; with what was stopped since it began where a running `serve` gave it.
struct PluginOutcome {
    answer: PluginAnswer,
    stops: Option<Vec<StopReport>>,
}

async fn send_request(dir: &Path, request: PluginRequest) -> Result<PluginOutcome, CommandError> {
    let config = Config::read(dir)?;
    match request_plugins(&config.data, &request).await? {
        Some(PluginStatus { answer, stops }) => Ok(PluginOutcome { answer, stops: Some(stops) }),
        None => {
            let access = match is_change(&request) {
                true => DatabaseAccess::ReadWrite,
                false => DatabaseAccess::ReadOnly,
            };
            let runtime = host::plugins(dir, access).await?;
            let answer = runtime.admin(request).await?;
            Ok(PluginOutcome { answer, stops: None })
        }
    }
}

fn show(answer: &PluginAnswer, output: Output) -> Result<(), CommandError> {
    match answer {
        PluginAnswer::Plugins(plugins) => {
            output.result(&json!({ "plugins": plugins }), || table_of(plugins))?;
        }
        PluginAnswer::Grants(grants) => {
            output.result(&json!({ "grants": grants }), || match grants.is_empty() {
                true => NO_PLUGINS.to_owned(),
                false => grants.iter().map(describe).collect::<Vec<_>>().join("\n"),
            })?
        }
        other => {
            output.result(&json!({ "other": format!("{other:?}") }), || format!("{other:?}"))?
        }
    }
    Ok(())
}

/// The text where there is nothing to list.
const NO_PLUGINS: &str = "no plugin file is in the plugin folder: copy one there, or build one with \
                          `renkei plugin build`";

fn table_of(plugins: &[PluginReport]) -> String {
    if plugins.is_empty() {
        return NO_PLUGINS.to_owned();
    }
    let rows = plugins.iter().map(|plugin| {
        let serves =
            plugin.id.iter().zip(&plugin.version).map(|(id, version)| format!("{id}@{version}"));
        let digest = plugin.digest.as_ref().and_then(|digest| digest.get(..12));
        vec![
            plugin.file.clone(),
            serves.collect(),
            plugin.kind.clone().unwrap_or_default(),
            digest.unwrap_or_default().to_owned(),
            plugin_status::describe_state(plugin),
            plugin_status::describe_details(plugin),
        ]
    });
    table::plain(&["file", "serves", "kind", "digest", "state", "details"], rows)
}

/// The table of what was stopped or refused, below the plugins.
fn stopped(stops: &[StopReport]) -> String {
    let or_none = |word: &str| if word.is_empty() { "-" } else { word }.to_owned();
    let rows = stops.iter().map(|stop| {
        let StopReport { plugin, system, file, cause, times } = stop;
        vec![or_none(plugin), or_none(system), or_none(file), cause.clone(), times.to_string()]
    });
    let rows = table::plain(&["plugin", "system", "file", "cause", "times"], rows);
    format!("\n\nstopped or refused since `renkei serve` began:\n{rows}")
}

fn describe(grants: &GrantsReport) -> String {
    let lines = |title: &str, words: &BTreeSet<String>| {
        words.iter().map(|word| format!("\n  {title:<9} {}", text::line(word))).collect::<String>()
    };
    let waiting = grants.waiting.as_ref().map(|waiting| {
        let more = lines("asks for", &waiting.more);
        format!("\n  {} waits, which asks for more:{more}", waiting.version)
    });
    let nothing = if grants.asked.is_empty() { "\n  asks for nothing" } else { "" };
    format!(
        "{} {}{nothing}{}{}{}",
        grants.id,
        grants.version,
        lines("may", &grants.allowed),
        lines("may not", &grants.denied),
        waiting.unwrap_or_default()
    )
}
