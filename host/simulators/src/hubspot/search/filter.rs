//! Filters of a search: checked once, with operands read into the form they compare in.
//!
//! Texts compare without regard to case, but `IN` and `NOT_IN` compare the operand as it is with
//! the lower-cased value (a switch: unverified).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::faults::Faults;
use crate::hubspot::errors::ApiError;
use crate::hubspot::kinds::ObjectKind;
use crate::hubspot::schema::{PropertySchema, ValueType};
use crate::hubspot::stamp;
use crate::hubspot::table::HubSpotRow;

/// A filter as bodies write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FilterBody {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    high_value: Option<Value>,
    #[serde(default)]
    values: Option<Vec<Value>>,
}

/// Filters that must all hold.
pub(super) struct FilterGroup(Vec<CheckedFilter>);

/// A checked filter.
pub(super) struct CheckedFilter {
    field: FilterField,
    test: FilterTest,
}

/// Source of a row's value.
enum FilterField {
    Id,
    Modified,
    Number(String),
    Time(String),
    Text(String),
}

enum FilterTest {
    /// A number, or a time in milliseconds, between both bounds.
    Within {
        low: FilterBound,
        high: FilterBound,
        negated: bool,
    },
    /// One of these texts; values are lower-cased first.
    OneOf {
        texts: Vec<String>,
        negated: bool,
    },
    /// One of these numbers or times.
    OneOfNumbers {
        numbers: Vec<f64>,
        negated: bool,
    },
    /// Text order, for `LT` and friends on texts.
    Ordered {
        operator: FilterOrder,
        text: String,
    },
    HasValue(bool),
    Token {
        pattern: String,
        negated: bool,
    },
}

#[derive(Clone, Copy)]
enum FilterOrder {
    Below,
    BelowOrEqual,
    Above,
    AboveOrEqual,
}

#[derive(Clone, Copy)]
struct FilterBound {
    value: f64,
    inclusive: bool,
}

const NO_LOW: FilterBound = FilterBound { value: f64::NEG_INFINITY, inclusive: true };
const NO_HIGH: FilterBound = FilterBound { value: f64::INFINITY, inclusive: true };

/// The modified times and ids that a group can match at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilterWindow {
    pub from_ms: i64,
    pub to_ms: i64,
    pub least_id: u64,
}

impl FilterWindow {
    const ALL: Self = Self { from_ms: i64::MIN, to_ms: i64::MAX, least_id: 0 };

    /// The smallest window around both.
    pub(super) fn around(self, other: Self) -> Self {
        Self {
            from_ms: self.from_ms.min(other.from_ms),
            to_ms: self.to_ms.max(other.to_ms),
            least_id: self.least_id.min(other.least_id),
        }
    }

    /// True if reading by modified time is worth it.
    pub(super) fn is_narrow(self) -> bool {
        self.from_ms != i64::MIN && self.least_id == 0
    }
}

impl FilterGroup {
    pub(super) fn new(filters: Vec<CheckedFilter>) -> Self {
        Self(filters)
    }

    pub(super) fn matches(&self, row: &HubSpotRow) -> bool {
        self.0.iter().all(|filter| filter.matches(row))
    }

    /// A text property and the values of which it must have one, where a filter says so.
    pub(super) fn key(&self) -> Option<(&str, &[String])> {
        self.0.iter().find_map(|filter| match (&filter.field, &filter.test) {
            (FilterField::Text(name), FilterTest::OneOf { texts, negated: false }) => {
                Some((name.as_str(), texts.as_slice()))
            }
            _ => None,
        })
    }

    pub(super) fn window(&self) -> FilterWindow {
        let mut window = FilterWindow::ALL;
        for filter in &self.0 {
            let FilterTest::Within { low, high, negated: false } = filter.test else { continue };
            match filter.field {
                FilterField::Modified => {
                    window.from_ms = window.from_ms.max(low.value as i64);
                    window.to_ms = window.to_ms.min(high.value as i64);
                }
                FilterField::Id => window.least_id = window.least_id.max(low.value as u64),
                _ => {}
            }
        }
        window
    }
}

