//! Properties, pipelines, owners and the account itself (H-auth-5, H-schema-1,
//! H-schema-5, H-schema-7).
//!
//! Properties can be made, changed and deleted; pipelines and owners are fixed. None of these
//! requests counts towards the ledger's `made`.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::HubSpot;
use super::errors::ApiError;
use super::kinds::ObjectKind;
use super::portal::portal_id;
use super::reply::{HandlerResult, HubSpotReply, body, is_true, limit, reply};
use super::route::{PipelineStages, PropertyCall};
use super::schema::{DEAL_STAGES, DefineError, OWNERS, TICKET_STAGES, options};
use super::stamp;
use super::view::BatchAnswer;
use crate::http::{SimAnswer, SimRequest};

const OWNERS_PAGE_CAP: usize = 500;

#[derive(Deserialize)]
struct PropertyInputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
struct PropertyName {
    name: String,
}

fn ok(body: &Value) -> HandlerResult {
    Ok(HubSpotReply { answer: SimAnswer::json(StatusCode::OK, body), rows: 0 })
}

fn no_content() -> HandlerResult {
    Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: 0 })
}

impl HubSpot {
    pub(super) fn properties(
        &mut self,
        kind: ObjectKind,
        call: &PropertyCall,
        request: &SimRequest,
    ) -> HandlerResult {
        match call {
            PropertyCall::List => self.list_properties(kind, request),
            PropertyCall::Get(name) => ok(&self.property(kind, name)?),
            PropertyCall::Create => {
                let made = self.define(kind, &body(request)?)?;
                Ok(HubSpotReply { answer: SimAnswer::json(StatusCode::CREATED, &made), rows: 0 })
            }
            PropertyCall::Update(name) => self.redefine(kind, name, &body(request)?),
            PropertyCall::Delete(name) => {
                self.property(kind, name)?;
                self.delete_property(kind, name)?;
                no_content()
            }
            PropertyCall::Groups => ok(&json!({"results": [{
                "name": format!("{}information", kind.singular()),
                "label": format!("{} information", kind.singular()),
                "displayOrder": 0,
                "archived": false,
            }]})),
            PropertyCall::BatchRead => {
                let PropertyInputs { inputs }: PropertyInputs<PropertyName> = body(request)?;
                self.property_batch(inputs, StatusCode::OK, |hubspot, input| {
                    hubspot.property(kind, &input.name)
                })
            }
            PropertyCall::BatchCreate => {
                let PropertyInputs { inputs }: PropertyInputs<Value> = body(request)?;
                self.property_batch(inputs, StatusCode::CREATED, |hubspot, input| {
                    hubspot.define(kind, &input)
                })
            }
            PropertyCall::BatchArchive => {
                let PropertyInputs { inputs }: PropertyInputs<PropertyName> = body(request)?;
                for input in inputs {
                    self.delete_property(kind, &input.name)?;
                }
                no_content()
            }
        }
    }

    fn list_properties(&self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let archived = is_true(request.query("archived"));
        let schema = self.store.schema(kind).into_iter();
        let results: Vec<Value> = if archived {
            schema.flat_map(|schema| &schema.archived).map(|p| p.wire(true)).collect()
        } else {
            schema.flat_map(|schema| schema.visible()).map(|p| p.wire(false)).collect()
        };
        ok(&json!({"results": results}))
    }

    fn property(&self, kind: ObjectKind, name: &str) -> Result<Value, ApiError> {
        let property = self.store.schema(kind).and_then(|schema| schema.get(name));
        property.map(|property| property.wire(false)).ok_or_else(|| {
            ApiError::not_found(format!("No property {name} exists for {}", kind.plural()))
        })
    }

    fn define(&mut self, kind: ObjectKind, asked: &Value) -> Result<Value, ApiError> {
        let now_ms = self.clock.now_ms();
        let schema = self.store.schema_mut(kind);
        let schema = schema.ok_or_else(|| ApiError::unknown_kind(kind.plural()))?;
        match schema.define(asked, now_ms) {
            Ok(property) => Ok(property.wire(false)),
            Err(DefineError::Exists(name)) => {
                let message = format!("A property named '{name}' already exists.");
                Err(ApiError::new(StatusCode::CONFLICT, "OBJECT_ALREADY_EXISTS", message)
                    .with_sub_category("Properties.PROPERTY_WITH_NAME_EXISTS"))
            }
            Err(DefineError::Invalid(message)) => Err(ApiError::invalid(message)),
        }
    }

