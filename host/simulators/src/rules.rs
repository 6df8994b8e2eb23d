//! Rules that administrators set up in their account: about fields, duplicates and options.
//!
//! They are part of [`crate::faults::Faults`], so that they come, change and go while a system
//! runs. Objects and fields are named as the vendor names them: `contacts` and `city` in HubSpot,
//! `Contact` and `MailingCity` in Salesforce.

use serde::{Deserialize, Serialize};

/// A rule about one field of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    pub object: String,
    pub field: String,
    pub rule: FieldConstraint,
}

/// Values that a field refuses; all but `ReadOnly` and `Hidden` bind people at the screen too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldConstraint {
    /// A text of more characters than this.
    MaxLength(usize),
    /// A text that contains this, as a validation rule of the administrator.
    Without(String),
    /// No value at all, at creation or later.
    Required,
    /// A write by the client, which still reads it.
    ReadOnly,
    /// To be known to the client: the field vanishes from the description, its values stay.
    Hidden,
    /// A value that another live record has.
    Unique,
}

/// A rule that compares a record with those that are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    /// Object whose new and changed records are compared.
    pub object: String,
    /// With whose records; the same object where it is absent.
    #[serde(default)]
    pub against: Option<String>,
    /// All of these must be equal, whatever the case, and not empty.
    pub fields: Vec<String>,
    /// Always refuses; otherwise a client that says `allowSave` gets through.
    #[serde(default)]
    pub blocks: bool,
}

/// Change of one option of a picklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionChange {
    pub object: String,
    pub field: String,
    /// The value that the API names it by.
    pub value: String,
    /// Label from now on.
    #[serde(default)]
    pub label: Option<String>,
    /// Salesforce: the value that stands for it from now on, in records as well.
    #[serde(default)]
    pub renamed_to: Option<String>,
    #[serde(default)]
    pub state: OptionState,
}

/// True if an option can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionState {
    #[default]
    Active,
    /// Not offered to people. HubSpot's API takes it (unverified), a restricted picklist of
    /// Salesforce does not.
    Inactive,
    /// Gone from the list and refused; records that have it keep it.
    Removed,
}

/// The rules about one field, collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldOverlay {
    pub(crate) rules: Vec<FieldConstraint>,
    pub(crate) options: Vec<OptionChange>,
}

impl FieldOverlay {
    /// The rules of `all` and options of `options` about a field whose object has these names.
    pub(crate) fn collect(
        rules: &[FieldRule],
        options: &[OptionChange],
        names: &[&str],
        field: &str,
    ) -> Self {
        let is = |object: &str, of: &str| {
            of.eq_ignore_ascii_case(field) && names.iter().any(|n| n.eq_ignore_ascii_case(object))
        };
        Self {
            rules: rules
                .iter()
                .filter(|rule| is(&rule.object, &rule.field))
                .map(|rule| rule.rule.clone())
                .collect(),
            options: options.iter().filter(|one| is(&one.object, &one.field)).cloned().collect(),
        }
    }

    pub(crate) fn has(&self, rule: &FieldConstraint) -> bool {
        self.rules.contains(rule)
    }

    /// The least of the lengths that rules allow.
    pub(crate) fn max_length(&self) -> Option<usize> {
        let lengths = self.rules.iter().filter_map(|rule| match rule {
            FieldConstraint::MaxLength(length) => Some(*length),
            _ => None,
        });
        lengths.min()
    }

    /// True if a validation rule refuses this text.
    pub(crate) fn refuses(&self, text: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule, FieldConstraint::Without(part) if text.contains(part)))
    }

    /// Change of an option, if there is one.
    pub(crate) fn option(&self, value: &str) -> Option<&OptionChange> {
        self.options.iter().find(|option| option.value == value)
    }

    /// The state of an option; one that nobody changed is active.
    pub(crate) fn state(&self, value: &str) -> OptionState {
        self.option(value).map_or(OptionState::Active, |option| option.state)
    }
}

/// A share of `spread_ms` that is the same whenever the same record is asked about.
pub(crate) fn share(id: u64, spread_ms: i64) -> i64 {
    if spread_ms <= 0 {
        return 0;
    }
    let mixed = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    i64::try_from(mixed).unwrap_or_default() % (spread_ms + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_holds_the_rules_of_its_own_field() {
        let rule = |field: &str, rule| FieldRule {
            object: "Contacts".to_owned(),
            field: field.to_owned(),
            rule,
        };
        let rules = [
            rule("city", FieldConstraint::MaxLength(10)),
            rule("city", FieldConstraint::MaxLength(8)),
            rule("phone", FieldConstraint::Hidden),
        ];
        let city = FieldOverlay::collect(&rules, &[], &["contact", "contacts"], "city");
        assert_eq!((city.max_length(), city.has(&FieldConstraint::Hidden)), (Some(8), false));
        assert!(FieldOverlay::collect(&rules, &[], &["company"], "city").rules.is_empty());
    }

    #[test]
    fn rules_are_written_as_short_json() {
        let rule: FieldRule =
            serde_json::from_str(r#"{"object":"contacts","field":"city","rule":{"without":"x"}}"#)
                .unwrap();
        assert_eq!(rule.rule, FieldConstraint::Without("x".to_owned()));
        let rule: FieldConstraint = serde_json::from_str(r#""hidden""#).unwrap();
        assert_eq!(rule, FieldConstraint::Hidden);
    }

    #[test]
    fn a_share_depends_on_the_record_only() {
        assert_eq!(share(7, 0), 0);
        assert_eq!(share(7, 1_000), share(7, 1_000));
        assert!((0..100).map(|id| share(id, 1_000)).any(|ms| ms != share(0, 1_000)));
        assert!((0..100).all(|id| (0..=1_000).contains(&share(id, 1_000))));
    }
}
