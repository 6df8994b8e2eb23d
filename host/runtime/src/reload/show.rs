//! Shows the files of the folder as the task knows them.

use std::sync::Arc;

use super::{FileState, Reloader};
use crate::lifecycle::view::Seen;

impl Reloader {
    /// Shows what was seen.
    pub(super) fn show(&self) {
        let seen = |(name, state): (&String, &FileState)| Seen {
            loading: self.loads.is_loading(name),
            ..seen((name, state))
        };
        self.view.store(Arc::new(self.files.iter().map(seen).collect()));
    }
}

fn seen((name, state): (&String, &FileState)) -> Seen {
    let generation = state.plugin.as_ref().map(|plugin| plugin.generation.clone());
    let held = state.waiting.as_ref().map(|(_, wait)| wait.clone());
    Seen {
        file: name.clone(),
        id: state.served.clone().filter(|_| state.clash.is_none()),
        loading: false,
        fault: state.fault.clone().or_else(|| state.clash.clone()),
        held: generation.zip(held),
    }
}
