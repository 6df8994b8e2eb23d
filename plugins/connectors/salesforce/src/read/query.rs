//! One query and the rows of its answer.

use renkei_sdk::Error;
use renkei_sdk::http::{Failure, Request, escape};

use crate::Salesforce;
use crate::client::parse;
use crate::client::soql::Query;
use crate::error::read_error;
use crate::value::rows::{FoundRows, QueryAnswer, QueryScope, Selection};

/// The most rows that a query answers at once (S-query-1).
pub(crate) const PAGE_ROWS: u32 = 2000;
/// The fewest rows that a page is halved to when its answer is too large.
pub(super) const PAGE_ROWS_MIN: u32 = 50;

/// One page of rows as fetched.
#[derive(Debug)]
pub(crate) struct QueryPage {
    pub(crate) found: FoundRows,
    pub(crate) more: bool,
    /// Rows that the whole query would find.
    pub(crate) total: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) server_ms: Option<i64>,
}

impl Salesforce {
    /// Runs a query and sorts its rows. It asks for one row more than wanted, which is never on the
    /// page but tells whether there is another; `counted` asks for all of them instead, to know how
    /// many there are. An answer too large for the host is asked for again with half the rows.
    pub(crate) fn fetch(
        &self,
        selection: &Selection<'_>,
        mut query: Query<'_>,
        mut rows: u32,
        counted: bool,
    ) -> Result<QueryPage, Error> {
        let answer = loop {
            query.limit = (!counted).then_some(rows + 1);
            match self.query_request(&query, selection.scope).send() {
                Err(Failure::TooLarge(_)) if rows > PAGE_ROWS_MIN && !counted => rows /= 2,
                Err(failure) => return Err(failure.into()),
                Ok(answer) if answer.is_success() => break answer,
                Ok(answer) => return Err(read_error(&answer)),
            }
        };
        let read: QueryAnswer<'_> = parse(&answer.body)?;
        let mut found = selection.empty();
        let rows = rows as usize;
        for record in read.records.iter().take(rows) {
            found.add_row(selection, record)?;
        }
        Ok(QueryPage {
            found,
            more: !read.done || read.records.len() > rows,
            total: read.total_size,
            rows: read.records.len() as u64,
            bytes: answer.body.len() as u64,
            server_ms: answer.server_time(),
        })
    }

    /// The request of a query; below its root, for a composite call.
    pub(crate) fn query_request(&self, query: &Query<'_>, scope: QueryScope) -> Request {
        Request::get(format!("{}{}", self.config.root, query_path(query, scope)))
    }
}

/// Path and query of a query, below the root.
pub(crate) fn query_path(query: &Query<'_>, scope: QueryScope) -> String {
    let resource = if scope == QueryScope::All { "queryAll" } else { "query" };
    format!("/{resource}?q={}", escape(&query.to_string()))
}
