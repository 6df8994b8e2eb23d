//! Grants of objects, and facts as people and scripts read them.

use std::collections::BTreeSet;
use std::sync::Arc;

use renkei_model::ports::Connector;
use renkei_model::record::Attributes;
use renkei_model::value::{Value, text_of_parts};
use renkei_package::{Manifest, ObjectAction, Permission};
use renkei_runtime::{PluginAnswer, PluginRequest};
use serde_json::{Value as Json, json};

use crate::command_error::CommandError;
use crate::host::LiveSystems;

/// The manifest of the plugin that serves a system, and what an admin left of it.
pub(super) struct ObjectGrants {
    manifest: Arc<Manifest>,
    denied: BTreeSet<String>,
}

impl ObjectGrants {
    pub(super) async fn read(
        live: &LiveSystems,
        connector: &dyn Connector,
    ) -> Result<Self, CommandError> {
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
    pub(super) fn listed(&self) -> impl Iterator<Item = (&str, &[ObjectAction])> {
        let objects = self.manifest.connector().into_iter().flat_map(|one| &one.objects);
        objects.map(|object| (object.name.as_str(), object.actions.as_slice()))
    }

    pub(super) fn lists(&self, object: &str) -> bool {
        self.listed().any(|(listed, _)| listed == object)
    }

    /// Of reading and of these actions, those that Renkei may ask the plugin for.
    pub(super) fn granted(&self, object: &str, actions: &[String]) -> Vec<String> {
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
pub(super) fn fact_text(value: &Value) -> String {
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
pub(super) fn facts_json(facts: &Attributes) -> Json {
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
