//! Arguments of `renkei describe`.

use clap::Args;

use super::dir::DirArgs;

#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// System, or object as `system.object`.
    #[arg(value_name = "SYSTEM[.OBJECT]")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}
