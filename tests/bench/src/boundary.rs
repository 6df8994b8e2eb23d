//! What the way into a plugin and back costs: the same function over the boundary and linked
//! natively, on a thousand rows of thirty texts and of two of the thirty; with the feature `peers`
//! against Extism and JSON too.
//!
//! Over the boundary means the whole port: settings, conversion, a fresh instance, limits, the
//! checks of the answer. Natively means the plugin's own function on its own types.

use anyhow::{Context as _, Result, ensure};
use renkei_bench_tidy::Tidy;
use renkei_runtime::Runtime;
use renkei_sdk as sdk;
use renkei_sdk::Transform as _;
use renkei_sync::record::{Batch, Row};
use renkei_sync::value::Value;

use crate::figures::{Figures, Target};
use crate::stage::{self, Stage};
use crate::timing::{Spent, median, spend};

#[cfg(feature = "peers")]
mod extism;

const ROWS: usize = 1000;
const ROUNDS: usize = 15;
/// Calls in one round, so that they take as long as the kernel can tell.
const CALLS: usize = 20;
/// Throughput over the boundary, native being 1 (DESIGN.md 9).
const OF_NATIVE: f64 = 0.25;
/// The same, Extism with JSON being 1.
#[cfg(feature = "peers")]
const OF_EXTISM: f64 = 3.0;

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let stage = Stage::new()?;
    stage.put("tidy", &stage::tidy()?)?;
    let runtime = stage.start(Vec::new())?;
    let mut figures = Figures::default();
    #[cfg(feature = "peers")]
    let programs = extism::Programs::build()?;
    for (texts, function) in [(2, "tidy-2"), (30, "tidy-30")] {
        let (boundary, native) = compare(&stage, &runtime, texts, function)?;
        let ratios = boundary.iter().zip(&native).map(|(plugin, native)| native / plugin);
        let ratio = median(ratios.collect());
        let rows = (ROWS * CALLS) as f64;
        figures.put(&format!("rows_per_second_{texts}"), rows / median(boundary));
        figures.put(&format!("native_rows_per_second_{texts}"), rows / median(native));
        match texts {
            30 => figures.ratio(ratio, Target::AtLeast(OF_NATIVE)),
            _ => figures.put(&format!("ratio_{texts}"), ratio),
        }
        #[cfg(feature = "peers")]
        {
            let mut peer = extism::Peer::start(&programs)?;
            let (ratio, seconds) = against(&stage, &runtime, &mut peer, texts, function)?;
            figures.put(&format!("extism_rows_per_second_{texts}"), rows / seconds);
            figures.more(&format!("extism_{texts}"), ratio, Target::AtLeast(OF_EXTISM));
        }
    }
    Ok(figures)
}

/// Throughput over the boundary, that of the peer being 1; and the peer's seconds per round.
#[cfg(feature = "peers")]
fn against(
    stage: &Stage,
    runtime: &Runtime,
    peer: &mut extism::Peer,
    texts: usize,
    function: &str,
) -> Result<(f64, f64)> {
    let input = batch(texts);
    ensure!(
        peer.answer(&input)?.rows == stage.tidy(runtime, function, &input)?.rows,
        "plugin and peer do not agree"
    );
    let (mut ratios, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (_, ours) = repeat(|| stage.tidy(runtime, function, &input))?;
        let json = peer.seconds(CALLS)?;
        ratios.push(json / ours.cpu.as_secs_f64());
        theirs.push(json);
    }
    Ok((median(ratios), median(theirs)))
}

/// Seconds per round over the boundary and natively, in turn.
fn compare(
    stage: &Stage,
    runtime: &Runtime,
    texts: usize,
    function: &str,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let input = batch(texts);
    let native_input = to_guest(&input);
    let parameters = sdk::Attributes::default();
    let native_old = sdk::Batch::default();
    let (mut boundary, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (answer, spent) = repeat(|| stage.tidy(runtime, function, &input))?;
        boundary.push(spent.cpu.as_secs_f64());
        let (own, spent) = repeat(|| {
            let answer = Tidy::forward(function, &parameters, &native_input, &native_old);
            answer.ok().context("the function refused")
        })?;
        native.push(spent.cpu.as_secs_f64());
        ensure!(to_guest(&answer).rows == own.rows, "plugin and function do not agree");
    }
    Ok((boundary, native))
}

/// The answer of the last of several calls.
fn repeat<T>(mut call: impl FnMut() -> Result<T>) -> Result<(T, Spent)> {
    let (answer, spent) = spend(|| {
        for _ in 1..CALLS {
            std::hint::black_box(call()?);
        }
        call()
    });
    Ok((answer?, spent))
}

/// Rows of Japanese texts with some Latin in capitals and a space to trim.
pub(crate) fn batch(texts: usize) -> Batch {
    let text = |row: usize, text: usize| format!(" 東京都港区 {row} ROPPONGI {text} ");
    let row = |row| Row {
        cells: (0..texts).map(|column| Some(Value::Text(text(row, column)))).collect(),
        ..Row::default()
    };
    Batch {
        columns: (0..texts).map(|column| format!("text_{column:02}")).collect(),
        rows: (0..ROWS).map(row).collect(),
    }
}

fn to_guest(batch: &Batch) -> sdk::Batch {
    let mut guest = sdk::Batch::new(batch.columns.iter().map(String::as_str));
    let cell = |cell: &Option<Value>| {
        let text = cell.as_ref().and_then(Value::as_text);
        text.map(sdk::Value::from)
    };
    guest.rows =
        batch.rows.iter().map(|r| sdk::Row::of(r.cells.iter().map(cell).collect())).collect();
    guest
}
