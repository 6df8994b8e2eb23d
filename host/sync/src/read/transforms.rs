//! Calls of transform plugins, between a member's columns and an entity's fields.
//!
//! The mapping chooses the direction of the plugin's `forward` ([`Orientation`]). Here there are
//! two directions, towards the entity and towards the member. The other side's present values are
//! given with them as the complement. A row at which a function fails does not fail the others: a
//! failing batch is halved until the row stands alone. When all rows fail, or too many in one
//! cycle, the function counts as failed, once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Transforms, Way};
use renkei_model::reason::Reason;
use renkei_model::record::{Batch, Row};
use renkei_model::spec::{Orientation, TransformRef, TransformUse};
use renkei_model::value::Cell;

/// Rows of one call: enough for the call itself to cost nothing, few enough for a transform's
/// limits of memory and bytes. Each row is converted by itself, so the cuts have no effect.
const CALL_ROWS: usize = 1_000;

/// Rows of cells.
pub type CellRows = Vec<Vec<Cell>>;

/// One answer per row: its cells, or the reason for having none.
pub type TransformAnswers = Vec<Result<Vec<Cell>, Reason>>;

/// Rows of one function that may fail in a cycle before the function counts as failed.
const FAILING_ROWS_MAX: u32 = 100;

/// The loaded transforms, for one cycle.
pub struct TransformCalls<'a> {
    transforms: &'a dyn Transforms,
    /// Failed rows of each function in this cycle, by plugin and function.
    failed: Mutex<BTreeMap<(String, String), u32>>,
}

/// One call with all its rows.
struct Call<'a> {
    function: &'a TransformRef,
    way: Way,
    input: CellRows,
    /// As long as `input`, or empty.
    old: CellRows,
}

impl<'a> TransformCalls<'a> {
    /// Calls for one new cycle.
    pub fn new(transforms: &'a dyn Transforms) -> Self {
        Self { transforms, failed: Mutex::default() }
    }

