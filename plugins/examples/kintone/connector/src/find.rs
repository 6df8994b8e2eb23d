//! `read-records` and `find`: records by id and by value.

use std::collections::BTreeSet;

use crate::bindings::exports::renkei::plugin::connector::{FindRequest, Page};
use crate::bindings::renkei::plugin::types::{Batch, Error, Removal, Tombstone, Value};
use crate::client::Job;
use crate::client::form::{FieldKind, FormField};
use crate::client::query::{encode, literal, split_to_fit};
use crate::config::App;
use crate::error::{CallFailure, problem};
use crate::value::query_text;
use crate::value::rows::{RECORDS_MAX, Record, list_records};

/// These records as they are now.
///
/// A token sees every record (K-auth-4) and no id is given twice (K-read-3). So a number without a
/// record is one that was deleted, as far as the host asks only for ids that it has seen.
///
/// # Errors
/// Only what stops the whole call.
pub(crate) fn read_records(
    job: &Job,
    object: &str,
    columns: &[String],
    ids: &[String],
) -> Result<Page, Error> {
    let app = job.config.app(object)?;
    let form = job.form(app)?;
    let numbers: BTreeSet<u64> = ids.iter().filter_map(|id| read_id(id)).collect();
    let records = list_by_id(job, app, &numbers, &form.wanted(columns))?;
    // K-read-7; scans leave it out, so the host takes their rows for a minute old.
    let mut facts = vec![("lag-ms".to_owned(), Value::Integer(0))];
    let rows = records.iter().filter_map(|record| record.make_row(&form, columns, &mut facts));
    let rows = rows.collect();
    let found: BTreeSet<u64> =
        records.iter().filter_map(|record| record.id()).map(|(_, id)| id).collect();
    let gone = numbers.difference(&found);
    let removed = gone.map(|id| Tombstone {
        id: id.to_string(),
        removal: Removal::Deleted,
        at: None,
        facts: Vec::new(),
    });
    Ok(Page {
        batch: Batch { columns: columns.to_vec(), rows },
        removed: removed.collect(),
        cursor: Vec::new(),
        more: false,
        server_time: None,
        facts,
    })
}

/// The number of an id that kintone may have given.
pub(crate) fn read_id(id: &str) -> Option<u64> {
    let number = id.parse().ok().filter(|number| *number > 0)?;
    (id == u64::to_string(&number)).then_some(number)
}

/// The records with these ids, in as few requests as URLs hold.
pub(crate) fn list_by_id(
    job: &Job,
    app: &App,
    ids: &BTreeSet<u64>,
    fields: &[&str],
) -> Result<Vec<Record>, CallFailure> {
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    let most = usize::try_from(RECORDS_MAX).unwrap_or(usize::MAX);
    let mut records = Vec::new();
    for part in split_to_fit(&ids, most, |id| id.len() + encode(",").len()) {
        let condition = format!("$id in ({})", part.join(","));
        records.extend(list_records(job, app, &condition, RECORDS_MAX, fields)?.records);
    }
    Ok(records)
}

/// All records whose field `key` has one of the values.
///
/// # Errors
/// `unsupported` for a field that no query compares, and for several at once.
pub(crate) fn find_records(job: &Job, request: &FindRequest) -> Result<Batch, Error> {
    let (object, columns) = (&request.object, &request.columns);
    let [key] = request.keys.as_slice() else {
        return Err(Error::Unsupported("find by several fields at once".to_owned()));
    };
    let app = job.config.app(object)?;
    let form = job.form(app)?;
    let field = form.field(key).ok_or_else(|| {
        Error::Invalid(problem("field", format!("there is no field {key} in {object}"), "admin"))
    })?;
    if field.kind == FieldKind::LongText {
        return Err(Error::Unsupported(format!("find by {key}, a text of several lines")));
    }
    let texts: Vec<String> = request.values.iter().flatten().filter_map(query_text).collect();
    let records = list_by_value(job, app, field, &texts, &form.wanted(columns))?;
    let mut unreadable = Vec::new();
    let rows = records.iter().filter_map(|record| record.make_row(&form, columns, &mut unreadable));
    Ok(Batch { columns: columns.to_vec(), rows: rows.collect() })
}

/// The records whose field has one of these values, however many.
pub(crate) fn list_by_value(
    job: &Job,
    app: &App,
    field: &FormField,
    values: &[String],
    fields: &[&str],
) -> Result<Vec<Record>, CallFailure> {
    let full = usize::try_from(RECORDS_MAX).unwrap_or(usize::MAX);
    let cost = |value: &String| {
        let name = if field.takes_in { 0 } else { encode(&field.code).len() + 20 };
        encode(&literal(value)).len() + name + 3
    };
    let mut records: Vec<Record> = Vec::new();
    for part in split_to_fit(values, 100, cost) {
        let matches = equals(field, part);
        let mut after = 0;
        loop {
            let condition = format!("{matches} and $id > {after}");
            let found = list_records(job, app, &condition, RECORDS_MAX, fields)?.records;
            let last = found.last().and_then(|record| record.id()).map(|(_, id)| id);
            let is_full = found.len() >= full;
            records.extend(found);
            match last {
                Some(last) if is_full => after = last,
                _ => break,
            }
        }
    }
    Ok(records)
}

/// The condition that a field has one of the values (K-read-4).
fn equals(field: &FormField, values: &[String]) -> String {
    let literals = values.iter().map(|value| literal(value));
    if field.takes_in {
        let literals: Vec<String> = literals.collect();
        return format!("{} in ({})", field.code, literals.join(","));
    }
    let each: Vec<String> = literals.map(|literal| format!("{} = {literal}", field.code)).collect();
    format!("({})", each.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::{equals, read_id};
    use crate::client::form::tests::form;

    #[test]
    fn values_are_compared_as_the_field_allows() {
        let form = form();
        let values = ["a\"b".to_owned(), "c".to_owned()];
        let text = equals(form.field("mail").unwrap(), &values);
        assert_eq!(text, r#"mail in ("a\"b","c")"#);
        let dates = ["2024-02-29".to_owned(), "2024-03-01".to_owned()];
        let date = equals(form.field("day").unwrap(), &dates);
        assert_eq!(date, r#"(day = "2024-02-29" or day = "2024-03-01")"#);
    }

    #[test]
    fn only_numbers_are_ids() {
        assert_eq!(read_id("17"), Some(17));
        for other in ["", "0", "-1", "007", "x", "1.0", "99999999999999999999999"] {
            assert_eq!(read_id(other), None, "{other}");
        }
    }
}
