//! Serves the simulators until interrupted; prints one JSON line per system when it is ready.
//!
//! `cargo run -p renkei-simulators --example serve -- [people] [seed] [--no-limits]`

use std::env;
use std::io::{self, Write};

use renkei_simulators::clock::Clock;
use renkei_simulators::faults::Faults;
use renkei_simulators::serve::{Options, Running};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let friendly = arguments.iter().any(|argument| argument == "--no-limits");
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u32>().ok());
    let options = Options {
        people: numbers.next().unwrap_or(200),
        seed: numbers.next().unwrap_or(1).into(),
        clock: Clock::real(),
        faults: if friendly { Faults::none() } else { Faults::default() },
    };
    let mut running: Vec<(&str, Running)> = Vec::new();
    #[cfg(feature = "hubspot")]
    running
        .push(("hubspot", renkei_simulators::hubspot::serve(listener().await?, options.clone())?));
    #[cfg(feature = "salesforce")]
    running.push(("salesforce", renkei_simulators::salesforce::serve(listener().await?, options)?));
    for (system, Running { base_url, credentials, .. }) in &running {
        let line = json!({"system": system, "base_url": base_url, "credentials": credentials});
        writeln!(io::stdout(), "{line}")?;
    }
    tokio::signal::ctrl_c().await?;
    for (_, one) in running {
        one.stop().await;
    }
    Ok(())
}

async fn listener() -> io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await
}
