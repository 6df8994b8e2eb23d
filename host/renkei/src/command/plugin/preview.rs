//! `renkei plugin preview`: what a new version of a transform would do differently.
//!
//! In a process of its own, from what is remembered in the data directory: a running `serve` runs
//! no code of a file that nobody approved, and is not disturbed.

use std::path::Path;

use renkei_runtime::{FieldChange, Preview, PreviewFailures};

use super::file::read_bytes;
use crate::command_error::CommandError;
use crate::database::DatabaseAccess;
use crate::host;
use crate::output::Output;
use crate::table;

/// Shows the difference between `file` and what serves.
pub(super) async fn run(
    dir: &Path,
    file: &Path,
    id: Option<String>,
    show_values: bool,
    output: Output,
) -> Result<(), CommandError> {
    let name = file.display().to_string();
    let runtime = host::plugins(dir, DatabaseAccess::ReadOnly).await?;
    let bytes = read_bytes(file)?;
    let preview = runtime.preview(&name, bytes, id, show_values).await?;
    output.result(&preview, || describe(&preview))?;
    Ok(())
}

fn describe(preview: &Preview) -> String {
    let Preview { id, candidate, serving, rows, changed_rows, .. } = preview;
    let file = &candidate.version;
    let mut text = match (preview.serves, serving) {
        (false, None) => {
            return format!("{id} {file}: nothing serves that it could be compared with");
        }
        (true, None) => {
            return format!("{id} {file} serves already; no version before it is kept to compare");
        }
        (false, Some(other)) => format!("{id}: {} serves, the file is {file}\n", other.version),
        (true, Some(other)) => format!(
            "{id} {file} serves already; what it changed from {}, the version before:\n",
            other.version
        ),
    };
    for (what, words) in [
        ("asks for more", &preview.asks_more),
        ("asks no longer for", &preview.asks_less),
        ("has new functions", &preview.functions_added),
        ("has no longer", &preview.functions_removed),
    ] {
        if !words.is_empty() {
            text.push_str(&format!("the file {what}: {}\n", words.join(", ")));
        }
    }
    for (function, reason) in &preview.one_way {
        text.push_str(&format!("{function} would run one-way: {reason}\n"));
    }
    if preview.kind != "transform" {
        text.push_str("a connector cannot be tried without its system");
        return text;
    }
    text.push_str(&format!("{changed_rows} of {rows} recent rows differ"));
    if *rows == 0 {
        text.push_str("; rows are kept whenever `renkei sync` or `serve` runs the transform");
    }
    if !preview.fields.is_empty() {
        text.push_str("\n\n");
        text.push_str(&fields(&preview.fields));
    }
    if !preview.failures.is_empty() {
        text.push_str("\n\n");
        text.push_str(&failures(&preview.failures, preview.serves));
    }
    text
}

fn fields(fields: &[FieldChange]) -> String {
    let rows = fields.iter().map(|field| {
        let example = field.examples.first();
        let example = example.map(|one| format!("{} -> {}", one.before, one.after));
        vec![
            field.function.clone(),
            field.way.to_owned(),
            field.field.clone(),
            field.changed.to_string(),
            example.unwrap_or_default(),
        ]
    });
    table::plain(&["function", "way", "field", "rows", "such as"], rows)
}

fn failures(failures: &[PreviewFailures], serves: bool) -> String {
    let (before, after) =
        if serves { ("failed before", "fails now") } else { ("fails now", "fails with the file") };
    let rows = failures.iter().map(|failed| {
        vec![
            failed.function.clone(),
            failed.way.to_owned(),
            failed.before.to_string(),
            failed.after.to_string(),
            failed.reason.clone().unwrap_or_default(),
        ]
    });
    table::plain(&["function", "way", before, after, "reason"], rows)
}
