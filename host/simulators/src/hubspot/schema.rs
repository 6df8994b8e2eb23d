//! Properties of each object type: their wire shape and the check of written values.
//!
//! Values travel as strings whatever their type; [`Property::check`] brings a written value to the
//! form in which HubSpot stores it (H-schema-2, H-record-2, H-record-6,
//! H-record-9).

mod standard;

pub(super) use standard::LIFE_CYCLE;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::errors::Detail;
use super::kinds::Kind;
use super::stamp;
use crate::control::Origin;
use crate::faults::Faults;
use crate::rules::{OptionState, Overlay, Rule};

/// Default stages of the default deal pipeline with their probabilities.
pub(super) const DEAL_STAGES: [(&str, &str, &str); 7] = [
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
];

/// Default stages of the default ticket pipeline.
pub(super) const TICKET_STAGES: [(&str, &str); 4] =
    [("1", "New"), ("2", "Waiting on contact"), ("3", "Waiting on us"), ("4", "Closed")];

/// Owner ids with family name, given name and user id.
pub(super) const OWNERS: [(&str, &str, &str, u32); 3] = [
    ("77350001", "松本", "恵子", 9_586_501),
    ("77350002", "清水", "誠", 9_586_502),
    ("77350003", "Mori", "Ken", 9_586_503),
];

/// At most this many properties of an object may hold unique values.
const UNIQUE_COUNT_MAX: usize = 10;

/// Longest text, in characters; recorded for note bodies.
const TEXT_LEN_MAX: usize = 65_536;

/// `type` of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Bool,
    Date,
    DateTime,
    Enumeration,
    Number,
    PhoneNumber,
    String,
}

impl ValueType {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Bool, "bool"),
        (Self::Date, "date"),
        (Self::DateTime, "datetime"),
        (Self::Enumeration, "enumeration"),
        (Self::Number, "number"),
        (Self::PhoneNumber, "phone_number"),
        (Self::String, "string"),
    ];

    fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| *name == text).map(|(value_type, _)| *value_type)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(each, _)| *each == self).map_or("string", |(_, name)| name)
    }
}

/// Which values a property of an enumeration takes from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum External {
    Owners,
    DealPipelines,
    DealStages,
    TicketPipelines,
    TicketStages,
}

/// One property of an object type.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub name: Arc<str>,
    pub label: String,
    pub value_type: ValueType,
    pub field_type: String,
    pub description: String,
    pub group: String,
    /// Value and label.
    pub options: Vec<(String, String)>,
    pub external: Option<External>,
    pub unique: bool,
    pub read_only: bool,
    pub hubspot_defined: bool,
    /// Used by a form or a workflow, so that it cannot be deleted.
    pub in_use: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
    /// Rules of the administrator.
    pub overlay: Overlay,
}

impl Property {
    /// Whether two records may not share a value of it.
    pub(super) fn is_unique(&self) -> bool {
        self.unique || self.overlay.has(&Rule::Unique)
    }

    /// The property as the properties API shows it.
    pub(super) fn wire(&self, archived: bool) -> Value {
        let listed = self
            .options
            .iter()
            .filter(|(value, _)| self.overlay.state(value) != OptionState::Removed);
        let options: Vec<Value> = listed
            .enumerate()
            .map(|(order, (value, label))| {
                let changed = self.overlay.option(value);
                let label = changed.and_then(|one| one.label.as_ref()).unwrap_or(label);
                let hidden = self.overlay.state(value) == OptionState::Inactive;
                json!({"label": label, "value": value, "displayOrder": order, "hidden": hidden,
                       "description": ""})
            })
            .collect();
        json!({
            "name": &*self.name,
            "label": self.label,
            "type": self.value_type.name(),
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": options,
            "displayOrder": -1,
            "calculated": false,
            "externalOptions": self.external.is_some(),
            "hasUniqueValue": self.is_unique(),
            "hidden": false,
            "hubspotDefined": self.hubspot_defined,
            "modificationMetadata": {
                "archivable": !self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyOptions": self.hubspot_defined,
                "readOnlyValue": self.read_only || self.overlay.has(&Rule::ReadOnly),
            },
            "formField": !self.read_only,
            "dataSensitivity": "non_sensitive",
            "createdAt": stamp::iso(self.created_ms),
            "updatedAt": stamp::iso(self.updated_ms),
            "archived": archived,
        })
    }

