//! Arguments of the commands that run cycles: `plan`, `sync` and `serve`.

use clap::Args;

use super::dir::DirArgs;

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Approve the first sync of entities, and no other review.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) dir: DirArgs,
    /// Most operations that are printed; the counts are always complete.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) dir: DirArgs,
    /// Pause between two cycles; without, the configuration's.
    #[arg(long, value_name = "S")]
    pub(crate) interval_seconds: Option<u64>,
}
