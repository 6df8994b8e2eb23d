//! Properties and pipelines as the contract's schema (`API.md`, H-schema-1, H-schema-2).
//!
//! HubSpot gives every value as text, so reading a record needs the types of its properties. They
//! are read once per instance and object, and again by each `discover`.

pub(crate) mod objects;

use std::collections::BTreeMap;

use renkei_sdk::http::Request;
use renkei_sdk::{Error, Field, Kind, Schema};
use serde::Deserialize;

use crate::associations;
use crate::client::call;
use crate::client::wire::Results;

/// The most characters of a text property (H-schema-6).
const TEXT_LENGTH_MAX: u32 = 65_536;
/// Objects that `merge` takes (H-merge-1).
const MERGEABLE: [&str; 4] = ["contacts", "companies", "deals", "tickets"];

/// The properties of one object, by name.
#[derive(Debug)]
pub(crate) struct Properties(BTreeMap<String, Property>);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Property {
    name: String,
    label: String,
    #[serde(rename = "type")]
    value_type: String,
    field_type: String,
    options: Vec<Choice>,
    has_unique_value: bool,
    calculated: bool,
    modification_metadata: Modification,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Modification {
    read_only_value: bool,
}

/// An option of a property, a pipeline or a stage: they name their value differently.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Choice {
    #[serde(alias = "id")]
    value: String,
    label: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pipeline {
    id: String,
    label: String,
    stages: Vec<Choice>,
}

impl Properties {
    /// Reads the properties of an object.
    ///
    /// # Errors
    /// `not-found` for an object that the account does not have.
    pub(crate) fn fetch(object: &str) -> Result<Self, Error> {
        let request = Request::get(format!("/crm/v3/properties/{object}"));
        let answer = call::<Results<Property>>(&request)?;
        let named = answer.body.results.into_iter().map(|one| (one.name.clone(), one));
        Ok(Self(named.collect()))
    }

    /// The kind of a property's values; nothing for a property that does not exist.
    pub(crate) fn kind(&self, name: &str) -> Option<Kind> {
        self.0.get(name).map(Property::kind)
    }

    /// True if no two records have the same value of a property. The e-mail address of a contact
    /// is unique although its property does not say so (H-schema-4).
    pub(crate) fn is_unique(&self, object: &str, name: &str) -> bool {
        let declared = self.0.get(name).is_some_and(|property| property.has_unique_value);
        declared || name == "hs_object_id" || (object, name) == ("contacts", "email")
    }

    /// True if this property can hold the intent of a create (H-schema-3).
    pub(crate) fn can_stamp(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|property| {
            property.has_unique_value && property.kind() == Kind::Text && !property.is_read_only()
        })
    }
}

impl Property {
    fn is_read_only(&self) -> bool {
        self.calculated || self.modification_metadata.read_only_value
    }

    fn kind(&self) -> Kind {
        match (self.value_type.as_str(), self.field_type.as_str()) {
            ("bool", _) => Kind::Boolean,
            ("number", _) => Kind::Decimal,
            ("date", _) => Kind::Date,
            ("datetime", _) => Kind::Timestamp,
            ("enumeration", "checkbox") => Kind::Choices,
            ("enumeration", _) => Kind::Choice,
            _ => Kind::Text,
        }
    }

    fn field(&self, unique: bool) -> Field {
        let kind = self.kind();
        let mut field = Field::new(&self.name, kind).label(&self.label);
        if self.is_read_only() {
            field = field.read_only();
        }
        if unique {
            field = field.unique();
        }
        if kind == Kind::Text {
            field = field.max_length(TEXT_LENGTH_MAX);
        }
        with_choices(field, &self.options)
    }
}

/// The live schema of one object, with its properties for later calls.
///
/// # Errors
/// `not-found` for an object that the account does not have.
pub(crate) fn discover_object(object: &str, stamp: &str) -> Result<(Schema, Properties), Error> {
    let properties = Properties::fetch(object)?;
    let mergeable = MERGEABLE.contains(&object);
    let mut schema = Schema::new(object, object)
        .fact("creatable", true)
        .fact("archivable", true)
        .fact("mergeable", mergeable);
    if properties.can_stamp(stamp) {
        schema = schema.fact("stamp", stamp);
    }
    for property in properties.0.values() {
        let unique = properties.is_unique(object, &property.name);
        schema = schema.field(property.field(unique));
    }
    add_stages(&mut schema, object)?;
    for relation in associations::list_relations(object) {
        let column = relation.column();
        let field = Field::new(column, Kind::References).label(relation.to).target(relation.to);
        let field = field.fact("primary", relation.has_primary());
        schema = schema.field(field);
    }
    Ok((schema, properties))
}

