//! Malformed configurations and parameters: a plugin refuses each with an error that names the
//! setting, or accepts it; none may stop the plugin.
//!
//! The host refuses values that the manifest's schema rules out before the plugin sees them. Values
//! that a schema cannot rule out reach the plugin: a text of a megabyte, control characters, the
//! smallest integer.

use renkei_model::plugin::PluginError;
use renkei_model::record::Attributes;
use renkei_model::value::Value;
use renkei_package::{Setting, SettingKind, SettingValue};

/// Bytes of a text that no setting needs.
const HUGE: usize = 1 << 20;

/// One configuration to try.
#[derive(Debug, Clone)]
pub struct SettingsCase {
    /// Name of the setting that it is about.
    pub name: String,
    /// The change of it, in words.
    pub what: &'static str,
    /// The whole configuration.
    pub given: Attributes,
    /// True where the plugin must refuse it.
    pub refused: bool,
}

/// All cases for a schema over a configuration that is good.
pub fn cases(schema: &[Setting], good: &Attributes) -> Vec<SettingsCase> {
    let mut cases = Vec::new();
    for setting in schema {
        let name = &setting.name;
        let mut case = |what, value: Option<Value>, refused| {
            let mut given: Attributes =
                good.iter().filter(|(other, _)| other != name).cloned().collect();
            given.extend(value.map(|value| (name.clone(), value)));
            cases.push(SettingsCase { name: name.clone(), what, given, refused });
        };
        if setting.required {
            case("missing", None, true);
        }
        case("null", Some(Value::Null), true);
        match setting.kind {
            SettingKind::Text => {
                case("a number", Some(Value::Integer(7)), true);
                case("a megabyte of text", Some(Value::Text("x".repeat(HUGE).into())), false);
                let control = "\u{1b}[2J\r\n\u{7f}\u{202e}";
                case("control characters", Some(Value::from(control)), false);
                case("empty", Some(Value::from("")), false);
            }
            SettingKind::Integer => {
                case("a text", Some(Value::from("seven")), true);
                case("the smallest integer", Some(Value::Integer(i64::MIN)), false);
                case("the largest integer", Some(Value::Integer(i64::MAX)), false);
            }
            SettingKind::Boolean => case("a text", Some(Value::from("yes")), true),
        }
    }
    let unknown = "no_such_setting";
    let mut given = good.clone();
    given.push((unknown.to_owned(), Value::from("x")));
    cases.push(SettingsCase { name: unknown.to_owned(), what: "unknown", given, refused: true });
    cases
}

/// The fault of the answer to a case; none where the answer is right.
pub fn finding(case: &SettingsCase, answer: Result<(), PluginError>) -> Option<String> {
    let SettingsCase { name, what, .. } = case;
    match answer {
        Ok(()) if case.refused => Some(format!("`{name}` {what}: accepted")),
        Ok(()) => None,
        Err(PluginError::Broken { reason, .. }) => {
            Some(format!("`{name}` {what}: stopped the plugin: {reason}"))
        }
        Err(error) if names(&error, name) => None,
        Err(error) => Some(format!("`{name}` {what}: the error does not name it: {error}")),
    }
}

/// True for an error that names its setting.
fn names(error: &PluginError, name: &str) -> bool {
    let field = match error {
        PluginError::Invalid { problem, .. } => {
            problem.code == name || problem.field.as_deref() == Some(name)
        }
        _ => false,
    };
    field || error.to_string().contains(name)
}

/// Required settings that are missing.
pub fn missing<'a>(schema: &'a [Setting], given: &Attributes) -> Vec<&'a str> {
    let absent = |setting: &&Setting| !given.iter().any(|(name, _)| *name == setting.name);
    schema.iter().filter(|s| s.required).filter(absent).map(|s| s.name.as_str()).collect()
}

