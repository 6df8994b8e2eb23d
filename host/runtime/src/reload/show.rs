//! Shows the files of the folder as the task knows them.

use std::sync::Arc;

use super::file_state::FileState;
use super::reloader::Reloader;
use crate::lifecycle::view::SeenFile;

impl Reloader {
    /// Shows what the task knows now.
    pub(super) fn show(&self) {
        let seen = |(name, state): (&String, &FileState)| {
            let mut seen = seen_file(name, state, self.loads.is_loading(name));
            if state.claim.clash().is_some() {
                seen.id = self.serving_of_file(name);
            }
            seen
        };
        self.view.store(Arc::new(self.files.iter().map(seen).collect()));
    }
}

fn seen_file(name: &str, state: &FileState, loading: bool) -> SeenFile {
    let generation = state.last_good.as_ref().map(|plugin| plugin.generation.clone());
    SeenFile {
        file: name.to_owned(),
        id: state.claim.id().cloned(),
        loading,
        fault: state.fault().cloned(),
        hint: state.hint().cloned(),
        held: generation.zip(state.claim.wait().cloned()),
    }
}
