//! Metadata as describe shows it (apis/salesforce.md 3), made from the schema.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::json::Json;
use super::schema::{Field, Kind, Object, Schema, Table};

/// The validator of a metadata answer: a digest of its text.
pub(super) fn etag(body: &Json) -> String {
    let digest = hex::encode(Sha256::digest(body.to_string().as_bytes()));
    format!("\"{}\"", digest.get(..8).unwrap_or_default())
}

/// `GET /sobjects`.
pub(super) fn global(schema: &Schema, base: &str) -> Json {
    let objects: Vec<Value> = schema.objects().map(|(_, object)| summary(object, base)).collect();
    json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}).into()
}

/// `GET /sobjects/{X}`: the summary alone.
pub(super) fn basic(schema: &Schema, table: Table, base: &str) -> Option<Json> {
    schema.object(table).map(|object| summary(object, base).into())
}

/// `GET /sobjects/{X}/describe`.
pub(super) fn object(schema: &Schema, table: Table, base: &str) -> Option<Json> {
    let object = schema.object(table)?;
    let mut whole = summary(object, base);
    let fields: Vec<Value> = object.visible().map(|(_, field)| of_field(field)).collect();
    let children: Vec<Value> = schema
        .children(object.name)
        .into_iter()
        .filter_map(|child| {
            let of = schema.object(child.table)?;
            let field = of.fields.get(child.slot)?;
            Some(json!({
                "cascadeDelete": false,
                "childSObject": of.name,
                "deprecatedAndHidden": false,
                "field": field.name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": child.relationship,
                "restrictedDelete": false,
            }))
        })
        .collect();
    let rest = json!({
        "actionOverrides": [],
        "childRelationships": children,
        "compactLayoutable": object.writable,
        "fields": fields,
        "listviewable": null,
        "lookupLayoutable": null,
        "namedLayoutInfos": [],
        "networkScopeFieldName": null,
        "recordTypeInfos": [{
            "active": true,
            "available": true,
            "defaultRecordTypeMapping": true,
            "developerName": "Master",
            "master": true,
            "name": "Master",
            "recordTypeId": "012000000000000AAA",
        }],
        "searchLayoutable": object.writable,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": "All", "name": "everything"}],
    });
    if let (Some(whole), Value::Object(rest)) = (whole.as_object_mut(), rest) {
        whole.extend(rest);
    }
    Some(whole.into())
}

fn summary(object: &Object, base: &str) -> Value {
    let url = format!("{base}/sobjects/{}", object.name);
    let mergeable = matches!(object.name, "Account" | "Contact" | "Lead");
    json!({
        "activateable": false,
        "associateEntityType": null,
        "createable": object.writable,
        "custom": false,
        "customSetting": false,
        "deepCloneable": false,
        "deletable": object.writable,
        "deprecatedAndHidden": false,
        "feedEnabled": object.writable,
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.prefix,
        "label": object.label,
        "labelPlural": object.plural,
        "layoutable": object.writable,
        "mergeable": mergeable,
        "mruEnabled": object.writable,
        "name": object.name,
        "queryable": true,
        "replicateable": object.replicateable,
        "retrieveable": true,
        "searchable": object.writable,
        "triggerable": object.writable,
        "undeletable": object.writable,
        "updateable": object.writable,
        "urls": {
            "describe": format!("{url}/describe"),
            "rowTemplate": format!("{url}/{{ID}}"),
            "sobject": url,
        },
    })
}