/// The given settings with the schema's defaults, as the host hands them over.
pub fn with_defaults(schema: &[Setting], given: &Attributes) -> Attributes {
    let value = |default: &SettingValue| match default {
        SettingValue::Boolean(flag) => Value::Boolean(*flag),
        SettingValue::Integer(number) => Value::Integer(*number),
        SettingValue::Text(text) => Value::Text(text.clone().into()),
    };
    let given_value = |setting: &Setting| {
        let found = given.iter().find(|(name, _)| *name == setting.name);
        found.map(|(_, value)| value.clone()).or_else(|| setting.default.as_ref().map(value))
    };
    schema.iter().filter_map(|s| Some((s.name.clone(), given_value(s)?))).collect()
}

/// Parses `NAME=VALUE` by the schema; the error is for whoever typed it.
pub fn parse(schema: &[Setting], text: &str) -> Result<(String, Value), String> {
    let (name, written) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let setting = schema.iter().find(|setting| setting.name == name);
    let setting = setting.ok_or_else(|| format!("the manifest has no setting `{name}`"))?;
    let value = match setting.kind {
        SettingKind::Text => Some(Value::from(written)),
        SettingKind::Integer => written.parse().ok().map(Value::Integer),
        SettingKind::Boolean => written.parse().ok().map(Value::Boolean),
    };
    let value = value.ok_or_else(|| format!("`{name}` is not of kind {:?}", setting.kind))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use renkei_model::plugin::{Generation, StopCause};
    use renkei_model::record::{Problem, Remedy};

    use super::*;

    fn setting(name: &str, kind: SettingKind, required: bool) -> Setting {
        Setting { name: name.to_owned(), kind, required, default: None, help: String::new() }
    }

    fn case(refused: bool) -> SettingsCase {
        SettingsCase { name: "depth".to_owned(), what: "null", given: Vec::new(), refused }
    }

    fn plugin() -> Generation {
        let (plugin, version, digest) = ("a".to_owned(), "1.0.0".to_owned(), String::new());
        Generation { plugin, version, digest }
    }

    fn invalid(message: &str, field: Option<&str>) -> PluginError {
        let (code, message) = ("setting".to_owned(), message.to_owned());
        let field = field.map(str::to_owned);
        let problem = Problem { code, message, field, remedy: Remedy::Admin };
        PluginError::Invalid { plugin: plugin(), problem }
    }

    #[test]
    fn every_setting_kind_has_cases_of_both_sorts() {
        let schema = [
            setting("name", SettingKind::Text, true),
            setting("depth", SettingKind::Integer, false),
            setting("loud", SettingKind::Boolean, false),
        ];
        let good = vec![("name".to_owned(), Value::from("x"))];
        let cases = cases(&schema, &good);
        let count = |refused| cases.iter().filter(|case| case.refused == refused).count();
        assert_eq!((count(true), count(false)), (8, 5));
        assert!(cases.iter().filter(|c| c.what == "missing").all(|c| c.given.is_empty()));
        assert_eq!(missing(&schema, &Vec::new()), ["name"]);
    }

    #[test]
    fn malformed_setting_must_be_refused_by_name() {
        assert_eq!(finding(&case(true), Err(invalid("`depth` is no number", None))), None);
        assert_eq!(finding(&case(true), Err(invalid("no number", Some("depth")))), None);
        assert_eq!(finding(&case(false), Ok(())), None);
        let finding = |answer| finding(&case(true), answer).unwrap();
        assert!(finding(Ok(())).ends_with("accepted"));
        assert!(finding(Err(invalid("no number", None))).contains("does not name it"));
        let reason = "depth: it trapped".to_owned();
        let trap = PluginError::Broken { plugin: plugin(), cause: StopCause::Trap, reason };
        assert!(finding(Err(trap)).contains("stopped the plugin"));
    }

    #[test]
    fn typed_setting_is_parsed_by_its_kind() {
        let schema = [setting("depth", SettingKind::Integer, false)];
        assert_eq!(parse(&schema, "depth=7"), Ok(("depth".to_owned(), Value::Integer(7))));
        assert!(parse(&schema, "depth=x").is_err() && parse(&schema, "other=1").is_err());
    }
}
