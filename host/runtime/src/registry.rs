//! Which generation serves which plugin id. A unit of work takes its generation once and keeps it
//! to the end, so that a swap never changes the code under a running job; the old generation lives
//! until its last unit is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use renkei_sync::plugin::{Generation, PluginError};

use crate::plugin::Plugin;

/// Generations by plugin id.
pub(crate) type Serving = BTreeMap<String, Arc<Plugin>>;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Registry(ArcSwap<Serving>);

impl Registry {
    /// The generation that serves `id` now.
    pub(crate) fn current(&self, id: &str) -> Result<Arc<Plugin>, PluginError> {
        self.0.load().get(id).cloned().ok_or_else(|| PluginError::Host {
            plugin: Generation {
                plugin: id.to_owned(),
                version: "none".to_owned(),
                digest: String::new(),
            },
            reason: "no such plugin is loaded; see `renkei plugin list`".to_owned(),
        })
    }

    pub(crate) fn all(&self) -> Arc<Serving> {
        self.0.load_full()
    }

    pub(crate) fn replace(&self, serving: Serving) {
        self.0.store(Arc::new(serving));
    }
}
