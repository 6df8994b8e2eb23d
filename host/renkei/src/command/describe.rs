//! `renkei describe`: the objects of a live system, and the columns of one. Writes nothing.
//!
//! It is what somebody reads to write `entities/*.toml`, so it needs no mapping and no database,
//! only the systems of `renkei.toml`.

mod columns;
mod objects;

use std::collections::BTreeSet;
use std::sync::Arc;

use renkei_model::plugin::PluginError;
use renkei_model::ports::{Connector, Systems as _};
use renkei_model::record::Attributes;
use renkei_model::value::{Value, text_of_parts};
use renkei_package::{Manifest, ObjectAction, Permission};
use renkei_runtime::{PluginAnswer, PluginRequest};
use serde_json::{Value as Json, json};

use crate::cli::DescribeArgs;
use crate::command_error::CommandError;
use crate::host::LiveSystems;
use crate::output::Output;

/// Exit code 2 for an unknown system or object.
pub(crate) async fn run(args: &DescribeArgs, output: Output) -> Result<(), CommandError> {
    let (system, object) = match args.subject.split_once('.') {
        Some((system, object)) => (system, Some(object)),
        None => (args.subject.as_str(), None),
    };
    let bar = output.progress("asking the system");
    let live = LiveSystems::open(&args.dir.dir).await?;
    if !live.config.system_names().any(|name| name == system) {
        let names = live.config.system_names().collect::<Vec<_>>().join(", ");
        let error = CommandError::usage(format!("renkei.toml has no system {system}"));
        return Err(error.hint(format!("its systems are {names}")));
    }
    let connector = live.runtime.open(system).await;
    let connector = connector.map_err(|error| live.failure(system, error))?;
    let grants = ObjectGrants::read(&live, connector.as_ref()).await?;
    match object {
        None => {
            let listed = objects::list(connector.as_ref(), &grants).await;
            let listed = listed.map_err(|error| live.failure(system, error))?;
            bar.finish_and_clear();
            output.result(&listed.json(system), || listed.text(system))?;
        }
        Some(object) => {
            let wanted = [object.to_owned()];
            let schemas = connector.discover(&wanted).await;
            let schemas = schemas.map_err(|error| match error {
                PluginError::NotFound { .. } => unknown_object(system, object),
                error => live.failure(system, error),
            })?;
            bar.finish_and_clear();
            let Some(schema) = schemas.into_iter().next() else {
                return Err(unknown_object(system, object));
            };
            let json = columns::json(system, &schema, &grants);
            output.result(&json, || columns::text(system, &schema, &grants))?;
        }
    }
    Ok(())
}

fn unknown_object(system: &str, object: &str) -> CommandError {
    let error = CommandError::usage(format!("{system} has no object {object} for this account"));
    error.hint(format!("`renkei describe {system}` lists the objects that the account can read"))
}

/// The manifest of the plugin that serves a system, and what an admin left of it.
struct ObjectGrants {
    manifest: Arc<Manifest>,
    denied: BTreeSet<String>,
}

impl ObjectGrants {
    async fn read(live: &LiveSystems, connector: &dyn Connector) -> Result<Self, CommandError> {
        let generation = connector.generation();
        let id = Some(generation.plugin.clone());
        let request = PluginRequest::Grants { id, allow: Vec::new(), deny: Vec::new() };
        let denied = match live.runtime.admin(request).await? {
            PluginAnswer::Grants(reports) => {
                reports.into_iter().flat_map(|report| report.denied).collect()
            }
            _ => BTreeSet::new(),
        };
        let files = live.runtime.list();
        let serving = files.iter().find(|file| file.serving.as_ref() == Some(generation));
        let manifest = serving.and_then(|file| file.manifest.clone());
        let manifest = manifest.ok_or_else(|| {
            let error = format!("{generation} was replaced while it was asked");
            CommandError::plugin(anyhow::anyhow!(error)).hint("run the command again")
        })?;
        Ok(Self { manifest, denied })
    }

    /// The manifest's own list.
    fn listed(&self) -> impl Iterator<Item = (&str, &[ObjectAction])> {
        let objects = self.manifest.connector().into_iter().flat_map(|one| &one.objects);
        objects.map(|object| (object.name.as_str(), object.actions.as_slice()))
    }

    fn lists(&self, object: &str) -> bool {
        self.listed().any(|(listed, _)| listed == object)
    }

    /// Of reading and of these actions, those that Renkei may ask the plugin for.
    fn granted(&self, object: &str, actions: &[String]) -> Vec<String> {
        let open = |needed: Vec<Permission>| {
            !needed.iter().any(|permission| self.denied.contains(&permission.to_string()))
        };
        if !open(self.manifest.permissions_to_read(object)) {
            return Vec::new();
        }
        let may = |word: &&String| {
            ObjectAction::parse(word).is_some_and(|action| {
                !self.manifest.leaves_out(object, action)
                    && open(self.manifest.permissions_to_write(object, action))
            })
        };
        let actions = actions.iter().filter(may).cloned();
        ["read".to_owned()].into_iter().chain(actions).collect()
    }
}

/// A fact as text.
fn fact_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::Integer(number) | Value::Timestamp(number) => number.to_string(),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) => text.to_string(),
        Value::Choices(texts) | Value::References(texts) => texts.join(", "),
        Value::Other(parts) => text_of_parts(parts),
    }
}

/// Facts as an object of JSON, with values of JSON's own kinds.
fn facts_json(facts: &Attributes) -> Json {
    let fact = |(code, value): &(String, Value)| {
        let value = match value {
            Value::Null => Json::Null,
            Value::Boolean(is) => json!(is),
            Value::Integer(number) | Value::Timestamp(number) => json!(number),
            Value::Choices(texts) | Value::References(texts) => json!(texts),
            other => json!(fact_text(other)),
        };
        (code.clone(), value)
    };
    Json::Object(facts.iter().map(fact).collect())
}
