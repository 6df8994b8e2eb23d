//! One property: its wire shape, and the check of a written value.

use std::sync::Arc;

use serde_json::{Value, json};
use strum::EnumCount;

use crate::control::Origin;
use crate::faults::Faults;
use crate::hubspot::errors::ErrorDetail;
use crate::hubspot::stamp;
use crate::rules::{FieldConstraint, FieldOverlay, OptionState};

/// Default stages of the default deal pipeline with their probabilities.
pub(in crate::hubspot) const DEAL_STAGES: [(&str, &str, &str); 7] = [
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
];

/// Default stages of the default ticket pipeline.
pub(in crate::hubspot) const TICKET_STAGES: [(&str, &str); 4] =
    [("1", "New"), ("2", "Waiting on contact"), ("3", "Waiting on us"), ("4", "Closed")];

/// Owner ids with family name, given name and user id.
pub(in crate::hubspot) const OWNERS: [(&str, &str, &str, u32); 3] = [
    ("77350001", "松本", "恵子", 9_586_501),
    ("77350002", "清水", "誠", 9_586_502),
    ("77350003", "Mori", "Ken", 9_586_503),
];

/// Longest text, in characters; recorded for note bodies.
const TEXT_LEN_MAX: usize = 65_536;

/// `type` of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount)]
pub(in crate::hubspot) enum ValueType {
    Bool,
    Date,
    DateTime,
    Enumeration,
    Number,
    PhoneNumber,
    String,
}

impl ValueType {
    const NAMES: [(Self, &'static str); Self::COUNT] = [
        (Self::Bool, "bool"),
        (Self::Date, "date"),
        (Self::DateTime, "datetime"),
        (Self::Enumeration, "enumeration"),
        (Self::Number, "number"),
        (Self::PhoneNumber, "phone_number"),
        (Self::String, "string"),
    ];

    pub(in crate::hubspot) fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| *name == text).map(|(value_type, _)| *value_type)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(each, _)| *each == self).map_or("string", |(_, name)| name)
    }
}

/// Source of the values of an enumeration, where they are not its own options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hubspot) enum OptionSource {
    Owners,
    DealPipelines,
    DealStages,
    TicketPipelines,
    TicketStages,
}

/// One property of an object type.
#[derive(Clone, Debug)]
pub(in crate::hubspot) struct Property {
    pub name: Arc<str>,
    pub label: String,
    pub value_type: ValueType,
    pub field_type: String,
    pub description: String,
    pub group: String,
    /// Value and label.
    pub options: Vec<(String, String)>,
    pub external: Option<OptionSource>,
    pub unique: bool,
    pub read_only: bool,
    pub hubspot_defined: bool,
    /// Used by a form or a workflow, so that it cannot be deleted.
    pub in_use: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
    /// Rules of the administrator.
    pub overlay: FieldOverlay,
}

impl Property {
    /// True if two records may not share a value of it.
    pub(in crate::hubspot) fn is_unique(&self) -> bool {
        self.unique || self.overlay.has(&FieldConstraint::Unique)
    }

    /// The property as the properties API shows it.
    pub(in crate::hubspot) fn wire(&self, archived: bool) -> Value {
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
                "readOnlyValue": self.read_only || self.overlay.has(&FieldConstraint::ReadOnly),
            },
            "formField": !self.read_only,
            "dataSensitivity": "non_sensitive",
            "createdAt": stamp::iso(self.created_ms),
            "updatedAt": stamp::iso(self.updated_ms),
            "archived": archived,
        })
    }

    /// The stored form of a written value that is not empty, for whoever writes it.
    pub(in crate::hubspot) fn check(
        &self,
        value: &str,
        knobs: &Faults,
        viewer: Origin,
    ) -> Result<String, ErrorDetail> {
        self.check_writable(viewer)?;
        if self.overlay.max_length().is_some_and(|most| value.chars().count() > most) {
            let message = format!("{} is too long", self.label);
            return Err(ErrorDetail::for_property(&self.name, "INVALID_LENGTH", message));
        }
        if self.overlay.refuses(value) {
            let message = "Enter only letters".to_owned();
            return Err(ErrorDetail::for_property(&self.name, "INVALID_ALPHA", message));
        }
        if self.external == Some(OptionSource::Owners) && knobs.absent_owners.contains(value) {
            let message = format!("{value} was not one of the allowed options: []");
            return Err(ErrorDetail::for_property(&self.name, "INVALID_OPTION", message));
        }
        if knobs.hubspot.phone_validation && self.field_type == "phonenumber" {
            return phone(value).ok_or_else(|| {
                let message = format!("{value} is not a valid phone number");
                ErrorDetail::for_property(&self.name, "INVALID_PHONE_NUMBER", message)
            });
        }
        self.typed(value)
    }

    /// Refuses an empty value where one is required.
    pub(in crate::hubspot) fn clear(&self, viewer: Origin) -> Result<(), ErrorDetail> {
        self.check_writable(viewer)?;
        if self.overlay.has(&FieldConstraint::Required) {
            Err(ErrorDetail::missing(&self.name))
        } else {
            Ok(())
        }
    }

    fn check_writable(&self, viewer: Origin) -> Result<(), ErrorDetail> {
        let ruled = viewer == Origin::Api && self.overlay.has(&FieldConstraint::ReadOnly);
        if !self.read_only && !ruled {
            return Ok(());
        }
        let message =
            format!("\"{}\" is a read only property; its value cannot be set.", self.name);
        Err(ErrorDetail::for_property(&self.name, "READ_ONLY_VALUE", message))
    }

    /// The stored form of a value as its type has it.
    fn typed(&self, value: &str) -> Result<String, ErrorDetail> {
        let wrong = |code, wanted: &str| {
            let message = format!("{value} was not {wanted}.");
            ErrorDetail::for_property(&self.name, code, message)
        };
        match self.value_type {
            ValueType::String if &*self.name == "email" => {
                mail(value).ok_or_else(|| wrong("INVALID_EMAIL", "a valid email address"))
            }
            ValueType::String if value.chars().count() > TEXT_LEN_MAX => {
                let message = format!("{} is longer than {TEXT_LEN_MAX}", self.name);
                Err(ErrorDetail::for_property(&self.name, "INVALID_LENGTH", message))
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

    fn check_options(&self, value: &str) -> Result<String, ErrorDetail> {
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
                Err(ErrorDetail::for_property(&self.name, "INVALID_OPTION", message))
            }
        }
    }

    fn allows(&self, value: &str) -> bool {
        match self.external {
            Some(OptionSource::Owners) => OWNERS.iter().any(|(id, ..)| *id == value),
            Some(OptionSource::DealPipelines) => value == "default",
            Some(OptionSource::DealStages) => DEAL_STAGES.iter().any(|(id, ..)| *id == value),
            Some(OptionSource::TicketPipelines) => value == "0",
            Some(OptionSource::TicketStages) => TICKET_STAGES.iter().any(|(id, _)| *id == value),
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
