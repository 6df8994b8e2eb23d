//! `renkei plugin list | reload | rollback | hold | grants`.
//!
//! Where `renkei serve` runs on the same data directory, it is asked through its control socket,
//! and what is shown is what it serves. Otherwise this process does the same to what is remembered
//! in the data directory, and the next command obeys it.

use std::collections::BTreeSet;
use std::path::Path;

use renkei_runtime::{Answer, GrantsReport, PluginReport, Request};
use serde_json::json;

use crate::config::Config;
use crate::control;
use crate::database::Access;
use crate::failure::Failure;
use crate::host;
use crate::output::Output;
use crate::table;

/// Shows the plugins.
pub(super) async fn list(dir: &Path, output: Output) -> Result<(), Failure> {
    let answer = ask(dir, Request::List, Access::Look).await?;
    show(&answer, output)
}

/// Does what changes which version serves, and shows the plugins that it is about.
pub(super) async fn change(dir: &Path, request: Request, output: Output) -> Result<(), Failure> {
    let answer = ask(dir, request, Access::Keep).await?;
    show(&answer, output)
}

/// Shows what plugins ask for and may, after a change if one is wanted.
pub(super) async fn grants(dir: &Path, request: Request, output: Output) -> Result<(), Failure> {
    let changes = matches!(
        &request,
        Request::Grants { allow, deny, .. } if !allow.is_empty() || !deny.is_empty()
    );
    let access = if changes { Access::Keep } else { Access::Look };
    let answer = ask(dir, request, access).await?;
    show(&answer, output)
}

async fn ask(dir: &Path, request: Request, access: Access) -> Result<Answer, Failure> {
    let config = Config::read(dir).map_err(Failure::usage)?;
    match control::ask_plugins(&config.data, &request).await? {
        Some(answer) => Ok(answer),
        None => {
            let runtime = host::plugins(dir, access).await?;
            runtime.admin(request).await.map_err(Failure::admin)
        }
    }
}

fn show(answer: &Answer, output: Output) -> Result<(), Failure> {
    match answer {
        Answer::Plugins(plugins) => {
            output.result(&json!({ "plugins": plugins }), || table_of(plugins))?;
        }
        Answer::Grants(grants) => output.result(&json!({ "grants": grants }), || {
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
            state(plugin),
            matter(plugin),
        ]
    });
    table::plain(&["file", "serves", "kind", "digest", "state", "matter"], rows)
}

fn state(plugin: &PluginReport) -> String {
    let hold = if plugin.hold { ", hold" } else { "" };
    format!("{}{hold}", plugin.state)
}

/// What a person should know, most urgent first.
fn matter(plugin: &PluginReport) -> String {
    if let Some(fault) = &plugin.fault {
        return fault.clone();
    }
    if let Some(waiting) = &plugin.waiting {
        return format!("{} waits: {}", waiting.version, waiting.reason);
    }
    match plugin.quarantined_until_ms {
        Some(_) => {
            let id = plugin.id.as_deref().unwrap_or_default();
            format!("it failed again and again; `renkei plugin reload {id}` tries it at once")
        }
        None => String::new(),
    }
}

fn describe(grants: &GrantsReport) -> String {
    let lines = |title: &str, words: &BTreeSet<String>| {
        words.iter().map(|word| format!("\n  {title:<9} {word}")).collect::<String>()
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
