//! Checks of one function of a transform: declared columns, any data, equal answers to equal input,
//! independent rows, and for two-way functions the laws ([`laws`]).
//!
//! Each call goes through the engine's port to a fresh instance, as the engine's calls do.

pub mod laws;
mod trial;

pub use trial::FunctionTrial;

use trial::{cells_of, one_row};

use std::collections::BTreeMap;

use renkei_model::plugin::{PluginError, StopCause};
use renkei_model::ports::Way;
use renkei_model::record::Batch;
use renkei_model::value::Cell;
use renkei_package::FunctionShape;

use crate::data::{self, CellGenerator};
use crate::failure_advice::FailureCause;
use crate::limits;
use crate::report::{CheckResult, ConformanceReport, NotPassed, none_of};
use crate::rules;
use crate::settings;

/// Generated rows per batch, beside the corner cases.
const ROWS: usize = 200;
/// Rows that are also tried alone.
const ALONE: usize = 24;
/// Rows of a small batch.
const FEW: usize = 7;

/// Rows that the function answers, with their answers.
struct AnsweredRows {
    input: Batch,
    output: Vec<Vec<Cell>>,
}

impl FunctionTrial<'_> {
    /// Runs all checks of this function into the report.
    pub async fn check(&self, report: &mut ConformanceReport) {
        let name = &self.function.name;
        let missing = settings::missing(&self.function.parameters, self.parameters);
        if let Some(parameter) = missing.first() {
            let reason =
                format!("not tried: `{parameter}` is required; give --config {parameter}=VALUE");
            return report.add(&rules::TOTAL, name, Err(NotPassed::failed(reason)));
        }
        report.add(&rules::SETTINGS, name, self.settings().await);
        report.add(&rules::COLUMNS, name, self.columns().await);
        report.add(&rules::TOTAL, name, self.total().await);
        report.add(&rules::SAME, name, self.same().await);
        report.add(&rules::ROWS, name, self.rows_apart().await);
        report.add(&rules::LIMITS, name, self.small_limits().await);
        match self.function.shape {
            FunctionShape::OneWay => {}
            FunctionShape::TwoWay => laws::check(self, report).await,
            FunctionShape::Merge => report.add(&rules::EITHER, name, self.either_side().await),
        }
    }

    /// A merge function that is given left and right in the other order.
    async fn either_side(&self) -> CheckResult {
        let way = Way::Forward;
        let AnsweredRows { input, output } = self.sift(way).await;
        needs_rows(&input)?;
        let mut swapped = input.clone();
        swapped.rows.iter_mut().for_each(|row| row.cells.swap(1, 2));
        let answer = cells(self.call(way, &swapped, &self.no_old_rows(way)).await?);
        if let Some(index) = difference(&output, &answer) {
            let words = "with left and right exchanged";
            return Err(NotPassed::failed(differs(&input, index, &output, &answer, words)));
        }
        Ok(format!("{} rows", input.rows.len()))
    }

    fn ways(&self) -> &'static [Way] {
        match self.function.shape {
            FunctionShape::TwoWay => &[Way::Forward, Way::Backward],
            FunctionShape::OneWay | FunctionShape::Merge => &[Way::Forward],
        }
    }

    /// Corner cases and generated rows of any kind.
    fn any_rows(&self, way: Way) -> Batch {
        let mut batch = data::corners(self.source_columns(way));
        let mut source = CellGenerator::new(self.seed);
        batch
            .rows
            .extend(source.batch(self.source_columns(way), ROWS, CellGenerator::any_cell).rows);
        batch
    }

    async fn settings(&self) -> CheckResult {
        let way = Way::Forward;
        let input = CellGenerator::new(self.seed).batch(
            self.source_columns(way),
            3,
            CellGenerator::plain_cell,
        );
        // A function that answers nothing at all says nothing about parameters.
        let good = self.call(way, &input, &self.no_old_rows(way)).await;
        if good.as_ref().err().and_then(FailureCause::classify).is_some() {
            let reason = "the function does not answer ordinary rows, see `total`";
            return Err(NotPassed::not_applicable(reason));
        }
        let (mut found, mut why) = (Vec::new(), None);
        let cases = settings::cases(&self.function.parameters, self.parameters);
        for case in &cases {
            let nothing = self.no_old_rows(way);
            let call = self.call_on(self.transforms, way, &case.given, &input, &nothing);
            let answer = call.await.map(drop);
            why = why.or(answer.as_ref().err().and_then(FailureCause::classify));
            found.extend(settings::finding(case, answer));
        }
        none_of(found, format!("{} cases", cases.len())).map_err(|stop| stop.because(why))
    }

    async fn columns(&self) -> CheckResult {
        let mut source = CellGenerator::new(self.seed);
        for way in self.ways() {
            for rows in [FEW, 1, 0] {
                let input =
                    source.batch(self.source_columns(*way), rows, CellGenerator::plain_cell);
                let answer = match self.call(*way, &input, &self.no_old_rows(*way)).await {
                    Err(error) if is_breach(&error) => return Err(error.into()),
                    Err(error) => {
                        let reason =
                            format!("the function refuses ordinary rows, see `total`: {error}");
                        return Err(NotPassed::not_applicable(reason));
                    }
                    Ok(answer) => answer,
                };
                fits(&answer, self.target_columns(*way), rows).map_err(NotPassed::failed)?;
            }
        }
        Ok(String::new())
    }

    async fn total(&self) -> CheckResult {
        let (mut found, mut first) = (Vec::new(), None);
        let mut tried = 0;
        for way in self.ways() {
            let input = self.any_rows(*way);
            let mut source = CellGenerator::new(self.seed.wrapping_add(1));
            let rows = input.rows.len();
            let olds = [
                self.no_old_rows(*way),
                source.batch(self.target_columns(*way), rows, CellGenerator::any_cell),
            ];
            for old in olds {
                tried += rows;
                if let Some((finding, error)) = self.refusal(*way, &input, &old).await {
                    found.push(finding);
                    first.get_or_insert(error);
                }
            }
        }
        let why = first.as_ref().and_then(FailureCause::classify);
        none_of(found, format!("{tried} rows")).map_err(|stop| stop.because(why))
    }

    /// The smallest row that is refused of a batch, in words and as the error.
    async fn refusal(&self, way: Way, input: &Batch, old: &Batch) -> Option<(String, PluginError)> {
        let whole = self.call(way, input, old).await.err()?;
        let mut worst = None;
        for index in 0..input.rows.len() {
            let (row, beside) = (only(input, &[index]), only(old, &[index]));
            if self.call(way, &row, &beside).await.is_err() {
                worst = Some((row, beside));
                break;
            }
        }
        let words = match way {
            Way::Forward => "forward",
            Way::Backward => "backward",
        };
        let Some((row, beside)) = worst else {
            let rows = input.rows.len();
            let finding =
                format!("{words}: {rows} rows at once, each of which passes alone: {whole}");
            return Some((finding, whole));
        };
        let width = row.columns.len();
        let has_old = !beside.rows.is_empty();
        let cells = cells_of(&row).into_iter().chain(cells_of(&beside)).collect();
        let rows_of = |cells: &[Cell]| {
            let (input, old) = cells.split_at_checked(width).unwrap_or_default();
            let old = if has_old {
                one_row(self.target_columns(way), old)
            } else {
                self.no_old_rows(way)
            };
            (one_row(self.source_columns(way), input), old)
        };
        let small = data::shrink(cells, async |cells| {
            let (input, old) = rows_of(cells);
            self.call(way, &input, &old).await.is_err()
        })
        .await;
        let (input, old) = rows_of(&small);
        let error = self.call(way, &input, &old).await.err().unwrap_or(whole);
        let beside =
            if has_old { format!(" over {}", data::show(&cells_of(&old))) } else { String::new() };
        let finding = format!("{words} of {}{beside}: {error}", data::show(&cells_of(&input)));
        Some((finding, error))
    }

    async fn same(&self) -> CheckResult {
        for way in self.ways() {
            let AnsweredRows { input, output } = self.sift(*way).await;
            needs_rows(&input)?;
            let again = cells(self.call(*way, &input, &self.no_old_rows(*way)).await?);
            if let Some(index) = difference(&output, &again) {
                return Err(NotPassed::failed(differs(
                    &input,
                    index,
                    &output,
                    &again,
                    "once more",
                )));
            }
        }
        Ok(String::new())
    }

    async fn rows_apart(&self) -> CheckResult {
        for way in self.ways() {
            let sifted = self.sift(*way).await;
            needs_rows(&sifted.input)?;
            let rows = sifted.input.rows.len();
            for (words, batches) in arrangements(rows, self.seed) {
                for indices in batches {
                    let input = only(&sifted.input, &indices);
                    let answer = match self.call(*way, &input, &self.no_old_rows(*way)).await {
                        Ok(answer) => cells(answer),
                        Err(error) => {
                            return Err(NotPassed::from_call(&error, format!("{words}: {error}")));
                        }
                    };
                    let pick = |index: &usize| sifted.output.get(*index).cloned();
                    let expected: Vec<_> = indices.iter().filter_map(pick).collect();
                    if let Some(index) = difference(&expected, &answer) {
                        let finding = differs(&input, index, &expected, &answer, words);
                        return Err(NotPassed::failed(finding));
                    }
                }
            }
        }
        Ok("in any order and number".to_owned())
    }

    async fn small_limits(&self) -> CheckResult {
        let way = Way::Forward;
        let AnsweredRows { input, output } = self.sift(way).await;
        needs_rows(&input)?;
        let small = match self.small {
            Err(reason) => Err(reason.to_owned()),
            Ok(small) => {
                let nothing = self.no_old_rows(way);
                let call = self.call_on(small, way, self.parameters, &input, &nothing);
                call.await.map(cells).map_err(|error| error.to_string())
            }
        };
        let after = self.call(way, &input, &self.no_old_rows(way)).await;
        limits::judge(&output, small, after.map(cells).map_err(|error| error.to_string()))
    }

    /// The rows that are answered. Where the whole batch is refused, each row is a call of its own,
    /// as the engine does to save the good ones.
    async fn sift(&self, way: Way) -> AnsweredRows {
        let input = self.any_rows(way);
        if let Ok(answer) = self.call(way, &input, &self.no_old_rows(way)).await {
            return AnsweredRows { input, output: cells(answer) };
        }
        let mut sifted = AnsweredRows { input: only(&input, &[]), output: Vec::new() };
        for index in 0..input.rows.len() {
            let row = only(&input, &[index]);
            let answer = self.call(way, &row, &self.no_old_rows(way)).await;
            if let Some(answer) = answer.ok().filter(|answer| answer.rows.len() == 1) {
                sifted.output.extend(cells(answer));
                sifted.input.rows.extend(row.rows);
            }
            // A plugin that answers nothing at all is not called three hundred times.
            if index == FEW && sifted.output.is_empty() {
                break;
            }
        }
        sifted
    }
}