    /// Changes label or options; a list of options takes the place of the old one whole.
    fn redefine(&mut self, kind: ObjectKind, name: &str, asked: &Value) -> HandlerResult {
        self.property(kind, name)?;
        let now_ms = self.clock.now_ms();
        let schema = self.store.schema_mut(kind);
        if let Some(property) = schema.and_then(|schema| schema.live.get_mut(name)) {
            if property.hubspot_defined {
                return Err(ApiError::invalid(format!("{name} is defined by HubSpot")));
            }
            if let Some(label) = asked.get("label").and_then(Value::as_str) {
                label.clone_into(&mut property.label);
            }
            if asked.get("options").is_some() {
                property.options = options(asked);
            }
            property.updated_ms = now_ms;
        }
        ok(&self.property(kind, name)?)
    }

    fn delete_property(&mut self, kind: ObjectKind, name: &str) -> Result<(), ApiError> {
        let Some(schema) = self.store.schema_mut(kind) else { return Ok(()) };
        let in_use = schema.get(name).is_some_and(|property| property.in_use);
        if in_use {
            return Err(ApiError::invalid(format!("Property {name} is in use"))
                .with_sub_category("PropertyValidationError.CANNOT_DELETE_PROPERTY_IN_USE"));
        }
        if let Some(property) = schema.live.remove(name) {
            schema.archived.push(property);
        }
        if let Some(table) = self.store.table_mut(kind) {
            table.drop_property(name);
        }
        Ok(())
    }

    fn property_batch<T>(
        &mut self,
        inputs: Vec<T>,
        status: StatusCode,
        mut each: impl FnMut(&mut Self, T) -> Result<Value, ApiError>,
    ) -> HandlerResult {
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for input in inputs {
            match each(self, input) {
                Ok(property) => results.push(property),
                Err(error) => errors.push(error),
            }
        }
        Ok(reply(status, &BatchAnswer::new(results, errors, self.clock.now_ms()), 0))
    }

    pub(super) fn account(&self) -> HandlerResult {
        let offset_ms = self.faults.utc_offset_ms(self.clock.now_ms());
        let sign = if offset_ms < 0 { '-' } else { '+' };
        let minutes = offset_ms.abs() / 60_000;
        ok(&json!({
            "portalId": portal_id(&self.faults),
            "accountType": "STANDARD",
            "timeZone": self.faults.time_zone,
            "companyCurrency": "JPY",
            "additionalCurrencies": [],
            "utcOffset": format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
            "utcOffsetMilliseconds": offset_ms,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }))
    }

    pub(super) fn owners(&self, id: Option<&str>, request: &SimRequest) -> HandlerResult {
        let gone = |id: &str| self.faults.absent_owners.contains(id);
        let archived = is_true(request.query("archived"));
        if let Some(id) = id {
            let by_user = request.query("idProperty") == Some("userId");
            let owner =
                OWNERS.iter().find(
                    |(owner, .., user)| {
                        if by_user { user.to_string() == id } else { *owner == id }
                    },
                );
            let owner = owner.filter(|(owner, ..)| gone(owner) == archived);
            let owner = owner.ok_or_else(|| ApiError::not_found("resource not found"))?;
            return ok(&owner_wire(owner, archived));
        }
        let limit = limit(request.query("limit"), LISTED_OWNERS, OWNERS_PAGE_CAP)?;
        let after = request.query("after").unwrap_or_default();
        let mail = request.query("email");
        let mut rest = OWNERS.iter().filter(|(id, .., user)| {
            gone(id) == archived && *id > after && mail.is_none_or(|mail| mail == owner_mail(*user))
        });
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let results: Vec<Value> = page.iter().map(|owner| owner_wire(owner, archived)).collect();
        let mut answer = json!({"results": results});
        if let (Some((last, ..)), true) = (page.last(), rest.next().is_some())
            && let Some(fields) = answer.as_object_mut()
        {
            fields.insert("paging".to_owned(), json!({"next": {"after": last}}));
        }
        ok(&answer)
    }

    /// Custom objects: none without the scope, as recorded, else the one that the account has.
    pub(super) fn schemas(&self, id: Option<&str>) -> HandlerResult {
        if !self.faults.custom_objects {
            let message = "One or more of the following scopes are required.";
            return Err(ApiError::forbidden(message, "custom-object-read"));
        }
        let schema = self.custom_schema();
        match id {
            None => ok(&json!({"results": [schema]})),
            Some(id) if ObjectKind::parse(id) == Some(ObjectKind::Project) => ok(&schema),
            Some(id) => Err(ApiError::unknown_kind(id)),
        }
    }

