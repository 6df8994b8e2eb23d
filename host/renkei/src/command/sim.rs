//! `renkei sim`: simulated CRMs on loopback until interrupted, or until whoever started them ends.
//!
//! One JSON line on standard output says that they are ready: per system its base URL and the
//! credentials to use. They are not secrets: they open nothing but this process.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::simulator::SimOptions;
use renkei_simulators::vendors::VendorEntry;
use serde_json::json;
use tokio::net::TcpListener;

use crate::cli::SimArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::output::Output;
use crate::stop;

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(args: &SimArgs, output: Output) -> Result<(), CommandError> {
    let clock = SimClock::scaled(
        args.clock_origin_ms.unwrap_or_else(SystemClock::real_now_ms),
        args.speed.max(f64::MIN_POSITIVE),
    );
    let faults = if args.no_limits { Faults::none() } else { Faults::default() };
    let options = SimOptions { seed: args.seed, people: args.people, clock, faults };
    let mut running = BTreeMap::new();
    for (offset, name) in (0u16..).zip(&args.systems) {
        let port = args.port_base.map_or(0, |base| base.saturating_add(offset));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
            CommandError::usage(format!("port {port} cannot be used for {name}: {error}"))
                .hint("choose another port with --port-base")
        })?;
        let vendor = VendorEntry::find(name).ok_or_else(|| {
            let names = VendorEntry::list_names();
            CommandError::usage(format!("there is no simulator for `{name}`"))
                .hint(format!("the simulators are {names}"))
        })?;
        running.insert(name.clone(), vendor.serve(listener, &options)?);
    }
    let ready: BTreeMap<_, _> = running
        .iter()
        .map(|(name, system)| {
            (name, json!({ "base_url": system.base_url, "credentials": system.credentials }))
        })
        .collect();
    output.line(&serde_json::to_string(&ready)?);
    tokio::select! {
        () = stop::requested() => {}
        () = wait_for_end_of_input(), if args.until_input_ends => {}
    }
    for (_, system) in running {
        system.stop().await;
    }
    Ok(())
}

/// Returns when standard input ends. A pipe ends with the process that holds its other end, also
/// when that was killed (`RULES.md Q7`). The thread does not keep the program from ending.
async fn wait_for_end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let rest = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // Input that cannot be read any more has ended, too.
        drop(ended.send(rest));
    });
    drop(end.await);
}