impl CheckedFilter {
    pub(super) fn check(
        body: &FilterBody,
        kind: ObjectKind,
        schema: &PropertySchema,
        faults: &Faults,
    ) -> Result<Self, ApiError> {
        let name = body.property_name.as_str();
        let property = schema.get(name).ok_or_else(|| {
            let message = format!("There was a problem with the request: unknown property {name}");
            ApiError::invalid(message)
        })?;
        let field = match property.value_type {
            _ if name == "hs_object_id" => FilterField::Id,
            _ if name == kind.modified_property() => FilterField::Modified,
            ValueType::Number => FilterField::Number(name.to_owned()),
            ValueType::Date | ValueType::DateTime => FilterField::Time(name.to_owned()),
            _ => FilterField::Text(name.to_owned()),
        };
        let test = match body.operator.as_str() {
            "HAS_PROPERTY" => FilterTest::HasValue(true),
            "NOT_HAS_PROPERTY" => FilterTest::HasValue(false),
            "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN" => FilterTest::Token {
                pattern: body.text()?.to_lowercase(),
                negated: body.operator.starts_with("NOT"),
            },
            _ if matches!(field, FilterField::Text(_)) => body.text_test(faults)?,
            _ => body.number_test(&field)?,
        };
        Ok(Self { field, test })
    }

    fn matches(&self, row: &HubSpotRow) -> bool {
        match &self.test {
            FilterTest::Within { low, high, negated } => self.number(row).is_some_and(|number| {
                (low.admits_above(number) && high.admits_below(number)) != *negated
            }),
            FilterTest::OneOfNumbers { numbers, negated } => match self.number(row) {
                Some(number) => numbers.contains(&number) != *negated,
                None => *negated,
            },
            FilterTest::OneOf { texts, negated } => match self.text(row) {
                Some(text) => texts.contains(&text.to_lowercase()) != *negated,
                None => *negated,
            },
            FilterTest::Ordered { operator, text } => self.text(row).is_some_and(|value| {
                let order = value.to_lowercase().as_str().cmp(text.as_str());
                match operator {
                    FilterOrder::Below => order.is_lt(),
                    FilterOrder::BelowOrEqual => order.is_le(),
                    FilterOrder::Above => order.is_gt(),
                    FilterOrder::AboveOrEqual => order.is_ge(),
                }
            }),
            FilterTest::HasValue(wanted) => self.has_value(row) == *wanted,
            FilterTest::Token { pattern, negated } => {
                self.text(row).is_some_and(|text| has_token(&text.to_lowercase(), pattern))
                    != *negated
            }
        }
    }

    fn number(&self, row: &HubSpotRow) -> Option<f64> {
        match &self.field {
            FilterField::Id => Some(row.id as f64),
            FilterField::Modified => Some(row.modified_ms as f64),
            FilterField::Number(name) => row.value(name)?.parse().ok(),
            FilterField::Time(name) => stamp::parse(row.value(name)?).map(|at_ms| at_ms as f64),
            FilterField::Text(_) => None,
        }
    }

    fn text<'r>(&self, row: &'r HubSpotRow) -> Option<&'r str> {
        match &self.field {
            FilterField::Id => row.value("hs_object_id"),
            FilterField::Modified => None,
            FilterField::Number(name) | FilterField::Time(name) | FilterField::Text(name) => {
                row.value(name)
            }
        }
    }

    fn has_value(&self, row: &HubSpotRow) -> bool {
        matches!(self.field, FilterField::Id | FilterField::Modified) || self.text(row).is_some()
    }
}

impl FilterBound {
    fn admits_above(self, number: f64) -> bool {
        if self.inclusive { number >= self.value } else { number > self.value }
    }

    fn admits_below(self, number: f64) -> bool {
        if self.inclusive { number <= self.value } else { number < self.value }
    }
}

impl FilterBody {
    /// The object type of a filter on associations.
    pub(super) fn associated(&self) -> Option<&str> {
        self.property_name.strip_prefix("associations.")
    }

    /// The ids that such a filter names.
    pub(super) fn named_ids(&self) -> Vec<String> {
        let one = self.value.iter().map(text);
        one.chain(self.values.iter().flatten().map(text)).collect()
    }

    /// Makes this a filter on the records' own ids.
    pub(super) fn become_ids(&mut self, ids: &BTreeSet<u64>) -> Result<(), ApiError> {
        self.operator = match self.operator.as_str() {
            "EQ" | "IN" => "IN".to_owned(),
            "NEQ" | "NOT_IN" => "NOT_IN".to_owned(),
            _ => return Err(self.no_operator()),
        };
        self.property_name = "hs_object_id".to_owned();
        self.value = None;
        // No record has the id 0: an empty list is not a list.
        let ids = ids.iter().copied().chain(ids.is_empty().then_some(0));
        self.values = Some(ids.map(Value::from).collect());
        Ok(())
    }

