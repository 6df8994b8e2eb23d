//! One function under trial: its calls, and the columns of both sides.

use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Transforms, Way};
use renkei_model::record::{Attributes, Batch, Row};
use renkei_model::value::Cell;
use renkei_package::Function;

/// One function, with the arguments of its calls.
#[derive(Clone, Copy)]
pub struct FunctionTrial<'a> {
    /// Runs the function.
    pub transforms: &'a dyn Transforms,
    /// The same plugin under small limits, if it starts there; the error says why not.
    pub small: Result<&'a dyn Transforms, &'a str>,
    /// The plugin's id.
    pub plugin: &'a str,
    /// Its function.
    pub function: &'a Function,
    /// Parameters of `--config`; the host adds the defaults.
    pub parameters: &'a Attributes,
    /// The seed of generated rows.
    pub seed: u64,
}

impl FunctionTrial<'_> {
    /// Calls the function; `old` without rows means that nothing was made yet.
    pub(crate) async fn call(
        &self,
        way: Way,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, PluginError> {
        self.call_on(self.transforms, way, self.parameters, input, old).await
    }

    pub(super) async fn call_on(
        &self,
        transforms: &dyn Transforms,
        way: Way,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, PluginError> {
        let (plugin, function) = (self.plugin, self.function.name.as_str());
        transforms.run(TransformCall { plugin, function, way, parameters, input, old }).await
    }

    /// The columns of the side that a way starts from.
    pub(crate) fn source_columns(&self, way: Way) -> &[String] {
        match way {
            Way::Forward => &self.function.input,
            Way::Backward => &self.function.output,
        }
    }

    /// The columns of the side that a way leads to.
    pub(crate) fn target_columns(&self, way: Way) -> &[String] {
        match way {
            Way::Forward => &self.function.output,
            Way::Backward => &self.function.input,
        }
    }

    /// The `old` of a call before anything was made.
    pub(crate) fn no_old_rows(&self, way: Way) -> Batch {
        Batch { columns: self.target_columns(way).to_vec(), rows: Vec::new() }
    }
}

/// A batch of one row.
pub(crate) fn one_row(columns: &[String], cells: &[Cell]) -> Batch {
    let row = Row { cells: cells.to_vec(), ..Row::default() };
    Batch { columns: columns.to_vec(), rows: vec![row] }
}

/// The cells of a batch of one row.
pub(crate) fn cells_of(batch: &Batch) -> Vec<Cell> {
    batch.rows.first().map(|row| row.cells.clone()).unwrap_or_default()
}