    /// The stored form of a written value that is not empty, for whoever writes it.
    pub(super) fn check(
        &self,
        value: &str,
        knobs: &Faults,
        viewer: Origin,
    ) -> Result<String, Detail> {
        self.check_writable(viewer)?;
        if self.overlay.max_length().is_some_and(|most| value.chars().count() > most) {
            let message = format!("{} is too long", self.label);
            return Err(Detail::of(&self.name, "INVALID_LENGTH", message));
        }
        if self.overlay.refuses(value) {
            let message = "Enter only letters".to_owned();
            return Err(Detail::of(&self.name, "INVALID_ALPHA", message));
        }
        if self.external == Some(External::Owners) && knobs.absent_owners.contains(value) {
            let message = format!("{value} was not one of the allowed options: []");
            return Err(Detail::of(&self.name, "INVALID_OPTION", message));
        }
        if knobs.phone_validation && self.field_type == "phonenumber" {
            return phone(value).ok_or_else(|| {
                let message = format!("{value} is not a valid phone number");
                Detail::of(&self.name, "INVALID_PHONE_NUMBER", message)
            });
        }
        self.typed(value)
    }

    /// Refuses an empty value where one is required.
    pub(super) fn clear(&self, viewer: Origin) -> Result<(), Detail> {
        self.check_writable(viewer)?;
        if self.overlay.has(&Rule::Required) { Err(Detail::missing(&self.name)) } else { Ok(()) }
    }

    fn check_writable(&self, viewer: Origin) -> Result<(), Detail> {
        let ruled = viewer == Origin::Api && self.overlay.has(&Rule::ReadOnly);
        if !self.read_only && !ruled {
            return Ok(());
        }
        let message =
            format!("\"{}\" is a read only property; its value cannot be set.", self.name);
        Err(Detail::of(&self.name, "READ_ONLY_VALUE", message))
    }

    /// The stored form of a value as its type has it.
    fn typed(&self, value: &str) -> Result<String, Detail> {
        let wrong = |code, wanted: &str| {
            let message = format!("{value} was not {wanted}.");
            Detail::of(&self.name, code, message)
        };
        match self.value_type {
            ValueType::String if &*self.name == "email" => {
                mail(value).ok_or_else(|| wrong("INVALID_EMAIL", "a valid email address"))
            }
            ValueType::String if value.chars().count() > TEXT_LEN_MAX => {
                let message = format!("{} is longer than {TEXT_LEN_MAX}", self.name);
                Err(Detail::of(&self.name, "INVALID_LENGTH", message))
            }
            ValueType::String | ValueType::PhoneNumber => Ok(value.to_owned()),
            ValueType::Number => match value.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(value.trim().to_owned()),
                _ => Err(wrong("INVALID_DOUBLE", "a valid number")),
            },
            ValueType::Bool => match value.to_ascii_lowercase().as_str() {
                "true" => Ok("true".to_owned()),
                "false" => Ok("false".to_owned()),
                _ => Err(wrong("INVALID_OPTION", "one of the allowed options: [true, false]")),
            },
            ValueType::DateTime => match stamp::parse(value) {
                Some(at_ms) => Ok(stamp::iso(at_ms)),
                None => Err(wrong("INVALID_DATE", "a valid datetime")),
            },
            ValueType::Date => match stamp::parse(value) {
                Some(at_ms) if at_ms % 86_400_000 == 0 => {
                    Ok(stamp::iso(at_ms).chars().take(10).collect())
                }
                _ => Err(wrong("INVALID_DATE", "a valid date")),
            },
            ValueType::Enumeration => self.check_options(value),
        }
    }

    fn check_options(&self, value: &str) -> Result<String, Detail> {
        let several = self.field_type == "checkbox";
        let unknown = if several {
            value.split(';').filter(|part| !part.is_empty()).find(|part| !self.allows(part))
        } else {
            (!self.allows(value)).then_some(value)
        };
        match unknown {
            None => Ok(value.to_owned()),
            Some(unknown) => {
                let allowed: Vec<&str> = self.options.iter().map(|(value, _)| &**value).collect();
                let message =
                    format!("{unknown} was not one of the allowed options: {}", json!(allowed));
                Err(Detail::of(&self.name, "INVALID_OPTION", message))
            }
        }
    }

    fn allows(&self, value: &str) -> bool {
        match self.external {
            Some(External::Owners) => OWNERS.iter().any(|(id, ..)| *id == value),
            Some(External::DealPipelines) => value == "default",
            Some(External::DealStages) => DEAL_STAGES.iter().any(|(id, ..)| *id == value),
            Some(External::TicketPipelines) => value == "0",
            Some(External::TicketStages) => TICKET_STAGES.iter().any(|(id, _)| *id == value),
            None => {
                self.overlay.state(value) != OptionState::Removed
                    && self.options.iter().any(|(option, _)| option == value)
            }
        }
    }
}

