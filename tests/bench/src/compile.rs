//! Cost of a start that must compile a plugin, over one that finds it compiled.
//!
//! Both are whole starts of the runtime on a folder with one plugin (read, check, compile or load,
//! link, start once, probe), on the wall, because the compiler has threads of its own. A start on
//! an empty folder is told too: it is part of both.

use anyhow::Result;

use crate::figures::Figures;
use crate::stage::{self, Stage};
use crate::timing::{median, spend};

const ROUNDS: usize = 11;

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let stage = Stage::new()?;
    let bytes = stage::tidy()?;
    stage.write_plugin("tidy", &bytes)?;
    let bare = Stage::new()?;
    let (mut compiled, mut cached, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        if round > 0 {
            stage.forget()?;
        }
        compiled.push(milliseconds(&stage)?);
        cached.push(milliseconds(&stage)?);
        empty.push(milliseconds(&bare)?);
    }
    let ratios = compiled.iter().zip(&cached).map(|(slow, fast)| slow / fast).collect();
    let mut figures = Figures::default();
    figures.record("plugin_bytes", bytes.len() as f64);
    figures.record("compiled_start_ms", median(compiled));
    figures.record("cached_start_ms", median(cached));
    figures.record("empty_start_ms", median(empty));
    figures.record("ratio", median(ratios));
    Ok(figures)
}

fn milliseconds(stage: &Stage) -> Result<f64> {
    let (runtime, spent) = spend(|| stage.start(Vec::new()));
    runtime?;
    Ok(spent.wall.as_secs_f64() * 1e3)
}
