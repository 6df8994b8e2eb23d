//! The plugins that names of the configuration may refer to, and why others are not there.
//!
//! A mapping that names a plugin which waits for an admin or was refused is told so: "copy it
//! there" would send somebody to a folder in which the file lies already.

use std::collections::BTreeMap;

use renkei_package::Manifest;

/// The plugins of a configuration.
#[derive(Default)]
pub(crate) struct AvailablePlugins<'a> {
    /// The manifests of those that serve.
    pub(crate) manifests: Vec<&'a Manifest>,
    /// Files that do not serve, and why: "waits: ..." or "was refused: ...".
    pub(crate) aside: BTreeMap<String, String>,
}

impl<'a> AvailablePlugins<'a> {
    /// The manifest of the plugin with this id.
    pub(super) fn manifest(&self, id: &str) -> Option<&'a Manifest> {
        self.manifests.iter().copied().find(|manifest| manifest.id == id)
    }

    /// Returns whether a plugin has this id, even if it does not serve.
    pub(super) fn has(&self, id: &str) -> bool {
        self.manifest(id).is_some() || self.aside.contains_key(&format!("{id}.wasm"))
    }

    /// The message and the hint for an id that no plugin has. `renkei plugin build` names a file by
    /// its id.
    pub(super) fn missing(&self, kind: &str, id: &str, folder: &str) -> (String, String) {
        let file = format!("{id}.wasm");
        let message = format!("no {kind} `{id}` is loaded");
        let hint = match self.aside.get(&file) {
            Some(why) => format!("`{file}` {why}"),
            None => format!("copy its .wasm into {folder} and see `renkei plugin list`"),
        };
        (message, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: &str) {
        let aside = [("names.wasm", "waits: on hold"), ("keys.wasm", "was refused: cut off")];
        let aside = aside.map(|(file, why)| (file.to_owned(), why.to_owned())).into();
        let loaded = AvailablePlugins { aside, ..AvailablePlugins::default() };
        let message = format!("no transform `{id}` is loaded");
        assert_eq!(loaded.missing("transform", id, "plugins"), (message, expected.to_owned()));
    }

    #[test]
    fn hint_asks_to_copy_a_plugin_file_only_when_it_is_absent() {
        check("names", "`names.wasm` waits: on hold");
        check("keys", "`keys.wasm` was refused: cut off");
        check("dates", "copy its .wasm into plugins and see `renkei plugin list`");
    }
}
