//! From `[limits]` to the runtime's limits, within the runtime's bounds.

use std::collections::BTreeMap;

use renkei_admin::text;
use renkei_runtime::{CompileLimits, GuestLimits, LIMIT_KEYS, LimitChanges, RuntimeOptions};
use toml::Spanned;

use super::available_plugins::AvailablePlugins;
use super::file::{LimitTable, RootSource};
use super::source::ConfigError;
use crate::preflight::{Finding, FindingScope, Severity};

/// The limits of plugins, as configured.
#[derive(Debug, Clone)]
pub(crate) struct PluginLimits {
    connector: GuestLimits,
    transform: GuestLimits,
    plugins: BTreeMap<String, LimitChanges>,
    compile: CompileLimits,
}

impl PluginLimits {
    /// Puts these limits into the runtime's options.
    pub(crate) fn set(&self, options: &mut RuntimeOptions) {
        options.connector_limits = self.connector.clone();
        options.transform_limits = self.transform.clone();
        options.limit_changes = self.plugins.clone();
        options.compile_limits = self.compile.clone();
    }
}

/// Limits of plugins that nobody has: most likely an id that was mistyped.
pub(super) fn idle<'a>(
    limits: &'a PluginLimits,
    loaded: &'a AvailablePlugins<'_>,
) -> impl Iterator<Item = Finding> + 'a {
    let idle = limits.plugins.keys().filter(|id| !loaded.has(id));
    idle.map(|id| Finding {
        severity: Severity::Warning,
        place: format!("[limits.plugin.{}]", text::echo(id)),
        member: "renkei.toml".to_owned(),
        message: "no plugin has this id, so nothing is limited by it".to_owned(),
        hint: Some(format!(
            "the plugins are {}",
            loaded.manifests.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(", ")
        )),
        stops: FindingScope::Everything,
    })
}

/// Checks every limit that is given.
pub(super) fn resolve(root: &RootSource) -> Result<PluginLimits, ConfigError> {
    let file = &root.value.limits;
    for key in file.transform.keys() {
        let fits = |name: &str| LIMIT_KEYS.iter().all(|knob| knob.key != name || knob.transform);
        if !fits(key.get_ref()) {
            return Err(root.at(key, format!("a transform has no limit `{}`", key.get_ref())));
        }
    }
    let plugins = file.plugin.iter();
    Ok(PluginLimits {
        connector: changes(root, &file.connector)?.apply(&GuestLimits::connector()),
        transform: changes(root, &file.transform)?.apply(&GuestLimits::transform()),
        plugins: plugins
            .map(|(id, table)| Ok((id.get_ref().clone(), changes(root, table)?)))
            .collect::<Result<_, _>>()?,
        compile: compile(root)?,
    })
}

fn changes(root: &RootSource, table: &LimitTable) -> Result<LimitChanges, ConfigError> {
    let mut changes = LimitChanges::default();
    for (key, value) in table {
        changes
            .set(key.get_ref(), *value.get_ref())
            .map_err(|error| root.at(key, error.to_string()).hint(error.hint()))?;
    }
    Ok(changes)
}

fn compile(root: &RootSource) -> Result<CompileLimits, ConfigError> {
    let file = &root.value.limits.compile;
    let default = CompileLimits::default();
    let take = |key: &str, value: &Option<Spanned<u64>>, (min, max): (u64, u64), default: u64| {
        let Some(value) = value else { return Ok(default) };
        let found = *value.get_ref();
        if (min..=max).contains(&found) {
            return Ok(found);
        }
        let mistake = root.at(value, format!("`{key}` is {found}"));
        Err(mistake.hint(format!("`{key}` takes {min} to {max}")))
    };
    let (memory, seconds) = (CompileLimits::MEMORY_MB, CompileLimits::SECONDS);
    let memory_mb = take("memory_mb", &file.memory_mb, memory, default.memory_bytes >> 20)?;
    let seconds = take("seconds", &file.seconds, seconds, default.cpu_seconds)?;
    Ok(CompileLimits::new(memory_mb << 20, seconds))
}

#[cfg(test)]
mod tests {
    use super::super::fuzz;
    use super::super::source::SourceFile;
    use super::*;

    fn check(text: &str) -> Result<PluginLimits, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("renkei.toml");
        std::fs::write(&path, text).unwrap();
        let root = SourceFile::read(&path).map_err(|error| error.to_string())?;
        resolve(&root).map_err(|error| {
            let hint = error.next_step().map(|hint| format!(" (hint: {hint})"));
            format!("{error}{}", hint.unwrap_or_default())
        })
    }

    #[test]
    fn limits_within_their_bounds_are_taken() {
        let limits = check(
            "[limits.connector]\nmemory_mb = 512\n[limits.plugin.hubspot]\nrun_ms = 60_000\n\
             [limits.compile]\nseconds = 10\n",
        )
        .unwrap();
        assert_eq!(limits.connector.memory_bytes, 512 << 20);
        assert_eq!(limits.transform, GuestLimits::transform());
        assert_eq!(limits.plugins["hubspot"].apply(&limits.connector).run_ms, 60_000);
        assert_eq!(limits.compile.cpu_seconds, 10);
        assert_eq!(limits.compile.memory_bytes, CompileLimits::default().memory_bytes);
    }

    #[test]
    fn limits_of_an_unknown_plugin_are_a_warning() {
        let limits =
            check("[limits.plugin.hubspt]\nrun_ms = 60\n[limits.plugin.names]\nrun_ms = 60");
        let manifests = fuzz::manifests();
        let mut loaded = fuzz::loaded(&manifests);
        let told = |loaded: &AvailablePlugins<'_>, limits: &PluginLimits| -> Vec<String> {
            idle(limits, loaded).flat_map(|finding| finding.lines()).collect()
        };
        let limits = limits.unwrap();
        let expected = [
            "warning: [limits.plugin.hubspt] in renkei.toml: no plugin has this id, so nothing is \
             limited by it",
            "  hint: the plugins are hubspot, salesforce, names, matchkeys",
        ];
        assert_eq!(told(&loaded, &limits), expected);
        // What waits or was refused may serve later.
        loaded.aside.insert("hubspt.wasm".to_owned(), "waits".to_owned());
        assert_eq!(told(&loaded, &limits), [""; 0]);
    }

    #[test]
    fn mistake_in_limits_names_its_line() {
        for (text, expected) in [
            (
                "\n[limits.connector]\nmemory_mb = 9000",
                ":3: `memory_mb` is 9000 (hint: `memory_mb` takes 1 to 2048)",
            ),
            (
                "[limits.connector]\nmemory = 1",
                ":2: `memory` is no limit that can be set (hint: the limits are memory_mb, ",
            ),
            ("[limits.transform]\nrequests = 1", ":2: a transform has no limit `requests`"),
            (
                "[limits.compile]\nseconds = 0",
                ":2: `seconds` is 0 (hint: `seconds` takes 1 to 3600)",
            ),
            ("[limits.plugin.hubspot]\nrun_ms = -1", ":2: invalid value: integer `-1`"),
            ("[limits.conector]\nrun_ms = 1", ":1: unknown field `conector`"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
