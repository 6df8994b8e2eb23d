//! Memory of a loaded plugin that nobody calls: 10, 100 and 1,000 of them, each with a
//! system of its own, and as many systems that share one.
//!
//! The plugins are copies of `tidy` under other ids, so that none shares compiled code. They are
//! compiled by a first process; what is told is the resident memory of a second one, which finds
//! them in the cache, less that of a third one without plugins and systems.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use renkei_runtime::{SystemAuth, SystemConfig};

use crate::figures::Figures;
use crate::stage::{self, Stage};

const COUNTS: [usize; 3] = [10, 100, 1000];
const PAGE_BYTES: f64 = 4096.0;

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let original = stage::tidy()?;
    let mut figures = Figures::default();
    let (none, own, shared) = (Stage::new()?, Stage::new()?, Stage::new()?);
    let empty = resident(&none, 0)?;
    figures.record("empty_kib", empty);
    shared.write_plugin(&id(0), &renamed(&original, &id(0))?)?;
    let mut placed = 0;
    for count in COUNTS {
        // Those of the smaller counts are there and compiled.
        for number in placed..count {
            own.write_plugin(&id(number), &renamed(&original, &id(number))?)?;
        }
        placed = count;
        resident(&own, count)?;
        resident(&shared, count)?;
        let per = |kib: f64| (kib - empty) / count as f64;
        figures.record(&format!("kib_per_plugin_{count}"), per(resident(&own, count)?));
        figures.record(&format!("kib_per_system_{count}"), per(resident(&shared, count)?));
    }
    Ok(figures)
}

/// As long as the id of the original, so that its manifest can be changed in place.
fn id(number: usize) -> String {
    format!("t{number:03x}")
}

/// The plugin under another id.
fn renamed(plugin: &[u8], id: &str) -> Result<Vec<u8>> {
    stage::altered(plugin, r#""id":"tidy""#, &format!(r#""id":"{id}""#))
}

/// KiB resident in a process of its own that has loaded the plugins of a stage, with so many
/// systems.
fn resident(stage: &Stage, systems: usize) -> Result<f64> {
    let program = std::env::current_exe()?;
    let systems = systems.to_string();
    let output = Command::new(program).arg("--load").arg(stage.path()).arg(systems).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The other process: loads everything and says how many KiB that takes.
pub(crate) fn load(dir: &Path, systems: usize) -> Result<f64> {
    let stage = Stage::at(dir)?;
    let files = stage.files()?.max(1);
    let system = |number: usize| SystemConfig {
        name: format!("system-{number}"),
        plugin: id(number % files),
        base_url: None,
        auth: SystemAuth::Bearer(format!("token-{number}").into()),
        settings: Vec::new(),
        auth_options: Default::default(),
        secrets: Default::default(),
    };
    let runtime = stage.start((0..systems).map(system).collect())?;
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1).context("the kernel tells no resident memory")?;
    drop(runtime);
    Ok(pages.parse::<f64>()? * PAGE_BYTES / 1024.0)
}
