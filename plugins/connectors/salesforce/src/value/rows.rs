//! From rows as the API gives them, JSON or CSV, to rows and tombstones (`API.md`, S-query-1).
//!
//! A row that says it is deleted or converted becomes a tombstone and nothing else. Merged losers
//! are deleted rows with a `MasterRecordId` (S-query-3).

use std::collections::{BTreeMap, BTreeSet};

use renkei_sdk::{Batch, Error, Removal, Row, Tombstone, Value, time};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::schema::ObjectShape;
use crate::value::ValueForm;

/// One row of an answer.
pub(crate) trait RowSource {
    /// The value of a column; `None` where the row does not have the column.
    fn value(&self, column: &str, form: ValueForm) -> Option<Value>;

    /// The text of a column that has one.
    fn text(&self, column: &str) -> Option<String> {
        match self.value(column, ValueForm::Text)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A row of JSON, its values still as they came.
pub(crate) type JsonRow<'a> = BTreeMap<&'a str, &'a RawValue>;

impl RowSource for JsonRow<'_> {
    fn value(&self, column: &str, form: ValueForm) -> Option<Value> {
        Some(form.read_json(self.get(column)?))
    }
}

/// The answer of a query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryAnswer<'a> {
    pub(crate) total_size: u64,
    pub(crate) done: bool,
    #[serde(borrow)]
    pub(crate) records: Vec<JsonRow<'a>>,
}

/// The rows that a query may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryScope {
    /// Live rows only.
    Live,
    /// The recycle bin and converted leads too.
    All,
}

/// The columns that a read asks for, of an object of this shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    pub(crate) object: &'a str,
    pub(crate) columns: &'a [String],
    pub(crate) shape: &'a ObjectShape,
    pub(crate) scope: QueryScope,
}

/// Columns that say what became of a converted row, and of which object.
const CONVERTED: [(&str, &str); 3] = [
    ("ConvertedContactId", "Contact"),
    ("ConvertedAccountId", "Account"),
    ("ConvertedOpportunityId", "Opportunity"),
];

impl Selection<'_> {
    /// The columns to ask for: those of the row itself, those of tombstones, those wanted.
    pub(crate) fn columns_to_ask(&self) -> Vec<&str> {
        let all = self.scope == QueryScope::All;
        let mut select = vec!["Id", "SystemModstamp"];
        if all && self.shape.binned {
            select.push("IsDeleted");
        }
        if all && self.shape.merged {
            select.push("MasterRecordId");
        }
        if all && self.shape.converted {
            select.push("IsConverted");
            select.extend(CONVERTED.map(|(column, _)| column));
        }
        for column in self.columns {
            if self.shape.form(column).is_some() && !select.contains(&column.as_str()) {
                select.push(column);
            }
        }
        select
    }

    /// Conditions that keep out what is only a tombstone.
    pub(crate) fn conditions(&self) -> Vec<String> {
        if self.scope == QueryScope::Live && self.shape.converted {
            return vec!["IsConverted = false".to_owned()];
        }
        Vec::new()
    }

    /// An empty collection of such rows.
    pub(crate) fn empty(&self) -> FoundRows {
        FoundRows { batch: Batch::new(self.columns), removed: Vec::new(), last: None }
    }
}

/// Rows and tombstones found so far.
#[derive(Debug)]
pub(crate) struct FoundRows {
    pub(crate) batch: Batch,
    pub(crate) removed: Vec<Tombstone>,
    /// Stamp and id of the row read last.
    pub(crate) last: Option<(i64, String)>,
}

impl FoundRows {
    /// Sorts one row in.
    ///
    /// # Errors
    /// `bug` for a row without an id or a stamp, which every query asks for.
    pub(crate) fn add_row(
        &mut self,
        selection: &Selection<'_>,
        source: &impl RowSource,
    ) -> Result<(), Error> {
        let missing = |column| Error::bug(format!("a row of {} has no {column}", selection.object));
        let id = source.text("Id").ok_or_else(|| missing("Id"))?;
        let stamp = source.text("SystemModstamp").and_then(|text| time::parse(&text));
        let stamp_ms = stamp.ok_or_else(|| missing("SystemModstamp"))?;
        self.last = Some((stamp_ms, id.clone()));
        match read_removal(source) {
            Some(removal) => self.removed.push(Tombstone::new(id, removal).at(stamp_ms)),
            None => {
                let cell = |column: &String| source.value(column, selection.shape.form(column)?);
                let row = Row::new(id, selection.columns.iter().map(cell).collect());
                self.batch.rows.push(row.version(stamp_ms.to_string()).modified(stamp_ms));
            }
        }
        Ok(())
    }

