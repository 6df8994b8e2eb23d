//! Batches seen by row and by column.
//!
//! A batch is a header and rows of cells in the header's order. A column that is missing from the
//! header reads as absent, as does a row that is too short: the host refuses such batches, so a
//! plugin need not care.

use crate::{Attributes, Batch, Cell, Removal, Row, Tombstone, Value};

impl Batch {
    /// An empty batch with this header.
    ///
    /// ```
    /// use renkei_sdk::{Batch, Row, Value};
    /// let mut batch = Batch::new(["email", "lastname"]);
    /// let cells = vec![Some(Value::from("taro@example.jp")), Some(Value::Null)];
    /// batch.rows.push(Row::new("17", cells));
    ///
    /// let row = batch.iter().next().unwrap();
    /// assert_eq!(row.text("email"), Some("taro@example.jp"));
    /// assert_eq!(row.get("lastname"), Some(&Value::Null)); // read and empty
    /// assert_eq!(row.get("phone"), None); // not read
    /// ```
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// The position of a column in the header, for looking it up once per batch.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The rows, each with its header.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RowView<'_>> {
        self.rows.iter().map(|row| RowView { columns: &self.columns, row })
    }

    /// One column, from the first row to the last; all absent where the header lacks it.
    pub fn values<'a>(&'a self, name: &str) -> impl ExactSizeIterator<Item = Option<&'a Value>> {
        let column = self.column(name);
        self.rows.iter().map(move |row| row.cell(column?))
    }
}

impl Row {
    /// A row of a system. A row of a transform is made by [`Row::from_cells`].
    pub fn new(id: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { id: id.into(), version: None, modified: None, cells, facts: Attributes::new() }
    }

    /// A row of a transform, which has no id.
    pub fn from_cells(cells: Vec<Cell>) -> Self {
        Self::new("", cells)
    }

    /// With the record's version, which moves with every change.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// With the system's own time of this version, ms.
    #[must_use]
    pub fn modified(mut self, modified_ms: i64) -> Self {
        self.modified = Some(modified_ms);
        self
    }

    /// The cell at a place that [`Batch::column`] gave; `None` where it is absent.
    pub fn cell(&self, column: usize) -> Option<&Value> {
        self.cells.get(column)?.as_ref()
    }
}

impl Tombstone {
    /// A record that is no longer there, for this reason, at an unknown time.
    ///
    /// ```
    /// # use renkei_sdk::{Removal, Tombstone};
    /// let gone = Tombstone::new("17", Removal::Deleted).at(1_773_309_857_000);
    /// # assert_eq!(gone.at, Some(1_773_309_857_000));
    /// ```
    pub fn new(id: impl Into<String>, removal: Removal) -> Self {
        Self { id: id.into(), removal, at: None, facts: Attributes::new() }
    }

    /// With the time of the removal, ms.
    #[must_use]
    pub fn at(mut self, at_ms: i64) -> Self {
        self.at = Some(at_ms);
        self
    }
}

/// One row together with the header.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    columns: &'a [String],
    /// The row itself.
    pub row: &'a Row,
}

impl<'a> RowView<'a> {
    /// The cell of a column; `None` where it is absent.
    pub fn get(&self, column: &str) -> Option<&'a Value> {
        self.row.cell(self.columns.iter().position(|name| name == column)?)
    }

    /// The text-like value of a column; `None` where it is absent, null or of another kind.
    pub fn text(&self, column: &str) -> Option<&'a str> {
        self.get(column)?.as_text()
    }

    /// The present cells (null included) with their columns.
    pub fn present(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        present(self.columns, &self.row.cells)
    }
}

/// The present cells of a row or an operation with their columns.
pub(crate) fn present<'a>(
    columns: &'a [String],
    cells: &'a [Cell],
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let both = columns.iter().zip(cells);
    both.filter_map(|(column, cell)| Some((column.as_str(), cell.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_is_read_from_the_first_row_to_the_last() {
        let mut batch = Batch::new(["id", "name"]);
        batch.rows.push(Row::from_cells(vec![None, Some("one".into())]));
        batch.rows.push(Row::from_cells(vec![Some(Value::Null), None]));
        let column = |name| batch.values(name).map(|cell| cell.cloned()).collect::<Vec<_>>();
        assert_eq!(column("name"), [Some("one".into()), None]);
        assert_eq!(column("id"), [None, Some(Value::Null)]);
        assert_eq!(column("other"), [None, None]);
    }

    #[test]
    fn row_gives_its_present_cells() {
        let mut batch = Batch::new(["a", "b", "c"]);
        batch.rows.push(Row::new("1", vec![Some("x".into()), None, Some(Value::Null)]));
        let rows: Vec<_> = batch.iter().collect();
        let present: Vec<_> = rows[0].present().collect();
        assert_eq!(present, [("a", &"x".into()), ("c", &Value::Null)]);
    }
}
