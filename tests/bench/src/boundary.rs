//! Cost of the way into a plugin and back: the same function over the boundary and linked
//! natively, on a thousand rows of thirty texts and of two of the thirty; with the feature `peers`
//! against Extism and JSON too.
//!
//! Over the boundary means the whole port: settings, conversion, a fresh instance, limits, the
//! checks of the answer. Natively means the plugin's own function on its own types. In between lies
//! what that function takes in WebAssembly without any way there and back: what a call takes longer
//! that does the same work eleven times, by ten. It bounds what any contract could reach.

use anyhow::{Context as _, Result, ensure};
use renkei_bench_tidy::Tidy;
use renkei_model::record::{Batch, Row};
use renkei_model::value::Value;
use renkei_runtime::Runtime;
use renkei_sdk as sdk;
use renkei_sdk::Transform as _;

use crate::figures::{Figures, Target};
use crate::stage::{self, Stage};
use crate::timing::{median, spend};

#[cfg(feature = "peers")]
mod extism;

const ROWS: usize = 1000;
const ROUNDS: usize = 15;
/// Calls in one round, so that they take as long as the kernel can tell.
const CALLS: usize = 20;
/// Factor of work in a long call, and the number of long calls in one round.
const TIMES: u32 = 10;
const LONG_CALLS: usize = 5;
/// Throughput over the boundary, native being 1 (README.md).
const OF_NATIVE: f64 = 0.25;
/// The same, Extism with JSON being 1.
#[cfg(feature = "peers")]
const OF_EXTISM: f64 = 3.0;

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let stage = Stage::new()?;
    stage.write_plugin("tidy", &stage::tidy()?)?;
    let runtime = stage.start(Vec::new())?;
    let mut figures = Figures::default();
    #[cfg(feature = "peers")]
    let mut peer = extism::Peer::start(&extism::Programs::build()?)?;
    // The larger case first, on both sides: after it the C library no longer gives the memory of
    // each call back to the kernel, which costs the smaller case a third.
    for (texts, function) in [(30, "tidy-30"), (2, "tidy-2")] {
        let Seconds { boundary, wasm, native } = compare(&stage, &runtime, texts, function)?;
        let ratio = over(&native, &boundary);
        figures.record(&format!("rows_per_second_{texts}"), ROWS as f64 / median(boundary));
        figures.record(&format!("wasm_ratio_{texts}"), over(&native, &wasm));
        figures.record(&format!("wasm_rows_per_second_{texts}"), ROWS as f64 / median(wasm));
        figures.record(&format!("native_rows_per_second_{texts}"), ROWS as f64 / median(native));
        match texts {
            30 => figures.ratio(ratio, Target::AtLeast(OF_NATIVE)),
            _ => figures.record(&format!("ratio_{texts}"), ratio),
        }
        #[cfg(feature = "peers")]
        against(&stage, &runtime, &mut peer, texts, function, &mut figures)?;
    }
    Ok(figures)
}

/// Seconds per call, round by round.
#[derive(Default)]
struct Seconds {
    boundary: Vec<f64>,
    /// Inside the plugin, without the way there and back.
    wasm: Vec<f64>,
    native: Vec<f64>,
}

/// The median of the quotients, round by round.
fn over(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}

/// Throughput over the boundary, that of the peer being 1, for both of its functions; and how many
/// rows it does in a second.
#[cfg(feature = "peers")]
fn against(
    stage: &Stage,
    runtime: &Runtime,
    peer: &mut extism::Peer,
    texts: usize,
    function: &str,
    figures: &mut Figures,
) -> Result<()> {
    use extism::Shape;
    let input = batch(texts);
    let answer = stage.tidy(runtime, function, &input)?;
    for shape in [Shape::Rows, Shape::Objects] {
        ensure!(peer.answer(shape, &input)?.rows == answer.rows, "plugin and peer do not agree");
    }
    let (mut ours, mut rows, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(repeat(CALLS, || stage.tidy(runtime, function, &input))?.1);
        rows.push(peer.seconds(Shape::Rows, CALLS)? / CALLS as f64);
        objects.push(peer.seconds(Shape::Objects, CALLS)? / CALLS as f64);
    }
    let (ratio, target) = (over(&rows, &ours), Target::AtLeast(OF_EXTISM));
    figures.more(&format!("extism_{texts}"), ratio, target);
    figures.record(&format!("extism_rows_per_second_{texts}"), ROWS as f64 / median(rows));
    figures.record(&format!("extism_objects_{texts}_ratio"), over(&objects, &ours));
    let objects = ROWS as f64 / median(objects);
    figures.record(&format!("extism_objects_rows_per_second_{texts}"), objects);
    Ok(())
}

/// Over the boundary, in WebAssembly alone and natively, in turn.
fn compare(stage: &Stage, runtime: &Runtime, texts: usize, function: &str) -> Result<Seconds> {
    let input = batch(texts);
    let native_input = to_guest(&input);
    let parameters = sdk::Attributes::default();
    let native_old = sdk::Batch::default();
    let mut seconds = Seconds::default();
    for _ in 0..ROUNDS {
        let (answer, whole) = repeat(CALLS, || stage.tidy(runtime, function, &input))?;
        let (_, more) =
            repeat(LONG_CALLS, || stage.tidy_times(runtime, function, &input, TIMES + 1))?;
        let (own, native) = repeat(CALLS, || {
            let answer = Tidy::forward(function, &parameters, &native_input, &native_old);
            answer.ok().context("the function refused")
        })?;
        seconds.boundary.push(whole);
        seconds.wasm.push((more - whole) / f64::from(TIMES));
        seconds.native.push(native);
        ensure!(to_guest(&answer).rows == own.rows, "plugin and function do not agree");
    }
    Ok(seconds)
}

/// The answer of the last of several calls, and the seconds of one.
fn repeat<T>(calls: usize, mut call: impl FnMut() -> Result<T>) -> Result<(T, f64)> {
    let (answer, spent) = spend(|| {
        for _ in 1..calls {
            std::hint::black_box(call()?);
        }
        call()
    });
    Ok((answer?, spent.cpu.as_secs_f64() / calls as f64))
}

/// Rows of Japanese texts with some Latin in capitals and a space to trim.
pub(crate) fn batch(texts: usize) -> Batch {
    let text = |row: usize, text: usize| format!(" 東京都港区 {row} ROPPONGI {text} ");
    let row = |row| Row {
        cells: (0..texts).map(|column| Some(Value::Text(text(row, column).into()))).collect(),
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
    guest.rows = batch
        .rows
        .iter()
        .map(|r| sdk::Row::from_cells(r.cells.iter().map(cell).collect()))
        .collect();
    guest
}
