//! The choice of fields and values that the kit writes, from an object's live schema alone.
//!
//! The kit writes a plain text that may hold anything and fills the fields that a create needs. For
//! a bad row it makes a mistake that the schema names: a required field left empty, an unknown
//! choice, a text that is too long.

use renkei_model::plugin::{Schema, SchemaField};
use renkei_model::value::Value;

/// Characters of the texts that the kit writes.
const TEXT_CHARS: u32 = 40;
/// Parts of names whose values systems check or change.
const PICKY: [&str; 17] = [
    "mail", "phone", "fax", "url", "website", "domain", "zip", "postal", "country", "state",
    "code", "language", "currency", "date", "time", "hs_", "ip_",
];
/// Parts of names that promise a text for people, the best first.
const PLAIN: [&str; 6] = ["name", "title", "subject", "description", "city", "note"];

/// The fields of an object that the kit writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenFields {
    /// A text that may be set and changed.
    pub text: String,
    /// Another one that may also be empty.
    pub other: Option<String>,
    /// The unique column for the intent of a create.
    pub stamp: Option<String>,
    /// Other fields that a create needs, with values.
    pub fill: Vec<(String, Value)>,
    /// A column with a value that must be refused, and why.
    pub bad: Option<(String, Value, &'static str)>,
}

/// Chooses the fields; the error says why the object cannot be written.
pub fn choose_fields(schema: &Schema) -> Result<ChosenFields, String> {
    let stamp = schema.facts.iter().find(|(code, _)| code == "stamp");
    let stamp = stamp.and_then(|(_, value)| value.as_text()).map(str::to_owned);
    let mut texts: Vec<&SchemaField> = schema.fields.iter().filter(|f| is_plain(f)).collect();
    texts.sort_by_key(|field| (!field.required, rank(&field.name)));
    let text = texts.first().ok_or("the object has no plain text field that can be written")?;
    let other = texts.iter().skip(1).find(|field| field.nullable && !field.required);
    let mut fill = Vec::new();
    for field in schema.fields.iter().filter(|field| field.required && field.creatable) {
        if field.name != text.name && Some(&field.name) != stamp.as_ref() {
            let value = value_of(field);
            let value = value.ok_or_else(|| format!("a create needs {}", field.name))?;
            fill.push((field.name.clone(), value));
        }
    }
    let other = other.map(|field| field.name.clone());
    Ok(ChosenFields { text: text.name.clone(), other, stamp, fill, bad: bad(schema, text) })
}

/// A text that takes what the kit writes and gives it back as it was.
fn is_plain(field: &SchemaField) -> bool {
    let name = field.name.to_lowercase();
    field.kind == "text"
        && field.creatable
        && field.updatable
        && field.readable
        && !field.unique
        && field.choices.is_empty()
        && field.max_length.is_none_or(|most| most >= TEXT_CHARS)
        && !PICKY.iter().any(|part| name.contains(part))
}

fn rank(name: &str) -> usize {
    let name = name.to_lowercase();
    PLAIN.iter().position(|part| name.contains(part)).unwrap_or(PLAIN.len())
}

/// A value that a required field takes.
fn value_of(field: &SchemaField) -> Option<Value> {
    let choice = field.choices.first().map(|(value, _)| value.clone());
    Some(match field.kind.as_str() {
        "choice" => Value::Text(choice?.into()),
        "choices" => Value::Choices(vec![choice?.into()]),
        "text" => Value::Text(choice.unwrap_or_else(|| "Renkei kit".to_owned()).into()),
        "boolean" => Value::Boolean(false),
        "integer" => Value::Integer(1),
        "decimal" => Value::Decimal("1".into()),
        "date" => Value::Date("2030-01-15".into()),
        "timestamp" => Value::Timestamp(1_900_000_000_000),
        _ => return None,
    })
}

fn bad(schema: &Schema, text: &SchemaField) -> Option<(String, Value, &'static str)> {
    if text.required {
        return Some((text.name.clone(), Value::Null, "a required field is empty"));
    }
    let open = schema.fields.iter().filter(|field| field.creatable && field.updatable);
    let choice = open.clone().find(|field| field.kind == "choice" && !field.choices.is_empty());
    if let Some(field) = choice {
        let value = Value::from("renkei kit: no such choice");
        return Some((field.name.clone(), value, "an unknown choice"));
    }
    let mut short = open.filter(|field| field.kind == "text" && !field.unique);
    let field = short.find(|field| field.max_length.is_some_and(|most| most < 100_000))?;
    let most = usize::try_from(field.max_length?).ok()?;
    let value = Value::Text("x".repeat(most.saturating_add(1)).into());
    Some((field.name.clone(), value, "a text that is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: &str) -> SchemaField {
        SchemaField {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: kind.to_owned(),
            readable: true,
            creatable: true,
            updatable: true,
            required: false,
            unique: false,
            nullable: true,
            max_length: None,
            choices: Vec::new(),
            targets: Vec::new(),
            facts: Vec::new(),
        }
    }

    fn schema(fields: Vec<SchemaField>) -> Schema {
        let (object, label) = ("contacts".to_owned(), "Contacts".to_owned());
        let facts = vec![("stamp".to_owned(), Value::from("key"))];
        Schema { object, label, fields, facts }
    }

    #[test]
    fn plain_text_is_chosen_and_required_fields_are_filled() {
        let required = |name, kind| SchemaField { required: true, ..field(name, kind) };
        let unique = SchemaField { unique: true, ..field("key", "text") };
        let chosen = choose_fields(&schema(vec![
            field("email", "text"),
            field("remarks", "text"),
            field("city", "text"),
            required("family_name", "text"),
            required("closes", "date"),
            unique,
        ]))
        .unwrap();
        assert_eq!((chosen.text.as_str(), chosen.other.as_deref()), ("family_name", Some("city")));
        assert_eq!(chosen.stamp.as_deref(), Some("key"));
        assert_eq!(chosen.fill, [("closes".to_owned(), Value::Date("2030-01-15".into()))]);
        assert_eq!(chosen.bad.unwrap().1, Value::Null);
    }

    #[test]
    fn bad_value_is_an_unknown_choice_or_a_long_text() {
        let mut stage = field("stage", "choice");
        stage.choices.push(("a".to_owned(), "A".to_owned()));
        let short = SchemaField { max_length: Some(80), ..field("name", "text") };
        let chosen = choose_fields(&schema(vec![short.clone(), stage])).unwrap();
        assert_eq!(chosen.bad.unwrap().0, "stage");
        let (name, value, _) = choose_fields(&schema(vec![short])).unwrap().bad.unwrap();
        assert_eq!((name.as_str(), value.as_text().map(str::len)), ("name", Some(81)));
    }

    #[test]
    fn object_that_cannot_be_written_says_why() {
        let parent = SchemaField { required: true, ..field("owner", "reference") };
        let reason = choose_fields(&schema(vec![field("name", "text"), parent])).unwrap_err();
        assert_eq!(reason, "a create needs owner");
        assert!(choose_fields(&schema(vec![field("email", "text")])).is_err());
    }
}
