//! `renkei auth`: logins by a person, where they are kept, and which system has one.

mod browser;
mod callback;
mod login;
mod mistakes;

use jiff::Timestamp;
use serde::Serialize;

use self::mistakes::{find_system, of_store};
use crate::cli::{AuthCommand, DirArgs};
use crate::command_error::CommandError;
use crate::config::Config;
use crate::output::Output;
use crate::tokens::TokenFile;

/// Logs in, shows or logs out.
pub(crate) async fn run(command: &AuthCommand, output: Output) -> Result<(), CommandError> {
    match command {
        AuthCommand::Login(args) => login::run(args, output).await,
        AuthCommand::Status(args) => show_status(args, output),
        AuthCommand::Logout { system, dir } => log_out(system, dir, output),
    }
}

/// One system as `auth status` shows it.
#[derive(Serialize)]
struct LoginStatus {
    system: String,
    plugin: String,
    scheme: String,
    /// `configured`, `logged-in` or `needs-login`.
    state: &'static str,
    /// The time when the stored refresh token was stored.
    stored_at: Option<String>,
}

impl LoginStatus {
    fn line(&self) -> String {
        let Self { system, plugin, scheme, .. } = self;
        let state = match (self.state, &self.stored_at) {
            ("logged-in", Some(at)) => format!("logged in, refresh token of {at}"),
            ("logged-in", None) => "logged in".to_owned(),
            ("needs-login", _) => format!("no login yet: run `renkei auth login {system}`"),
            _ => "secrets of the configuration".to_owned(),
        };
        format!("{system} ({plugin}, {scheme}): {state}")
    }
}

fn show_status(args: &DirArgs, output: Output) -> Result<(), CommandError> {
    let config = Config::read(&args.dir)?;
    let tokens = TokenFile::new(&args.dir);
    let systems = config.logins().into_iter().map(|login| {
        let stored = match login.takes_login() {
            true => tokens.stored_at_ms(&login.name).map_err(of_store)?,
            false => None,
        };
        let state = match (&stored, login.takes_login() && !login.has_secret) {
            (Some(_), _) => "logged-in",
            (None, true) => "needs-login",
            (None, false) => "configured",
        };
        let at = stored.flatten().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(LoginStatus {
            system: login.name,
            plugin: login.plugin,
            scheme: login.scheme,
            state,
            stored_at: at.map(|at| at.to_string()),
        })
    });
    let systems = systems.collect::<Result<Vec<_>, CommandError>>()?;
    output.result(&serde_json::json!({ "systems": systems }), || {
        systems.iter().map(LoginStatus::line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

fn log_out(system: &str, args: &DirArgs, output: Output) -> Result<(), CommandError> {
    let config = Config::read(&args.dir)?;
    find_system(&config, system)?;
    let removed = TokenFile::new(&args.dir).remove(system).map_err(of_store)?;
    let facts = serde_json::json!({ "system": system, "removed": removed });
    output.result(&facts, || match removed {
        true => format!(
            "The login of {system} is removed here. It is still valid at the vendor: remove the \
             app from the account there"
        ),
        false => format!("{system} has no stored login; nothing was changed"),
    })?;
    Ok(())
}
