//! Arguments of `renkei backup`, `restore` and `account`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::dir::DirArgs;

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// File of the backup.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show the accounts that the database belongs to.
    #[command(after_help = "Examples:
  renkei account list --dir sync
  renkei account list --dir sync --json | jq '.accounts[]'")]
    List(DirArgs),
    /// Declare that a system is another account from now on.
    ///
    /// Such as production instead of a sandbox. What is known of its records is forgotten; they are
    /// read and linked anew.
    #[command(after_help = "Examples:
  renkei account move salesforce --to 00D000000000002 --dir sync
  renkei plan --dir sync                       what the next sync would write there

Stop `renkei serve` first, and look at the plan before the next sync: records without a counterpart
are made in the new account.")]
    Move {
        /// Name of the system in the configuration.
        system: String,
        /// ID of the new account, as `renkei check` shows it.
        #[arg(long, value_name = "ID")]
        to: String,
        #[command(flatten)]
        dir: DirArgs,
    },
}
