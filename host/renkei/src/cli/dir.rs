//! The directory of the configuration, which most commands take.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args, Clone)]
pub(crate) struct DirArgs {
    /// Directory that holds `renkei.toml`.
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
}
