//! Checks of one function of a transform: declared columns, any data, same input same cells, rows
//! apart, and for two-way functions the laws ([`laws`]).
//!
//! They call through the engine's port, each call on a fresh instance, as the engine does.

pub mod laws;

use std::collections::BTreeMap;

use renkei_package::{Function, Shape};
use renkei_sync::model::plugin::{PluginError, StopCause};
use renkei_sync::model::record::{Attributes, Batch, Row};
use renkei_sync::model::value::Cell;
use renkei_sync::ports::{TransformCall, Transforms, Way};

use crate::data::{self, Source};
use crate::limits;
use crate::report::{Outcome, Report, Stop, none_of};
use crate::rules;
use crate::settings;
use crate::why::Why;

/// Generated rows per batch, beside the corner cases.
const ROWS: usize = 200;
/// Rows that are also tried alone.
const ALONE: usize = 24;
/// Rows of a small batch.
const FEW: usize = 7;

/// One function with all that a call needs.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// What runs it.
    pub transforms: &'a dyn Transforms,
    /// The same plugin under small limits, if it starts there; the error says why not.
    pub small: Result<&'a dyn Transforms, &'a str>,
    /// The plugin's id.
    pub plugin: &'a str,
    /// Its function.
    pub function: &'a Function,
    /// What `--config` gave; the host adds the defaults.
    pub parameters: &'a Attributes,
    /// Where generated data comes from.
    pub seed: u64,
}

/// Rows that the function answers, with their answers.
struct Sifted {
    input: Batch,
    output: Vec<Vec<Cell>>,
}

