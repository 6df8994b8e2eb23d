//! `renkei describe`: the objects of a live system, and the columns of one. Writes nothing.
//!
//! It is what somebody reads to write `entities/*.toml`, so it needs no mapping and no database,
//! only the systems of `renkei.toml`.

mod columns;
mod grants;
mod objects;

use renkei_model::plugin::PluginError;
use renkei_model::ports::Systems as _;

use crate::cli::DescribeArgs;
use crate::command::describe::grants::ObjectGrants;
use crate::command_error::CommandError;
use crate::host::LiveSystems;
use crate::output::Output;

/// Exit code 2 for an unknown system or object.
pub(crate) async fn run(args: &DescribeArgs, output: Output) -> Result<(), CommandError> {
    let (system, object) = match args.subject.split_once('.') {
        Some((system, object)) => (system, Some(object)),
        None => (args.subject.as_str(), None),
    };
    let bar = output.progress("asking the system");
    let live = LiveSystems::open(&args.dir.dir).await?;
    if !live.config.system_names().any(|name| name == system) {
        let names = live.config.system_names().collect::<Vec<_>>().join(", ");
        let error = CommandError::usage(format!("renkei.toml has no system {system}"));
        return Err(error.hint(format!("its systems are {names}")));
    }
    let connector = live.runtime.open(system).await;
    let connector = connector.map_err(|error| live.failure(system, error))?;
    let grants = ObjectGrants::read(&live, connector.as_ref()).await?;
    match object {
        None => {
            let listed = objects::list(connector.as_ref(), &grants).await;
            let listed = listed.map_err(|error| live.failure(system, error))?;
            bar.finish_and_clear();
            output.result(&listed.json(system), || listed.text(system))?;
        }
        Some(object) => {
            let wanted = [object.to_owned()];
            let schemas = connector.discover(&wanted).await;
            let schemas = schemas.map_err(|error| match error {
                PluginError::NotFound { .. } => unknown_object(system, object),
                error => live.failure(system, error),
            })?;
            bar.finish_and_clear();
            let Some(schema) = schemas.into_iter().next() else {
                return Err(unknown_object(system, object));
            };
            let json = columns::json(system, &schema, &grants);
            output.result(&json, || columns::text(system, &schema, &grants))?;
        }
    }
    Ok(())
}

fn unknown_object(system: &str, object: &str) -> CommandError {
    let error = CommandError::usage(format!("{system} has no object {object} for this account"));
    error.hint(format!("`renkei describe {system}` lists the objects that the account can read"))
}
