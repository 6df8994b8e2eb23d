//! The objects of a system, as a table and as JSON.

use renkei_model::plugin::{ObjectInfo, PluginError};
use renkei_model::ports::Connector;
use serde_json::{Value as Json, json};

use super::grants::{ObjectGrants, fact_text, facts_json};
use crate::table;

/// The objects, and who says that these are all.
pub(super) struct ObjectList {
    rows: Vec<ObjectRow>,
    /// False where the connector cannot list objects, and these are the manifest's.
    complete: bool,
}

struct ObjectRow {
    info: ObjectInfo,
    listed: bool,
    granted: Vec<String>,
}

/// Asks the connector; where it lists none, the manifest's objects stand for them.
pub(super) async fn list(
    connector: &dyn Connector,
    grants: &ObjectGrants,
) -> Result<ObjectList, PluginError> {
    let (objects, complete) = match connector.objects().await {
        Ok(objects) => (objects, true),
        Err(PluginError::Unsupported { .. }) => (of_manifest(grants), false),
        Err(error) => return Err(error),
    };
    let row = |info: ObjectInfo| ObjectRow {
        listed: grants.lists(&info.name),
        granted: grants.granted(&info.name, &info.actions),
        info,
    };
    let mut rows: Vec<ObjectRow> = objects.into_iter().map(row).collect();
    rows.sort_by(|a, b| a.info.name.cmp(&b.info.name));
    Ok(ObjectList { rows, complete })
}

fn of_manifest(grants: &ObjectGrants) -> Vec<ObjectInfo> {
    let info = |(name, actions): (&str, &[renkei_package::ObjectAction])| ObjectInfo {
        name: name.to_owned(),
        label: String::new(),
        actions: actions.iter().map(|action| action.as_str().to_owned()).collect(),
        custom: false,
        facts: Vec::new(),
    };
    grants.listed().map(info).collect()
}

impl ObjectList {
    pub(super) fn json(&self, system: &str) -> Json {
        let object = |row: &ObjectRow| {
            json!({
                "name": row.info.name,
                "label": row.info.label,
                // Whoever made it is not known of objects that the connector did not list.
                "custom": self.complete.then_some(row.info.custom),
                "actions": row.info.actions,
                "listed": row.listed,
                "granted": row.granted,
                "facts": facts_json(&row.info.facts),
            })
        };
        let objects: Vec<Json> = self.rows.iter().map(object).collect();
        json!({ "system": system, "complete": self.complete, "objects": objects })
    }

    pub(super) fn text(&self, system: &str) -> String {
        let header = ["object", "label", "made by", "actions", "manifest", "granted", "facts"];
        let row = |row: &ObjectRow| {
            let made_by = match (self.complete, row.info.custom) {
                (false, _) => "",
                (true, true) => "account",
                (true, false) => "vendor",
            };
            let facts = row.info.facts.iter();
            let facts = facts.map(|(code, value)| format!("{code} {}", fact_text(value)));
            let granted = match row.granted.is_empty() {
                true => "nothing".to_owned(),
                false => row.granted.join(" "),
            };
            vec![
                row.info.name.clone(),
                row.info.label.clone(),
                made_by.to_owned(),
                row.info.actions.join(" "),
                if row.listed { "listed" } else { "" }.to_owned(),
                granted,
                facts.collect::<Vec<_>>().join(", "),
            ]
        };
        let table = table::plain(&header, self.rows.iter().map(row));
        let note = match self.complete {
            true => String::new(),
            false => format!(
                "\nThe plugin of {system} cannot list the account's objects: these are its \
                 manifest's. `renkei describe {system}.OBJECT` describes any other by its name."
            ),
        };
        format!("{table}{note}")
    }
}
