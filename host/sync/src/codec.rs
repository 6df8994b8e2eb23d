//! Positions to names and back: how a store keeps vectors that are in the order of an entity's
//! fields.
//!
//! Field states and truths are written as JSON objects by field name. A field that the mapping has
//! dropped is forgotten when its record is next written; a field that the mapping has gained reads
//! as never seen. So a stored record survives every change of the mapping.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::spec::Spec;
use crate::store::StoreError;

/// The field names of every entity, in order.
#[derive(Debug, Clone, Default)]
pub struct Layouts {
    entities: BTreeMap<String, Vec<String>>,
}

impl Layouts {
    /// The layouts of a specification.
    pub fn of(spec: &Spec) -> Self {
        let names = |fields: &[crate::spec::FieldSpec]| {
            fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>()
        };
        let entities = spec.entities().iter();
        Self { entities: entities.map(|e| (e.name.clone(), names(&e.fields))).collect() }
    }

    /// The field names of an entity; none for an entity that the configuration no longer has.
    pub fn fields(&self, entity: &str) -> &[String] {
        self.entities.get(entity).map(Vec::as_slice).unwrap_or_default()
    }

    /// Writes one item per field (`RecordState::fields`, `Link::truth`) as a JSON object; default
    /// items are left out.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when an item cannot be written.
    pub fn encode<T: Serialize + Default + PartialEq>(
        &self,
        entity: &str,
        items: &[T],
    ) -> Result<String, StoreError> {
        let named: BTreeMap<&str, &T> = self
            .fields(entity)
            .iter()
            .map(String::as_str)
            .zip(items)
            .filter(|(_, item)| **item != T::default())
            .collect();
        serde_json::to_string(&named).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Reads what [`Layouts::encode`] wrote, one item per field of the entity as it is configured
    /// now.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the text is not such an object.
    pub fn decode<T: DeserializeOwned + Default>(
        &self,
        entity: &str,
        text: &str,
    ) -> Result<Vec<T>, StoreError> {
        let mut named: BTreeMap<String, T> = serde_json::from_str(text)
            .map_err(|error| StoreError::Corrupt(format!("fields of {entity}: {error}")))?;
        Ok(self.fields(entity).iter().map(|name| named.remove(name).unwrap_or_default()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::FieldState;
    use crate::value::Value;

    fn layouts(fields: &[&str]) -> Layouts {
        let fields = fields.iter().map(|&name| name.to_owned()).collect();
        Layouts { entities: [("person".to_owned(), fields)].into() }
    }

    fn seen(value: Value) -> FieldState {
        FieldState { seen: Some(value), ..FieldState::default() }
    }

    #[test]
    fn survives_a_changed_mapping() {
        let states = vec![seen("a@b.c".into()), seen(Value::Null), FieldState::default()];
        let text = layouts(&["mail", "phone", "fax"]).encode("person", &states).unwrap();
        let back: Vec<FieldState> =
            layouts(&["city", "phone", "mail"]).decode("person", &text).unwrap();
        assert_eq!(back, vec![FieldState::default(), seen(Value::Null), seen("a@b.c".into())]);
    }

    #[test]
    fn garbage_is_an_error() {
        let result = layouts(&["mail"]).decode::<FieldState>("person", "[1]");
        assert!(matches!(result, Err(StoreError::Corrupt(_))));
    }
}
