//! The lens laws of two-way functions over generated rows (SYNC.md 3.5, `wit/v1/transform.wit`).
//!
//! The host tries them on a few rows when it loads a file; here it is hundreds of rows from a seed,
//! and a row that breaks a law is shrunk before it is shown.

use renkei_sync::model::plugin::PluginError;
use renkei_sync::model::record::{Batch, Row};
use renkei_sync::model::value::Cell;
use renkei_sync::ports::Way;

use super::{Trial, cells_of, one};
use crate::data::{self, Source};
use crate::report::{Report, Stop};
use crate::rules::{self, Rule};

/// Rows per law.
const ROWS: usize = 300;

/// One of the laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// `backward(forward(a), a) = a`.
    GetPut,
    /// `forward(backward(b, a), b) = b`.
    PutGet,
    /// `forward(a, forward(a)) = forward(a)`.
    Stable,
}

/// A law broken at one row.
struct Breach {
    row: usize,
    expected: Vec<Cell>,
    found: Vec<Cell>,
}

/// Tries all three.
pub async fn check(trial: &Trial<'_>, report: &mut Report) {
    for (rule, law) in [
        (&rules::GET_PUT, Law::GetPut),
        (&rules::PUT_GET, Law::PutGet),
        (&rules::STABLE, Law::Stable),
    ] {
        let rule: &Rule = rule;
        let name = &trial.function.name;
        // A call that gives no answer breaks no law; `total` has told of it, unless it passed.
        let told = report.has_failed(&rules::TOTAL, name);
        let outcome = match hold(trial, law).await {
            Err(Trouble::NoAnswer(_)) if told => {
                Err(Stop::not_applicable("it does not answer ordinary rows, see `total`"))
            }
            Err(Trouble::NoAnswer(error)) => Err(error.into()),
            Err(Trouble::Broken(found)) => Err(Stop::failed(found)),
            Ok(remark) => Ok(remark),
        };
        report.add(rule, name, outcome);
    }
}

/// Why a law was not seen to hold.
enum Trouble {
    /// A row breaks it; in words.
    Broken(String),
    /// A call ended without an answer.
    NoAnswer(PluginError),
}

async fn hold(trial: &Trial<'_>, law: Law) -> Result<String, Trouble> {
    let columns = trial.from(Way::Forward);
    let mut source = Source::new(trial.seed);
    let first = source.batch(columns, ROWS, Source::plain_cell);
    let second = source.batch(columns, ROWS, Source::plain_cell);
    let breaches = breaches(trial, law, &first, &second).await.map_err(Trouble::NoAnswer)?;
    let Some(breach) = breaches.first() else { return Ok(format!("{ROWS} rows")) };
    let at = |batch: &Batch| {
        let row = batch.rows.get(breach.row);
        row.map(|row| row.cells.clone()).unwrap_or_default()
    };
    let count = breaches.len();
    let small = smallest(trial, law, at(&first), at(&second)).await;
    Err(Trouble::Broken(format!("{small} ({count} of {ROWS} rows break it)")))
}

/// The smallest row that breaks the law, in words.
async fn smallest(trial: &Trial<'_>, law: Law, first: Vec<Cell>, second: Vec<Cell>) -> String {
    let columns = trial.from(Way::Forward);
    let width = first.len();
    let rows = |cells: &[Cell]| {
        let (first, second) = cells.split_at_checked(width).unwrap_or_default();
        (one(columns, first), one(columns, second))
    };
    let broken = async |cells: &[Cell]| {
        let (first, second) = rows(cells);
        breaches(trial, law, &first, &second).await.ok().and_then(|all| all.into_iter().next())
    };
    let cells: Vec<Cell> = first.into_iter().chain(second).collect();
    let small = data::shrink(cells, async |cells| broken(cells).await.is_some()).await;
    let (first, second) = rows(&small);
    let from = match law {
        Law::PutGet => format!(
            "a = [{}], b = forward([{}])",
            data::show(&cells_of(&first)),
            data::show(&cells_of(&second))
        ),
        Law::GetPut | Law::Stable => format!("a = [{}]", data::show(&cells_of(&first))),
    };
    match broken(&small).await {
        Some(Breach { expected, found, .. }) => {
            format!("{from}: expected [{}], got [{}]", data::show(&expected), data::show(&found))
        }
        // Alone it holds, so what broke it came from the rows beside it.
        None => format!("{from}: broken only beside other rows"),
    }
}

/// The rows that break a law.
async fn breaches(
    trial: &Trial<'_>,
    law: Law,
    first: &Batch,
    second: &Batch,
) -> Result<Vec<Breach>, PluginError> {
    let nothing = trial.nothing(Way::Forward);
    let made = trial.call(Way::Forward, first, &nothing).await?;
    let (expected, found) = match law {
        Law::GetPut => (first.clone(), trial.call(Way::Backward, &made, first).await?),
        Law::PutGet => {
            let other = trial.call(Way::Forward, second, &nothing).await?;
            let written = trial.call(Way::Backward, &other, first).await?;
            let read = trial.call(Way::Forward, &written, &other).await?;
            (other, read)
        }
        Law::Stable => {
            let again = trial.call(Way::Forward, first, &made).await?;
            (made, again)
        }
    };
    let pairs = expected.rows.into_iter().zip(found.rows).enumerate();
    let broken = pairs.filter(|(_, (expected, found))| expected.cells != found.cells);
    let breach = |(row, (expected, found)): (usize, (Row, Row))| Breach {
        row,
        expected: expected.cells,
        found: found.cells,
    };
    Ok(broken.map(breach).collect())
}
