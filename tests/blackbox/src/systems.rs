//! The two simulated CRMs as people and a judge see them: never through the program under test.
//!
//! People act by `/_sim/` routes, which stand for the vendors' user interfaces. The judge reads
//! `/_sim/records`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// HubSpot.
    HubSpot,
    /// Salesforce.
    Salesforce,
}

pub const SIDES: [Side; 2] = [Side::HubSpot, Side::Salesforce];

impl Side {
    /// The system's name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::HubSpot => "hubspot",
            Self::Salesforce => "salesforce",
        }
    }

    /// The objects that hold people.
    pub fn people(self) -> &'static [&'static str] {
        match self {
            Self::HubSpot => &["contacts"],
            Self::Salesforce => &["Contact", "Lead"],
        }
    }

    /// The object that holds companies.
    pub fn companies(self) -> &'static str {
        match self {
            Self::HubSpot => "companies",
            Self::Salesforce => "Account",
        }
    }
}

/// A record as a simulator lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(skip)]
    pub object: String,
    pub id: String,
    pub fields: BTreeMap<String, Value>,
    pub archived: bool,
    pub references: BTreeMap<String, Vec<String>>,
}

impl Record {
    /// A field as trimmed text; null, missing and empty are all "".
    pub fn text(&self, field: &str) -> String {
        match self.fields.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(other) => other.to_string(),
        }
    }

    /// A converted Lead is history, not a person.
    pub fn is_live(&self) -> bool {
        !self.archived && self.text("IsConverted") != "true"
    }
}

/// The two systems, as their people reach them.
pub struct Systems {
    /// The HubSpot account.
    pub hubspot: System,
    /// The Salesforce org.
    pub salesforce: System,
}

/// One system.
pub struct System(pub Box<dyn Door>);

/// A way to a simulator's `/_sim/` routes.
pub trait Door {
    /// Gets `/_sim/PATH`.
    ///
    /// # Errors
    /// No answer, or one that is no JSON.
    fn get(&self, path: &str) -> anyhow::Result<Value>;

    /// Posts to `/_sim/PATH`.
    ///
    /// # Errors
    /// An answer other than success, with the simulator's words.
    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value>;
}

impl Systems {
    /// The system of a side.
    pub fn system(&self, side: Side) -> &System {
        match side {
            Side::HubSpot => &self.hubspot,
            Side::Salesforce => &self.salesforce,
        }
    }

    /// Calls that both have answered.
    ///
    /// # Errors
    /// As [`Door::get`].
    pub fn calls(&self) -> anyhow::Result<u64> {
        let calls = |side| -> anyhow::Result<u64> {
            Ok(self.system(side).get("ledger")?["made"].as_u64().unwrap_or_default())
        };
        Ok(calls(Side::HubSpot)? + calls(Side::Salesforce)?)
    }
}

impl System {
    /// Calls [`Door::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.0.get(path)
    }

    /// Calls [`Door::post`].
    ///
    /// # Errors
    /// As there.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.0.post(path, body)
    }

    /// All records of an object, archived ones too.
    ///
    /// # Errors
    /// As [`Door::get`].
    pub fn records(&self, object: &str) -> anyhow::Result<Vec<Record>> {
        let listed = self.get(&format!("records?object={object}"))?;
        let mut records: Vec<Record> = serde_json::from_value(listed)?;
        for record in &mut records {
            record.object = object.to_owned();
        }
        Ok(records)
    }

    /// A person makes a record; its id.
    ///
    /// # Errors
    /// As [`Door::post`].
    pub fn create(&self, object: &str, fields: &Value) -> anyhow::Result<String> {
        let made = self.post("create", &json!({ "object": object, "fields": fields }))?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// A person changes fields of a record.
    ///
    /// # Errors
    /// As [`Door::post`].
    pub fn edit(&self, object: &str, id: &str, fields: Map<String, Value>) -> anyhow::Result<()> {
        self.post("edit", &json!({ "object": object, "id": id, "fields": fields })).map(drop)
    }

    /// A person adds or removes the association of a contact with a company.
    ///
    /// # Errors
    /// As [`Door::post`].
    pub fn associate(&self, contact: &str, company: &str, there: bool) -> anyhow::Result<()> {
        let link = json!({
            "object": "contacts", "id": contact, "to_object": "companies", "to_id": company,
        });
        self.post(if there { "link" } else { "unlink" }, &link).map(drop)
    }
}
