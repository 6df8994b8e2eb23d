//! The peer: the same function as an Extism plugin that exchanges JSON (feature `peers`).
//!
//! It lives in `peers/`, a workspace with a wasmtime of its own, and runs as a process that is told
//! when to call, so that its rounds alternate with ours. Each of its calls begins and ends with the
//! host's own rows, as ours does; it keeps one instance for all calls, as its documentation says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use renkei_model::record::{Batch, Row};
use renkei_model::value::Value;
use serde_json::{Value as Json, json};

/// Built once, beside whatever builds the bench.
const TARGET: &str = "peers";
const WASM: &str = "wasm32-unknown-unknown";

/// The peer's two programs, built.
pub(crate) struct Programs {
    host: PathBuf,
    guest: PathBuf,
}

/// Form in which its plugin gets the rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A header and rows of cells, as ours, by a careful author.
    Rows,
    /// Records that are objects, as its documentation shows.
    Objects,
}

impl Shape {
    fn function(self) -> &'static str {
        match self {
            Self::Rows => "tidy",
            Self::Objects => "tidy_objects",
        }
    }
}

/// The peer at work. Ends when it is dropped.
pub(crate) struct Peer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Programs {
    /// Builds what is not built yet: minutes for the peer's wasmtime.
    pub(crate) fn build() -> Result<Self> {
        let target = target_dir()?;
        let guest = ["--profile", "guest", "--target", WASM, "-p", "renkei-bench-extism-tidy"];
        cargo(&target, &guest)?;
        cargo(&target, &["--release", "-p", "renkei-bench-extism"])?;
        let guest = target.join(WASM).join("guest/renkei_bench_extism_tidy.wasm");
        Ok(Self { host: target.join("release/renkei-bench-extism"), guest })
    }
}

/// Beside the directory that this program was built into.
fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).context("this program lies nowhere")?;
    Ok(target.join(TARGET))
}

fn cargo(target: &Path, arguments: &[&str]) -> Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--target-dir"]).arg(target).args(arguments);
    let built = cargo.current_dir(dir).output()?;
    let told = || String::from_utf8_lossy(&built.stderr).into_owned();
    ensure!(built.status.success(), "the peer cannot be built:\n{}", told());
    Ok(())
}

impl Peer {
    /// Starts it and loads its plugin.
    pub(crate) fn start(programs: &Programs) -> Result<Self> {
        let mut command = Command::new(&programs.host);
        command.arg(&programs.guest).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let input = input.context("the peer has no input")?;
        let output = BufReader::new(output.context("the peer has no output")?);
        Ok(Self { process, input, output })
    }

    /// Gives it the rows of all later calls; what one call makes of them.
    pub(crate) fn answer(&mut self, shape: Shape, batch: &Batch) -> Result<Batch> {
        let rows: Vec<Vec<Option<&str>>> = batch.rows.iter().map(texts).collect();
        let batch = json!({ "columns": batch.columns, "rows": rows });
        let report =
            self.exchange(&json!({ "calls": 1, "function": shape.function(), "batch": batch }))?;
        let answer = report.get("batch").context("the peer gives no rows back")?.clone();
        let columns = serde_json::from_value(answer["columns"].clone())?;
        let rows: Vec<Vec<Option<String>>> = serde_json::from_value(answer["rows"].clone())?;
        let row = |cells: Vec<Option<String>>| Row {
            cells: cells.into_iter().map(|text| text.map(Value::Text)).collect(),
            ..Row::default()
        };
        Ok(Batch { columns, rows: rows.into_iter().map(row).collect() })
    }

    /// Seconds of its processor for so many calls.
    pub(crate) fn seconds(&mut self, shape: Shape, calls: usize) -> Result<f64> {
        let report = self.exchange(&json!({ "calls": calls, "function": shape.function() }))?;
        report.get("seconds").and_then(Json::as_f64).context("the peer tells no time")
    }

    fn exchange(&mut self, request: &Json) -> Result<Json> {
        writeln!(self.input, "{request}")?;
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the peer has ended");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing to lose; what cannot be ended has ended.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn texts(row: &Row) -> Vec<Option<&str>> {
    row.cells.iter().map(|cell| cell.as_ref().and_then(Value::as_text)).collect()
}
