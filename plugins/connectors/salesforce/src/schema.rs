//! Describe: the schema for the host, and the [`ObjectShape`] that reading and writing need.
//!
//! A describe has hundreds of kilobytes (`API.md`, S-describe-1), so the shape of the columns in
//! use travels in the cursor and an idle cycle needs no describe.

pub(crate) mod objects;

use std::collections::BTreeMap;

use renkei_sdk::{Error, Field, Kind, Resolution, Schema, Value};
use serde::{Deserialize, Serialize};

use crate::client::{get_all, parse};
use crate::config::Config;
use crate::error::is_id;
use crate::value::ValueForm;

/// The facts about an object that reading and writing need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectShape {
    /// Columns with the form of their values; none for a column that is not there, or that this
    /// user may not see (S-describe-3).
    pub(crate) forms: BTreeMap<String, Option<ValueForm>>,
    /// The stamp field is there, unique and an external id.
    pub(crate) stamped: bool,
    /// Rows go to the recycle bin and keep `IsDeleted`.
    pub(crate) binned: bool,
    /// Merged rows keep `MasterRecordId`.
    pub(crate) merged: bool,
    /// Converted rows keep `IsConverted` and what they became.
    pub(crate) converted: bool,
    /// getDeleted knows the object.
    pub(crate) replicated: bool,
    /// The beginning of its ids; empty where that is not known.
    pub(crate) prefix: String,
    /// Comes from a describe of this job and knows every column.
    #[serde(skip)]
    pub(crate) whole: bool,
}

impl ObjectShape {
    /// True if nothing has to be described to read these columns. A cursor does not know whether a
    /// column that was not there is there again.
    pub(crate) fn covers(&self, columns: &[String]) -> bool {
        self.whole || columns.iter().all(|column| self.form(column).is_some())
    }

    /// True for an id that may be one of this object.
    pub(crate) fn may_have(&self, id: &str) -> bool {
        is_id(id) && id.starts_with(&self.prefix)
    }

    /// The form of a column that can be read.
    pub(crate) fn form(&self, column: &str) -> Option<ValueForm> {
        self.forms.get(column).copied().flatten()
    }

    /// The same with these columns only, for a cursor.
    pub(crate) fn only_columns(&self, columns: &[String]) -> Self {
        let forms = columns.iter().map(|column| (column.clone(), self.form(column)));
        Self { forms: forms.collect(), whole: false, ..self.clone() }
    }
}

/// The parts of a describe in use.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribedObject {
    name: String,
    label: String,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    deletable: bool,
    #[serde(default)]
    replicateable: bool,
    #[serde(default)]
    key_prefix: Option<String>,
    fields: Vec<DescribedField>,
    #[serde(default)]
    child_relationships: Vec<ChildRelationship>,
}

/// A column of another object that refers to this one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ChildRelationship {
    #[serde(rename = "childSObject")]
    child: String,
    field: Option<String>,
    cascade_delete: bool,
}