/// True where the host stopped the call because its answer does not fit the contract.
fn is_breach(error: &PluginError) -> bool {
    matches!(error, PluginError::Broken { cause: StopCause::Contract, .. })
}

fn needs_rows(input: &Batch) -> Result<(), NotPassed> {
    if input.rows.is_empty() {
        return Err(NotPassed::not_applicable("the function answers no row, see `total`"));
    }
    Ok(())
}

/// Accepts an answer with the declared columns and one row for each row of input.
fn fits(answer: &Batch, columns: &[String], rows: usize) -> Result<(), String> {
    if answer.columns != columns {
        return Err(format!("columns {:?} instead of {columns:?}", answer.columns));
    }
    if answer.rows.len() != rows {
        return Err(format!("{} rows for {rows} rows", answer.rows.len()));
    }
    if let Some(row) = answer.rows.iter().find(|row| row.cells.len() != columns.len()) {
        return Err(format!("{} cells for {} columns", row.cells.len(), columns.len()));
    }
    match answer.rows.iter().find(|row| !row.id.is_empty() || row.version.is_some()) {
        Some(_) => Err("a row has an id or a version; rows of a transform have none".to_owned()),
        None => Ok(()),
    }
}

/// Ways to cut and order `rows` rows into batches, with words for them.
fn arrangements(rows: usize, seed: u64) -> BTreeMap<&'static str, Vec<Vec<usize>>> {
    let all: Vec<usize> = (0..rows).collect();
    let twice = |index: &usize| [*index, *index];
    BTreeMap::from([
        ("in batches of a few rows", all.chunks(FEW).map(<[usize]>::to_vec).collect()),
        ("alone", all.iter().take(ALONE).map(|index| vec![*index]).collect()),
        ("in reverse order", vec![all.iter().rev().copied().collect()]),
        ("in mixed order", vec![CellGenerator::new(seed).order(rows)]),
        ("each row twice", vec![all.iter().take(ROWS).flat_map(twice).collect()]),
    ])
}

/// The rows at these places; none where the batch has none.
pub(crate) fn only(batch: &Batch, indices: &[usize]) -> Batch {
    let rows = indices.iter().filter_map(|index| batch.rows.get(*index).cloned()).collect();
    Batch { columns: batch.columns.clone(), rows }
}

pub(crate) fn cells(batch: Batch) -> Vec<Vec<Cell>> {
    batch.rows.into_iter().map(|row| row.cells).collect()
}

/// The first place where two answers differ.
fn difference(one: &[Vec<Cell>], other: &[Vec<Cell>]) -> Option<usize> {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    differs.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))
}

fn differs(
    input: &Batch,
    index: usize,
    one: &[Vec<Cell>],
    other: &[Vec<Cell>],
    words: &str,
) -> String {
    let show = |cells: Option<&Vec<Cell>>| cells.map_or("nothing".to_owned(), |c| data::show(c));
    let row = input.rows.get(index).map(|row| &row.cells);
    format!("{}: {} at first, {words}: {}", show(row), show(one.get(index)), show(other.get(index)))
}
