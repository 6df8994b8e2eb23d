//! The peer's side of `boundary`, as a process that the bench drives: `renkei-bench-extism WASM`.
//!
//! Standard input is a request per line and standard output an answer per line, both JSON. A call
//! begins with the host's own rows and ends with them, as ours does, so serialising and parsing
//! count on both sides of the boundary. The plugin keeps one instance for all calls, as Extism
//! means it to; ours takes a fresh one for each.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result};
use extism::{Manifest, Plugin, Wasm};
use serde::{Deserialize, Serialize};

/// Function and number of calls, with new rows or those of the last time.
#[derive(Deserialize)]
struct Request {
    calls: usize,
    function: Function,
    batch: Option<Batch>,
}

/// The functions of the plugin.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Function {
    /// A header and rows of cells.
    Tidy,
    /// Records that are objects.
    TidyObjects,
}

/// Processor time of the calls on this thread, and the last answer if rows were given.
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
            answer = match request.function {
                Function::Tidy => call(&mut plugin, &input)?,
                Function::TidyObjects => call_objects(&mut plugin, &input)?,
            };
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

/// The same by way of objects. As ours does, it checks that each record has its columns.
fn call_objects(plugin: &mut Plugin, input: &Batch) -> Result<Batch> {
    let records: Vec<_> = input.rows.iter().map(|row| object(&input.columns, row)).collect();
    let answer = plugin.call::<_, &[u8]>("tidy_objects", serde_json::to_vec(&records)?)?;
    let records: Vec<HashMap<String, Option<String>>> = serde_json::from_slice(answer)?;
    let row = |mut record: HashMap<String, Option<String>>| {
        input.columns.iter().map(|column| record.remove(column)).collect::<Option<Vec<_>>>()
    };
    let rows: Option<_> = records.into_iter().map(row).collect();
    Ok(Batch { columns: input.columns.clone(), rows: rows.context("a column is missing")? })
}

fn object<'a>(
    columns: &'a [String],
    row: &'a [Option<String>],
) -> HashMap<&'a str, Option<&'a str>> {
    columns.iter().map(String::as_str).zip(row.iter().map(Option::as_deref)).collect()
}

/// Processor time of this thread so far, as the bench reads its own.
fn processor_ns() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().context("the kernel keeps no account")?;
    Ok(first.parse()?)
}
