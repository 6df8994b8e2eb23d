//! The encoding of one field: a record's state of it, or a link's truth.

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess};

use renkei_model::state::{FieldState, Span, Truth};
use renkei_model::value::{Cell, Value};

/// Facts that most items of one text share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SharedFacts {
    edited: Span,
    from: Option<String>,
}

/// One field's stored form.
pub trait Item: Sized + Default + PartialEq {
    /// The facts that it may share with others.
    fn shared(&self) -> (Span, Option<&str>);

    /// The value, where the item holds nothing else beside `shared`.
    fn bare(&self, shared: (Span, Option<&str>)) -> Option<&Value>;

    /// Reads a value that stood alone.
    fn of_bare(value: Value, shared: &SharedFacts) -> Self;

    /// Writes the members of an object that neither `shared` nor another member implies.
    ///
    /// # Errors
    /// The writer failed.
    fn write(&self, shared: (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()>;

    /// Reads the members that [`Item::write`] wrote.
    ///
    /// # Errors
    /// The reader failed.
    fn read<'de, A: MapAccess<'de>>(map: A, shared: &SharedFacts) -> Result<Self, A::Error>;
}

/// Writes the facts that most items share, as a member of the whole object.
pub(super) fn write_shared(
    (edited, from): (Span, Option<&str>),
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    if edited == Span::default() && from.is_none() {
        return Ok(());
    }
    out.extend_from_slice(b"\"\":{");
    let mut object = Object { out, is_first: true };
    object.write_entry(
        "edited",
        &(edited != Span::default()).then_some((edited.after, edited.until)),
    )?;
    object.write_entry("from", &from)?;
    out.push(b'}');
    Ok(())
}

/// The inside of an object that is being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Object<'_> {
    /// Writes a member if it has a value.
    fn write_entry<T: serde::Serialize>(
        &mut self,
        key: &str,
        value: &Option<T>,
    ) -> serde_json::Result<()> {
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

    /// Writes a member if it differs from the value that reading without it gives.
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

    fn bare(&self, shared: (Span, Option<&str>)) -> Option<&Value> {
        let Self { seen, base, agreed, edited, unsure, filler, tries, preset, lost, bereft } = self;
        let is_settled = seen == base && base == agreed && *edited == shared.0;
        let is_known = filler.is_none() && lost.is_none() && bereft.is_none();
        let is_plain = is_known && !unsure && *tries == 0 && !preset;
        seen.as_ref().filter(|_| is_settled && is_plain)
    }

    fn of_bare(value: Value, shared: &SharedFacts) -> Self {
        let seen = Some(value);
        let (base, agreed) = (seen.clone(), seen.clone());
        Self { seen, base, agreed, edited: shared.edited, ..Self::default() }
    }

    fn write(&self, shared: (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self { seen, base, agreed, edited, unsure, filler, tries, preset, lost, bereft } = self;
        let mut object = Object { out, is_first: true };
        object.write_entry("seen", seen)?;
        object.unless(seen, "base", base)?;
        object.unless(base, "agreed", agreed)?;
        object.span(shared.0, *edited)?;
        object.unless(&false, "unsure", unsure)?;
        object.write_entry("filler", filler)?;
        object.unless(&0, "tries", tries)?;
        object.unless(&false, "preset", preset)?;
        object.unless(&None, "lost", lost)?;
        object.unless(&None, "bereft", bereft)
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A, shared: &SharedFacts) -> Result<Self, A::Error> {
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
            Bereft,
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
                Key::Bereft => state.bereft = map.next_value()?,
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

    fn bare(&self, shared: (Span, Option<&str>)) -> Option<&Value> {
        let Self { value, previous, from, edited, flips } = self;
        let is_plain = previous.is_none() && *flips == 0;
        let is_shared = from.as_deref() == shared.1 && *edited == shared.0;
        value.as_ref().filter(|_| is_plain && is_shared)
    }

    fn of_bare(value: Value, shared: &SharedFacts) -> Self {
        let SharedFacts { edited, from } = shared.clone();
        Self { value: Some(value), from, edited, ..Self::default() }
    }

    fn write(&self, shared: (Span, Option<&str>), out: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self { value, previous, from, edited, flips } = self;
        let mut object = Object { out, is_first: true };
        object.write_entry("value", value)?;
        object.write_entry("previous", previous)?;
        object.unless(&shared.1, "from", &from.as_deref())?;
        object.span(shared.0, *edited)?;
        object.unless(&0, "flips", flips)
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A, shared: &SharedFacts) -> Result<Self, A::Error> {
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

/// Writes a value that can stand alone; false if it cannot.
pub(super) fn write_bare(value: &Value, out: &mut Vec<u8>) -> serde_json::Result<bool> {
    match value {
        Value::Null => serde_json::to_writer(out, &())?,
        Value::Boolean(truth) => serde_json::to_writer(out, truth)?,
        Value::Integer(number) => serde_json::to_writer(out, number)?,
        Value::Text(text) => serde_json::to_writer(out, text)?,
        Value::Decimal(_)
        | Value::Date(_)
        | Value::Timestamp(_)
        | Value::Choices(_)
        | Value::References(_)
        | Value::Other(_) => return Ok(false),
    }
    Ok(true)
}
