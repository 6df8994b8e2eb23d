//! Tries the lens laws on a transform's two-way functions when it is loaded.
//!
//! With `a` over the input columns and `b = forward(a)`: `backward(b, a) = a`, and
//! `forward(backward(b', a), b) = b'` for every `b'` that forward makes. A few rows of ordinary
//! text cannot prove the laws, but a function that breaks them on such rows must not write back. A
//! function that refuses the rows says nothing about the laws.

use std::collections::BTreeMap;
use std::sync::Arc;

use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Way};
use renkei_model::record::{Batch, Row};
use renkei_model::value::{Cell, Value};
use renkei_package::{Function, FunctionShape, ManifestKind};

use crate::sandbox::engine::SharedEngine;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::limits::GuestLimits;
use crate::sandbox::settings;
use crate::sandbox::transform;

/// The cells of each column in turn: names with and without spaces, other scripts, numbers, empty.
const SAMPLES: &[Option<&str>] = &[
    Some("Taro Yamada"),
    Some("山田 太郎"),
    Some("Madonna"),
    None,
    Some("山田　太郎"),
    Some("O'Neil-Smith Ana María"),
    Some("taro@example.com"),
    Some("03-1234-5678"),
    Some("2024-02-29"),
];

/// The functions that broke a law, with what happened.
pub(crate) async fn laws(
    shared: &Arc<SharedEngine>,
    limits: &GuestLimits,
    plugin: &PluginGeneration,
) -> BTreeMap<String, String> {
    let mut broken = BTreeMap::new();
    let ManifestKind::Transform(manifest) = &plugin.manifest.kind else { return broken };
    for function in
        manifest.functions.iter().filter(|function| function.shape == FunctionShape::TwoWay)
    {
        let probe = LawProbe { shared, limits, plugin, function };
        match probe.run().await {
            Ok(()) => {}
            Err(ProbeStop::Broke(law)) => {
                broken.insert(function.name.clone(), law.to_owned());
            }
            Err(ProbeStop::Failed(PluginError::Broken { reason, .. })) => {
                broken.insert(function.name.clone(), format!("it failed when tried: {reason}"));
            }
            Err(ProbeStop::Failed(error)) => {
                tracing::debug!(%error, function = function.name, "the laws cannot be tried");
            }
        }
    }
    broken
}

struct LawProbe<'a> {
    shared: &'a Arc<SharedEngine>,
    limits: &'a GuestLimits,
    plugin: &'a PluginGeneration,
    function: &'a Function,
}

enum ProbeStop {
    Broke(&'static str),
    Failed(PluginError),
}

impl From<PluginError> for ProbeStop {
    fn from(error: PluginError) -> Self {
        Self::Failed(error)
    }
}

impl LawProbe<'_> {
    async fn run(&self) -> Result<(), ProbeStop> {
        let (first, second) = (rows(&self.function.input, 0), rows(&self.function.input, 1));
        let nothing = Batch { columns: self.function.output.clone(), rows: Vec::new() };
        let made = self.call(Way::Forward, &first, &nothing).await?;
        if self.call(Way::Backward, &made, &first).await?.rows != first.rows {
            return Err(ProbeStop::Broke("backward of forward does not give back what was there"));
        }
        let other = self.call(Way::Forward, &second, &nothing).await?;
        let written = self.call(Way::Backward, &other, &first).await?;
        if self.call(Way::Forward, &written, &other).await?.rows != other.rows {
            return Err(ProbeStop::Broke(
                "forward of backward does not give back what was written",
            ));
        }
        Ok(())
    }

    async fn call(&self, way: Way, input: &Batch, old: &Batch) -> Result<Batch, PluginError> {
        let function = self.function;
        let Ok(parameters) = settings::complete(&function.parameters, &Vec::new()) else {
            let what = "a parameter without a default".to_owned();
            return Err(PluginError::Unsupported { plugin: self.plugin.generation.clone(), what });
        };
        let (plugin, function) = (self.plugin.generation.plugin.as_str(), function.name.as_str());
        let parameters = &parameters;
        let call = TransformCall { plugin, function, way, parameters, input, old };
        Ok(transform::call(self.shared, self.limits, self.plugin, call).await?)
    }
}

/// One row per sample; each column is `shift` further on than the one before.
fn rows(columns: &[String], shift: usize) -> Batch {
    let cell = |index: usize| -> Cell {
        let sample = SAMPLES.iter().cycle().nth(index).copied().flatten();
        Some(sample.map_or(Value::Null, Value::from))
    };
    let row = |row: usize| Row {
        cells: (0..columns.len()).map(|column| cell(row + column + shift)).collect(),
        ..Row::default()
    };
    Batch { columns: columns.to_vec(), rows: (0..SAMPLES.len()).map(row).collect() }
}
