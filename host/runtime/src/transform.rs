//! Calls of transforms: a fresh instance for each, so that nothing is carried from one batch to the
//! next (DESIGN.md 4).

use wasmtime::Engine;

use renkei_package::{Function, Shape};
use renkei_sync::plugin::PluginError;
use renkei_sync::ports::{TransformCall, Way};
use renkei_sync::record::Batch;

use crate::convert::{
    Breach, attributes_to_guest, batch_from_guest, batch_to_guest, error_from_guest,
};
use crate::instance::{self, GuestLog, State};
use crate::limits::Limits;
use crate::plugin::Plugin;

/// Runs one function of `plugin` over a batch; the answer has the declared columns and the input's
/// rows.
pub(crate) async fn call(
    engine: &Engine,
    limits: &Limits,
    plugin: &Plugin,
    call: TransformCall<'_>,
) -> Result<Batch, PluginError> {
    let generation = &plugin.generation;
    let (function, code) = plugin.function(call.function)?;
    check_way(plugin, function, call.way)?;
    let rows = call.input.rows.len();
    let mut state = State::new(limits, GuestLog::new(generation.clone(), ""));
    state.begin_call(rows);
    let mut store = instance::store(engine, limits, state);
    let parameters = attributes_to_guest(call.parameters);
    let (input, old) = (batch_to_guest(call.input), batch_to_guest(call.old));
    let patience = store.data().patience();
    let answer = instance::run(limits, &patience, async {
        let exports = code.instantiate_async(&mut store).await?;
        let exports = exports.renkei_plugin_transform();
        let (function, store) = (call.function, &mut store);
        match call.way {
            Way::Forward => exports.call_forward(store, function, &parameters, &input, &old).await,
            Way::Backward => {
                exports.call_backward(store, function, &parameters, &input, &old).await
            }
        }
    })
    .await;
    let answer = answer
        .map_err(|reason| PluginError::Broken { plugin: generation.clone(), reason })?
        .map_err(|error| error_from_guest(error, generation))?;
    let columns = match call.way {
        Way::Forward => &function.output,
        Way::Backward => &function.input,
    };
    checked(answer, columns, rows).map_err(|breach| breach.of(generation))
}

fn checked(
    answer: crate::bindings::v1::types::Batch,
    columns: &[String],
    rows: usize,
) -> Result<Batch, Breach> {
    let batch = batch_from_guest(answer, columns)?;
    if batch.rows.len() != rows {
        let found = batch.rows.len();
        return Err(Breach(format!("it answered with {found} rows for {rows} rows")));
    }
    Ok(batch)
}

fn check_way(plugin: &Plugin, function: &Function, way: Way) -> Result<(), PluginError> {
    let name = &function.name;
    let what = match (function.shape, way) {
        (Shape::Merge, _) => format!("`{name}` merges; it does not run over batches"),
        (Shape::OneWay, Way::Backward) => format!("`{name}` is one-way"),
        (Shape::TwoWay, Way::Backward) => match plugin.one_way.get(name) {
            Some(reason) => format!("`{name}` runs one-way only: {reason}"),
            None => return Ok(()),
        },
        (Shape::OneWay | Shape::TwoWay, Way::Forward) => return Ok(()),
    };
    Err(PluginError::Unsupported { plugin: plugin.generation.clone(), what })
}
