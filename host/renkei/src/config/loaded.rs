//! What of the plugin folder names may refer to, and why the rest is not there.
//!
//! A mapping that names a plugin which waits for an admin or was refused is told so: "copy it
//! there" would send somebody to a folder in which the file lies already.

use std::collections::BTreeMap;

use renkei_package::Manifest;

/// The plugins of a configuration.
#[derive(Default)]
pub(crate) struct Loaded<'a> {
    /// What those that serve say of themselves.
    pub(crate) manifests: Vec<&'a Manifest>,
    /// Files that do not serve, and why: "waits: ..." or "was refused: ...".
    pub(crate) aside: BTreeMap<String, String>,
}

impl<'a> Loaded<'a> {
    /// The manifest of the plugin with this id.
    pub(super) fn manifest(&self, id: &str) -> Option<&'a Manifest> {
        self.manifests.iter().copied().find(|manifest| manifest.id == id)
    }

    /// Whether a plugin has this id, even if it does not serve.
    pub(super) fn has(&self, id: &str) -> bool {
        self.manifest(id).is_some() || self.aside.contains_key(&format!("{id}.wasm"))
    }

    /// That nothing has this id, and what to do. `renkei plugin build` names a file by its id.
    pub(super) fn missing(&self, kind: &str, id: &str, folder: &str) -> String {
        let file = format!("{id}.wasm");
        match self.aside.get(&file) {
            Some(why) => format!("no {kind} `{id}` is loaded; `{file}` {why}"),
            None => format!(
                "no {kind} `{id}` is loaded; copy its .wasm into {folder} and see \
                 `renkei plugin list`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: &str) {
        let aside = [("names.wasm", "waits: it is held"), ("keys.wasm", "was refused: cut off")];
        let aside = aside.map(|(file, why)| (file.to_owned(), why.to_owned())).into();
        let loaded = Loaded { aside, ..Loaded::default() };
        assert_eq!(loaded.missing("transform", id, "plugins"), expected);
    }

    #[test]
    fn a_file_that_is_there_is_not_to_be_copied() {
        check("names", "no transform `names` is loaded; `names.wasm` waits: it is held");
        check("keys", "no transform `keys` is loaded; `keys.wasm` was refused: cut off");
        check(
            "dates",
            "no transform `dates` is loaded; copy its .wasm into plugins and see \
             `renkei plugin list`",
        );
    }
}
