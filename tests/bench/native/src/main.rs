//! The other side of the bench's first sync, as a program that the bench starts:
//! `renkei-bench-native simulate PEOPLE SPEED` serves the simulators for either side,
//! `renkei-bench-native sync SYSTEMS` runs the sync with the connectors' crates linked natively.

mod simulators;
mod systems;

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Result;
use renkei_bench_first_sync::{Fast, Simulated, run};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["simulate", people, speed] => simulators::serve(people.parse()?, speed.parse()?),
        ["sync", systems] => sync(systems),
        _ => anyhow::bail!("simulate PEOPLE SPEED, or sync SYSTEMS"),
    }
}

fn sync(systems: &str) -> Result<()> {
    let Simulated { origin_ms, speed, hubspot, salesforce } = Simulated::read(systems)?;
    let clock = Arc::new(Fast::new(origin_ms, speed));
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let natives = systems::Natives::new(Arc::clone(&clock), &hubspot, &salesforce)?;
    let report = tokio.block_on(run(&natives, clock))?;
    Ok(writeln!(std::io::stdout(), "{report}")?)
}
