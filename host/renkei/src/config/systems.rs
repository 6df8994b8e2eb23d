//! From `[systems.NAME]` to the runtime's [`SystemConfig`]: plugin, credentials and settings,
//! checked against the manifest.

use std::collections::BTreeMap;

use renkei_model::spec::days::time_zone;
use renkei_package::{ConnectorManifest, ManifestKind, Setting, SettingKind};
use renkei_runtime::SystemConfig;
use secrecy::SecretString;

use super::auth;
use super::available_plugins::AvailablePlugins;
use super::file::{RootSource, SystemFile};
use super::parse::setting_value;
use super::secrets::SecretSource;
use super::source::ConfigError;

/// All systems with their credentials.
pub(super) fn resolve(
    root: &RootSource,
    secrets: &SecretSource,
) -> Result<Vec<SystemConfig>, ConfigError> {
    let systems = root.value.systems.iter();
    systems.map(|named| resolve_one(root, named, secrets)).collect()
}

/// One system with its credentials.
pub(super) fn resolve_one(
    root: &RootSource,
    (name, system): (&String, &SystemFile),
    secrets: &SecretSource,
) -> Result<SystemConfig, ConfigError> {
    let settings = system.settings.iter();
    Ok(SystemConfig {
        name: name.clone(),
        plugin: system.plugin.get_ref().clone(),
        base_url: base_url(root, system)?,
        auth: auth::resolve(root, &system.auth, secrets)?,
        auth_options: auth::resolve_options(root, &system.auth, secrets)?,
        settings: settings
            .map(|(name, value)| (name.clone(), setting_value(value.get_ref())))
            .collect(),
        secrets: plugin_secrets(root, system, secrets)?,
    })
}

/// Every system against the manifest of its connector.
pub(super) fn check(root: &RootSource, loaded: &AvailablePlugins<'_>) -> Result<(), ConfigError> {
    for system in root.value.systems.values() {
        let manifest = connector(root, system, loaded)?;
        let needs_url = manifest.connections.iter().any(|connection| connection.base_url.is_none());
        if needs_url && system.base_url.is_none() {
            return Err(root.at(
                &system.plugin,
                "this connector needs `base_url`, such as \"https://example.my.salesforce.com\"",
            ));
        }
        for (name, source) in &system.secrets {
            if !manifest.secrets.iter().any(|secret| &secret.name == name) {
                return Err(root.at(source, format!("`{name}` is no secret of this connector")));
            }
        }
        auth::check(root, &system.auth, manifest)?;
        settings(root, system, manifest)?;
        if let Some(zone) = &system.time_zone
            && time_zone(zone.get_ref()).is_none()
        {
            let message = format!("`{}` is no time zone such as `Asia/Tokyo`", zone.get_ref());
            return Err(root.at(zone, message));
        }
    }
    Ok(())
}

fn connector<'a>(
    root: &RootSource,
    system: &SystemFile,
    loaded: &AvailablePlugins<'a>,
) -> Result<&'a ConnectorManifest, ConfigError> {
    let id = system.plugin.get_ref();
    match loaded.manifest(id).map(|manifest| &manifest.kind) {
        Some(ManifestKind::Connector(connector)) => Ok(connector),
        Some(ManifestKind::Transform(_)) => {
            let mistake = root.at(&system.plugin, format!("`{id}` is a transform"));
            Err(mistake.hint("a system needs a connector"))
        }
        None => {
            let missing = loaded.missing("connector", id, root.dir(), &root.value.plugins);
            let mistake = root.at(&system.plugin, missing.message).hint(missing.hint);
            Err(mistake.about_plugin(missing.is_aside))
        }
    }
}

fn base_url(root: &RootSource, system: &SystemFile) -> Result<Option<String>, ConfigError> {
    let Some(url) = &system.base_url else { return Ok(None) };
    Ok(Some(auth::url(root, "base_url", url)?.trim_end_matches('/').to_owned()))
}

/// Every setting that is given must be one of the manifest's, of its kind; every required one must
/// be given.
fn settings(
    root: &RootSource,
    system: &SystemFile,
    manifest: &ConnectorManifest,
) -> Result<(), ConfigError> {
    for (name, value) in &system.settings {
        let setting = manifest.settings.iter().find(|setting| &setting.name == name);
        let Some(setting) = setting else {
            let known: Vec<&str> = manifest.settings.iter().map(|s| s.name.as_str()).collect();
            let mistake = root.at(value, format!("`{name}` is no setting of this connector"));
            return Err(mistake.hint(format!("its settings are {}", known.join(", "))));
        };
        let fits = matches!(
            (value.get_ref(), setting.kind),
            (toml::Value::String(_), SettingKind::Text)
                | (toml::Value::Integer(_), SettingKind::Integer)
                | (toml::Value::Boolean(_), SettingKind::Boolean)
        );
        if !fits {
            return Err(root.at(value, format!("`{name}` must be of kind {:?}", setting.kind)));
        }
    }
    let missing = |setting: &&Setting| {
        setting.required
            && setting.default.is_none()
            && !system.settings.contains_key(&setting.name)
    };
    match manifest.settings.iter().find(missing) {
        None => Ok(()),
        Some(setting) => Err(root.at(
            &system.plugin,
            format!("this connector needs the setting `{}`: {}", setting.name, setting.help),
        )),
    }
}

fn plugin_secrets(
    root: &RootSource,
    system: &SystemFile,
    secrets: &SecretSource,
) -> Result<BTreeMap<String, SecretString>, ConfigError> {
    let sources = system.secrets.iter();
    sources
        .map(|(name, source)| {
            let value = secrets.get(source.get_ref());
            Ok((name.clone(), value.map_err(|error| root.at(source, error.to_string()))?))
        })
        .collect()
}