/// The properties for pipeline and stage have no options of their own; the pipelines do
/// (H-schema-5).
fn add_stages(schema: &mut Schema, object: &str) -> Result<(), Error> {
    let (pipeline_name, stage_name) = match object {
        "deals" => ("pipeline", "dealstage"),
        "tickets" => ("hs_pipeline", "hs_pipeline_stage"),
        _ => return Ok(()),
    };
    let request = Request::get(format!("/crm/v3/pipelines/{object}"));
    let pipelines = call::<Results<Pipeline>>(&request)?.body.results;
    let named = |one: &Pipeline| Choice { value: one.id.clone(), label: one.label.clone() };
    let names: Vec<Choice> = pipelines.iter().map(named).collect();
    let stages: Vec<Choice> = pipelines.iter().flat_map(|one| one.stages.clone()).collect();
    for (name, choices) in [(pipeline_name, names), (stage_name, stages)] {
        if let Some(field) = schema.fields.iter_mut().find(|field| field.name == name) {
            field.choices.clear();
            *field = with_choices(field.clone(), &choices);
        }
    }
    Ok(())
}

fn with_choices(field: Field, choices: &[Choice]) -> Field {
    choices.iter().fold(field, |field, choice| field.choice(&choice.value, &choice.label))
}

#[cfg(test)]
mod tests {
    use renkei_sdk::testing::{respond, with_http};
    use renkei_sdk::{Facts, Value};

    use super::*;

    const DEALS: &str = r#"{"results":[
        {"name":"amount","label":"Amount","type":"number","fieldType":"number"},
        {"name":"dealstage","label":"Deal stage","type":"enumeration","fieldType":"radio",
         "options":[],"externalOptions":true},
        {"name":"hs_is_closed","label":"Closed","type":"bool","fieldType":"booleancheckbox",
         "modificationMetadata":{"readOnlyValue":true}},
        {"name":"tags","label":"Tags","type":"enumeration","fieldType":"checkbox",
         "options":[{"label":"Hot","value":"hot","displayOrder":0,"hidden":false}]},
        {"name":"renkei_id","label":"Renkei","type":"string","fieldType":"text",
         "hasUniqueValue":true}]}"#;
    const PIPELINES: &str = r#"{"results":[{"id":"default","label":"Sales Pipeline","stages":[
        {"id":"closedwon","label":"Closed won","displayOrder":5,
         "metadata":{"isClosed":"true"}}]}]}"#;

    fn deals(stamp: &str) -> Schema {
        let discovered = with_http(
            |request| {
                let pipelines = request.path == "/crm/v3/pipelines/deals";
                Ok(respond(200, if pipelines { PIPELINES } else { DEALS }))
            },
            || discover_object("deals", stamp),
        );
        discovered.unwrap().0
    }

    fn field(name: &str) -> Field {
        deals("renkei_id").fields.into_iter().find(|field| field.name == name).unwrap()
    }

    #[test]
    fn property_type_becomes_a_kind() {
        let check = |name, kind: Kind| assert_eq!(field(name).kind, kind.as_str(), "{name}");
        check("amount", Kind::Decimal);
        check("dealstage", Kind::Choice);
        check("hs_is_closed", Kind::Boolean);
        check("tags", Kind::Choices);
        check("renkei_id", Kind::Text);
        check("associations.companies", Kind::References);
    }

    #[test]
    fn schema_has_rights_choices_and_targets() {
        assert!(!field("hs_is_closed").updatable && field("amount").updatable);
        assert_eq!(field("dealstage").choices, [("closedwon".into(), "Closed won".into())]);
        assert_eq!(field("tags").choices, [("hot".into(), "Hot".into())]);
        assert_eq!(field("associations.contacts").targets, ["contacts"]);
        assert!(field("renkei_id").unique && !field("amount").unique);
    }

    #[test]
    fn unique_text_property_alone_is_a_stamp() {
        assert_eq!(deals("renkei_id").facts.text("stamp"), Some("renkei_id"));
        assert_eq!(deals("tags").facts.value("stamp"), None);
        assert_eq!(deals("no_such").facts.value("stamp"), None);
        assert_eq!(deals("no_such").facts.value("mergeable"), Some(&Value::Boolean(true)));
    }
}
