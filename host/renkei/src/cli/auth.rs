//! Arguments of `renkei auth`.

use clap::{Args, Subcommand};

use super::dir::DirArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Log in to a system on its own page, and keep the refresh token.
    ///
    /// Opens the vendor's page in the browser and waits until you have allowed the access. The
    /// refresh token goes from there into tokens.json (mode 0600); it is shown nowhere.
    #[command(after_help = "Examples:
  renkei auth login salesforce --dir sync
  renkei auth login salesforce --no-browser --dir sync   print the page instead of opening it
  renkei auth login hubspot --port 9000 --dir sync       callback http://localhost:9000/callback

The system needs `scheme = \"oauth2-refresh-token\"` without `refresh_token_secret`. Register the
callback URL http://localhost:8765/callback with the vendor's app. On another machine than the
browser's, forward the port: `ssh -L 8765:localhost:8765 HOST`.

With --json the first line is {\"event\": \"login\", \"url\": ...}, the last one the result.")]
    Login(LoginArgs),
    /// Show for each system how it authenticates, and stored logins.
    ///
    /// Asks no system: `renkei check` tries the credentials.
    #[command(after_help = "Examples:
  renkei auth status --dir sync
  renkei auth status --dir sync --json | jq '.systems[]'")]
    Status(DirArgs),
    /// Log out of a system: the stored refresh token is removed.
    ///
    /// The vendor does not learn of it. Remove the app from the account there too.
    #[command(after_help = "Examples:
  renkei auth logout salesforce --dir sync")]
    Logout {
        /// Name of the system in the configuration.
        system: String,
        #[command(flatten)]
        dir: DirArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Name of the system in the configuration.
    pub(crate) system: String,
    /// Print the page's URL instead of opening it.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Port of the callback URL on this machine; 0 takes a free one.
    #[arg(long, default_value_t = 8765, value_name = "P")]
    pub(crate) port: u16,
    /// Time to wait for the person at the browser, s.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) wait_seconds: u64,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}
