//! Properties of each object type: those that exist at first, and those that an account defines.
//!
//! Values travel as strings whatever their type; [`Property::check`] brings a written value to the
//! form in which HubSpot stores it (H-schema-2, H-record-2, H-record-6,
//! H-record-9).

mod property;
mod standard;

pub(super) use property::{DEAL_STAGES, OWNERS, TICKET_STAGES, ValueType};
pub(super) use standard::LIFE_CYCLE;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use self::property::Property;
use super::kinds::ObjectKind;
use crate::control::Origin;
use crate::faults::Faults;
use crate::rules::{FieldConstraint, FieldOverlay};

/// At most this many properties of an object may hold unique values.
const UNIQUE_COUNT_MAX: usize = 10;

/// The properties of one object type.
#[derive(Clone, Debug)]
pub(super) struct PropertySchema {
    pub live: BTreeMap<Arc<str>, Property>,
    pub archived: Vec<Property>,
}

impl PropertySchema {
    /// The properties that an account has on the first day, with Renkei's own.
    pub(super) fn standard(kind: ObjectKind, now_ms: i64) -> Self {
        let properties = standard::properties(kind, now_ms);
        let live = properties.into_iter().map(|p| (Arc::clone(&p.name), p)).collect();
        Self { live, archived: Vec::new() }
    }

    /// A property that the client knows of.
    pub(super) fn get(&self, name: &str) -> Option<&Property> {
        self.known(name, Origin::Api)
    }

    /// A property that this one knows of.
    pub(super) fn known(&self, name: &str, viewer: Origin) -> Option<&Property> {
        let hidden = |property: &&Property| property.overlay.has(&FieldConstraint::Hidden);
        self.live.get(name).filter(|property| viewer == Origin::Human || !hidden(property))
    }

    /// The properties that the client knows of.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Property> {
        self.live.values().filter(|property| !property.overlay.has(&FieldConstraint::Hidden))
    }

    /// Takes over the administrator's rules; `names` are those of the object type.
    pub(super) fn apply(&mut self, names: &[&str], knobs: &Faults) {
        let (rules, options) = (&knobs.rules, &knobs.options);
        for property in self.live.values_mut() {
            property.overlay = FieldOverlay::collect(rules, options, names, &property.name);
        }
    }

    /// Names of the properties that hold unique values.
    pub(super) fn unique(&self) -> impl Iterator<Item = &Arc<str>> {
        self.live.values().filter(|property| property.is_unique()).map(|property| &property.name)
    }

    /// Adds a property from the body of a create request.
    pub(super) fn define(&mut self, body: &Value, now_ms: i64) -> Result<&Property, DefineError> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_lowercase();
        if self.live.contains_key(name.as_str()) {
            return Err(DefineError::Exists(name));
        }
        let value_type = ValueType::parse(text("type"));
        let (Some(value_type), false) = (value_type, name.is_empty()) else {
            return Err(DefineError::Invalid("name and a known type are required".to_owned()));
        };
        let unique = body.get("hasUniqueValue").and_then(Value::as_bool).unwrap_or_default();
        if unique && self.unique().filter(|name| &***name != "email").count() >= UNIQUE_COUNT_MAX {
            return Err(DefineError::Invalid("too many properties with unique values".to_owned()));
        }
        let name: Arc<str> = name.into();
        let property = Property {
            name: Arc::clone(&name),
            label: text("label").to_owned(),
            value_type,
            field_type: text("fieldType").to_owned(),
            description: text("description").to_owned(),
            group: text("groupName").to_owned(),
            options: options(body),
            external: None,
            unique,
            read_only: false,
            hubspot_defined: false,
            in_use: false,
            created_ms: now_ms,
            updated_ms: now_ms,
            overlay: FieldOverlay::default(),
        };
        Ok(self.live.entry(name).insert_entry(property).into_mut())
    }
}

/// Reason why a property was not defined.
#[derive(Debug)]
pub(super) enum DefineError {
    Exists(String),
    Invalid(String),
}

/// Value and label of each option of a property body.
pub(super) fn options(body: &Value) -> Vec<(String, String)> {
    let listed = body.get("options").and_then(Value::as_array).map(Vec::as_slice);
    let text = |option: &Value, key: &str| {
        option.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    listed.unwrap_or_default().iter().map(|o| (text(o, "value"), text(o, "label"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: ObjectKind, name: &str, written: &str, stored: Result<&str, &str>) {
        let schema = PropertySchema::standard(kind, 0);
        let property = schema.get(name).unwrap();
        let result = property.check(written, &Faults::default(), Origin::Api);
        let result = result.as_deref().map_err(|detail| detail.code);
        assert_eq!(result, stored, "{name} = {written}");
    }

    #[test]
    fn written_values_are_checked_and_brought_to_stored_form() {
        check(ObjectKind::Contact, "email", " Taro@Example.JP ", Ok("taro@example.jp"));
        check(ObjectKind::Contact, "email", "taro", Err("INVALID_EMAIL"));
        check(ObjectKind::Contact, "createdate", "2026-01-01", Err("READ_ONLY_VALUE"));
        check(ObjectKind::Contact, "lifecyclestage", "lead", Ok("lead"));
        check(ObjectKind::Contact, "lifecyclestage", "Lead", Err("INVALID_OPTION"));
        check(ObjectKind::Contact, "hs_email_optout", "TRUE", Ok("true"));
        check(ObjectKind::Contact, "hs_email_optout", "yes", Err("INVALID_OPTION"));
        check(ObjectKind::Contact, "hubspot_owner_id", "77350001", Ok("77350001"));
        check(ObjectKind::Contact, "hubspot_owner_id", "1", Err("INVALID_OPTION"));
        check(ObjectKind::Deal, "amount", "5000.00", Ok("5000.00"));
        check(ObjectKind::Deal, "amount", "5,000", Err("INVALID_DOUBLE"));
        check(ObjectKind::Deal, "closedate", "2026-03-01", Ok("2026-03-01T00:00:00Z"));
        check(ObjectKind::Deal, "closedate", "1773309857969", Ok("2026-03-12T10:04:17.969Z"));
        check(ObjectKind::Deal, "closedate", "March", Err("INVALID_DATE"));
        check(ObjectKind::Deal, "dealstage", "closedwon", Ok("closedwon"));
        check(ObjectKind::Deal, "dealstage", "won", Err("INVALID_OPTION"));
    }

    #[test]
    fn only_ten_properties_can_be_unique() {
        let mut schema = PropertySchema::standard(ObjectKind::Contact, 0);
        let mut define = |name: String| {
            let body = json!({"name": name, "type": "string", "hasUniqueValue": true});
            schema.define(&body, 0).is_ok()
        };
        let made = (0..12).filter(|n| define(format!("key_{n}"))).count();
        assert_eq!(made, 9, "renkei_id is the tenth");
    }
}
