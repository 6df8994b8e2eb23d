//! Positions to names and back: how a store keeps vectors that are in the order of an entity's
//! fields.
//!
//! Field states and truths are written as JSON objects by field name. A field that the mapping has
//! dropped is forgotten when its record is next written; a field that the mapping has gained reads
//! as never seen. So a stored record survives every change of the mapping.
//!
//! Most of what is known of a field is said by something else of the same record, and is left out
//! (RULES.md Q5):
//!
//! - a `base` that is missing is what was `seen`, and an `agreed` that is missing is the base;
//!   where there is none, `null` stands;
//! - under the empty name, which no field has, stands first what the items share: the time
//!   (`edited`) and the system (`from`) that an item has unless it says its own;
//! - a field that is missing altogether is the default.
//!
//! Before this form everything was written out, so what older programs have written reads as it
//! did.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::spec::Spec;
use crate::state::{FieldState, Span, Truth};
use crate::store::StoreError;
use crate::value::Cell;

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

/// What items of one text have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Shared {
    edited: Span,
    from: Option<String>,
}

/// What is known of one field, as a store keeps it.
pub trait Item: Sized + Default + PartialEq {
    /// What it may have in common with others.
    fn shared(&self) -> (Span, Option<&str>);

    /// Writes the inside of an object: all that neither `shared` nor the item itself says.
    ///
    /// # Errors
    /// What the writer says.
    fn write(&self, shared: (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()>;

    /// Reads what was written.
    ///
    /// # Errors
    /// What the reader says.
    fn read<'de, A: MapAccess<'de>>(map: A, shared: &Shared) -> Result<Self, A::Error>;
}

impl Layouts {
    /// The layouts of a specification.
    pub fn of(spec: &Spec) -> Self {
        let names = |fields: &[crate::spec::FieldSpec]| {
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
    pub fn encode<T: Item>(&self, entity: &str, items: &[T]) -> Result<String, StoreError> {
        let unwritable = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
        let keys = self.entities.get(entity).map(|layout| layout.keys.as_slice());
        let default = T::default();
        let written = || items.iter().filter(|item| **item != default);
        let mut out = Vec::with_capacity(items.len().saturating_mul(ITEM_BYTES));
        out.push(b'{');
        let shared = (most(written().map(|item| item.shared().0)).unwrap_or_default(), {
            most(written().map(|item| item.shared().1)).flatten()
        });
        write_shared(shared, &mut out).map_err(unwritable)?;
        for (key, item) in keys.unwrap_or_default().iter().zip(items) {
            if *item == default {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(key.as_bytes());
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
    pub fn decode<T: Item>(&self, entity: &str, text: &str) -> Result<Vec<T>, StoreError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let items = Items { names: self.fields(entity), item: PhantomData };
        let items = items.deserialize(&mut reader).and_then(|items| reader.end().map(|()| items));
        items.map_err(|error| StoreError::Corrupt(format!("fields of {entity}: {error}")))
    }
}

/// The value that most have, if more than half have one; else any of them.
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

fn write_shared((edited, from): (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()> {
    if edited == Span::default() && from.is_none() {
        return Ok(());
    }
    out.extend_from_slice(b"\"\":{");
    let mut object = Object { out, is_first: true };
    object.put("edited", &(edited != Span::default()).then_some((edited.after, edited.until)))?;
    object.put("from", &from)?;
    out.push(b'}');
    Ok(())
}

/// The inside of an object that is being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Object<'_> {
    /// A value that may be there; nothing where it is not.
    fn put<T: serde::Serialize>(&mut self, key: &str, value: &Option<T>) -> serde_json::Result<()> {
        match value {
            Some(value) => self.always(key, value),
            None => Ok(()),
        }
    }

    fn always<T: serde::Serialize>(&mut self, key: &str, value: &T) -> serde_json::Result<()> {
        self.out.extend_from_slice(if std::mem::take(&mut self.is_first) { b"\"" } else { b",\"" });
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        serde_json::to_writer(&mut *self.out, value)
    }

    /// What differs from what would be read without it.
    fn unless<T: serde::Serialize + PartialEq>(
        &mut self,
        known: &T,
        key: &str,
        value: &T,
    ) -> serde_json::Result<()> {
        if known == value { Ok(()) } else { self.always(key, value) }
    }

    fn span(&mut self, known: Span, value: Span) -> serde_json::Result<()> {
        self.unless(&(known.after, known.until), "edited", &(value.after, value.until))
    }
}

impl Item for FieldState {
    fn shared(&self) -> (Span, Option<&str>) {
        (self.edited, None)
    }

    fn write(&self, shared: (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self { seen, base, agreed, edited, unsure, filler, tries, preset, lost } = self;
        let mut object = Object { out, is_first: true };
        object.put("seen", seen)?;
        object.unless(seen, "base", base)?;
        object.unless(base, "agreed", agreed)?;
        object.span(shared.0, *edited)?;
        object.unless(&false, "unsure", unsure)?;
        object.put("filler", filler)?;
        object.unless(&0, "tries", tries)?;
        object.unless(&false, "preset", preset)?;
        object.unless(&None, "lost", lost)
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A, shared: &Shared) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "lowercase")]
        enum Key {
            Seen,
            Base,
            Agreed,
            Edited,
            Unsure,
            Filler,
            Tries,
            Preset,
            Lost,
            #[serde(other)]
            Other,
        }
        let mut state = Self { edited: shared.edited, ..Self::default() };
        let (mut base, mut agreed): (Option<Cell>, Option<Cell>) = (None, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Seen => state.seen = map.next_value()?,
                Key::Base => base = Some(map.next_value()?),
                Key::Agreed => agreed = Some(map.next_value()?),
                Key::Edited => state.edited = map.next_value()?,
                Key::Unsure => state.unsure = map.next_value()?,
                Key::Filler => state.filler = map.next_value()?,
                Key::Tries => state.tries = map.next_value()?,
                Key::Preset => state.preset = map.next_value()?,
                Key::Lost => state.lost = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        state.base = base.unwrap_or_else(|| state.seen.clone());
        state.agreed = agreed.unwrap_or_else(|| state.base.clone());
        Ok(state)
    }
}

impl Item for Truth {
    fn shared(&self) -> (Span, Option<&str>) {
        (self.edited, self.from.as_deref())
    }

    fn write(&self, shared: (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self { value, previous, from, edited, flips } = self;
        let mut object = Object { out, is_first: true };
        object.put("value", value)?;
        object.put("previous", previous)?;
        object.unless(&shared.1, "from", &from.as_deref())?;
        object.span(shared.0, *edited)?;
        object.unless(&0, "flips", flips)
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A, shared: &Shared) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "lowercase")]
        enum Key {
            Value,
            Previous,
            From,
            Edited,
            Flips,
            #[serde(other)]
            Other,
        }
        let mut truth = Self { edited: shared.edited, ..Self::default() };
        let mut from: Option<Option<String>> = None;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Value => truth.value = map.next_value()?,
                Key::Previous => truth.previous = map.next_value()?,
                Key::From => from = Some(map.next_value()?),
                Key::Edited => truth.edited = map.next_value()?,
                Key::Flips => truth.flips = map.next_value()?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        truth.from = from.unwrap_or_else(|| shared.from.clone());
        Ok(truth)
    }
}

/// Reads a whole text.
struct Items<'a, T> {
    names: &'a [String],
    item: PhantomData<T>,
}

impl<'de, T: Item> DeserializeSeed<'de> for Items<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, T: Item> Visitor<'de> for Items<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object by field name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items: Vec<T> = self.names.iter().map(|_| T::default()).collect();
        let mut shared = Shared::default();
        let mut next = 0;
        while let Some(place) = map.next_key_seed(PlaceOf { names: self.names, next })? {
            match place {
                Place::Shared => shared = map.next_value()?,
                Place::Field(position) => {
                    let item = map.next_value_seed(One { shared: &shared, item: PhantomData })?;
                    let place = items.get_mut(position);
                    *place.ok_or_else(|| A::Error::custom("no such field"))? = item;
                    next = position + 1;
                }
                Place::Forgotten => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(items)
    }
}

/// What a name in a text stands for.
enum Place {
    Shared,
    Field(usize),
    /// A field that the mapping has dropped.
    Forgotten,
}

/// Reads a name.
struct PlaceOf<'a> {
    names: &'a [String],
    /// Where the name stands, most often.
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

/// Reads one item.
struct One<'a, T> {
    shared: &'a Shared,
    item: PhantomData<T>,
}

impl<'de, T: Item> DeserializeSeed<'de> for One<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<T, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, T: Item> Visitor<'de> for One<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is known of a field")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::read(map, self.shared)
    }
}

#[cfg(test)]
mod tests;
