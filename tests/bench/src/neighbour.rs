//! Effect of a hostile neighbour on a well-behaved plugin: its throughput beside a plugin that
//! spins, takes all the memory that it may have, or calls the host without end, over its throughput
//! beside nobody.
//!
//! Both run in one runtime with worker threads, as in the program. The neighbour is called again as
//! soon as a limit has stopped it. Its worst is a ratio of one half where it has every second
//! processor for itself and there is only one for both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use renkei_fixtures::assemble;
use renkei_model::plugin::PluginError;
use renkei_model::record::{Batch, Row};
use renkei_package::Manifest;
use renkei_runtime::Runtime;

use crate::boundary::batch;
use crate::figures::Figures;
use crate::stage::{self, Stage};
use crate::timing::{median, spend_async};

const ROUNDS: usize = 7;
/// Calls of the well-behaved one per round: a second or so, many times a neighbour's life.
const CALLS: usize = 400;
const ROWS: usize = 100;

/// A neighbour's id and what it does for ever.
const NEIGHBOURS: [(&str, &str); 3] = [
    ("spins", ""),
    // Each page is touched; past its limit it is stopped.
    (
        "allocates",
        "(drop (memory.grow (i32.const 16)))
        (memory.fill (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1048576))
          (i32.const 1) (i32.const 1048576))",
    ),
    // Log lines by the hundred thousand per call: the only host call that a transform has.
    (
        "floods",
        "(call $write (i32.const 3) (i32.const 2048) (i32.const 58) (i32.const 0) (i32.const 0))",
    ),
];

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let stage = Stage::crowded()?;
    stage.write_plugin("tidy", &stage::tidy()?)?;
    for (id, body) in NEIGHBOURS {
        stage.write_plugin(id, &hostile(id, body)?)?;
    }
    let runtime = stage.start(Vec::new())?;
    let mut figures = Figures::default();
    let (mut alone, mut beside) = (Vec::new(), NEIGHBOURS.map(|_| Vec::new()));
    let mut lives = NEIGHBOURS.map(|_| 0);
    for _ in 0..ROUNDS {
        let quiet = stage.block_on(throughput(&runtime))?;
        alone.push(quiet);
        for (((id, _), ratios), lives) in NEIGHBOURS.iter().zip(&mut beside).zip(&mut lives) {
            let (loud, stopped) = stage.block_on(with(&runtime, id))?;
            ratios.push(loud / quiet);
            *lives += stopped;
        }
    }
    figures.record("calls_per_second_alone", median(alone));
    for (((id, _), ratios), lives) in NEIGHBOURS.iter().zip(beside).zip(lives) {
        ensure!(lives > 0, "the neighbour `{id}` was never stopped");
        figures.record(&format!("ratio_beside_{id}"), median(ratios));
        figures.record(&format!("stopped_{id}"), f64::from(lives));
    }
    Ok(figures)
}

/// A plugin file of a hostile transform.
fn hostile(id: &str, body: &str) -> Result<Vec<u8>> {
    let manifest = include_str!("../wat/hostile.toml").replace("ID", id);
    let manifest = Manifest::from_toml(&manifest, None)?.to_json().to_string();
    let text = include_str!("../wat/hostile.wat").replace("BODY", body);
    Ok(assemble(&text, "transform-plugin", &manifest))
}

/// Calls per second of the well-behaved one, on the wall.
async fn throughput(runtime: &Arc<Runtime>) -> Result<f64> {
    let runtime = Arc::clone(runtime);
    let calls = async move {
        let mut input = batch(30);
        input.rows.truncate(ROWS);
        let (done, spent) = spend_async(async {
            for _ in 0..CALLS {
                let answer = stage::forward(&runtime, "tidy", "tidy-30", &input).await?;
                ensure!(answer.rows.len() == ROWS, "rows were lost");
            }
            Ok(())
        })
        .await;
        done?;
        Ok(CALLS as f64 / spent.as_secs_f64())
    };
    tokio::spawn(calls).await?
}

/// The same beside a neighbour, and how often that was stopped.
async fn with(runtime: &Arc<Runtime>, id: &'static str) -> Result<(f64, u32)> {
    let done = Arc::new(AtomicBool::new(false));
    let (shared, told) = (Arc::clone(runtime), Arc::clone(&done));
    let neighbour = tokio::spawn(async move {
        let row = Row { cells: vec![Some("x".into())], ..Row::default() };
        let input = Batch { columns: vec!["a".to_owned()], rows: vec![row] };
        let mut stopped = 0;
        while !told.load(Ordering::SeqCst) {
            match stage::forward(&shared, id, "harm", &input).await {
                Err(PluginError::Broken { .. }) => stopped += 1,
                other => anyhow::bail!("the neighbour `{id}` was not stopped: {other:?}"),
            }
        }
        Ok(stopped)
    });
    let throughput = throughput(runtime).await;
    done.store(true, Ordering::SeqCst);
    Ok((throughput?, neighbour.await??))
}