    fn text_test(&self, faults: &Faults) -> Result<FilterTest, ApiError> {
        let ordered =
            |operator| Ok(FilterTest::Ordered { operator, text: self.text()?.to_lowercase() });
        match self.operator.as_str() {
            "EQ" | "NEQ" => {
                let negated = self.operator == "NEQ";
                Ok(FilterTest::OneOf { texts: vec![self.text()?.to_lowercase()], negated })
            }
            "IN" | "NOT_IN" => {
                let texts = self.listed()?.iter().map(text);
                let texts = if faults.hubspot.in_needs_lower_case {
                    texts.collect()
                } else {
                    texts.map(|text| text.to_lowercase()).collect()
                };
                Ok(FilterTest::OneOf { texts, negated: self.operator == "NOT_IN" })
            }
            "LT" => ordered(FilterOrder::Below),
            "LTE" => ordered(FilterOrder::BelowOrEqual),
            "GT" => ordered(FilterOrder::Above),
            "GTE" => ordered(FilterOrder::AboveOrEqual),
            _ => Err(self.no_operator()),
        }
    }

    fn number_test(&self, field: &FilterField) -> Result<FilterTest, ApiError> {
        let read = |value: &Value| number(field, &text(value)).ok_or_else(|| self.bad_value());
        let value = || read(self.value.as_ref().unwrap_or(&Value::Null));
        let within = |low, high| Ok(FilterTest::Within { low, high, negated: false });
        let bound = |value, inclusive| FilterBound { value, inclusive };
        match self.operator.as_str() {
            "EQ" => within(bound(value()?, true), bound(value()?, true)),
            "NEQ" => {
                let at = bound(value()?, true);
                Ok(FilterTest::Within { low: at, high: at, negated: true })
            }
            "LT" => within(NO_LOW, bound(value()?, false)),
            "LTE" => within(NO_LOW, bound(value()?, true)),
            "GT" => within(bound(value()?, false), NO_HIGH),
            "GTE" => within(bound(value()?, true), NO_HIGH),
            "BETWEEN" => {
                let high = read(self.high_value.as_ref().unwrap_or(&Value::Null))?;
                within(bound(value()?, true), bound(high, true))
            }
            "IN" | "NOT_IN" => {
                let numbers: Result<Vec<f64>, ApiError> = self.listed()?.iter().map(read).collect();
                Ok(FilterTest::OneOfNumbers {
                    numbers: numbers?,
                    negated: self.operator == "NOT_IN",
                })
            }
            _ => Err(self.no_operator()),
        }
    }

    fn text(&self) -> Result<String, ApiError> {
        self.value.as_ref().map(text).ok_or_else(|| self.bad_value())
    }

    fn listed(&self) -> Result<&[Value], ApiError> {
        match &self.values {
            Some(values) if !values.is_empty() => Ok(values),
            _ => Err(self.bad_value()),
        }
    }

    fn bad_value(&self) -> ApiError {
        let name = &self.property_name;
        ApiError::invalid(format!("There was a problem with the value of a filter on {name}"))
    }

    fn no_operator(&self) -> ApiError {
        ApiError::invalid(format!("Invalid input JSON: unknown operator {}", self.operator))
    }
}

fn number(field: &FilterField, text: &str) -> Option<f64> {
    match field {
        FilterField::Modified | FilterField::Time(_) => {
            stamp::parse(text).map(|at_ms| at_ms as f64)
        }
        _ => text.trim().parse().ok(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// True if a word of the text fits the pattern, in which `*` at an end stands for anything.
fn has_token(text: &str, pattern: &str) -> bool {
    let core = pattern.trim_matches('*');
    let (open_start, open_end) = (pattern.starts_with('*'), pattern.ends_with('*'));
    let mut words = text.split(|c: char| !c.is_alphanumeric()).chain([text]);
    words.any(|word| match (open_start, open_end) {
        (true, true) => word.contains(core),
        (true, false) => word.ends_with(core),
        (false, true) => word.starts_with(core),
        (false, false) => word == core,
    })
}