    /// The given ids of which nothing was found, neither there nor gone.
    pub(crate) fn missing_ids<'a>(&self, ids: &'a [String]) -> Vec<&'a str> {
        let there = self.batch.rows.iter().map(|row| without_checksum(&row.id));
        let gone = self.removed.iter().map(|tombstone| without_checksum(&tombstone.id));
        let found: BTreeSet<&str> = there.chain(gone).collect();
        ids.iter().map(String::as_str).filter(|id| !found.contains(without_checksum(id))).collect()
    }
}

/// An id of 18 characters is one of 15 with a checksum (S-call-2).
fn without_checksum(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// The removal that a row tells of, if it does.
fn read_removal(source: &impl RowSource) -> Option<Removal> {
    let holds = |column| source.value(column, ValueForm::Boolean) == Some(Value::Boolean(true));
    if holds("IsConverted") {
        let became = |(column, object): (&str, &str)| Some((object.into(), source.text(column)?));
        return Some(Removal::ConvertedTo(CONVERTED.into_iter().filter_map(became).collect()));
    }
    if !holds("IsDeleted") {
        return None;
    }
    Some(source.text("MasterRecordId").map_or(Removal::Deleted, Removal::MergedInto))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::parse;

    fn shape() -> ObjectShape {
        let forms = [("LastName", Some(ValueForm::Text)), ("Hidden__c", None)];
        let forms = forms.into_iter().map(|(name, form)| (name.to_owned(), form)).collect();
        ObjectShape { forms, binned: true, merged: true, converted: true, ..ObjectShape::default() }
    }

    fn read(json: &str) -> FoundRows {
        let (shape, columns) = (shape(), ["LastName".to_owned(), "Hidden__c".to_owned()]);
        let selection =
            Selection { object: "Lead", columns: &columns, shape: &shape, scope: QueryScope::All };
        let mut found = selection.empty();
        found.add_row(&selection, &parse::<JsonRow<'_>>(json.as_bytes()).unwrap()).unwrap();
        found
    }

    #[test]
    fn live_row_has_its_cells_in_order() {
        let found = read(
            r#"{"attributes":{"type":"Lead"},"Id":"00Q1",
                "SystemModstamp":"2026-05-01T07:25:37.000+0000",
                "IsDeleted":false,"IsConverted":false,"LastName":"山田"}"#,
        );
        let row = &found.batch.rows[0];
        assert_eq!(row.cells, [Some(Value::Text("山田".into())), None]);
        assert_eq!((row.id.as_str(), row.modified), ("00Q1", Some(1_777_620_337_000)));
        assert_eq!(found.last, Some((1_777_620_337_000, "00Q1".into())));
    }

    #[test]
    fn removed_row_says_why() {
        let check = |extra: &str, expected: Removal| {
            let found = read(&format!(
                r#"{{"Id":"00Q1","SystemModstamp":"2026-05-01T07:25:37.000+0000",{extra}}}"#
            ));
            assert!(found.batch.rows.is_empty());
            assert_eq!(found.removed[0].removal, expected);
        };
        check(r#""IsDeleted":true,"MasterRecordId":null"#, Removal::Deleted);
        check(r#""IsDeleted":true,"MasterRecordId":"00Q2""#, Removal::MergedInto("00Q2".into()));
        let became = |pairs: &[(&str, &str)]| {
            Removal::ConvertedTo(pairs.iter().map(|(o, i)| ((*o).into(), (*i).into())).collect())
        };
        check(
            r#""IsConverted":true,"ConvertedContactId":"0031","ConvertedAccountId":"0011",
               "ConvertedOpportunityId":null"#,
            became(&[("Contact", "0031"), ("Account", "0011")]),
        );
    }

    #[test]
    fn column_is_selected_once() {
        let (shape, columns) = (shape(), ["Id", "LastName", "Hidden__c"].map(str::to_owned));
        let mut selection =
            Selection { object: "Lead", columns: &columns, shape: &shape, scope: QueryScope::Live };
        assert_eq!(selection.columns_to_ask(), ["Id", "SystemModstamp", "LastName"]);
        assert_eq!(selection.conditions(), ["IsConverted = false"]);
        selection.scope = QueryScope::All;
        assert_eq!(selection.columns_to_ask().len(), 9);
        assert!(selection.conditions().is_empty());
    }
}
