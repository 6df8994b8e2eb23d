//! The columns of one object, as a table and as JSON.

use renkei_model::plugin::{Schema, SchemaField};
use renkei_model::value::Value;
use serde_json::{Value as Json, json};

use super::grants::{ObjectGrants, fact_text, facts_json};
use crate::table;

/// The most choices of a column in the table; JSON has all.
const CHOICES_SHOWN: usize = 8;

/// The actions that a schema speaks of, each with its fact.
const ACTION_FACTS: [(&str, &str); 4] = [
    ("create", "creatable"),
    ("update", "updatable"),
    ("archive", "archivable"),
    ("merge", "mergeable"),
];

pub(super) fn json(system: &str, schema: &Schema, grants: &ObjectGrants) -> Json {
    let column = |field: &SchemaField| {
        let choice = |(value, label): &(String, String)| json!({ "value": value, "label": label });
        json!({
            "name": field.name,
            "label": field.label,
            "kind": field.kind,
            "readable": field.readable,
            "creatable": field.creatable,
            "updatable": field.updatable,
            "required": field.required,
            "unique": field.unique,
            "nullable": field.nullable,
            "max_length": field.max_length,
            "choices": field.choices.iter().map(choice).collect::<Vec<_>>(),
            "targets": field.targets,
            "facts": facts_json(&field.facts),
        })
    };
    json!({
        "system": system,
        "object": schema.object,
        "label": schema.label,
        "listed": grants.lists(&schema.object),
        "granted": grants.granted(&schema.object, &actions(schema)),
        "facts": facts_json(&schema.facts),
        "columns": schema.fields.iter().map(column).collect::<Vec<_>>(),
    })
}

pub(super) fn text(system: &str, schema: &Schema, grants: &ObjectGrants) -> String {
    let facts = schema.facts.iter().filter(|(_, value)| !fact_text(value).is_empty());
    let facts = facts.map(|(code, value)| format!("  {code}: {}", fact_text(value)));
    let granted = grants.granted(&schema.object, &actions(schema));
    let granted = match granted.is_empty() {
        true => "nothing".to_owned(),
        false => granted.join(" "),
    };
    let listed = if grants.lists(&schema.object) { "yes" } else { "no" };
    let mut lines = vec![format!("{system}.{} {}", schema.object, schema.label)];
    lines.extend(facts);
    lines.push(format!("  listed in the manifest: {listed}"));
    lines.push(format!("  granted: {granted}"));
    let lines = lines.iter().map(|line| renkei_admin::text::line(line));
    let lines = lines.collect::<Vec<_>>().join("\n");
    let row = |field: &SchemaField| {
        let (name, label, kind) = (field.name.clone(), field.label.clone(), field.kind.clone());
        vec![name, label, kind, rules(field), values(field)]
    };
    let header = ["column", "label", "kind", "rules", "choices or targets"];
    format!("{lines}\n\n{}", table::plain(&header, schema.fields.iter().map(row)))
}

/// The actions that the schema does not deny.
fn actions(schema: &Schema) -> Vec<String> {
    let denies = |code: &str| {
        schema.facts.iter().any(|(fact, value)| fact == code && *value == Value::Boolean(false))
    };
    let open = ACTION_FACTS.iter().filter(|(_, code)| !denies(code));
    open.map(|(action, _)| (*action).to_owned()).collect()
}

/// The rules for a column's values, the strictest first.
fn rules(field: &SchemaField) -> String {
    let access = match (field.readable, field.creatable, field.updatable) {
        (false, ..) => "not readable",
        (true, false, false) => "read-only",
        (true, true, false) => "only at creation",
        (true, false, true) => "only by update",
        (true, true, true) => "",
    };
    let mut rules = vec![access.to_owned()];
    let words = [
        (field.required, "required"),
        (field.unique, "unique"),
        (!field.nullable && field.updatable, "never empty"),
    ];
    rules.extend(words.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
    rules.extend(field.max_length.map(|length| format!("at most {length}")));
    rules.extend(field.facts.iter().filter_map(|(code, value)| match value {
        Value::Boolean(true) => Some(code.clone()),
        Value::Boolean(false) | Value::Null => None,
        value => Some(format!("{code} {}", fact_text(value))),
    }));
    rules.retain(|rule| !rule.is_empty());
    rules.join(", ")
}

fn values(field: &SchemaField) -> String {
    if !field.targets.is_empty() {
        return format!("-> {}", field.targets.join(", "));
    }
    let choice = |(value, label): &(String, String)| match value == label || label.is_empty() {
        true => value.clone(),
        false => format!("{value} ({label})"),
    };
    let shown = field.choices.iter().take(CHOICES_SHOWN).map(choice);
    let more = field.choices.len().saturating_sub(CHOICES_SHOWN);
    let more = (more > 0).then(|| format!("{more} more with --json"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> SchemaField {
        let text = str::to_owned;
        SchemaField {
            name: text("stage"),
            label: text("Stage"),
            kind: text("choice"),
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

    #[test]
    fn rules_of_a_column_say_only_what_restricts_it() {
        assert_eq!(rules(&field()), "");
        let facts = vec![
            ("resolution".to_owned(), Value::Text("s".into())),
            ("restricted".to_owned(), Value::Boolean(false)),
            ("external-id".to_owned(), Value::Boolean(true)),
        ];
        let strict = SchemaField {
            updatable: false,
            required: true,
            unique: true,
            max_length: Some(80),
            facts,
            ..field()
        };
        let expected = "only at creation, required, unique, at most 80, resolution s, external-id";
        assert_eq!(rules(&strict), expected);
    }

    #[test]
    fn long_list_of_choices_is_cut_and_says_how_many_are_left() {
        let choices: Vec<(String, String)> =
            (0..10).map(|place| (place.to_string(), format!("Choice {place}"))).collect();
        let shown = values(&SchemaField { choices, ..field() });
        assert!(shown.starts_with("0 (Choice 0), 1 (Choice 1), "), "{shown}");
        assert!(shown.ends_with("7 (Choice 7), 2 more with --json"), "{shown}");
    }
}
