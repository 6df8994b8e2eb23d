//! Configuration: one directory of TOML, read once and checked into [`Config`].
//!
//! In two stages, as ripgrep does it: `file` is what was typed, [`Config`] what the rest of the
//! program sees. Every mistake is a [`ConfigError`] with file, line and what was expected; nothing
//! is started before all of them are mended.

mod auth;
mod available_plugins;
mod file;
mod limits;
mod mapping;
mod parse;
mod secrets;
pub(crate) mod simulated;
mod slips;
mod source;
mod systems;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod reference;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use renkei_model::spec::Spec;
use renkei_runtime::SystemConfig;

use crate::preflight::Finding;

pub(crate) use available_plugins::AvailablePlugins;
pub(crate) use limits::PluginLimits;
pub(crate) use secrets::{SecretError, SecretSource, secret_variables};
pub(crate) use source::ConfigError;

use file::{EntitySource, RootSource, SystemFile};
use source::SourceFile;

/// The checked configuration.
pub(crate) struct Config {
    /// The plugin folder.
    pub(crate) plugins: PathBuf,
    /// The directory of the database and of compiled plugins.
    pub(crate) data: PathBuf,
    /// The pause between two cycles of `serve`.
    pub(crate) interval_ms: u64,
    /// Pages that sweeps may read of each system in a cycle.
    pub(crate) sweep_pages: u32,
    /// The limits of plugins.
    pub(crate) limits: PluginLimits,
    root: RootSource,
    entities: Vec<EntitySource>,
}

/// The way in which a system authenticates.
pub(crate) struct SystemLogin {
    pub(crate) name: String,
    pub(crate) plugin: String,
    pub(crate) scheme: String,
    /// The configuration names a first refresh token.
    pub(crate) has_secret: bool,
}

impl SystemLogin {
    /// True where a person can log in.
    pub(crate) fn takes_login(&self) -> bool {
        self.scheme == "oauth2-refresh-token"
    }
}

impl Config {
    /// Reads `renkei.toml` and `entities/*.toml` in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, ConfigError> {
        let config = Self::read_systems(dir)?;
        let folder = dir.join("entities");
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => {
                return Err(ConfigError::file(&folder, format!("cannot be read: {error}")));
            }
        };
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        if files.is_empty() {
            let mistake = ConfigError::file(&folder, "there is no .toml file");
            return Err(mistake.hint("each entity needs a file"));
        }
        let entities = files.iter().map(|path| SourceFile::read(path)).collect::<Result<_, _>>()?;
        Ok(Self { entities, ..config })
    }

    /// Reads `renkei.toml` alone, for a command that needs no entities: nobody has written them
    /// yet, or they have a mistake.
    pub(crate) fn read_systems(dir: &Path) -> Result<Self, ConfigError> {
        let root: RootSource = SourceFile::read(&dir.join("renkei.toml"))?;
        Ok(Self {
            plugins: dir.join(&root.value.plugins),
            data: data(&root, dir)?,
            interval_ms: root.value.schedule.interval_seconds.saturating_mul(1000),
            sweep_pages: root.value.schedule.sweep_pages,
            limits: limits::resolve(&root)?,
            root,
            entities: Vec::new(),
        })
    }

    /// Makes the data directory if it is not there, for this user alone, and makes sure that files
    /// can be written in it.
    pub(crate) fn make_data(&self) -> Result<(), ConfigError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.data);
        made.and_then(|()| tempfile::tempfile_in(&self.data).map(drop)).map_err(|error| {
            let data = self.data.display();
            let message = format!("no files can be written in the data directory {data}: {error}");
            let mistake = mistake(&self.root, message);
            mistake.hint("give this user the permission or choose another `data`")
        })
    }

    /// The names of the systems.
    pub(crate) fn system_names(&self) -> impl Iterator<Item = &str> {
        self.root.value.systems.keys().map(String::as_str)
    }

    /// The systems, each with its plugin.
    pub(crate) fn plugins_of_systems(&self) -> Vec<(String, String)> {
        let systems = self.root.value.systems.iter();
        systems.map(|(name, system)| (name.clone(), system.plugin.get_ref().clone())).collect()
    }

    /// The systems with their credentials.
    pub(crate) fn systems(&self, secrets: &SecretSource) -> Result<Vec<SystemConfig>, ConfigError> {
        systems::resolve(&self.root, secrets)
    }

    /// One system with its credentials.
    pub(crate) fn system(
        &self,
        name: &str,
        secrets: &SecretSource,
    ) -> Result<SystemConfig, ConfigError> {
        let found = self.root.value.systems.get_key_value(name);
        let (name, system) =
            found.ok_or_else(|| mistake(&self.root, format!("there is no system {name}")))?;
        systems::resolve_one(&self.root, (name, system), secrets)
    }

    /// The way in which each system authenticates.
    pub(crate) fn logins(&self) -> Vec<SystemLogin> {
        let systems = self.root.value.systems.iter();
        let login = |(name, system): (&String, &SystemFile)| {
            let auth = system.auth.get_ref();
            SystemLogin {
                name: name.clone(),
                plugin: system.plugin.get_ref().clone(),
                scheme: auth.scheme.get_ref().clone(),
                has_secret: auth.refresh_token_secret.is_some(),
            }
        };
        systems.map(login).collect()
    }

    /// The specification. Systems and mappings are checked against the manifests of the loaded
    /// plugins.
    pub(crate) fn spec(&self, loaded: &AvailablePlugins<'_>) -> Result<Spec, ConfigError> {
        systems::check(&self.root, loaded)?;
        mapping::resolve(&self.root, &self.entities, loaded)
    }

    /// The time zone that is set for a system.
    pub(crate) fn time_zone(&self, system: &str) -> Option<&str> {
        let zone = self.root.value.systems.get(system)?.time_zone.as_ref()?;
        Some(zone.get_ref())
    }

    /// Limits that limit nothing.
    pub(crate) fn idle_limits(&self, loaded: &AvailablePlugins<'_>) -> Vec<Finding> {
        limits::idle(&self.limits, loaded).collect()
    }
}

/// The data directory. It need not be there, but nothing else may stand in its place.
fn data(root: &RootSource, dir: &Path) -> Result<PathBuf, ConfigError> {
    let typed = root.value.data.as_ref().map(|data| data.get_ref().as_path());
    let typed = typed.unwrap_or(Path::new("data"));
    if typed.as_os_str().is_empty() {
        return Err(mistake(root, "`data` is empty").hint("name a directory such as \"data\""));
    }
    let data = dir.join(typed);
    if data.exists() && !data.is_dir() {
        let message = format!("{} is not a directory", data.display());
        return Err(mistake(root, message).hint("choose another `data`"));
    }
    Ok(data)
}

/// A mistake of `data`.
fn mistake(root: &RootSource, message: impl AsRef<str>) -> ConfigError {
    match &root.value.data {
        Some(place) => root.at(place, message),
        None => root.anywhere(message),
    }
}
