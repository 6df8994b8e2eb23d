//! The last rows that each transform's function got, for previews of a new version.
//!
//! A bounded ring per function: a few rows of each call, the newest kept. They are values of
//! records, so they stay in memory and in files for this user alone (`recent/ID.json` in
//! `Options::home`, beside the database that holds the same values), and are never logged. A
//! preview is made by a process of its own from these files, so that a running `serve` runs no
//! code of a file that nobody approved.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use renkei_model::ports::{TransformCall, Way};
use renkei_model::record::{Attributes, Batch, Row};
use renkei_model::value::{Cell, SmolStr, Value};

/// Rows per function.
const ROWS_KEPT: usize = 256;

/// Rows taken of one call, spread over it: a ring of one batch would tell little.
const ROWS_PER_CALL: usize = 8;

/// Rows with more text than this are left out, bytes.
const ROW_BYTES_MAX: usize = 16 << 10;

/// One row that a function got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    backward: bool,
    parameters: Attributes,
    columns: Vec<String>,
    input: Vec<Cell>,
    old_columns: Vec<String>,
    /// None where the call had no old rows.
    old: Option<Vec<Cell>>,
}

impl Sample {
    pub(crate) fn way(&self) -> Way {
        if self.backward { Way::Backward } else { Way::Forward }
    }

    pub(crate) fn parameters(&self) -> &Attributes {
        &self.parameters
    }

    /// The row with these columns; one that it does not have is absent.
    pub(crate) fn input(&self, columns: &[String]) -> Batch {
        project(&self.columns, Some(&self.input), columns)
    }

    /// The rows of the other side, with these columns.
    pub(crate) fn old(&self, columns: &[String]) -> Batch {
        project(&self.old_columns, self.old.as_ref(), columns)
    }

    fn bytes(&self) -> usize {
        let cells = self.input.iter().chain(self.old.iter().flatten());
        cells.map(|cell| cell.as_ref().map_or(1, size)).sum()
    }
}

fn project(own: &[String], cells: Option<&Vec<Cell>>, columns: &[String]) -> Batch {
    let row = |cells: &Vec<Cell>| {
        let cell = |column: &String| {
            let at = own.iter().position(|own| own == column)?;
            cells.get(at).cloned().flatten()
        };
        Row { cells: columns.iter().map(cell).collect(), ..Row::default() }
    };
    Batch { columns: columns.to_vec(), rows: cells.map(row).into_iter().collect() }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Decimal(text) | Value::Date(text) => text.len(),
        Value::Choices(items) | Value::References(items) | Value::Other(items) => {
            items.iter().map(SmolStr::len).sum()
        }
        _ => 8,
    }
}

/// The rings of one plugin, by function.
type SampleRings = BTreeMap<String, VecDeque<Sample>>;

/// The recent rows of all functions.
pub(crate) struct RecentRows {
    folder: PathBuf,
    kept: Mutex<BTreeMap<String, SampleRings>>,
    changed: AtomicBool,
    read_only: bool,
}

