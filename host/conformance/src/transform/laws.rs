//! The lens laws of two-way functions (`wit/v0.2/transform.wit`) over generated rows.
//!
//! The host checks the laws on a few rows when it loads a file. The kit checks hundreds of rows
//! from a seed, and shrinks a row that breaks a law before it shows it.

use renkei_model::plugin::PluginError;
use renkei_model::ports::Way;
use renkei_model::record::{Batch, Row};
use renkei_model::value::Cell;

use super::trial::{FunctionTrial, cells_of, one_row};
use crate::data::{self, CellGenerator};
use crate::report::{ConformanceReport, NotPassed};
use crate::rules::{self, ContractRule};

/// Rows per law.
const ROWS: usize = 300;

/// One of the laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensLaw {
    /// `backward(forward(a), a) = a`.
    GetPut,
    /// `forward(backward(b, a), b) = b`.
    PutGet,
    /// `forward(a, forward(a)) = forward(a)`.
    Stable,
}

/// A law broken at one row.
struct LawBreach {
    row: usize,
    expected: Vec<Cell>,
    found: Vec<Cell>,
}

/// Checks all three laws.
pub async fn check(trial: &FunctionTrial<'_>, report: &mut ConformanceReport) {
    for (rule, law) in [
        (&rules::GET_PUT, LensLaw::GetPut),
        (&rules::PUT_GET, LensLaw::PutGet),
        (&rules::STABLE, LensLaw::Stable),
    ] {
        let rule: &ContractRule = rule;
        let name = &trial.function.name;
        // A call that gives no answer breaks no law; `total` reports it, unless it passed.
        let reported = report.has_failed(&rules::TOTAL, name);
        let outcome = match hold(trial, law).await {
            Err(LawFailure::NoAnswer(_)) if reported => Err(NotPassed::not_applicable(
                "the function does not answer ordinary rows, see `total`",
            )),
            Err(LawFailure::NoAnswer(error)) => Err(error.into()),
            Err(LawFailure::Broken(found)) => Err(NotPassed::failed(found)),
            Ok(remark) => Ok(remark),
        };
        report.add(rule, name, outcome);
    }
}

/// A law that was not seen to hold.
enum LawFailure {
    /// A row breaks the law; in words.
    Broken(String),
    /// A call ended without an answer.
    NoAnswer(PluginError),
}

async fn hold(trial: &FunctionTrial<'_>, law: LensLaw) -> Result<String, LawFailure> {
    let columns = trial.source_columns(Way::Forward);
    let mut source = CellGenerator::new(trial.seed);
    let first = source.batch(columns, ROWS, CellGenerator::plain_cell);
    let second = source.batch(columns, ROWS, CellGenerator::plain_cell);
    let breaches = breaches(trial, law, &first, &second).await.map_err(LawFailure::NoAnswer)?;
    let Some(breach) = breaches.first() else { return Ok(format!("{ROWS} rows")) };
    let at = |batch: &Batch| {
        let row = batch.rows.get(breach.row);
        row.map(|row| row.cells.clone()).unwrap_or_default()
    };
    let count = breaches.len();
    let small = smallest(trial, law, at(&first), at(&second)).await;
    Err(LawFailure::Broken(format!("{small} ({count} of {ROWS} rows break it)")))
}

/// The smallest row that breaks the law, in words.
async fn smallest(
    trial: &FunctionTrial<'_>,
    law: LensLaw,
    first: Vec<Cell>,
    second: Vec<Cell>,
) -> String {
    let columns = trial.source_columns(Way::Forward);
    let width = first.len();
    let rows = |cells: &[Cell]| {
        let (first, second) = cells.split_at_checked(width).unwrap_or_default();
        (one_row(columns, first), one_row(columns, second))
    };
    let broken = async |cells: &[Cell]| {
        let (first, second) = rows(cells);
        breaches(trial, law, &first, &second).await.ok().and_then(|all| all.into_iter().next())
    };
    let cells: Vec<Cell> = first.into_iter().chain(second).collect();
    let small = data::shrink(cells, async |cells| broken(cells).await.is_some()).await;
    let (first, second) = rows(&small);
    let from = match law {
        LensLaw::PutGet => format!(
            "a = [{}], b = forward([{}])",
            data::show(&cells_of(&first)),
            data::show(&cells_of(&second))
        ),
        LensLaw::GetPut | LensLaw::Stable => format!("a = [{}]", data::show(&cells_of(&first))),
    };
    match broken(&small).await {
        Some(LawBreach { expected, found, .. }) => {
            format!("{from}: expected [{}], got [{}]", data::show(&expected), data::show(&found))
        }
        // Alone it holds, so what broke it came from the rows beside it.
        None => format!("{from}: broken only beside other rows"),
    }
}

/// The rows that break a law.
async fn breaches(
    trial: &FunctionTrial<'_>,
    law: LensLaw,
    first: &Batch,
    second: &Batch,
) -> Result<Vec<LawBreach>, PluginError> {
    let nothing = trial.no_old_rows(Way::Forward);
    let made = trial.call(Way::Forward, first, &nothing).await?;
    let (expected, found) = match law {
        LensLaw::GetPut => (first.clone(), trial.call(Way::Backward, &made, first).await?),
        LensLaw::PutGet => {
            let other = trial.call(Way::Forward, second, &nothing).await?;
            let written = trial.call(Way::Backward, &other, first).await?;
            let read = trial.call(Way::Forward, &written, &other).await?;
            (other, read)
        }
        LensLaw::Stable => {
            let again = trial.call(Way::Forward, first, &made).await?;
            (made, again)
        }
    };
    let pairs = expected.rows.into_iter().zip(found.rows).enumerate();
    let broken = pairs.filter(|(_, (expected, found))| expected.cells != found.cells);
    let breach = |(row, (expected, found)): (usize, (Row, Row))| LawBreach {
        row,
        expected: expected.cells,
        found: found.cells,
    };
    Ok(broken.map(breach).collect())
}
