//! The encoding of vectors in the order of an entity's fields, by field name.
//!
//! Field states and truths are written as JSON objects by field name. A field that the mapping has
//! dropped is forgotten when its record is next written; a field that the mapping has gained reads
//! as never seen. So a stored record survives every change of the mapping.
//!
//! The values of a field often repeat each other or those of other fields, and are left out
//! (RULES.md Q5):
//!
//! - a missing `base` equals `seen`, and a missing `agreed` equals the base; `null` stands for no
//!   value;
//! - the empty name, which no field has, stands first and holds the facts that most items share:
//!   the time (`edited`) and the system (`from`) of every item without its own;
//! - a text, an empty value, a truth value or a whole number stands alone where its field holds
//!   nothing else;
//! - a missing field is the default.
//!
//! Rows of older programs hold more, and read as they were written.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use renkei_model::index::{FieldIndex, PerField};
use renkei_model::spec::Spec;
use renkei_model::store::port::StoreError;
use renkei_model::value::Value;

pub(crate) use item::{Item, SharedFacts};
use item::{write_bare, write_shared};

mod item;

/// Bytes that an item usually needs.
const ITEM_BYTES: usize = 64;

/// The field names of every entity, in order.
#[derive(Debug, Clone, Default)]
pub struct Layouts {
    entities: BTreeMap<String, Layout>,
}

#[derive(Debug, Clone, Default)]
struct Layout {
    names: Vec<String>,
    /// The names as they stand in the text, with their colon.
    keys: Vec<String>,
}

impl Layout {
    fn new(names: Vec<String>) -> Self {
        let key = |name: &String| format!("{}:", serde_json::Value::from(name.as_str()));
        Self { keys: names.iter().map(key).collect(), names }
    }
}

impl Layouts {
    /// The layouts of a specification.
    pub fn from_spec(spec: &Spec) -> Self {
        let names = |fields: &[renkei_model::spec::FieldSpec]| {
            Layout::new(fields.iter().map(|field| field.name.clone()).collect())
        };
        let entities = spec.entities().iter();
        Self { entities: entities.map(|e| (e.name.clone(), names(&e.fields))).collect() }
    }

    /// The field names of an entity; none for an entity that the configuration no longer has.
    pub fn fields(&self, entity: &str) -> &[String] {
        self.entities.get(entity).map(|layout| layout.names.as_slice()).unwrap_or_default()
    }

    /// Writes one item per field (`RecordState::fields`, `Link::truth`) as a JSON object; default
    /// items are left out.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when an item cannot be written.
    pub fn encode<T: Item>(&self, entity: &str, items: &PerField<T>) -> Result<String, StoreError> {
        let unwritable = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
        let keys = self.entities.get(entity).map(|layout| layout.keys.as_slice());
        debug_assert!(
            items.len() >= keys.unwrap_or_default().len(),
            "an item per field of {entity} is written"
        );
        let default = T::default();
        let written = || items.values().filter(|item| **item != default);
        let mut out = Vec::with_capacity(items.len().saturating_mul(ITEM_BYTES));
        out.push(b'{');
        let shared = (most(written().map(|item| item.shared().0)).unwrap_or_default(), {
            most(written().map(|item| item.shared().1)).flatten()
        });
        write_shared(shared, &mut out).map_err(unwritable)?;
        for (key, item) in keys.unwrap_or_default().iter().zip(items.values()) {
            if *item == default {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(key.as_bytes());
            if let Some(value) = item.bare(shared)
                && write_bare(value, &mut out).map_err(unwritable)?
            {
                continue;
            }
            out.push(b'{');
            item.write(shared, &mut out).map_err(unwritable)?;
            out.push(b'}');
        }
        out.push(b'}');
        String::from_utf8(out).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Reads what [`Layouts::encode`] wrote, one item per field of the entity as it is configured
    /// now.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the text is not such an object.
    pub fn decode<T: Item>(&self, entity: &str, text: &str) -> Result<PerField<T>, StoreError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let names = self.fields(entity);
        let items = Items { names, item: PhantomData };
        let items = items.deserialize(&mut reader).and_then(|items| reader.end().map(|()| items));
        debug_assert!(
            items.as_ref().map_or(true, |items| items.len() == names.len()),
            "an item per field of {entity} is read"
        );
        items.map_err(|error| StoreError::Corrupt(format!("fields of {entity}: {error}")))
    }

    /// Items in the order of the entity's fields, one per field: missing ones are defaults, and
    /// those beyond the last field are dropped.
    pub fn per_field<T: Default>(&self, entity: &str, items: Vec<T>) -> PerField<T> {
        let mut all = PerField::defaults(self.fields(entity).len());
        all.values_mut().zip(items).for_each(|(place, item)| *place = item);
        all
    }
}

/// The most common value, if more than half have it; else any of them.
fn most<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<T> {
    let (mut found, mut votes) = (None, 0_usize);
    for value in values {
        if votes == 0 {
            (found, votes) = (Some(value), 1);
        } else if found.as_ref() == Some(&value) {
            votes += 1;
        } else {
            votes -= 1;
        }
    }
    found
}

/// Reads a whole text into one item per field name.
struct Items<'a, T> {
    names: &'a [String],
    item: PhantomData<T>,
}

impl<'de, T: Item> DeserializeSeed<'de> for Items<'_, T> {
    type Value = PerField<T>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, T: Item> Visitor<'de> for Items<'_, T> {
    type Value = PerField<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object by field name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = PerField::defaults(self.names.len());
        let mut shared = SharedFacts::default();
        let mut next = 0;
        while let Some(place) = map.next_key_seed(PlaceOf { names: self.names, next })? {
            match place {
                Place::Shared => shared = map.next_value()?,
                Place::Field(position) => {
                    let item = map.next_value_seed(One { shared: &shared, item: PhantomData })?;
                    items[FieldIndex(position)] = item;
                    next = position + 1;
                }
                Place::Forgotten => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(items)
    }
}

/// The meaning of a name in a text.
enum Place {
    Shared,
    Field(usize),
    /// A field that the mapping has dropped.
    Forgotten,
}

/// Reads one name of an object.
struct PlaceOf<'a> {
    names: &'a [String],
    /// The most likely position of the name.
    next: usize,
}

impl<'de> DeserializeSeed<'de> for PlaceOf<'_> {
    type Value = Place;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for PlaceOf<'_> {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Place, E> {
        if name.is_empty() {
            return Ok(Place::Shared);
        }
        if self.names.get(self.next).is_some_and(|known| known == name) {
            return Ok(Place::Field(self.next));
        }
        let position = self.names.iter().position(|known| known == name);
        Ok(position.map_or(Place::Forgotten, Place::Field))
    }
}

/// Reads one item, alone or as an object.
struct One<'a, T> {
    shared: &'a SharedFacts,
    item: PhantomData<T>,
}

impl<'de, T: Item> DeserializeSeed<'de> for One<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<T, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, T: Item> Visitor<'de> for One<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is known of a field")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::of_bare(Value::Text(text.into()), self.shared))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<T, E> {
        Ok(T::of_bare(Value::Null, self.shared))
    }

    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<T, E> {
        Ok(T::of_bare(Value::Boolean(truth), self.shared))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        Ok(T::of_bare(Value::Integer(number), self.shared))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        let number = i64::try_from(number).map_err(|_| E::custom("too large"))?;
        Ok(T::of_bare(Value::Integer(number), self.shared))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::read(map, self.shared)
    }
}

#[cfg(test)]
mod tests;
