//! Making and reading what the host asks. Tests make requests; a connector reads them.

use crate::batch::present;
use crate::connector::{
    Action, FindRequest, FinishRequest, MergeRequest, Operation, PageRequest, RecordsRequest, Scan,
    WriteRequest,
};
use crate::{Attributes, Cell, Error, Value};

/// Rows that a request made here wants at once.
const ROWS: u32 = 100;

fn texts(items: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}

impl PageRequest {
    /// The first page of a scan, of up to 100 rows.
    pub fn new(
        object: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        scan: Scan,
    ) -> Self {
        Self {
            object: object.into(),
            columns: texts(columns),
            scan,
            cursor: None,
            filter: Vec::new(),
            limit: ROWS,
            memo: None,
            options: Attributes::new(),
        }
    }
}

impl RecordsRequest {
    /// Records by their ids.
    pub fn new(
        object: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let (object, columns, ids) = (object.into(), texts(columns), texts(ids));
        Self { object, columns, ids, memo: None, options: Attributes::new() }
    }
}

impl FindRequest {
    /// Records whose `key` equals one of the values, up to 100 rows at once.
    ///
    /// ```
    /// # use renkei_sdk::FindRequest;
    /// let request = FindRequest::new("people", ["name", "email"], "email", ["a@example.jp"]);
    /// let (key, values) = request.key().unwrap();
    /// assert_eq!((key, values), ("email", vec![&"a@example.jp".into()]));
    /// ```
    pub fn new(
        object: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        key: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Self {
        let lists = values.into_iter().map(|value| vec![value.into()]).collect();
        Self::by_keys(object, columns, [key], lists)
    }

    /// Records of which all `keys` equal the values of one of the lists.
    pub fn by_keys(
        object: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        keys: impl IntoIterator<Item = impl Into<String>>,
        values: Vec<Vec<Value>>,
    ) -> Self {
        Self {
            object: object.into(),
            columns: texts(columns),
            keys: texts(keys),
            values,
            limit: ROWS,
            cursor: None,
            memo: None,
            options: Attributes::new(),
        }
    }

    /// The one key, and the values to compare with it.
    ///
    /// # Errors
    /// `unsupported` where the records are wanted by several keys together, so that a connector
    /// whose API compares one column hands this on with `?`.
    pub fn key(&self) -> Result<(&str, Vec<&Value>), Error> {
        match self.keys.as_slice() {
            [key] => Ok((key, self.values.iter().filter_map(|list| list.first()).collect())),
            keys => Err(Error::unsupported(format!("find by {} columns at once", keys.len()))),
        }
    }

    /// The lists of values, each with its keys.
    ///
    /// ```
    /// # use renkei_sdk::FindRequest;
    /// let (keys, values) = (["number", "year"], vec![vec!["17".into(), 2026.into()]]);
    /// let request = FindRequest::by_keys("bills", ["number", "year"], keys, values);
    /// let wanted: Vec<Vec<_>> = request.wanted().map(Iterator::collect).collect();
    /// assert_eq!(wanted, [[("number", &"17".into()), ("year", &2026.into())]]);
    /// ```
    pub fn wanted(&self) -> impl Iterator<Item = impl Iterator<Item = (&str, &Value)>> {
        let keys = || self.keys.iter().map(String::as_str);
        self.values.iter().map(move |list| keys().zip(list))
    }
}

impl MergeRequest {
    /// A merge without an intent.
    pub fn new(
        object: impl Into<String>,
        winner: impl Into<String>,
        losers: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            intent: String::new(),
            object: object.into(),
            winner: winner.into(),
            losers: texts(losers),
            memo: None,
            options: Attributes::new(),
        }
    }
}

impl FinishRequest {
    /// A question for the outcomes of pending jobs.
    pub fn new(
        object: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        tokens: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let (object, columns, tokens) = (object.into(), texts(columns), texts(tokens));
        Self { object, columns, tokens, memo: None, options: Attributes::new() }
    }
}

impl WriteRequest {
    /// A write of these operations, whose cells stand in the order of the columns.
    pub fn new(
        object: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        operations: Vec<Operation>,
    ) -> Self {
        let (object, columns, options) = (object.into(), texts(columns), Attributes::new());
        Self { object, columns, operations, memo: None, options }
    }

    /// The cells of an operation that are to be written (null included) with their columns.
    pub fn present<'a>(
        &'a self,
        operation: &'a Operation,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        present(&self.columns, &operation.cells)
    }

    /// An operation's cell of this column; `None` where it is to be left alone.
    pub fn cell<'a>(&self, operation: &'a Operation, column: &str) -> Option<&'a Value> {
        let index = self.columns.iter().position(|name| name == column)?;
        operation.cells.get(index)?.as_ref()
    }
}

impl Operation {
    /// An operation on the record with this id, or on a new one, without key and version.
    pub fn new(
        intent: impl Into<String>,
        action: Action,
        id: Option<&str>,
        cells: Vec<Cell>,
    ) -> Self {
        let (intent, id) = (intent.into(), id.map(str::to_owned));
        let (key, options) = (Vec::new(), Attributes::new());
        Self { intent, action, id, key, if_version: None, cells, options }
    }

    /// The same operation, an upsert by this unique column.
    #[must_use]
    pub fn by_key(mut self, column: impl Into<String>) -> Self {
        self.key.push(column.into());
        self
    }

    /// The unique column of an upsert by one; `None` where there is none or there are several.
    ///
    /// ```
    /// # use renkei_sdk::{Action, Operation};
    /// let operation = Operation::new("i-1", Action::Upsert, None, vec![Some("17".into())]);
    /// assert_eq!(operation.clone().by_key("number").one_key(), Some("number"));
    /// assert_eq!(operation.by_key("number").by_key("year").one_key(), None);
    /// ```
    pub fn one_key(&self) -> Option<&str> {
        match self.key.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }
}