impl RecentRows {
    /// Opens what was kept in `home`; a file that cannot be read is as if it were not there.
    pub(crate) fn open(home: &Path, read_only: bool) -> Self {
        let folder = home.join("recent");
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let kept = entries.filter_map(|entry| {
            let name = entry.file_name();
            let id = name.to_str()?.strip_suffix(".json")?.to_owned();
            Some((id, serde_json::from_slice(&renkei_files::read(&entry.path()).ok()?).ok()?))
        });
        let kept = Mutex::new(kept.collect());
        Self { folder, kept, changed: AtomicBool::new(false), read_only }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, SampleRings>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a few rows of a call.
    pub(crate) fn note(&self, call: &TransformCall<'_>) {
        if self.read_only || call.input.rows.is_empty() {
            return;
        }
        let every = call.input.rows.len().div_ceil(ROWS_PER_CALL);
        let sample = |(at, row): (usize, &Row)| Sample {
            backward: call.way == Way::Backward,
            parameters: call.parameters.clone(),
            columns: call.input.columns.clone(),
            input: row.cells.clone(),
            old_columns: call.old.columns.clone(),
            old: call.old.rows.get(at).map(|row| row.cells.clone()),
        };
        let rows = call.input.rows.iter().enumerate().step_by(every);
        let samples: Vec<Sample> =
            rows.map(sample).filter(|sample| sample.bytes() <= ROW_BYTES_MAX).collect();
        let mut kept = self.kept();
        let rings = kept.entry(call.plugin.to_owned()).or_default();
        let ring = rings.entry(call.function.to_owned()).or_default();
        ring.extend(samples);
        let surplus = ring.len().saturating_sub(ROWS_KEPT);
        ring.drain(..surplus);
        self.changed.store(true, Ordering::Relaxed);
    }

    /// The rows of a plugin's functions, oldest first.
    pub(crate) fn rows_of(&self, plugin: &str) -> BTreeMap<String, Vec<Sample>> {
        let kept = self.kept();
        let rings = kept.get(plugin).into_iter().flatten();
        rings.map(|(name, ring)| (name.clone(), ring.iter().cloned().collect())).collect()
    }

    /// Writes what changed. A failure costs rows of a preview and is only logged.
    pub(crate) fn save(&self) {
        if self.read_only || !self.changed.swap(false, Ordering::Relaxed) {
            return;
        }
        let kept = self.kept().clone();
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            for (id, rings) in &kept {
                let text = serde_json::to_vec(rings).map_err(io::Error::other)?;
                renkei_files::replace(&self.folder.join(format!("{id}.json")), &text)?;
            }
            Ok(())
        };
        if let Err(error) = write() {
            let error: io::Error = error;
            tracing::warn!(%error, "the rows for previews cannot be kept");
        }
    }
}

impl Drop for RecentRows {
    fn drop(&mut self) {
        self.save();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn call<'a>(input: &'a Batch, old: &'a Batch, parameters: &'a Attributes) -> TransformCall<'a> {
        TransformCall {
            plugin: "echo",
            function: "same",
            way: Way::Forward,
            parameters,
            input,
            old,
        }
    }

    fn rows(texts: impl Iterator<Item = String>) -> Batch {
        let row =
            |text: String| Row { cells: vec![Some(Value::from(text.as_str()))], ..Row::default() };
        Batch { columns: vec!["a".to_owned()], rows: texts.map(row).collect() }
    }

    #[test]
    fn the_newest_rows_are_kept_for_this_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let (parameters, nothing) = (Attributes::new(), rows(std::iter::empty()));
        let recent = RecentRows::open(home.path(), false);
        recent.note(&call(
            &rows(["x".repeat(ROW_BYTES_MAX + 1)].into_iter()),
            &nothing,
            &parameters,
        ));
        assert!(recent.rows_of("echo").values().all(Vec::is_empty), "too long to be kept");
        for round in 0..40 {
            let input = rows((0..100).map(|row| format!("{round}/{row}")));
            recent.note(&call(&input, &nothing, &parameters));
        }
        let kept = recent.rows_of("echo").remove("same").unwrap();
        assert_eq!(kept.len(), ROWS_KEPT);
        let text = |sample: &Sample| sample.input(&["a".to_owned()]).rows[0].cells[0].clone();
        assert_eq!(text(&kept[ROWS_KEPT - 8]), Some(Value::from("39/0")));
        assert_eq!(kept[0].input(&["b".to_owned()]).rows[0].cells, [None]);
        assert!(kept[0].old(&["a".to_owned()]).rows.is_empty());

        drop(recent);
        let again = RecentRows::open(home.path(), true);
        assert_eq!(again.rows_of("echo").remove("same").unwrap(), kept);
        let mode =
            |path: &str| fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("recent"), mode("recent/echo.json")), (0o700, 0o600));
        again.note(&call(&rows(["new".to_owned()].into_iter()), &nothing, &parameters));
        assert_eq!(
            again.rows_of("echo").remove("same").unwrap(),
            kept,
            "who only looks keeps nothing"
        );
    }
}
