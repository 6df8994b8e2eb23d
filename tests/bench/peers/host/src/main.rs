//! The peer's side of `boundary`, as a process that the bench drives: `renkei-bench-extism WASM`.
//!
//! Standard input is a request per line and standard output an answer per line, both JSON. A call
//! begins with the host's own rows and ends with them, as ours does, so serialising and parsing
//! count on both sides of the boundary. The plugin keeps one instance for all calls, as Extism
//! means it to; ours takes a fresh one for each.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result};
use extism::{Manifest, Plugin, Wasm};
use serde::{Deserialize, Serialize};

/// How often to call with how many rows of how many texts, or with rows given.
#[derive(Deserialize)]
struct Request {
    calls: usize,
    batch: Option<Batch>,
}

/// What the calls took on this thread's processor, and the last answer if rows were given.
#[derive(Serialize)]
struct Report {
    seconds: f64,
    batch: Option<Batch>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
struct Batch {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("which wasm file?")?;
    let wasm = Wasm::data(std::fs::read(path)?);
    let mut plugin = Plugin::new(Manifest::new([wasm]), [], false)?;
    let mut input = Batch::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let given = request.batch.is_some();
        input = request.batch.unwrap_or(input);
        let mut answer = Batch::default();
        let before = processor_ns()?;
        for _ in 0..request.calls {
            answer = call(&mut plugin, &input)?;
        }
        let seconds = (processor_ns()? - before) as f64 / 1e9;
        let report = Report { seconds, batch: given.then_some(answer) };
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

/// From the host's rows to the host's rows.
fn call(plugin: &mut Plugin, input: &Batch) -> Result<Batch> {
    let answer = plugin.call::<_, &[u8]>("tidy", serde_json::to_vec(input)?)?;
    Ok(serde_json::from_slice(answer)?)
}

/// Processor time of this thread so far, as the bench reads its own.
fn processor_ns() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().context("the kernel keeps no account")?;
    Ok(first.parse()?)
}