impl Trial<'_> {
    /// Runs all checks of this function into the report.
    pub async fn check(&self, report: &mut Report) {
        let name = &self.function.name;
        if self.function.shape == Shape::Merge {
            // Nor does it pass: nothing is known of it.
            let reason = "this host does not call merge functions yet; leave it out until it does";
            return report.add(&rules::TOTAL, name, Err(Stop::failed(reason)));
        }
        let missing = settings::missing(&self.function.parameters, self.parameters);
        if let Some(parameter) = missing.first() {
            let reason =
                format!("not tried: `{parameter}` is required; give --config {parameter}=VALUE");
            return report.add(&rules::TOTAL, name, Err(Stop::failed(reason)));
        }
        report.add(&rules::SETTINGS, name, self.settings().await);
        report.add(&rules::COLUMNS, name, self.columns().await);
        report.add(&rules::TOTAL, name, self.total().await);
        report.add(&rules::SAME, name, self.same().await);
        report.add(&rules::ROWS, name, self.rows_apart().await);
        report.add(&rules::LIMITS, name, self.small_limits().await);
        if self.function.shape == Shape::TwoWay {
            laws::check(self, report).await;
        }
    }

    /// One call; `old` without rows means that there is nothing yet.
    pub(crate) async fn call(
        &self,
        way: Way,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, PluginError> {
        self.call_on(self.transforms, way, self.parameters, input, old).await
    }

    async fn call_on(
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
    pub(crate) fn from(&self, way: Way) -> &[String] {
        match way {
            Way::Forward => &self.function.input,
            Way::Backward => &self.function.output,
        }
    }

    /// The columns of the side that a way leads to.
    pub(crate) fn to(&self, way: Way) -> &[String] {
        match way {
            Way::Forward => &self.function.output,
            Way::Backward => &self.function.input,
        }
    }

    pub(crate) fn nothing(&self, way: Way) -> Batch {
        Batch { columns: self.to(way).to_vec(), rows: Vec::new() }
    }

    fn ways(&self) -> &'static [Way] {
        match self.function.shape {
            Shape::TwoWay => &[Way::Forward, Way::Backward],
            Shape::OneWay | Shape::Merge => &[Way::Forward],
        }
    }

    /// Corner cases and generated rows of any kind.
    fn any_rows(&self, way: Way) -> Batch {
        let mut batch = data::corners(self.from(way));
        let mut source = Source::new(self.seed);
        batch.rows.extend(source.batch(self.from(way), ROWS, Source::any_cell).rows);
        batch
    }

    async fn settings(&self) -> Outcome {
        let way = Way::Forward;
        let input = Source::new(self.seed).batch(self.from(way), 3, Source::plain_cell);
        // What stops it whatever it is given says nothing about parameters.
        let good = self.call(way, &input, &self.nothing(way)).await;
        if good.as_ref().err().and_then(Why::of).is_some() {
            let reason = "it does not answer ordinary rows, see `total`";
            return Err(Stop::not_applicable(reason));
        }
        let (mut found, mut why) = (Vec::new(), None);
        let cases = settings::cases(&self.function.parameters, self.parameters);
        for case in &cases {
            let nothing = self.nothing(way);
            let call = self.call_on(self.transforms, way, &case.given, &input, &nothing);
            let answer = call.await.map(drop);
            why = why.or(answer.as_ref().err().and_then(Why::of));
            found.extend(settings::finding(case, answer));
        }
        none_of(found, format!("{} cases", cases.len())).map_err(|stop| stop.because(why))
    }

    async fn columns(&self) -> Outcome {
        let mut source = Source::new(self.seed);
        for way in self.ways() {
            for rows in [FEW, 1, 0] {
                let input = source.batch(self.from(*way), rows, Source::plain_cell);
                let answer = match self.call(*way, &input, &self.nothing(*way)).await {
                    Err(error) if is_breach(&error) => return Err(error.into()),
                    Err(error) => {
                        let reason = format!("it refuses ordinary rows, see `total`: {error}");
                        return Err(Stop::not_applicable(reason));
                    }
                    Ok(answer) => answer,
                };
                fits(&answer, self.to(*way), rows).map_err(Stop::failed)?;
            }
        }
        Ok(String::new())
    }

    async fn total(&self) -> Outcome {
        let (mut found, mut first) = (Vec::new(), None);
        let mut tried = 0;
        for way in self.ways() {
            let input = self.any_rows(*way);
            let mut source = Source::new(self.seed.wrapping_add(1));
            let rows = input.rows.len();
            let olds = [self.nothing(*way), source.batch(self.to(*way), rows, Source::any_cell)];
            for old in olds {
                tried += rows;
                if let Some((finding, error)) = self.refusal(*way, &input, &old).await {
                    found.push(finding);
                    first.get_or_insert(error);
                }
            }
        }
        let why = first.as_ref().and_then(Why::of);
        none_of(found, format!("{tried} rows")).map_err(|stop| stop.because(why))
    }

    /// What is refused of a batch, made small, in words and as the error.
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
            let told = format!("{words}: {rows} rows at once, each of which passes alone: {whole}");
            return Some((told, whole));
        };
        let width = row.columns.len();
        let has_old = !beside.rows.is_empty();
        let cells = cells_of(&row).into_iter().chain(cells_of(&beside)).collect();
        let rows_of = |cells: &[Cell]| {
            let (input, old) = cells.split_at_checked(width).unwrap_or_default();
            let old = if has_old { one(self.to(way), old) } else { self.nothing(way) };
            (one(self.from(way), input), old)
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
        let told = format!("{words} of {}{beside}: {error}", data::show(&cells_of(&input)));
        Some((told, error))
    }

    async fn same(&self) -> Outcome {
        for way in self.ways() {
            let Sifted { input, output } = self.sift(*way).await;
            needs_rows(&input)?;
            let again = cells(self.call(*way, &input, &self.nothing(*way)).await?);
            if let Some(index) = difference(&output, &again) {
                return Err(Stop::failed(differs(&input, index, &output, &again, "once more")));
            }
        }
        Ok(String::new())
    }

    async fn rows_apart(&self) -> Outcome {
        for way in self.ways() {
            let sifted = self.sift(*way).await;
            needs_rows(&sifted.input)?;
            let rows = sifted.input.rows.len();
            for (words, batches) in arrangements(rows, self.seed) {
                for indices in batches {
                    let input = only(&sifted.input, &indices);
                    let answer = match self.call(*way, &input, &self.nothing(*way)).await {
                        Ok(answer) => cells(answer),
                        Err(error) => return Err(Stop::of(&error, format!("{words}: {error}"))),
                    };
                    let pick = |index: &usize| sifted.output.get(*index).cloned();
                    let expected: Vec<_> = indices.iter().filter_map(pick).collect();
                    if let Some(index) = difference(&expected, &answer) {
                        let told = differs(&input, index, &expected, &answer, words);
                        return Err(Stop::failed(told));
                    }
                }
            }
        }
        Ok("in any order and number".to_owned())
    }

    async fn small_limits(&self) -> Outcome {
        let way = Way::Forward;
        let Sifted { input, output } = self.sift(way).await;
        needs_rows(&input)?;
        let small = match self.small {
            Err(reason) => Err(reason.to_owned()),
            Ok(small) => {
                let nothing = self.nothing(way);
                let call = self.call_on(small, way, self.parameters, &input, &nothing);
                call.await.map(cells).map_err(|error| error.to_string())
            }
        };
        let after = self.call(way, &input, &self.nothing(way)).await;
        limits::judge(&output, small, after.map(cells).map_err(|error| error.to_string()))
    }

    /// The rows that are answered. Where the whole batch is refused, each row is asked alone, as
    /// the engine does to save the good ones.
    async fn sift(&self, way: Way) -> Sifted {
        let input = self.any_rows(way);
        if let Ok(answer) = self.call(way, &input, &self.nothing(way)).await {
            return Sifted { input, output: cells(answer) };
        }
        let mut sifted = Sifted { input: only(&input, &[]), output: Vec::new() };
        for index in 0..input.rows.len() {
            let row = only(&input, &[index]);
            let answer = self.call(way, &row, &self.nothing(way)).await;
            if let Some(answer) = answer.ok().filter(|answer| answer.rows.len() == 1) {
                sifted.output.extend(cells(answer));
                sifted.input.rows.extend(row.rows);
            }
            // A plugin that answers nothing at all need not be asked three hundred times.
            if index == FEW && sifted.output.is_empty() {
                break;
            }
        }
        sifted
    }
}

/// Whether the host says that the answer does not fit the contract.
fn is_breach(error: &PluginError) -> bool {
    matches!(error, PluginError::Broken { cause: StopCause::Contract, .. })
}

fn needs_rows(input: &Batch) -> Result<(), Stop> {
    if input.rows.is_empty() {
        return Err(Stop::not_applicable("it answers no row, see `total`"));
    }
    Ok(())
}

/// Whether an answer has the declared columns and as many rows as were asked.
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
        ("in mixed order", vec![Source::new(seed).order(rows)]),
        ("each row twice", vec![all.iter().take(ROWS).flat_map(twice).collect()]),
    ])
}

/// The rows at these places; none where the batch has none.
pub(crate) fn only(batch: &Batch, indices: &[usize]) -> Batch {
    let rows = indices.iter().filter_map(|index| batch.rows.get(*index).cloned()).collect();
    Batch { columns: batch.columns.clone(), rows }
}

/// A batch of one row.
pub(crate) fn one(columns: &[String], cells: &[Cell]) -> Batch {
    let row = Row { cells: cells.to_vec(), ..Row::default() };
    Batch { columns: columns.to_vec(), rows: vec![row] }
}

/// The cells of a batch of one row.
pub(crate) fn cells_of(batch: &Batch) -> Vec<Cell> {
    batch.rows.first().map(|row| row.cells.clone()).unwrap_or_default()
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
