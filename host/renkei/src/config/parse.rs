//! Words and names of an entity's file: what they may be, and the mistake when they are something
//! else.

use std::collections::BTreeMap;

use renkei_model::canonical::composed;
use renkei_model::record::Attributes;
use renkei_model::spec::{
    ColumnRules, CopiedColumn, Direction, FieldIndex, FieldKind, FieldSpec, ValueTable,
};
use renkei_model::value::Value;
use toml::Spanned;

use super::file::EntitySource;
use super::file::FieldFile;
use super::source::ConfigError;

pub(super) fn names(list: &[Spanned<String>], name: &str) -> bool {
    list.iter().any(|item| item.get_ref() == name)
}

pub(super) fn direction(field: &FieldFile, member: &str) -> Direction {
    if names(&field.read_only, member) {
        Direction::Read
    } else if names(&field.write_only, member) {
        Direction::Write
    } else {
        Direction::Both
    }
}

/// Agreements about the columns of a field besides their mapping.
pub(super) fn column_rules(
    file: &EntitySource,
    field: &FieldFile,
    kind: Option<&FieldKind>,
) -> Result<ColumnRules, ConfigError> {
    let governs_all = match &field.associations {
        None => false,
        Some(said) => {
            let known = [("primary", false), ("all", true)];
            if !matches!(kind, Some(FieldKind::Reference { many: false, .. })) {
                let message = "`associations` is for fields with a kind `reference:ENTITY`";
                return Err(file.at(said, message));
            }
            word(file, said, &known)?
        }
    };
    Ok(ColumnRules { governs_all, fillers: field.fillers.clone() })
}

/// `REFERENCE.FIELD`: a field of what a reference field of this entity points at.
pub(super) fn copied_column(
    files: &[EntitySource],
    file: &EntitySource,
    fields: &[FieldSpec],
    (column, from): (&String, &Spanned<String>),
) -> Result<CopiedColumn, ConfigError> {
    let found = from.get_ref().split_once('.').and_then(|(reference, name)| {
        let reference = fields.iter().position(|field| field.name == reference)?;
        let Some(FieldKind::Reference { entity, many: false }) =
            fields.get(reference).map(|field| &field.kind)
        else {
            return None;
        };
        let other = files.iter().find(|other| other.value.entity.get_ref() == entity)?;
        let field = other.value.field.keys().position(|key| key.get_ref() == name)?;
        Some((FieldIndex(reference), FieldIndex(field)))
    });
    let (reference, field) = found.ok_or_else(|| {
        let expected = "a `reference:` field of this entity, a dot and a field of that entity";
        file.at(from, format!("`{}`: expected {expected}", from.get_ref()))
    })?;
    Ok(CopiedColumn { column: column.clone(), reference, field })
}

pub(super) fn index(
    file: &EntitySource,
    name: &Spanned<String>,
    fields: &[FieldSpec],
) -> Result<FieldIndex, ConfigError> {
    fields.iter().position(|field| &field.name == name.get_ref()).map(FieldIndex).ok_or_else(|| {
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let mistake = file.at(name, format!("`{}` is no field of this entity", name.get_ref()));
        mistake.hint(format!("the entity has the fields {}", known.join(", ")))
    })
}

/// One word of a fixed list.
pub(super) fn word<T: Clone>(
    file: &EntitySource,
    word: &Spanned<String>,
    known: &[(&str, T)],
) -> Result<T, ConfigError> {
    known
        .iter()
        .find(|(name, _)| name == word.get_ref())
        .map(|(_, value)| value.clone())
        .ok_or_else(|| {
            let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
            file.at(word, format!("`{}`: expected {}", word.get_ref(), names.join(", ")))
        })
}

/// A time such as `90m`, `24h` or `7d` in ms; nothing for `off`.
pub(super) fn interval(
    file: &EntitySource,
    word: &Spanned<String>,
) -> Result<Option<u64>, ConfigError> {
    let text = word.get_ref();
    if text == "off" {
        return Ok(None);
    }
    let units = [('m', 60_000_u64), ('h', 3_600_000), ('d', 86_400_000)];
    let parsed = units.iter().find_map(|(unit, ms)| {
        text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*ms).filter(|ms| *ms > 0)
    });
    parsed.map(Some).ok_or_else(|| {
        file.at(word, format!("`{text}`: expected a time such as `90m`, `24h` or `7d`, or `off`"))
    })
}

/// The table's part for one member: of several remote values the first is written, all are read.
pub(super) fn value_table(
    file: &EntitySource,
    name: &Spanned<String>,
    member: &str,
) -> Result<ValueTable, ConfigError> {
    let table = file.value.table.get(name.get_ref()).ok_or_else(|| {
        file.at(name, format!("there is no [table.{}] in this file", name.get_ref()))
    })?;
    let mut result = ValueTable::default();
    for (canonical, per_member) in table {
        let Some((place, values)) = per_member.iter().find(|(key, _)| key.get_ref() == member)
        else {
            continue;
        };
        if let Some(first) = values.first() {
            result.write.insert(composed(canonical), first.clone());
        }
        for value in values {
            if let Some(other) = result.read.insert(composed(value), canonical.clone()) {
                return Err(file
                    .at(place, format!("`{value}` stands for both `{other}` and `{canonical}`")));
            }
        }
    }
    Ok(result)
}

pub(super) fn parameters(raw: &BTreeMap<String, toml::Value>) -> Attributes {
    raw.iter().map(|(name, value)| (name.clone(), setting_value(value))).collect()
}

/// A setting as the plugin gets it; lists and tables are not settings and become their text.
pub(super) fn setting_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::Boolean(boolean) => Value::Boolean(*boolean),
        toml::Value::Integer(integer) => Value::Integer(*integer),
        toml::Value::String(text) => Value::Text(text.clone().into()),
        other => Value::Text(other.to_string().into()),
    }
}

/// Names of entities are typed on command lines: lower-case letters, digits and `_`.
pub(super) fn require_name(file: &EntitySource, name: &Spanned<String>) -> Result<(), ConfigError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.get_ref().is_empty() && name.get_ref().len() <= 60 && name.get_ref().chars().all(fits)
    {
        return Ok(());
    }
    Err(file.at(name, "an entity's name is at most 60 lower-case letters, digits and `_`"))
}
