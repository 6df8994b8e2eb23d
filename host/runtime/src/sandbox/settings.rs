//! Fills in and checks what a configuration or a mapping says to a plugin against the manifest's
//! schema.

use renkei_egress::JobEgress;
use renkei_model::record::Attributes;
use renkei_model::value::Value;
use renkei_package::{CONTRACT, Setting, SettingKind, SettingValue};

/// `given` with the defaults of `schema` for what it leaves out; the error names the setting.
pub(crate) fn complete(schema: &[Setting], given: &Attributes) -> Result<Attributes, String> {
    if let Some((name, _)) = given.iter().find(|(name, _)| !schema.iter().any(|s| s.name == *name))
    {
        return Err(format!("`{name}` is not a setting of it"));
    }
    let mut complete = Vec::with_capacity(schema.len());
    for setting in schema {
        let name = &setting.name;
        let value = given.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
        match value.or_else(|| setting.default.as_ref().map(default)) {
            Some(value) if !fits(setting.kind, &value) => {
                return Err(format!("`{name}` is not of the kind {}", word(setting.kind)));
            }
            Some(value) => complete.push((name.clone(), value)),
            None if setting.required => return Err(format!("`{name}` is required")),
            None => {}
        }
    }
    Ok(complete)
}

/// The host's own codes beside the settings; no setting has such a name.
pub(crate) fn of_host(egress: &JobEgress) -> Attributes {
    let own = |code: &str, text: &str| (format!("host.{code}"), Value::from(text));
    let slots = egress.base_urls().map(|(slot, base)| own(&format!("base-url.{slot}"), base));
    let about = [own("version", env!("CARGO_PKG_VERSION")), own("contract", CONTRACT)];
    about.into_iter().chain(slots).collect()
}

fn default(value: &SettingValue) -> Value {
    match value {
        SettingValue::Boolean(flag) => Value::Boolean(*flag),
        SettingValue::Integer(number) => Value::Integer(*number),
        SettingValue::Text(text) => Value::from(text.as_str()),
    }
}

fn fits(kind: SettingKind, value: &Value) -> bool {
    matches!(
        (kind, value),
        (SettingKind::Text, Value::Text(_))
            | (SettingKind::Integer, Value::Integer(_))
            | (SettingKind::Boolean, Value::Boolean(_))
    )
}

fn word(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "text",
        SettingKind::Integer => "integer",
        SettingKind::Boolean => "boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, required: bool, default: Option<SettingValue>) -> Setting {
        let (name, help) = (name.to_owned(), String::new());
        Setting { name, kind: SettingKind::Integer, required, default, help }
    }

    fn check(given: &[(&str, Value)], expected: Result<&[(&str, i64)], &str>) {
        let schema = [
            setting("a", true, None),
            setting("b", false, Some(SettingValue::Integer(2))),
            setting("c", false, None),
        ];
        let owned = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        let given = given.iter().map(owned).collect();
        let expected = expected.map(|pairs| {
            pairs.iter().map(|(name, n)| ((*name).to_owned(), Value::Integer(*n))).collect()
        });
        assert_eq!(complete(&schema, &given), expected.map_err(str::to_owned));
    }

    #[test]
    fn defaults_are_filled_in_and_kinds_checked() {
        check(&[("a", Value::Integer(1))], Ok(&[("a", 1), ("b", 2)]));
        check(&[("b", Value::Integer(3)), ("a", Value::Integer(1))], Ok(&[("a", 1), ("b", 3)]));
        check(&[], Err("`a` is required"));
        check(&[("a", Value::from("1"))], Err("`a` is not of the kind integer"));
        check(&[("d", Value::Null)], Err("`d` is not a setting of it"));
    }
}
