//! Cost of the smallest call of a transform: a fresh instance and its first call, one row with
//! one text, in microseconds and in units of the same call linked natively; and what a guest's
//! calls of the host cost (`instantiate/imports.rs`).

mod imports;

use anyhow::{Context as _, Result};
use renkei_bench_tidy::Tidy;
use renkei_model::record::{Batch, Row};
use renkei_model::value::Value;
use renkei_sdk as sdk;
use renkei_sdk::Transform as _;

use crate::figures::Figures;
use crate::stage::{self, Stage};
use crate::timing::{median, spend};

const ROUNDS: usize = 15;
const CALLS: usize = 3_000;
/// On an idle machine.
const MICROSECONDS: f64 = 30.0;

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let stage = Stage::new()?;
    stage.write_plugin("tidy", &stage::tidy()?)?;
    let runtime = stage.start(Vec::new())?;
    let two = Batch {
        columns: vec!["text_00".to_owned(), "text_01".to_owned()],
        rows: vec![Row { cells: vec![Some(Value::from("Taro")), None], ..Row::default() }],
    };
    let native = {
        let mut batch = sdk::Batch::new(["text_00", "text_01"]);
        batch.rows.push(sdk::Row::from_cells(vec![Some("Taro".into()), None]));
        batch
    };
    let (none, nothing) = (sdk::Attributes::default(), sdk::Batch::default());
    let (mut tidy, mut own, mut units) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let over = microseconds(CALLS, || {
            stage.tidy(&runtime, "tidy-2", &two)?;
            Ok(())
        })?;
        let linked = microseconds(CALLS * 100, || {
            let answer = Tidy::forward("tidy-2", &none, &native, &nothing);
            std::hint::black_box(answer.ok().context("the function refused")?);
            Ok(())
        })?;
        units.push(over / linked);
        tidy.push(over);
        own.push(linked);
    }
    let mut figures = Figures::default();
    figures.record("microseconds", median(tidy));
    figures.record("microseconds_target", MICROSECONDS);
    figures.record("native_microseconds", median(own));
    figures.record("native_calls", median(units));
    imports::run(&mut figures)?;
    Ok(figures)
}

fn microseconds(calls: usize, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let (done, spent) = spend(|| (0..calls).try_for_each(|_| call()));
    done?;
    Ok(spent.cpu.as_secs_f64() * 1e6 / calls as f64)
}
