//! `renkei restore`: a backup in the place of the database. The next cycles read everything again
//! before they write.

use std::fs::OpenOptions;

use renkei_model::ports::Clock as _;
use renkei_store::SqliteStore;
use serde_json::json;

use super::backup::watch;
use crate::cli::FileArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database;
use crate::output::Output;

/// Puts it back, and says where the replaced database is.
pub(crate) async fn run(args: &FileArgs, output: Output) -> Result<(), CommandError> {
    let dir = &args.dir.dir;
    let config = Config::read(dir)?;
    let identity = database::known_identity(dir)?;
    renkei_files::open(OpenOptions::new().read(true), &args.file).map_err(|error| {
        let error = CommandError::usage(error).at(args.file.display());
        error.hint("check the path: it must be a file that `renkei backup` made")
    })?;
    let bar = output.progress("restore");
    let (data, file) = (config.data.clone(), args.file.clone());
    let now_ms = SystemClock::program().now_ms();
    let work = tokio::task::spawn_blocking(move || {
        SqliteStore::restore(&data, &file, identity.as_deref(), now_ms)
    });
    let restored = watch(work, &config.data.join("renkei.db.new"), &bar).await?;
    let (contents, aside) = restored.map_err(CommandError::database)?;
    database::remember(dir, &contents.identity);
    let aside = aside.map(|aside| aside.display().to_string());
    let (links, records) = (contents.links, contents.records);
    let facts = json!({ "links": links, "records": records, "replaced": aside });
    output.result(&facts, || {
        let kept = aside.map(|aside| format!("; the database before is in {aside}"));
        format!(
            "put back {links} links, {records} records{}. The next `renkei sync` or `renkei serve` \
             reads everything again before it writes; `renkei plan --dir {}` shows what it would",
            kept.unwrap_or_default(),
            dir.display()
        )
    })?;
    Ok(())
}
