//! Unreadable cells: the field counts as not read, the failure stays with its record for people,
//! and the rest of the record goes on (RULES.md V10, V17).
//!
//! A connector, or the host on its behalf, leaves such a cell absent and names it in a fact of the
//! page. Else it would pass for a column without permission to read. A cell that is absent without
//! such a fact was not answered ([`NOT_ANSWERED`]).

use std::collections::BTreeMap;

use crate::read::fields::RowReading;
use renkei_model::reason::Reason;
use renkei_model::record::{Attributes, Page, Problem, Remedy, Row, UNREADABLE_CELL};
use renkei_model::spec::MemberSpec;
use renkei_model::state::{Failure, FailureClass};
use renkei_model::value::{DisplayedValue, Value};

/// The code of a cell that the system did not answer.
pub(crate) const NOT_ANSWERED: &str = "not-answered";
/// Characters of a value that a failure shows.
const SHOWN_MAX: usize = 200;

/// The unreadable cells that a page names: column and code, by record id.
pub(crate) fn named(facts: &Attributes) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut cells: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (code, value) in facts {
        if code == UNREADABLE_CELL
            && let Value::Choices(items) = value
            && let [id, column, why] = items.as_slice()
        {
            cells.entry(id.as_str()).or_default().push((column.as_str(), why.as_str()));
        }
    }
    cells
}

/// Marks the fields of a row's named cells as failed.
pub(crate) fn add(member: &MemberSpec, reading: &mut RowReading, cells: &[(&str, &str)]) {
    for (column, _) in cells {
        let groups = member.groups.iter();
        for group in groups.filter(|group| group.columns.iter().any(|one| one == column)) {
            for field in &group.fields {
                reading.fail(*field, Reason::Unreadable { column: (*column).to_owned() });
            }
        }
    }
}

/// The failures of a row. One that was known before keeps its first time, and stays as it is if its
/// problems are the same.
pub(crate) fn failures(
    blank: &Failure,
    (page, row, cells): (&Page, &Row, &[(&str, &str)]),
    problems: impl Iterator<Item = (String, Reason)>,
    before: &[Failure],
) -> Vec<Failure> {
    let failure = |(field, reason): (String, Reason)| {
        let (class, column) = match &reason {
            Reason::Unmapped { column, .. } => (FailureClass::Unmapped, Some(column)),
            Reason::Unreadable { column }
            | Reason::ZoneUnknown { column }
            | Reason::NotAnswered { column } => (FailureClass::Unreadable, Some(column)),
            _ => (FailureClass::Transform, None),
        };
        let absent = matches!(reason, Reason::NotAnswered { .. });
        let named = column.and_then(|column| cells.iter().find(|(name, _)| name == column));
        let word = if absent { NOT_ANSWERED } else { class.word() };
        let code = named.map_or(word, |(_, why)| why).to_owned();
        let shown = column.and_then(|column| shown(page, row, column));
        let message = match shown {
            Some(shown) => format!("{reason}: {shown}"),
            None => reason.to_string(),
        };
        let remedy = if absent { Remedy::Admin } else { Remedy::SourceData };
        let column = column.cloned();
        let problems = vec![Problem { code, message, field: column, remedy }];
        let news = Failure { field: Some(field), class, problems, ..blank.clone() };
        match before.iter().find(|known| known.is_about_same(&news)) {
            Some(known) if known.problems == news.problems => known.clone(),
            Some(known) => {
                let times = known.times.saturating_add(1);
                Failure { since_ms: known.since_ms, times, ..news }
            }
            None => news,
        }
    };
    problems.map(failure).collect()
}

/// True if the last reading of a record left this field unanswered.
pub(crate) fn was_not_answered(failures: &[Failure], field: &str) -> bool {
    let mut mine = failures.iter().filter(|failure| failure.field.as_deref() == Some(field));
    mine.any(|failure| failure.problems.iter().any(|problem| problem.code == NOT_ANSWERED))
}

/// The value in the row, cut to [`SHOWN_MAX`] characters; `None` where the cell is absent.
fn shown(page: &Page, row: &Row, column: &str) -> Option<String> {
    let index = page.batch.columns.iter().position(|name| name == column)?;
    let cell = row.cells.get(index)?;
    cell.as_ref()?;
    Some(DisplayedValue(cell).to_string().chars().take(SHOWN_MAX).collect())
}
