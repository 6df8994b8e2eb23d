//! `renkei backup`: a copy of the database in a new file, also beside a running `renkei serve`.

use std::path::Path;

use indicatif::ProgressBar;
use renkei_model::ports::Clock as _;
use renkei_store::SqliteStore;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::cli::FileArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database;
use crate::output::Output;

/// The time between two moves of a progress line, ms.
const TICK_MS: u64 = 200;

/// Copies, and says what the copy holds.
pub(crate) async fn run(args: &FileArgs, output: Output) -> Result<(), CommandError> {
    let config = Config::read(&args.dir.dir)?;
    database::require(&args.dir.dir, &config.data)?;
    let bar = output.progress("backup");
    let (data, file) = (config.data.clone(), args.file.clone());
    let work = tokio::task::spawn_blocking(move || SqliteStore::back_up(&data, &file));
    let contents = watch(work, &SqliteStore::part_of(&args.file), &bar).await?;
    let contents = contents.map_err(CommandError::database)?;
    let bytes = std::fs::metadata(&args.file).map(|file| file.len()).unwrap_or_default();
    let file = args.file.display().to_string();
    let (links, records) = (contents.links, contents.records);
    let facts = json!({ "file": file, "bytes": bytes, "links": links, "records": records });
    output.result(&facts, || {
        format!(
            "wrote {file}: {links} links, {records} records, {bytes} bytes. \
             `renkei restore {file} --dir {}` puts it back",
            args.dir.dir.display()
        )
    })?;
    Ok(())
}

/// Waits for work that fills a file, and shows how far it is.
pub(crate) async fn watch<T>(
    mut work: JoinHandle<T>,
    growing: &Path,
    bar: &ProgressBar,
) -> Result<T, CommandError> {
    let clock = SystemClock::program();
    loop {
        tokio::select! {
            ended = &mut work => {
                bar.finish_and_clear();
                return Ok(ended?);
            }
            () = clock.sleep_ms(TICK_MS) => {
                let bytes = std::fs::metadata(growing).map(|file| file.len()).unwrap_or_default();
                bar.set_message(format!("{} MB", bytes / 1_000_000));
                bar.tick();
            }
        }
    }
}
