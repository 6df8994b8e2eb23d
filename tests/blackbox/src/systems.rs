//! The two simulated CRMs as people and a judge see them: never through the program under test.
//!
//! People act by `/_sim/` routes, which stand for the vendors' user interfaces. The judge reads
//! `/_sim/records`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::history::Subject;

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

    /// The objects that hold such records.
    pub fn objects(self, who: Subject) -> &'static [&'static str] {
        match (who, self) {
            (Subject::Person(_), Self::HubSpot) => &["contacts"],
            (Subject::Person(_), Self::Salesforce) => &["Contact", "Lead"],
            (Subject::Company(_), Self::HubSpot) => &["companies"],
            (Subject::Company(_), Self::Salesforce) => &["Account"],
            (Subject::Deal(_), Self::HubSpot) => &["deals"],
            (Subject::Deal(_), Self::Salesforce) => &["Opportunity"],
        }
    }

    /// All objects of the configuration.
    pub fn all_objects(self) -> impl Iterator<Item = &'static str> {
        let one_each = [Subject::Person(0), Subject::Company(0), Subject::Deal(0)];
        one_each.into_iter().flat_map(move |who| self.objects(who).iter().copied())
    }

    /// The column by which people know such a record.
    pub fn name_column(self, who: Subject) -> &'static str {
        match (who, self) {
            (Subject::Person(_), Self::HubSpot) => "email",
            (Subject::Person(_), Self::Salesforce) => "Email",
            (Subject::Company(_), Self::HubSpot) => "name",
            (Subject::Deal(_), Self::HubSpot) => "dealname",
            (_, Self::Salesforce) => "Name",
        }
    }
}

/// The column that says that a person does not want mail.
pub fn opt_out_column(side: Side) -> &'static str {
    match side {
        Side::HubSpot => "hs_email_optout",
        Side::Salesforce => "HasOptedOutOfEmail",
    }
}

/// The column that names a record's owner, which the example configuration does not map.
pub fn owner_column(side: Side) -> &'static str {
    match side {
        Side::HubSpot => "hubspot_owner_id",
        Side::Salesforce => "OwnerId",
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
    /// `Human` or `Api`.
    pub created_by: String,
    pub references: BTreeMap<String, Vec<String>>,
    /// The one of them that HubSpot marks as primary.
    #[serde(default)]
    pub primary: BTreeMap<String, String>,
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

    /// True if a person made it.
    pub fn is_made_by_people(&self) -> bool {
        self.created_by.eq_ignore_ascii_case("human")
    }

    /// True if the person does not want mail.
    pub fn is_opted_out(&self) -> bool {
        self.text(opt_out_column(self.side())) == "true"
    }

    /// The system that has it.
    pub fn side(&self) -> Side {
        let is_hubspot = Side::HubSpot.all_objects().any(|object| object == self.object);
        if is_hubspot { Side::HubSpot } else { Side::Salesforce }
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

    /// A person makes a company the primary one of a contact or deal.
    ///
    /// # Errors
    /// As [`Door::post`].
    pub fn make_primary(&self, record: &Record, company: &str) -> anyhow::Result<()> {
        let link = json!({
            "object": record.object, "id": record.id,
            "to_object": "companies", "to_id": company, "primary": true,
        });
        self.post("link", &link).map(drop)
    }
}