/// `type`, `soapType`, `precision` and `scale` of a kind.
fn wire_type(kind: Kind) -> (&'static str, &'static str, u32, u32) {
    match kind {
        Kind::Id => ("id", "tns:ID", 0, 0),
        Kind::Text(_) => ("string", "xsd:string", 0, 0),
        Kind::LongText(_) | Kind::Street => ("textarea", "xsd:string", 0, 0),
        Kind::Email => ("email", "xsd:string", 0, 0),
        Kind::Phone(_) => ("phone", "xsd:string", 0, 0),
        Kind::Url => ("url", "xsd:string", 0, 0),
        Kind::Picklist(_) | Kind::Restricted(_) => ("picklist", "xsd:string", 0, 0),
        Kind::Reference(..) => ("reference", "tns:ID", 0, 0),
        Kind::Bool => ("boolean", "xsd:boolean", 0, 0),
        Kind::Int => ("int", "xsd:int", 0, 0),
        Kind::Currency => ("currency", "xsd:double", 18, 2),
        Kind::Percent => ("percent", "xsd:double", 3, 0),
        Kind::Date => ("date", "xsd:date", 0, 0),
        Kind::Time => ("datetime", "xsd:dateTime", 0, 0),
        Kind::Address => ("address", "urn:address", 0, 0),
    }
}

/// Keys of a field that are false for every field here.
const ALWAYS_FALSE: &[&str] = &[
    "aiPredictionField",
    "autoNumber",
    "calculated",
    "cascadeDelete",
    "caseSensitive",
    "dependentPicklist",
    "deprecatedAndHidden",
    "displayLocationInDecimal",
    "encrypted",
    "formulaTreatNullNumberAsZero",
    "highScaleNumber",
    "htmlFormatted",
    "restrictedDelete",
    "searchPrefilterable",
    "writeRequiresMasterRead",
];

/// Keys of a field that are null for every field here.
const ALWAYS_NULL: &[&str] = &[
    "calculatedFormula",
    "controllerName",
    "defaultValueFormula",
    "extraTypeInfo",
    "filteredLookupInfo",
    "inlineHelpText",
    "mask",
    "maskType",
    "referenceTargetField",
    "relationshipOrder",
];

fn of_field(field: &Field) -> Value {
    let (wire, soap, precision, scale) = wire_type(field.kind);
    let filterable = field.kind.filterable();
    let (values, restricted) = match field.kind {
        Kind::Picklist(values) => (values, false),
        Kind::Restricted(values) => (values, true),
        _ => (&[][..], false),
    };
    let picklist: Vec<Value> = values
        .iter()
        .map(|value| {
            json!({
                "active": true,
                "defaultValue": field.default == Some(*value),
                "label": value,
                "validFor": null,
                "value": value,
            })
        })
        .collect();
    let (to, relationship) = field.reference().unzip();
    let to = to.unwrap_or_default();
    let length = field.kind.length();
    let mut whole = json!({
        "aggregatable": filterable,
        "byteLength": length * 3,
        "compoundFieldName": field.compound,
        "createable": field.createable,
        "custom": field.custom(),
        "defaultValue": if field.kind == Kind::Bool { json!(false) } else { Value::Null },
        "defaultedOnCreate": field.default.is_some() || field.kind == Kind::Id,
        "digits": if field.kind == Kind::Int { 9 } else { 0 },
        "externalId": field.external_id,
        "filterable": filterable,
        "groupable": filterable && precision == 0 && field.kind != Kind::Time,
        "idLookup": field.lookup,
        "label": field.label,
        "length": length,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": to.len() > 1,
        "nillable": field.nillable,
        "permissionable": field.createable && !field.required,
        "picklistValues": picklist,
        "polymorphicForeignKey": to.len() > 1,
        "precision": precision,
        "queryByDistance": field.kind == Kind::Address,
        "referenceTo": to,
        "relationshipName": relationship,
        "restrictedPicklist": restricted,
        "scale": scale,
        "soapType": soap,
        "sortable": filterable,
        "type": wire,
        "unique": field.unique,
        "updateable": field.updateable,
    });
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(ALWAYS_FALSE.iter().map(|key| ((*key).to_owned(), false.into())));
        whole.extend(ALWAYS_NULL.iter().map(|key| ((*key).to_owned(), Value::Null)));
    }
    whole
}
