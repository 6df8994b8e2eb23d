//! `renkei plugin list | reload | rollback | hold | grants`.
//!
//! Where `renkei serve` runs on the same data directory, it is asked through its control socket,
//! and what is shown is what it serves. Otherwise this process does the same to what is remembered
//! in the data directory, and the next command obeys it. Only `serve` has something to tell of what
//! was stopped: the counts are those of its process.

use std::collections::BTreeSet;
use std::path::Path;

use renkei_runtime::{GrantsReport, PluginAnswer, PluginReport, PluginRequest};
use serde_json::json;

use super::standing;
use crate::admin_socket::{self, Stop, Told};
use crate::config::Config;
use crate::database::Access;
use crate::failure::Failure;
use crate::host;
use crate::output::Output;
use crate::plain;
use crate::table;

/// Shows the plugins.
pub(super) async fn list(dir: &Path, output: Output) -> Result<(), Failure> {
    let Answered { answer, stops } = ask(dir, PluginRequest::List, Access::Look).await?;
    let PluginAnswer::Plugins(plugins) = &answer else { return show(&answer, output) };
    output.result(&json!({ "plugins": plugins, "stops": stops }), || {
        let stopped = stops.as_deref().filter(|stops| !stops.is_empty()).map(stopped);
        format!("{}{}", table_of(plugins), stopped.unwrap_or_default())
    })?;
    Ok(())
}

/// Does what changes which version serves, and shows the plugins that it is about.
pub(super) async fn change(
    dir: &Path,
    request: PluginRequest,
    output: Output,
) -> Result<(), Failure> {
    show(&ask(dir, request, Access::Keep).await?.answer, output)
}

/// Shows what plugins ask for and may, after a change if one is wanted.
pub(super) async fn grants(
    dir: &Path,
    request: PluginRequest,
    output: Output,
) -> Result<(), Failure> {
    let changes = matches!(
        &request,
        PluginRequest::Grants { allow, deny, .. } if !allow.is_empty() || !deny.is_empty()
    );
    let access = if changes { Access::Keep } else { Access::Look };
    show(&ask(dir, request, access).await?.answer, output)
}

/// An answer; with what was stopped since it began where a running `serve` gave it.
struct Answered {
    answer: PluginAnswer,
    stops: Option<Vec<Stop>>,
}

async fn ask(dir: &Path, request: PluginRequest, access: Access) -> Result<Answered, Failure> {
    let config = Config::read(dir).map_err(Failure::usage)?;
    match admin_socket::ask_plugins(&config.data, &request).await? {
        Some(Told { answer, stops }) => Ok(Answered { answer, stops: Some(stops) }),
        None => {
            let runtime = host::plugins(dir, access).await?;
            let answer = runtime.admin(request).await.map_err(Failure::admin)?;
            Ok(Answered { answer, stops: None })
        }
    }
}

fn show(answer: &PluginAnswer, output: Output) -> Result<(), Failure> {
    match answer {
        PluginAnswer::Plugins(plugins) => {
            output.result(&json!({ "plugins": plugins }), || table_of(plugins))?;
        }
        PluginAnswer::Grants(grants) => output.result(&json!({ "grants": grants }), || {
            grants.iter().map(describe).collect::<Vec<_>>().join("\n")
        })?,
        other => {
            output.result(&json!({ "other": format!("{other:?}") }), || format!("{other:?}"))?
        }
    }
    Ok(())
}

fn table_of(plugins: &[PluginReport]) -> String {
    let rows = plugins.iter().map(|plugin| {
        let serves =
            plugin.id.iter().zip(&plugin.version).map(|(id, version)| format!("{id}@{version}"));
        let digest = plugin.digest.as_ref().and_then(|digest| digest.get(..12));
        vec![
            plugin.file.clone(),
            serves.collect(),
            plugin.kind.clone().unwrap_or_default(),
            digest.unwrap_or_default().to_owned(),
            standing::state(plugin),
            standing::matter(plugin),
        ]
    });
    table::plain(&["file", "serves", "kind", "digest", "state", "matter"], rows)
}

/// What was stopped or refused, below the plugins.
fn stopped(stops: &[Stop]) -> String {
    let or_none = |word: &str| if word.is_empty() { "-" } else { word }.to_owned();
    let rows = stops.iter().map(|stop| {
        let Stop { plugin, system, file, cause, times } = stop;
        vec![or_none(plugin), or_none(system), or_none(file), cause.clone(), times.to_string()]
    });
    let rows = table::plain(&["plugin", "system", "file", "cause", "times"], rows);
    format!("\n\nstopped or refused since `renkei serve` began:\n{rows}")
}

fn describe(grants: &GrantsReport) -> String {
    let lines = |title: &str, words: &BTreeSet<String>| {
        words.iter().map(|word| format!("\n  {title:<9} {}", plain::line(word))).collect::<String>()
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
