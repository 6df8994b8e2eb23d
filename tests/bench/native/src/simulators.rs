//! The two simulated CRMs, served until the owner of standard input goes.

use std::io::{Read as _, Write as _};

use anyhow::Result;
use renkei_bench_first_sync::real_now_ms;
use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::serve::RunningSimulator;
use renkei_simulators::simulator::SimOptions;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

const SEED: u64 = 7;

/// Serves both and says on one line where and how.
pub(crate) fn serve(people: u32, speed: f64) -> Result<()> {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let origin_ms = real_now_ms();
    let clock = SimClock::scaled(origin_ms, speed);
    // A session lasts longer than any sync, however fast the clock.
    let faults = Faults { token_lifetime_ms: i64::MAX / 4, ..Faults::none() };
    let options = SimOptions { seed: SEED, people, clock, faults };
    let (hubspot, salesforce) = tokio.block_on(async {
        let hubspot = renkei_simulators::hubspot::serve(listener().await?, options.clone())?;
        let salesforce = renkei_simulators::salesforce::serve(listener().await?, options)?;
        Ok::<_, std::io::Error>((hubspot, salesforce))
    })?;
    let told = json!({
        "origin_ms": origin_ms,
        "speed": speed,
        "hubspot": about(&hubspot),
        "salesforce": about(&salesforce),
    });
    writeln!(std::io::stdout(), "{told}")?;
    // The pipe breaks when the owner ends.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn about(running: &RunningSimulator) -> Json {
    let mut about = running.credentials.clone();
    if let Some(about) = about.as_object_mut() {
        about.insert("base_url".to_owned(), json!(running.base_url));
    }
    about
}

async fn listener() -> std::io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await
}
