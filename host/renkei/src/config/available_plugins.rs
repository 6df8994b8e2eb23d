//! The plugins that names of the configuration may refer to, and why others are not there.
//!
//! A mapping that names a plugin which waits for an admin or was refused is told so: "copy it
//! there" would send somebody to a folder in which the file lies already.

use std::collections::BTreeMap;
use std::path::Path;

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

    /// An id that no plugin has. `renkei plugin build` names a file by its id. `dir` is the
    /// configuration's directory, `folder` the plugin folder below it.
    pub(super) fn missing(&self, kind: &str, id: &str, dir: &Path, folder: &Path) -> MissingPlugin {
        let file = format!("{id}.wasm");
        let message = format!("no {kind} `{id}` is loaded");
        let hint = match self.aside.get(&file) {
            Some(why) => format!("`{file}` {why}"),
            None => format!(
                "copy its .wasm into {}; `renkei plugin list --dir {}` shows what serves",
                dir.join(folder).display(),
                dir.display()
            ),
        };
        MissingPlugin { message, hint, is_aside: self.aside.contains_key(&file) }
    }
}

/// A plugin that the configuration names and that does not serve.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MissingPlugin {
    /// The mistake.
    pub(super) message: String,
    /// The next step.
    pub(super) hint: String,
    /// Its file is there, and waits or was refused.
    pub(super) is_aside: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: &str) {
        let aside = [("names.wasm", "waits: on hold"), ("keys.wasm", "was refused: cut off")];
        let aside = aside.map(|(file, why)| (file.to_owned(), why.to_owned())).into();
        let loaded = AvailablePlugins { aside, ..AvailablePlugins::default() };
        let message = format!("no transform `{id}` is loaded");
        let (hint, is_aside) = (expected.to_owned(), expected.starts_with('`'));
        let missing = MissingPlugin { message, hint, is_aside };
        assert_eq!(
            loaded.missing("transform", id, Path::new("sync"), Path::new("plugins")),
            missing
        );
    }

    #[test]
    fn hint_asks_to_copy_a_plugin_file_only_when_it_is_absent() {
        check("names", "`names.wasm` waits: on hold");
        check("keys", "`keys.wasm` was refused: cut off");
        let copy = "copy its .wasm into sync/plugins; `renkei plugin list --dir sync` shows what \
                    serves";
        check("dates", copy);
    }
}