/// A phone number as HubSpot stores it once its admin has numbers checked: `+` and digits.
fn phone(text: &str) -> Option<String> {
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let rest = text.strip_prefix('+').unwrap_or(text);
    let signs = rest.chars().all(|c| c.is_ascii_digit() || " -().".contains(c));
    let valid = signs && (8..=15).contains(&digits.len());
    let plus = if text.starts_with('+') { "+" } else { "" };
    valid.then(|| format!("{plus}{digits}"))
}

/// A mail address in the form HubSpot keeps: trimmed and lower-cased.
fn mail(text: &str) -> Option<String> {
    let mail = text.trim().to_lowercase();
    let (name, domain) = mail.split_once('@')?;
    let valid = !name.is_empty()
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && mail.chars().all(|c| c.is_ascii_graphic())
        && !domain.contains('@');
    valid.then_some(mail)
}

/// The properties of one object type.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub live: BTreeMap<Arc<str>, Property>,
    pub archived: Vec<Property>,
}

impl Schema {
    /// The properties that an account has on the first day, with Renkei's own.
    pub(super) fn standard(kind: Kind, now_ms: i64) -> Self {
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
        let hidden = |property: &&Property| property.overlay.has(&Rule::Hidden);
        self.live.get(name).filter(|property| viewer == Origin::Human || !hidden(property))
    }

    /// The properties that the client knows of.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Property> {
        self.live.values().filter(|property| !property.overlay.has(&Rule::Hidden))
    }

    /// Takes over the administrator's rules; `names` are those of the object type.
    pub(super) fn apply(&mut self, names: &[&str], knobs: &Faults) {
        let (rules, options) = (&knobs.rules, &knobs.options);
        for property in self.live.values_mut() {
            property.overlay = Overlay::collect(rules, options, names, &property.name);
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
            overlay: Overlay::default(),
        };
        Ok(self.live.entry(name).insert_entry(property).into_mut())
    }
}

/// Why a property was not defined.
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
    use super::*;

    fn check(kind: Kind, name: &str, written: &str, stored: Result<&str, &str>) {
        let schema = Schema::standard(kind, 0);
        let property = schema.get(name).unwrap();
        let result = property.check(written, &Faults::default(), Origin::Api);
        let result = result.as_deref().map_err(|detail| detail.code);
        assert_eq!(result, stored, "{name} = {written}");
    }

    #[test]
    fn written_values_are_checked_and_brought_to_stored_form() {
        check(Kind::Contact, "email", " Taro@Example.JP ", Ok("taro@example.jp"));
        check(Kind::Contact, "email", "taro", Err("INVALID_EMAIL"));
        check(Kind::Contact, "createdate", "2026-01-01", Err("READ_ONLY_VALUE"));
        check(Kind::Contact, "lifecyclestage", "lead", Ok("lead"));
        check(Kind::Contact, "lifecyclestage", "Lead", Err("INVALID_OPTION"));
        check(Kind::Contact, "hs_email_optout", "TRUE", Ok("true"));
        check(Kind::Contact, "hs_email_optout", "yes", Err("INVALID_OPTION"));
        check(Kind::Contact, "hubspot_owner_id", "77350001", Ok("77350001"));
        check(Kind::Contact, "hubspot_owner_id", "1", Err("INVALID_OPTION"));
        check(Kind::Deal, "amount", "5000.00", Ok("5000.00"));
        check(Kind::Deal, "amount", "5,000", Err("INVALID_DOUBLE"));
        check(Kind::Deal, "closedate", "2026-03-01", Ok("2026-03-01T00:00:00Z"));
        check(Kind::Deal, "closedate", "1773309857969", Ok("2026-03-12T10:04:17.969Z"));
        check(Kind::Deal, "closedate", "March", Err("INVALID_DATE"));
        check(Kind::Deal, "dealstage", "closedwon", Ok("closedwon"));
        check(Kind::Deal, "dealstage", "won", Err("INVALID_OPTION"));
    }

    #[test]
    fn only_ten_properties_can_be_unique() {
        let mut schema = Schema::standard(Kind::Contact, 0);
        let mut define = |name: String| {
            let body = json!({"name": name, "type": "string", "hasUniqueValue": true});
            schema.define(&body, 0).is_ok()
        };
        let made = (0..12).filter(|n| define(format!("key_{n}"))).count();
        assert_eq!(made, 9, "renkei_id is the tenth");
    }
}
