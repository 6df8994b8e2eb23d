//! A cell that cannot be read is a failure of that cell: its field counts as not read, it is kept
//! with its record for people, and the rest of the record goes on (RULES.md V10, V17).
//!
//! A connector, or the host on its behalf, leaves such a cell absent and names it in a fact of the
//! page, so that it is not taken for a column that nobody may read. One that is absent without a
//! word was not answered ([`NOT_ANSWERED`]).

use std::collections::BTreeMap;

use crate::model::reason::Reason;
use crate::model::record::{Attributes, Page, Problem, Remedy, Row};
use crate::model::spec::MemberSpec;
use crate::model::state::{Failure, FailureClass};
use crate::model::value::{DisplayedValue, Value};
use crate::read::fields::RowReading;

/// The fact of a page that names a cell that cannot be read: record, column, code.
pub const UNREADABLE_CELL: &str = "unreadable-cell";
/// The code of a cell that the system did not answer.
pub(crate) const NOT_ANSWERED: &str = "not-answered";
/// Characters of a value that a failure shows.
const SHOWN_MAX: usize = 200;

/// The cells of a page that cannot be read: by record, column and code.
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

/// Adds the named cells of a row to what could not be read of it.
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

/// What a reading of a row fails at, each failure as it was told before if nothing has changed.
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

/// Whether a system did not answer this field of a record when it was read last.
pub(crate) fn was_not_answered(failures: &[Failure], field: &str) -> bool {
    let mut mine = failures.iter().filter(|failure| failure.field.as_deref() == Some(field));
    mine.any(|failure| failure.problems.iter().any(|problem| problem.code == NOT_ANSWERED))
}

/// The value that stands there, cut to a length that people read.
fn shown(page: &Page, row: &Row, column: &str) -> Option<String> {
    let index = page.batch.columns.iter().position(|name| name == column)?;
    let cell = row.cells.get(index)?;
    cell.as_ref()?;
    Some(DisplayedValue(cell).to_string().chars().take(SHOWN_MAX).collect())
}
