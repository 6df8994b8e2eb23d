//! Serves the simulators until interrupted; prints one JSON line per system when it is ready.
//!
//! `cargo run -p renkei-simulators --example serve -- [people] [seed] [--no-limits]`

use std::env;
use std::io::{self, Write};

use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::simulator::SimOptions;
use renkei_simulators::vendors::VENDORS;
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let friendly = arguments.iter().any(|argument| argument == "--no-limits");
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u32>().ok());
    let options = SimOptions {
        people: numbers.next().unwrap_or(200),
        seed: numbers.next().unwrap_or(1).into(),
        clock: SimClock::real(),
        faults: if friendly { Faults::none() } else { Faults::default() },
    };
    let mut running = Vec::new();
    for vendor in VENDORS {
        let served = vendor.serve(TcpListener::bind("127.0.0.1:0").await?, &options)?;
        let line = json!({"system": vendor.name, "base_url": served.base_url,
                          "credentials": served.credentials});
        writeln!(io::stdout(), "{line}")?;
        running.push(served);
    }
    tokio::signal::ctrl_c().await?;
    for one in running {
        one.stop().await;
    }
    Ok(())
}
