//! The settings of one system (`plugin.toml`, `[[setting]]`).

use crate::bindings::renkei::plugin::types::{Error, Value};
use crate::error::problem;

/// The stamp of a change says its minute only (K-value-3), so less would leave a gap.
const LOOKBACK_MS_MIN: i64 = 60_000;
const LOOKBACK_MS: i64 = 120_000;
/// A look-back of a year reads everything anyway.
const LOOKBACK_MS_MAX: i64 = 31_536_000_000;

/// An object of the manifest: its setting, and its quota of a day (K-quota-1).
const OBJECTS: [(&str, &str, &str); 2] =
    [("customers", "customers_app", "customers-day"), ("deals", "deals_app", "deals-day")];

/// One app that an object stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) object: &'static str,
    pub(crate) id: i64,
    /// The quota that each of its requests uses.
    pub(crate) quota: &'static str,
}

/// Checked settings.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) apps: Vec<App>,
    pub(crate) guest_space: Option<i64>,
    pub(crate) lookback_ms: i64,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// `invalid`, with the setting's name, for a value that cannot be meant.
    pub(crate) fn read(settings: &[(String, Value)]) -> Result<Self, Error> {
        let mut apps = Vec::new();
        for (object, setting, quota) in OBJECTS {
            if let Some(id) = whole_number(settings, setting, 1, i64::MAX)? {
                apps.push(App { object, id, quota });
            }
        }
        let lookback = whole_number(settings, "lookback_ms", LOOKBACK_MS_MIN, LOOKBACK_MS_MAX)?;
        Ok(Self {
            apps,
            guest_space: whole_number(settings, "guest_space", 1, i64::MAX)?,
            lookback_ms: lookback.unwrap_or(LOOKBACK_MS),
        })
    }

    /// The app of an object.
    ///
    /// # Errors
    /// `not-found` for an object that the manifest does not have, or whose setting is missing.
    pub(crate) fn app(&self, object: &str) -> Result<&App, Error> {
        let found = self.apps.iter().find(|app| app.object == object);
        found.ok_or_else(|| {
            let known = OBJECTS.iter().find(|(name, _, _)| *name == object);
            let message = match known {
                Some((_, setting, _)) => format!("the setting {setting} names no app for {object}"),
                None => format!("there is no object {object}"),
            };
            Error::NotFound(problem("object", message, "admin"))
        })
    }

    /// The beginning of all paths of the API (K-path-1).
    pub(crate) fn base_path(&self) -> String {
        match self.guest_space {
            Some(space) => format!("/k/guest/{space}/v1"),
            None => "/k/v1".to_owned(),
        }
    }
}

fn setting<'a>(settings: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    let found = settings.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    found.filter(|value| !matches!(value, Value::Null))
}

fn whole_number(
    settings: &[(String, Value)],
    name: &str,
    least: i64,
    most: i64,
) -> Result<Option<i64>, Error> {
    match setting(settings, name) {
        None => Ok(None),
        Some(Value::Integer(number)) if (least..=most).contains(number) => Ok(Some(*number)),
        Some(_) => Err(invalid(name, &format!("must be a whole number from {least} to {most}"))),
    }
}

fn invalid(setting: &str, message: &str) -> Error {
    Error::Invalid(problem("setting", format!("the setting {setting} {message}"), "admin"))
}

#[cfg(test)]
mod tests {
    use super::{Config, Error, Value};

    fn read(settings: &[(&str, Value)]) -> Result<Config, Error> {
        let named = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Config::read(&named.collect::<Vec<_>>())
    }

    #[test]
    fn apps_are_those_that_settings_name() {
        let config = read(&[("deals_app", Value::Integer(7))]).unwrap();
        assert_eq!(config.app("deals").unwrap().id, 7);
        let Err(Error::NotFound(problem)) = config.app("customers") else { panic!("{config:?}") };
        assert!(problem.message.contains("customers_app"), "{problem:?}");
        assert_eq!(config.base_path(), "/k/v1");
    }

    #[test]
    fn malformed_setting_is_named() {
        for (name, value) in [
            ("customers_app", Value::Integer(0)),
            ("lookback_ms", Value::Integer(59_999)),
            ("guest_space", Value::Text("7".to_owned())),
            ("deals_app", Value::Boolean(true)),
        ] {
            let Err(Error::Invalid(problem)) = read(&[(name, value)]) else { panic!("{name}") };
            assert!(problem.message.contains(name), "{problem:?}");
        }
    }
}