    fn custom_schema(&self) -> Value {
        let kind = ObjectKind::Project;
        let schema = self.store.schema(kind).into_iter();
        let properties = schema.flat_map(|schema| schema.visible()).map(|p| p.wire(false));
        let properties: Vec<Value> = properties.collect();
        json!({
            "id": "1001",
            "objectTypeId": kind.type_id(),
            "fullyQualifiedName": kind.plural(),
            "name": "project",
            "labels": {"singular": "Project", "plural": "Projects"},
            "primaryDisplayProperty": "project_name",
            "requiredProperties": ["project_name"],
            "searchableProperties": ["project_name"],
            "secondaryDisplayProperties": [],
            "properties": properties,
            "associations": [
                {"id": "1001", "fromObjectTypeId": "2-1001", "toObjectTypeId": "0-2"},
                {"id": "1003", "fromObjectTypeId": "2-1001", "toObjectTypeId": "0-1"},
            ],
            "archived": false,
            "allowsSensitiveProperties": false,
            "createdAt": FIRST_DAY,
            "updatedAt": FIRST_DAY,
        })
    }

    pub(super) fn pipelines(
        &self,
        kind: ObjectKind,
        id: Option<&str>,
        stages: &PipelineStages,
    ) -> HandlerResult {
        let pipeline = match kind {
            ObjectKind::Deal => deal_pipeline(),
            ObjectKind::Ticket => ticket_pipeline(),
            _ => return Err(ApiError::invalid(format!("{} have no pipelines", kind.plural()))),
        };
        match id {
            None => ok(&json!({"results": [pipeline]})),
            Some(id) if pipeline.get("id").and_then(Value::as_str) != Some(id) => {
                Err(ApiError::not_found("resource not found"))
            }
            Some(_) => match stages {
                PipelineStages::Whole => ok(&pipeline),
                PipelineStages::All => ok(&json!({"results": pipeline.get("stages")})),
                PipelineStages::One(id) => {
                    let all = pipeline.get("stages").and_then(Value::as_array);
                    let mut all = all.into_iter().flatten();
                    let named = |stage: &&Value| {
                        stage.get("id").and_then(Value::as_str) == Some(id.as_str())
                    };
                    let missing = || ApiError::not_found("resource not found");
                    ok(all.find(named).ok_or_else(missing)?)
                }
            },
        }
    }
}

const LISTED_OWNERS: usize = 100;
/// 2022-04-01, when the first of the owners was made.
const OWNERS_SINCE_MS: i64 = 1_648_771_200_000;
const FIRST_DAY: &str = "1970-01-01T00:00:00Z";

fn owner_mail(user_id: u32) -> String {
    format!("owner{user_id}@example.jp")
}

/// An owner; one who left has only the id that includes inactive users.
fn owner_wire((id, family, given, user_id): &(&str, &str, &str, u32), left: bool) -> Value {
    // Real owners were made when their user was, one after another.
    let made_ms = OWNERS_SINCE_MS + i64::from(*user_id % 1_000) * 86_400_123;
    let mut owner = json!({
        "id": id,
        "email": owner_mail(*user_id),
        "type": "PERSON",
        "firstName": given,
        "lastName": family,
        "userId": user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": stamp::iso(made_ms),
        "updatedAt": stamp::iso(made_ms + 7_654_321),
        "archived": left,
    });
    if let (Some(fields), true) = (owner.as_object_mut(), left) {
        fields.remove("userId");
    }
    owner
}

fn deal_pipeline() -> Value {
    let stages = DEAL_STAGES.iter().enumerate().map(|(order, (id, label, probability))| {
        let closed = id.starts_with("closed").to_string();
        stage(id, label, order, &json!({"isClosed": closed, "probability": probability}))
    });
    pipeline("default", "Sales Pipeline", stages.collect())
}

fn ticket_pipeline() -> Value {
    let stages = TICKET_STAGES.iter().enumerate().map(|(order, (id, label))| {
        let state = if *label == "Closed" { "CLOSED" } else { "OPEN" };
        let metadata = json!({"isClosed": (state == "CLOSED").to_string(), "ticketState": state});
        stage(id, label, order, &metadata)
    });
    pipeline("0", "Support Pipeline", stages.collect())
}

fn pipeline(id: &str, label: &str, stages: Vec<Value>) -> Value {
    json!({
        "id": id,
        "label": label,
        "displayOrder": 0,
        "stages": stages,
        "createdAt": FIRST_DAY,
        "updatedAt": FIRST_DAY,
        "archived": false,
    })
}

fn stage(id: &str, label: &str, order: usize, metadata: &Value) -> Value {
    json!({
        "id": id,
        "label": label,
        "displayOrder": order,
        "metadata": metadata,
        "createdAt": FIRST_DAY,
        "updatedAt": FIRST_DAY,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "archived": false,
    })
}
