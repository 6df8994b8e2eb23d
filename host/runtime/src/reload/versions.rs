//! Loads versions that are not in the folder: earlier ones, and those that are only compared.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::file_state::FileState;
use super::reloader::Reloader;
use crate::lifecycle::admin::AdminError;
use crate::lifecycle::plugin_state::PluginState;
use crate::lifecycle::preview::{PairResult, VersionPair};
use crate::sandbox::compiler::CompilePriority;
use crate::sandbox::generation::PluginGeneration;

impl Reloader {
    /// Makes a generation of the private copy with this digest.
    pub(super) async fn load(
        &self,
        name: &str,
        digest: &str,
    ) -> Result<PluginGeneration, AdminError> {
        let (versions, wanted) = (self.versions.clone(), digest.to_owned());
        let read = tokio::task::spawn_blocking(move || versions.read(&wanted));
        let bytes = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let bytes = bytes.map_err(|error| AdminError::Refused {
            reason: format!("the private copy of {name} cannot be read: {error}"),
            hint: None,
        })?;
        let loaded = self.loader.load(name, digest, CompilePriority::Known, Arc::new(bytes)).await;
        Ok(loaded?)
    }

    /// Loads what serves, by its recorded state, and the plugin in `bytes`. Of the file that serves
    /// already, the version before is the other one.
    pub(super) async fn pair(&self, name: &str, bytes: Vec<u8>, id: Option<String>) -> PairResult {
        let digest = hex::encode(Sha256::digest(&bytes));
        let load = self.loader.load(name, &digest, CompilePriority::New, Arc::new(bytes));
        let candidate = load.await?;
        let generation = &candidate.generation;
        let id = id.unwrap_or_else(|| generation.plugin.clone());
        // As another process may have left it, and not as this one makes of the folder.
        let plugin_state = self.registry.states().recorded(&id)?;
        let now = self.registry.serving(&id).map(|served| Arc::clone(&served.plugin));
        let here = now.as_ref().map(|now| &now.generation.digest);
        let serves = plugin_state.serving.as_ref().or(here) == Some(&generation.digest);
        let digest = if serves {
            plugin_state.earlier().map(|earlier| earlier.digest.clone())
        } else {
            plugin_state.serving.clone()
        };
        let other = match (digest, now) {
            (Some(digest), Some(now)) if now.generation.digest == digest => Some(now),
            (Some(digest), _) => Some(Arc::new(self.load(&id, &digest).await?)),
            (None, now) => now.filter(|now| now.generation.digest != generation.digest),
        };
        Ok(VersionPair { other, candidate, serves })
    }

    /// Removes private copies, and what was compiled, that nothing needs.
    pub(super) fn remove_unused(&self) {
        if self.read_only {
            return;
        }
        let states = self.registry.states();
        let held = |digest: &str| {
            let of_file =
                |state: &FileState| state.content.digest().is_some_and(|own| own == digest);
            let of_page = |plugin_state: &PluginState| {
                let serves = plugin_state.serving.as_deref() == Some(digest);
                serves || plugin_state.versions.iter().any(|version| version.digest == digest)
            };
            let loads = self.loads.has(digest) || self.files.values().any(of_file);
            loads || states.plugins().values().any(of_page)
        };
        self.versions.retain(held);
        self.loader.cache.retain(held);
    }
}
