//! `renkei account`: which accounts the systems of a database are, and the declared move to others.

use renkei_model::store::port::Store as _;
use renkei_store::Layouts;
use renkei_store::SqliteStore;
use serde_json::json;

use crate::cli::{AccountCommand, DirArgs};
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database::{self, DatabaseAccess};
use crate::output::Output;

/// Lists or moves.
pub(crate) async fn run(command: &AccountCommand, output: Output) -> Result<(), CommandError> {
    match command {
        AccountCommand::List(args) => list(args, output).await,
        AccountCommand::Move { system, to, dir } => move_to(system, to, dir, output),
    }
}

async fn list(args: &DirArgs, output: Output) -> Result<(), CommandError> {
    let config = Config::read(&args.dir)?;
    let store =
        database::open(&args.dir, &config.data, Layouts::default(), DatabaseAccess::ReadOnly)?;
    let mut accounts = Vec::new();
    for system in config.system_names() {
        let id = store.account(system).await.map_err(CommandError::database)?;
        accounts.push((system, id));
    }
    let facts = accounts.iter().map(|(system, id)| json!({ "system": system, "account": id }));
    output.result(&json!({ "accounts": facts.collect::<Vec<_>>() }), || {
        let lines = accounts.iter().map(|(system, id)| {
            let id = id.as_deref().unwrap_or("not known yet");
            format!("{system}: {id}")
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

fn move_to(system: &str, to: &str, args: &DirArgs, output: Output) -> Result<(), CommandError> {
    let config = Config::read(&args.dir)?;
    if !config.system_names().any(|name| name == system) {
        let names = config.system_names().collect::<Vec<_>>().join(", ");
        let error = CommandError::usage(format!("renkei.toml has no system {system}"));
        return Err(error.hint(format!("its systems are {names}")));
    }
    if to.trim().is_empty() {
        let error = CommandError::usage("--to is empty");
        return Err(error.hint("`renkei check` shows an account's id"));
    }
    database::require(&args.dir, &config.data)?;
    let before =
        SqliteStore::move_account(&config.data, system, to).map_err(CommandError::database)?;
    let facts = json!({ "system": system, "before": before, "account": to });
    let is_same = before.as_deref() == Some(to);
    output.result(&facts, || match is_same {
        true => format!("{system} is account {to} already; nothing was changed"),
        false => format!(
            "{system} is account {to} from now on; what was known of its records is forgotten. \
             `renkei plan --dir {}` shows what the next sync would write there: look at it first",
            args.dir.display()
        ),
    })?;
    Ok(())
}
