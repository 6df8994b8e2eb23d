//! `renkei auth login`: from the vendor's page to the store of refresh tokens.

use std::io;
use std::path::Path;
use std::sync::Arc;

use renkei_model::plugin::Generation;
use renkei_model::ports::Clock as _;
use renkei_package::{Connection, PRIMARY_SLOT};
use renkei_runtime::{Login, LoginError, SystemConfig, TokenStore as _};
use serde_json::json;

use super::browser;
use super::callback::CallbackServer;
use super::mistakes::{find_system, of_store};
use crate::cli::LoginArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::config::{Config, SecretSource};
use crate::database::DatabaseAccess;
use crate::output::Output;
use crate::tokens::TokenFile;
use crate::{host, stop};

/// Logs in and keeps the refresh token.
pub(super) async fn run(args: &LoginArgs, output: Output) -> Result<(), CommandError> {
    let (dir, name) = (&args.dir.dir, &args.system);
    let config = Config::read(dir)?;
    let known = find_system(&config, name)?;
    if !known.takes_login() {
        let scheme = known.scheme;
        let error = format!("system {name} has the scheme `{scheme}`, which needs no login");
        let next = "set `scheme = \"oauth2-refresh-token\"` with the app's `client_id`";
        return Err(CommandError::usage(error).hint(next));
    }
    let system = config.system(name, &SecretSource::open(dir)?)?;
    let (connection, plugin) = find_connection(dir, &system).await?;
    let server = CallbackServer::open(args.port).await.map_err(|error| of_port(args, &error))?;
    let redirect_uri = server.redirect_uri();
    let clock = Arc::new(SystemClock::program());
    let login =
        Login::begin(&system, &connection, &plugin, &redirect_uri, clock).map_err(of_login)?;
    let url = login.url().to_owned();
    output.event(&json!({ "event": "login", "system": name, "url": url,
        "redirect_uri": redirect_uri }))?;
    if args.no_browser || !browser::open(&server.start_url()) {
        output.note(&format!("Open this page to log in to {name}:\n{url}"));
    } else {
        let start = server.start_url();
        output.note(&format!("Log in to {name} in the browser. If none opens: {start}"));
    }
    let query = wait_for_answer(server, &url, args).await?;
    let refresh_token = login.finish(&query).await.map_err(of_login)?;
    let tokens = TokenFile::new(dir);
    tokens.save(name, PRIMARY_SLOT, &refresh_token).await.map_err(of_store)?;
    let facts = json!({ "system": name, "logged_in": true, "stored_in": tokens.path() });
    output.result(&facts, || {
        let (path, dir) = (tokens.path().display(), dir.display());
        format!(
            "Logged in to {name}; the refresh token is in {path}. `renkei check --dir {dir}` shows \
             the account"
        )
    })?;
    Ok(())
}

/// The connection of the version that serves, as the admin left it.
async fn find_connection(
    dir: &Path,
    system: &SystemConfig,
) -> Result<(Connection, Generation), CommandError> {
    let runtime = host::plugins(dir, DatabaseAccess::ReadOnly).await?;
    let files = runtime.list();
    let found = files.iter().find_map(|file| {
        let manifest = file.manifest.as_ref().filter(|manifest| manifest.id == system.plugin)?;
        let mut connections = manifest.connector()?.connections.iter();
        let primary = connections.find(|connection| connection.slot == PRIMARY_SLOT)?;
        Some((primary.clone(), file.serving.clone()?))
    });
    found.ok_or_else(|| {
        let error = anyhow::anyhow!("no connector `{}` serves", system.plugin);
        CommandError::plugin(error).hint("`renkei plugin list` says which plugins do, and why not")
    })
}

async fn wait_for_answer(
    server: CallbackServer,
    url: &str,
    args: &LoginArgs,
) -> Result<String, CommandError> {
    let (clock, seconds) = (SystemClock::program(), args.wait_seconds);
    tokio::select! {
        query = server.wait(url) => Ok(query),
        () = stop::requested() => {
            Err(CommandError::usage("the login was broken off").hint("run the command again"))
        }
        () = clock.sleep_ms(seconds.saturating_mul(1_000)) => {
            let error = anyhow::anyhow!("nobody came back from the login page in {seconds} s");
            let next = "run the command again; --wait-seconds gives more time";
            Err(CommandError::system(error).hint(next))
        }
    }
}

fn of_port(args: &LoginArgs, error: &io::Error) -> CommandError {
    let port = args.port;
    let fact = CommandError::usage(format!("port {port} cannot be used for the login: {error}"));
    fact.hint(
        "choose another port with --port, and register http://localhost:PORT/callback with the \
         vendor's app too",
    )
}

fn of_login(error: LoginError) -> CommandError {
    let hint = error.hint();
    let failure = match error {
        LoginError::Setup(_) => CommandError::usage(error),
        _ => CommandError::system(error),
    };
    failure.hint(hint)
}
