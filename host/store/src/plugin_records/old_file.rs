//! Reads the states of plugins of an older Renkei: `plugins.json`, one JSON object that was
//! replaced as a whole.
//!
//! The states are taken over when the database is made, and the file is removed once that is on
//! the disk. One that stays is not read again, because the database is there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use renkei_model::ports::PluginTexts;
use serde::Deserialize;
use serde_json::Value;

use crate::database_file::require_file;
use crate::error::OpenError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldStates {
    format: u32,
    plugins: BTreeMap<String, Value>,
}

/// The states in an old file, in the form of rows.
pub(super) fn read(folder: &Path) -> Result<Option<PluginTexts>, OpenError> {
    let path = place(folder);
    require_file(&path)?;
    let text = match renkei_files::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Io { path, source }),
    };
    match serde_json::from_slice::<OldStates>(&text) {
        Ok(OldStates { format, .. }) if format != 1 => {
            Err(OpenError::Corrupt { path, reason: format!("of format {format}, not 1") })
        }
        Ok(OldStates { plugins, .. }) => {
            let texts = plugins.into_iter().map(|(id, state)| (id, state.to_string()));
            Ok(Some(PluginTexts { by_id: texts.collect(), is_new: false, file: path }))
        }
        Err(error) => Err(OpenError::Corrupt { path, reason: error.to_string() }),
    }
}

/// Removes the old file and its lock.
pub(super) fn remove(folder: &Path) {
    fs::remove_file(place(folder)).ok();
    fs::remove_file(folder.join("plugins.lock")).ok();
}

fn place(folder: &Path) -> PathBuf {
    folder.join("plugins.json")
}
