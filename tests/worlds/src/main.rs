//! Plays histories and contests without building what needs wasmtime.

use clap::Parser as _;
use renkei_worlds::command::Command;

fn main() -> anyhow::Result<()> {
    Cli::parse().command.run()
}

#[derive(Debug, clap::Parser)]
#[command(name = "renkei-worlds", about = "Plays random histories and judges them")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}
