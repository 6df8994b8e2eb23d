//! The records that a deletion takes along in its own system, as the system's schemas say.

use std::collections::BTreeMap;

use renkei_model::plugin::Schema;
use renkei_model::value::Value;

/// Per object of a system, the objects and columns whose records a deletion there takes along.
#[derive(Debug, Clone, Default)]
pub struct Cascades {
    known: BTreeMap<(String, String), Vec<(String, String)>>,
}

impl Cascades {
    /// Keeps the references that a live schema names (`connector.wit`, schema fact `cascades`).
    pub fn add_schema(&mut self, system: &str, schema: &Schema) {
        let fact = schema.facts.iter().find(|(code, _)| code == "cascades");
        let named = match fact.map(|(_, value)| value) {
            Some(Value::Choices(named)) => named.as_slice(),
            _ => &[],
        };
        let pairs = named.iter().filter_map(|name| name.split_once('.'));
        let pairs = pairs.map(|(object, column)| (object.to_owned(), column.to_owned()));
        self.known.insert((system.to_owned(), schema.object.clone()), pairs.collect());
    }

    /// True if the object's schema was read.
    pub fn knows(&self, system: &str, object: &str) -> bool {
        self.pairs_of(system, object).is_some()
    }

    fn pairs_of(&self, system: &str, object: &str) -> Option<&[(String, String)]> {
        self.known.get(&(system.to_owned(), object.to_owned())).map(Vec::as_slice)
    }

    /// True if a record of `object` may go with the `parent` record that its `column` names, and
    /// where the parent's schema was not read.
    pub fn may_follow(&self, system: &str, parent: &str, object: &str, column: &str) -> bool {
        self.pairs_of(system, parent).is_none_or(|pairs| {
            pairs.iter().any(|(child, field)| child == object && field == column)
        })
    }
}