    /// The transforms themselves.
    pub(crate) fn transforms(&self) -> &'a dyn Transforms {
        self.transforms
    }

    /// Converts columns to fields.
    ///
    /// # Errors
    /// An error of the plugin that is not about single rows.
    pub async fn to_fields(
        &self,
        transform_use: &TransformUse,
        input: CellRows,
        old: CellRows,
    ) -> Result<TransformAnswers, PluginError> {
        let way = towards_fields(transform_use.orientation);
        self.run(Call { function: &transform_use.function, way, input, old }).await
    }

    /// Converts fields to columns.
    ///
    /// # Errors
    /// An error of the plugin that is not about single rows.
    pub async fn to_columns(
        &self,
        transform_use: &TransformUse,
        input: CellRows,
        old: CellRows,
    ) -> Result<TransformAnswers, PluginError> {
        let way = match towards_fields(transform_use.orientation) {
            Way::Forward => Way::Backward,
            Way::Backward => Way::Forward,
        };
        self.run(Call { function: &transform_use.function, way, input, old }).await
    }

    /// Runs a function forward, without a complement.
    ///
    /// # Errors
    /// An error of the plugin that is not about single rows.
    pub async fn forward(
        &self,
        function: &TransformRef,
        input: CellRows,
    ) -> Result<TransformAnswers, PluginError> {
        self.run(Call { function, way: Way::Forward, input, old: CellRows::new() }).await
    }

    async fn run(&self, call: Call<'_>) -> Result<TransformAnswers, PluginError> {
        let rows = call.input.len();
        let mut answers = TransformAnswers::with_capacity(rows);
        for start in (0..rows).step_by(CALL_ROWS) {
            answers.extend(self.answer_rows(&call, start, CALL_ROWS.min(rows - start)).await?);
        }
        Ok(answers)
    }

    /// The answers of so many rows from `start` on.
    async fn answer_rows(
        &self,
        call: &Call<'_>,
        start: usize,
        rows: usize,
    ) -> Result<TransformAnswers, PluginError> {
        let error = match self.once(call, start, rows).await {
            Ok(made) => return Ok(made.into_iter().map(Ok).collect()),
            Err(error) => error,
        };
        if !is_about_rows(&error) {
            return Err(error);
        }
        // One row alone does not tell whether the row or the function is at fault.
        if rows == 1 {
            self.once(call, start, 0).await?;
        }
        let answers = self.halve(call, start, rows, &error).await?;
        match rows > 1 && answers.iter().all(Result::is_err) {
            true => Err(error),
            false => Ok(answers),
        }
    }

    /// Repeats a failed call with its halves, the first rows first.
    async fn halve(
        &self,
        call: &Call<'_>,
        start: usize,
        rows: usize,
        first: &PluginError,
    ) -> Result<TransformAnswers, PluginError> {
        let mut answers = TransformAnswers::with_capacity(rows);
        let mut failed: Vec<(usize, usize, PluginError)> = vec![(start, rows, first.clone())];
        let mut waiting: Vec<(usize, usize)> = Vec::new();
        loop {
            if let Some((start, len, error)) = failed.pop() {
                if len > 1 {
                    let half = len / 2;
                    waiting.extend([(start + half, len - half), (start, half)]);
                } else {
                    if self.gives_up(call.function) {
                        return Err(error);
                    }
                    answers.push(Err(reason(&error, call.function)));
                }
            }
            let Some((start, len)) = waiting.pop() else { return Ok(answers) };
            match self.once(call, start, len).await {
                Ok(made) => answers.extend(made.into_iter().map(Ok)),
                Err(error) if is_about_rows(&error) => failed.push((start, len, error)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts a failing row; true once there are too many.
    fn gives_up(&self, function: &TransformRef) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (function.plugin.clone(), function.function.clone());
        let rows = failed.entry(of).or_default();
        *rows += 1;
        *rows > FAILING_ROWS_MAX
    }

    async fn once(
        &self,
        call: &Call<'_>,
        start: usize,
        len: usize,
    ) -> Result<CellRows, PluginError> {
        let TransformRef { plugin, function, parameters, input, output } = call.function;
        let (from, to) = match call.way {
            Way::Forward => (input, output),
            Way::Backward => (output, input),
        };
        let (given, old) = (batch(from, &call.input, start, len), batch(to, &call.old, start, len));
        let way = call.way;
        let call = TransformCall { plugin, function, way, parameters, input: &given, old: &old };
        let answer = self.transforms.run(call).await?;
        Ok(answer.rows.into_iter().map(|row| row.cells).collect())
    }
}

fn towards_fields(orientation: Orientation) -> Way {
    match orientation {
        Orientation::ForwardReads => Way::Forward,
        Orientation::ForwardWrites => Way::Backward,
    }
}

/// True if a call with other rows could succeed.
fn is_about_rows(error: &PluginError) -> bool {
    matches!(error, PluginError::Invalid { .. } | PluginError::Broken { .. })
}

fn reason(error: &PluginError, function: &TransformRef) -> Reason {
    let generation = match error {
        PluginError::Invalid { plugin, .. } | PluginError::Broken { plugin, .. } => {
            plugin.in_full()
        }
        _ => function.plugin.clone(),
    };
    Reason::TransformFailed { generation, function: function.function.clone() }
}

fn batch(columns: &[String], rows: &CellRows, start: usize, len: usize) -> Batch {
    let rows = rows.iter().skip(start).take(len);
    let rows = rows.map(|cells| Row { cells: cells.clone(), ..Row::default() }).collect();
    Batch { columns: columns.to_vec(), rows }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// Gives back its input and notes how many rows each call had, on both sides.
    #[derive(Default)]
    struct Echo(Mutex<Vec<(usize, usize)>>);

    #[async_trait]
    impl Transforms for Echo {
        async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
            self.0.lock().unwrap().push((call.input.rows.len(), call.old.rows.len()));
            Ok(call.input.clone())
        }
    }

    fn rows(count: usize) -> CellRows {
        (0..count).map(|n| vec![Some(n.to_string().as_str().into())]).collect()
    }

    #[test]
    fn many_rows_make_several_calls_with_their_other_side() {
        let check = |old: usize, calls: &[(usize, usize)]| {
            let echo = Echo::default();
            let transform_use = TransformUse {
                function: TransformRef {
                    plugin: "echo".to_owned(),
                    function: "same".to_owned(),
                    parameters: Vec::new(),
                    input: vec!["a".to_owned()],
                    output: vec!["a".to_owned()],
                },
                orientation: Orientation::ForwardReads,
            };
            let lenses = TransformCalls::new(&echo);
            let answers = lenses.to_fields(&transform_use, rows(2_001), rows(old));
            let answers = futures::executor::block_on(answers).unwrap();
            assert_eq!(answers, rows(2_001).into_iter().map(Ok).collect::<TransformAnswers>());
            assert_eq!(*echo.0.lock().unwrap(), calls);
        };
        check(0, &[(1_000, 0), (1_000, 0), (1, 0)]);
        check(2_001, &[(1_000, 1_000), (1_000, 1_000), (1, 1)]);
    }
}
