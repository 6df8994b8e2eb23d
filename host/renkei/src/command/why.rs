//! `renkei why`: why a value was or was not written. It needs configuration, plugins and database,
//! but no system, and works while a host serves.

use renkei_admin::why::{WhyQuery, explain};
use renkei_store::Layouts;

use crate::cli::WhyArgs;
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database::{self, DatabaseAccess};
use crate::host;
use crate::output::Output;

/// Exit code 2 when nothing is known of the record.
pub(crate) async fn run(args: &WhyArgs, output: Output) -> Result<(), CommandError> {
    let dir = &args.dir.dir;
    let query = WhyQuery { record: args.record.clone(), field: args.field.clone() };
    query.check()?;
    let config = Config::read(dir)?;
    let runtime = host::plugins(dir, DatabaseAccess::ReadOnly).await?;
    let spec = host::spec(&config, &runtime)?;
    let store =
        database::open(dir, &config.data, Layouts::from_spec(&spec), DatabaseAccess::ReadOnly)?;
    let answer = explain(&store, &spec, &query).await?;
    output.result(&answer, || answer.to_string())?;
    Ok(())
}
