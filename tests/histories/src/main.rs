//! Plays histories and contests without building what needs wasmtime.

use clap::Parser as _;
use renkei_histories::command::Command;

/// The host's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    Cli::parse().command.run()
}

#[derive(Debug, clap::Parser)]
#[command(name = "renkei-histories", about = "Plays random histories and judges them")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}
