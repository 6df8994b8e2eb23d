//! Metadata as describe shows it, made from the schema.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::json::Json;
use super::schema::{OrgField, OrgFieldKind, OrgObject, OrgSchema, TableNumber};
use super::store::OrgStore;
use super::write::cascades;
use crate::rules::FieldConstraint;

/// The validator of a metadata answer: a digest of its text.
pub(super) fn etag(body: &Json) -> String {
    let digest = hex::encode(Sha256::digest(body.to_string().as_bytes()));
    format!("\"{}\"", digest.get(..8).unwrap_or_default())
}

/// `GET /sobjects`.
pub(super) fn global(schema: &OrgSchema, base: &str) -> Json {
    let seen = schema.objects().filter(|(_, object)| !object.absent);
    let objects: Vec<Value> = seen.map(|(_, object)| summary(object, base)).collect();
    json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}).into()
}

/// `GET /sobjects/{X}`: the summary alone.
pub(super) fn basic(schema: &OrgSchema, table: TableNumber, base: &str) -> Option<Json> {
    schema.object(table).map(|object| summary(object, base).into())
}

/// `GET /sobjects/{X}/describe`.
pub(super) fn object(store: &OrgStore, table: TableNumber, base: &str) -> Option<Json> {
    let schema = &store.schema;
    let object = schema.object(table)?;
    let mut whole = summary(object, base);
    let fields = object.visible().map(|(slot, field)| of_field(object, slot, field));
    let fields: Vec<Value> = fields.collect();
    let children: Vec<Value> = schema
        .children(object.name)
        .into_iter()
        .filter_map(|child| {
            let of = schema.object(child.table)?;
            let field = of.fields.get(child.slot)?;
            Some(json!({
                "cascadeDelete": cascades(object.name, of.name, field.name),
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
        "recordTypeInfos": record_types(store, object, base),
        "searchLayoutable": object.writable,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": "All", "name": "everything"}],
    });
    if let (Some(whole), Value::Object(rest)) = (whole.as_object_mut(), rest) {
        whole.extend(rest);
    }
    Some(whole.into())
}

/// The record types of an object; the master is always there.
fn record_types(store: &OrgStore, object: &OrgObject, base: &str) -> Vec<Value> {
    let info = |name: &str, developer_name: &str, id: &str, master: bool, default: bool| {
        json!({
            "active": true,
            "available": true,
            "defaultRecordTypeMapping": default,
            "developerName": developer_name,
            "master": master,
            "name": name,
            "recordTypeId": id,
            "urls": {"layout": format!("{base}/sobjects/{}/describe/layouts/{id}", object.name)},
        })
    };
    let typed = object.slot("RecordTypeId").is_some();
    let own = if typed { store.record_types(object.name) } else { Vec::new() };
    let mut infos: Vec<Value> = own
        .iter()
        .enumerate()
        .map(|(place, of)| info(&of.name, &of.developer_name, &of.id, false, place == 0))
        .collect();
    infos.push(info("Master", "Master", "012000000000000AAA", true, infos.is_empty()));
    infos
}

fn summary(object: &OrgObject, base: &str) -> Value {
    let url = format!("{base}/sobjects/{}", object.name);
    let mergeable = matches!(object.name, "Account" | "Contact" | "Lead");
    json!({
        "activateable": false,
        "associateEntityType": null,
        "createable": object.writable,
        "custom": object.name.ends_with("__c"),
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
fn wire_type(kind: OrgFieldKind) -> (&'static str, &'static str, u32, u32) {
    match kind {
        OrgFieldKind::Id => ("id", "tns:ID", 0, 0),
        OrgFieldKind::Text(_) => ("string", "xsd:string", 0, 0),
        OrgFieldKind::LongText(_) | OrgFieldKind::Street => ("textarea", "xsd:string", 0, 0),
        OrgFieldKind::Email => ("email", "xsd:string", 0, 0),
        OrgFieldKind::Phone(_) => ("phone", "xsd:string", 0, 0),
        OrgFieldKind::Url => ("url", "xsd:string", 0, 0),
        OrgFieldKind::Picklist(_) | OrgFieldKind::Restricted(_) => ("picklist", "xsd:string", 0, 0),
        OrgFieldKind::Multi(_) => ("multipicklist", "xsd:string", 0, 0),
        OrgFieldKind::Reference(..) => ("reference", "tns:ID", 0, 0),
        OrgFieldKind::Bool => ("boolean", "xsd:boolean", 0, 0),
        OrgFieldKind::Int => ("int", "xsd:int", 0, 0),
        OrgFieldKind::Currency => ("currency", "xsd:double", 18, 2),
        OrgFieldKind::Percent => ("percent", "xsd:double", 3, 0),
        OrgFieldKind::Date => ("date", "xsd:date", 0, 0),
        OrgFieldKind::Time => ("datetime", "xsd:dateTime", 0, 0),
        OrgFieldKind::Address => ("address", "urn:address", 0, 0),
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

fn of_field(object: &OrgObject, slot: usize, field: &OrgField) -> Value {
    let (wire, soap, precision, scale) = wire_type(field.kind);
    let filterable = field.kind.filterable();
    let overlay = object.overlay(slot);
    let restricted = matches!(field.kind, OrgFieldKind::Restricted(_) | OrgFieldKind::Multi(_));
    let open = !overlay.has(&FieldConstraint::ReadOnly);
    let picklist: Vec<Value> = object
        .options(slot)
        .into_iter()
        .map(|(value, active, label)| {
            json!({
                "active": active,
                "defaultValue": field.default == Some(value.as_str()),
                "label": label,
                "validFor": null,
                "value": value,
            })
        })
        .collect();
    let (to, relationship) = field.reference().unzip();
    let to = to.unwrap_or_default();
    let length = field.kind.length();
    let length = overlay.max_length().map_or(length, |most| most.min(length));
    let mut whole = json!({
        "aggregatable": filterable,
        "byteLength": length * 3,
        "compoundFieldName": field.compound,
        "createable": field.createable && open,
        "custom": field.custom(),
        "defaultValue": if field.kind == OrgFieldKind::Bool { json!(false) } else { Value::Null },
        "defaultedOnCreate": field.default.is_some() || field.kind == OrgFieldKind::Id,
        "digits": if field.kind == OrgFieldKind::Int { 9 } else { 0 },
        "externalId": field.external_id,
        "filterable": filterable,
        "groupable": filterable && precision == 0 && field.kind != OrgFieldKind::Time,
        "idLookup": field.lookup,
        "label": field.label,
        "length": length,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": to.len() > 1,
        "nillable": field.nillable && !object.is_required(slot),
        "permissionable": field.createable && !field.required,
        "picklistValues": picklist,
        "polymorphicForeignKey": to.len() > 1,
        "precision": precision,
        "queryByDistance": field.kind == OrgFieldKind::Address,
        "referenceTo": to,
        "relationshipName": relationship,
        "restrictedPicklist": restricted,
        "scale": scale,
        "soapType": soap,
        "sortable": filterable,
        "type": wire,
        "unique": object.is_unique(slot),
        "updateable": field.updateable && open,
    });
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(ALWAYS_FALSE.iter().map(|key| ((*key).to_owned(), false.into())));
        whole.extend(ALWAYS_NULL.iter().map(|key| ((*key).to_owned(), Value::Null)));
    }
    whole
}