/// Deleting the first deletes what refers to it by the others, whatever a describe says
/// (S-describe-5).
const ALWAYS_CASCADES: [(&str, &str, &str); 2] =
    [("Account", "Contact", "AccountId"), ("Account", "Opportunity", "AccountId")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DescribedField {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    length: u32,
    nillable: bool,
    createable: bool,
    updateable: bool,
    defaulted_on_create: bool,
    external_id: bool,
    unique: bool,
    picklist_values: Vec<PicklistValue>,
    restricted_picklist: bool,
    reference_to: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct PicklistValue {
    active: bool,
    label: Option<String>,
    value: String,
}

/// Describes objects, in order; one call for one object, else one for 25.
///
/// # Errors
/// `not-found` for an object that this user cannot see.
pub(crate) fn describe_objects(
    config: &Config,
    objects: &[String],
) -> Result<Vec<DescribedObject>, Error> {
    let path = |object: &String| format!("/sobjects/{object}/describe");
    let paths: Vec<String> = objects.iter().map(path).collect();
    let mut described = Vec::with_capacity(objects.len());
    get_all(config, &paths, |body| {
        described.push(parse(body)?);
        Ok(())
    })?;
    Ok(described)
}

impl DescribedObject {
    /// The schema for the host.
    pub(crate) fn schema(&self, stamp_field: &str) -> Schema {
        let mut schema = Schema::new(&self.name, &self.label)
            .fact("creatable", self.createable)
            .fact("archivable", self.deletable)
            .fact("mergeable", false);
        if self.is_stamped(stamp_field) {
            schema = schema.fact("stamp", stamp_field);
        }
        schema = schema.fact("cascades", Value::Choices(self.cascades()));
        schema.fields = self.fields.iter().filter_map(DescribedField::field).collect();
        schema
    }

    /// Columns of other objects, `Contact.AccountId`, whose records go with the one that they name.
    fn cascades(&self) -> Vec<String> {
        let always = |child: &str, field: &str| {
            let mut known = ALWAYS_CASCADES.iter();
            known.any(|known| *known == (self.name.as_str(), child, field))
        };
        let children = self.child_relationships.iter().filter_map(|relationship| {
            let (child, field) = (&relationship.child, relationship.field.as_deref()?);
            let goes = relationship.cascade_delete || always(child, field);
            goes.then(|| format!("{child}.{field}"))
        });
        children.collect()
    }

    /// The facts that reading and writing need.
    pub(crate) fn shape(&self, stamp_field: &str) -> ObjectShape {
        let has = |name| self.fields.iter().any(|field| field.name == name);
        let form = |field: &DescribedField| Some((field.name.clone(), Some(field.forms()?.1)));
        ObjectShape {
            forms: self.fields.iter().filter_map(form).collect(),
            stamped: self.is_stamped(stamp_field),
            binned: has("IsDeleted"),
            merged: has("MasterRecordId"),
            converted: has("IsConverted") && has("ConvertedContactId"),
            replicated: self.replicateable,
            prefix: self.key_prefix.clone().unwrap_or_default(),
            whole: true,
        }
    }

    fn is_stamped(&self, stamp_field: &str) -> bool {
        self.fields.iter().any(|field| {
            field.name == stamp_field && field.external_id && field.unique && field.createable
        })
    }
}

impl DescribedField {
    /// Kind and form; nothing for what is no single value (S-describe-4).
    fn forms(&self) -> Option<(Kind, ValueForm)> {
        Some(match self.kind.as_str() {
            "boolean" => (Kind::Boolean, ValueForm::Boolean),
            "int" | "long" => (Kind::Integer, ValueForm::Integer),
            "double" | "currency" | "percent" => (Kind::Decimal, ValueForm::Decimal),
            "date" => (Kind::Date, ValueForm::Date),
            "datetime" => (Kind::Timestamp, ValueForm::Timestamp),
            "picklist" => (Kind::Choice, ValueForm::Text),
            "multipicklist" => (Kind::Choices, ValueForm::Choices),
            "reference" => (Kind::Reference, ValueForm::Reference),
            "address" | "location" | "base64" | "complexvalue" => return None,
            _ => (Kind::Text, ValueForm::Text),
        })
    }

    fn field(&self) -> Option<Field> {
        let (kind, _) = self.forms()?;
        let mut field = Field::new(&self.name, kind).label(&self.label);
        field.creatable = self.createable;
        field.updatable = self.updateable;
        field.nullable = self.nillable;
        // A checkbox is never null, yet a create may leave it out (S-describe-7).
        field.required =
            self.createable && !self.nillable && !self.defaulted_on_create && kind != Kind::Boolean;
        field.unique = self.unique || self.kind == "id";
        field.max_length = (self.length > 0).then_some(self.length);
        field.targets.clone_from(&self.reference_to);
        let active = self.picklist_values.iter().filter(|pick| pick.active);
        field.choices = active
            .map(|pick| (pick.value.clone(), pick.label.as_ref().unwrap_or(&pick.value).clone()))
            .collect();
        if self.external_id {
            field = field.fact("external-id", true);
        }
        // S-value-1.
        if kind == Kind::Timestamp {
            field = field.resolution(Resolution::Second);
        }
        if matches!(kind, Kind::Choice | Kind::Choices) {
            field = field.fact("restricted", self.restricted_picklist);
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use renkei_sdk::Facts;

    use super::*;

    const LEAD: &str = r#"{"name":"Lead","label":"リード","createable":true,"deletable":true,
        "replicateable":true,"fields":[
        {"name":"Id","label":"Lead ID","type":"id","length":18,"nillable":false,
         "defaultedOnCreate":true},
        {"name":"LastName","label":"姓","type":"string","length":80,"nillable":false,
         "createable":true,"updateable":true},
        {"name":"Status","label":"Status","type":"picklist","length":255,"nillable":false,
         "createable":true,"updateable":true,"defaultedOnCreate":true,"restrictedPicklist":true,
         "picklistValues":[{"active":true,"label":"未対応","value":"Open"},
                           {"active":false,"label":"Old","value":"Old"}]},
        {"name":"Address","label":"Address","type":"address"},
        {"name":"CreatedDate","label":"Created","type":"datetime"},
        {"name":"OwnerId","label":"Owner","type":"reference","length":18,
         "referenceTo":["Group","User"]},
        {"name":"IsConverted","label":"Converted","type":"boolean","nillable":false,
         "createable":true},
        {"name":"ConvertedContactId","label":"Contact","type":"reference"},
        {"name":"Renkei_Id__c","label":"Renkei","type":"string","length":80,"nillable":true,
         "createable":true,"updateable":true,"externalId":true,"unique":true}]}"#;

    #[test]
    fn describe_becomes_a_schema() {
        let described: DescribedObject = parse(LEAD.as_bytes()).unwrap();
        let schema = described.schema("Renkei_Id__c");
        let field = |name| schema.fields.iter().find(|field: &&Field| field.name == name);
        assert_eq!(schema.facts.text("stamp"), Some("Renkei_Id__c"));
        assert!(field("Address").is_none());
        assert!(field("LastName").unwrap().required);
        assert_eq!(field("LastName").unwrap().max_length, Some(80));
        assert!(!field("Status").unwrap().required);
        assert_eq!(field("Status").unwrap().choices, [("Open".into(), "未対応".into())]);
        assert!(!field("IsConverted").unwrap().required);
        assert_eq!(field("OwnerId").unwrap().targets, ["Group", "User"]);
        let resolution = |name| field(name).unwrap().facts.text("resolution");
        assert_eq!((resolution("CreatedDate"), resolution("LastName")), (Some("s"), None));
        assert!(described.schema("Other__c").facts.text("stamp").is_none());
    }

    /// `host/sync/RULES.md` V2.
    #[test]
    fn schema_says_what_a_deletion_takes_along() {
        let account = r#"{"name":"Account","label":"Account","fields":[],"childRelationships":[
            {"childSObject":"Contact","field":"AccountId","cascadeDelete":false},
            {"childSObject":"Order","field":"AccountId","cascadeDelete":true},
            {"childSObject":"Account","field":"ParentId","cascadeDelete":false},
            {"childSObject":"Group","field":null,"cascadeDelete":true}]}"#;
        let described: DescribedObject = parse(account.as_bytes()).unwrap();
        let goes = ["Contact.AccountId".to_owned(), "Order.AccountId".to_owned()];
        let schema = described.schema("Renkei_Id__c");
        assert_eq!(schema.facts.value("cascades"), Some(&Value::Choices(goes.into())));
    }

    #[test]
    fn shape_knows_missing_columns() {
        let shape = parse::<DescribedObject>(LEAD.as_bytes()).unwrap().shape("Renkei_Id__c");
        assert!(shape.converted && shape.stamped && !shape.merged && !shape.binned);
        let columns = ["LastName".to_owned(), "Secret__c".to_owned()];
        let part = shape.only_columns(&columns);
        assert_eq!(part.form("LastName"), Some(ValueForm::Text));
        assert_eq!(part.form("Secret__c"), None);
        assert!(part.covers(&columns[..1]));
        assert!(!part.covers(&columns), "it may be there again");
        assert!(!part.covers(&["Status".to_owned()]));
    }
}
