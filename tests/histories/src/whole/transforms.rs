//! The transforms of the example configuration in this process.

use async_trait::async_trait;
use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::{TransformCall, Transforms, Way};
use renkei_model::record::Batch;
use renkei_sdk::{Error, Transform};
use renkei_transform_matchkeys::MatchKeys;
use renkei_transform_names::Names;

pub(crate) struct NativeTransforms;

#[async_trait]
impl Transforms for NativeTransforms {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        let answer = match call.plugin {
            "names" => called::<Names>(call),
            _ => called::<MatchKeys>(call),
        };
        let generation = Generation {
            plugin: call.plugin.to_owned(),
            version: "1.0.0".to_owned(),
            digest: "0".to_owned(),
        };
        answer
            .map(renkei_native::batch_out)
            .map_err(|error| renkei_native::error_out(error, &generation))
    }
}

fn called<T: Transform>(call: TransformCall<'_>) -> Result<renkei_sdk::Batch, Error> {
    let parameters = renkei_native::attributes_in(call.parameters);
    let (input, old) = (renkei_native::batch_in(call.input), renkei_native::batch_in(call.old));
    match call.way {
        Way::Forward => T::forward(call.function, &parameters, &input, &old),
        Way::Backward => T::backward(call.function, &parameters, &input, &old),
    }
}
