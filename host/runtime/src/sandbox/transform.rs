//! Calls of transforms: a fresh instance for each, so that nothing is carried from one batch to the
//! next.

use std::sync::Arc;

use wasmtime::component::{Func, TypedFunc};
use wasmtime::{AsContext, AsContextMut};

use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Way};
use renkei_model::record::Batch;
use renkei_model::value::Value;
use renkei_package::{Function, FunctionShape, MERGE_OUTPUT};

use crate::sandbox::bindings::v0_2::{TransformExports, types};
use crate::sandbox::call_failure::CallFailure;
use crate::sandbox::convert::{
    ContractBreach, attributes_to_guest, batch_from_guest, error_from_guest, lent, value_to_guest,
};
use crate::sandbox::engine::SharedEngine;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::instance::GuestRunner;
use crate::sandbox::limits::GuestLimits;

/// The function's name, its parameters, its input, and what the other side has.
type TransformArguments<'a> =
    (&'a str, lent::LentAttributes<'a>, lent::LentBatch<'a>, lent::LentBatch<'a>);
type TransformAnswer = (Result<types::Batch, types::Error>,);

/// Runs one function of `plugin` over a batch; the answer has the declared columns and the input's
/// rows.
pub(crate) async fn call(
    shared: &Arc<SharedEngine>,
    limits: &GuestLimits,
    plugin: &PluginGeneration,
    call: TransformCall<'_>,
) -> Result<Batch, CallFailure> {
    let generation = &plugin.generation;
    let (function, code) = plugin.function(call.function)?;
    check_way(plugin, function, call.way)?;
    let rows = call.input.rows.len();
    let runner = GuestRunner::new(shared, limits, generation, "");
    // Given back after the store is gone.
    let place = shared.permits.calls.acquire(plugin.needs).await;
    let _place = place.map_err(|reached| runner.limit(reached))?;
    let mut state = runner.new_state();
    state.begin_call(rows);
    let mut store = runner.store(state);
    let answer = runner
        .run(async {
            let exports = code.instantiate_async(&mut store).await?;
            let exports = exports.renkei_plugin_transform();
            if function.shape == FunctionShape::Merge {
                return merge(exports, &mut store, call).await;
            }
            let export = match call.way {
                Way::Forward => typed(exports.func_forward().func(), &store)?,
                Way::Backward => typed(exports.func_backward().func(), &store)?,
            };
            let (parameters, input, old) =
                (lent::attributes(call.parameters), call.input.into(), call.old.into());
            export.call_async(&mut store, (call.function, parameters, input, old)).await
        })
        .await;
    let (answer,) =
        answer.map_err(|stopped| stopped.with_panic(store.data().panic()).to_error(generation))?;
    let answer =
        answer.map_err(|error| CallFailure::Guest(error_from_guest(error, generation), None))?;
    let columns = match call.way {
        Way::Forward => &function.output,
        Way::Backward => &function.input,
    };
    checked(answer, columns, rows).map_err(|breach| runner.breach(breach).into())
}

/// Calls the export `merge`; an absent cell is null to it.
async fn merge(
    exports: &TransformExports,
    store: impl AsContextMut<Data: Send>,
    call: TransformCall<'_>,
) -> wasmtime::Result<TransformAnswer> {
    let values = |column: usize| -> Vec<types::Value> {
        let cells =
            call.input.rows.iter().map(|row| row.cells.get(column).and_then(Option::as_ref));
        cells.map(|cell| value_to_guest(cell.unwrap_or(&Value::Null))).collect()
    };
    let parameters = attributes_to_guest(call.parameters);
    let (base, left, right) = (values(0), values(1), values(2));
    let answer =
        exports.call_merge(store, call.function, &parameters, &base, &left, &right).await?;
    let row = |value| types::Row {
        id: String::new(),
        version: None,
        modified: None,
        cells: vec![Some(value)],
        facts: Vec::new(),
    };
    let batch = |values: Vec<types::Value>| types::Batch {
        columns: MERGE_OUTPUT.map(str::to_owned).to_vec(),
        rows: values.into_iter().map(row).collect(),
    };
    Ok((answer.map(batch),))
}

/// The export for arguments that are lent to it instead of given.
fn typed<'a>(
    export: &Func,
    store: impl AsContext,
) -> wasmtime::Result<TypedFunc<TransformArguments<'a>, TransformAnswer>> {
    export.typed(store)
}

fn checked(answer: types::Batch, columns: &[String], rows: usize) -> Result<Batch, ContractBreach> {
    let batch = batch_from_guest(answer, columns)?;
    if batch.rows.len() != rows {
        let found = batch.rows.len();
        return Err(ContractBreach::new(format!("it answered with {found} rows for {rows} rows")));
    }
    Ok(batch)
}

fn check_way(plugin: &PluginGeneration, function: &Function, way: Way) -> Result<(), PluginError> {
    let name = &function.name;
    let what = match (function.shape, way) {
        (FunctionShape::Merge, Way::Backward) => format!("`{name}` merges and has no way back"),
        (FunctionShape::OneWay, Way::Backward) => format!("`{name}` is one-way"),
        (FunctionShape::TwoWay, Way::Backward) => match plugin.one_way.get(name) {
            Some(reason) => format!("`{name}` runs one-way only: {reason}"),
            None => return Ok(()),
        },
        (_, Way::Forward) => return Ok(()),
    };
    Err(PluginError::Unsupported { plugin: plugin.generation.clone(), what })
}
