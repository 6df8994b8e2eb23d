//! Single records: by id, and by the value of a column (`API.md`, S-collection-5).
//!
//! Values travel in the address, so many of them need several queries; `/composite` carries five
//! queries in one call (S-collection-6).

use renkei_sdk::http::Request;
use renkei_sdk::{Batch, Error, FindRequest, Page, cursor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Salesforce;
use crate::client::soql::{AnyOf, PATH_LEN_MAX, Query, check_name, quote, write_literals};
use crate::client::{check_part, parse, send};
use crate::read::query::query_path;
use crate::value::rows::{FoundRows, JsonRow, QueryAnswer, QueryScope, Selection};

/// Ids of one retrieve.
const RETRIEVE_MAX: usize = 2000;
/// Queries of one `/composite` call.
const COMPOSITE_QUERIES: usize = 5;

#[derive(Serialize)]
struct RetrieveBody<'a> {
    ids: &'a [String],
    fields: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubrequestBody {
    method: &'static str,
    url: String,
    reference_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompositeAnswer<'a> {
    #[serde(borrow)]
    composite_response: Vec<SubrequestAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubrequestAnswer<'a> {
    http_status_code: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Salesforce {
    /// Records by id. A retrieve knows only what is there; the recycle bin tells of the others.
    pub(crate) fn retrieve_records(
        &mut self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, Error> {
        check_name("object", object)?;
        let shape = self.get_shape(object, columns)?;
        let selection = Selection { object, columns, shape: &shape, scope: QueryScope::All };
        let ids: Vec<String> = ids.iter().filter(|id| shape.may_have(id)).cloned().collect();
        let (mut found, mut server_ms) = (selection.empty(), None);
        for part in ids.chunks(RETRIEVE_MAX) {
            let body = RetrieveBody { ids: part, fields: &selection.columns_to_ask() };
            let path = format!("{}/composite/sobjects/{object}", self.config.root);
            let answer = send(&Request::post(path).json(&body).repeatable())?;
            for record in parse::<Vec<Option<JsonRow<'_>>>>(&answer.body)?.into_iter().flatten() {
                found.add_row(&selection, &record)?;
            }
            server_ms = answer.server_time().or(server_ms);
        }
        let missing: Vec<String> = found.missing_ids(&ids).into_iter().map(str::to_owned).collect();
        let FoundRows { batch, mut removed, .. } = found;
        removed.extend(self.find_anywhere(&selection, &missing)?.removed);
        let page = Page::last(batch, cursor::encode(&())?);
        Ok(Page { removed, server_time: server_ms, ..page }.lag(0))
    }

    /// The rows with these ids that queries find, those in the recycle bin included.
    pub(crate) fn find_anywhere(
        &self,
        selection: &Selection<'_>,
        ids: &[String],
    ) -> Result<FoundRows, Error> {
        let selection = Selection { columns: &[], scope: QueryScope::All, ..*selection };
        self.query_any(&selection, &AnyOf::values("Id", ids.iter().map(|id| quote(id)).collect()))
    }

    /// All records whose keys equal one of the values, as SOQL compares them (S-query-6); a null
    /// equals nothing.
    pub(crate) fn find_records(&mut self, request: &FindRequest) -> Result<Batch, Error> {
        let FindRequest { object, columns, .. } = request;
        check_name("object", object)?;
        request.keys.iter().try_for_each(|key| check_name("column", key))?;
        let shape = self.get_shape(object, columns)?;
        let selection = Selection { object, columns, shape: &shape, scope: QueryScope::Live };
        let wanted = match request.keys.as_slice() {
            [key] => {
                let given = request.values.iter().flatten().filter(|value| !value.is_null());
                AnyOf::values(key, given.flat_map(write_literals).collect())
            }
            _ => AnyOf::tuples(&request.keys, &request.values),
        };
        Ok(self.query_any(&selection, &wanted)?.batch)
    }

    fn query_any(&self, selection: &Selection<'_>, wanted: &AnyOf) -> Result<FoundRows, Error> {
        let query = |list: &[String]| {
            let mut conditions = selection.conditions();
            conditions.push(wanted.write(list));
            let (select, from) = (selection.columns_to_ask(), selection.object);
            Query { select, from, conditions, order: "Id", limit: None }
        };
        let room = PATH_LEN_MAX.saturating_sub(query_path(&query(&[]), selection.scope).len());
        let queries: Vec<Query<'_>> = wanted.split(room).into_iter().map(query).collect();
        let mut found = selection.empty();
        for part in queries.chunks(COMPOSITE_QUERIES) {
            if let [query] = part {
                let answer = send(&self.query_request(query, selection.scope))?;
                self.add_rows(&mut found, selection, query, &answer.body)?;
            } else {
                self.add_composite(&mut found, selection, part)?;
            }
        }
        Ok(found)
    }

    fn add_composite(
        &self,
        found: &mut FoundRows,
        selection: &Selection<'_>,
        queries: &[Query<'_>],
    ) -> Result<(), Error> {
        let parts: Vec<SubrequestBody> = queries
            .iter()
            .enumerate()
            .map(|(index, query)| SubrequestBody {
                method: "GET",
                url: format!("{}{}", self.config.root, query_path(query, selection.scope)),
                reference_id: format!("q{index}"),
            })
            .collect();
        let request = Request::post(format!("{}/composite", self.config.root))
            .json(&serde_json::json!({"compositeRequest": parts}))
            .repeatable();
        let answer = send(&request)?;
        let answers = parse::<CompositeAnswer<'_>>(&answer.body)?.composite_response;
        for (query, part) in queries.iter().zip(answers) {
            check_part(part.http_status_code, part.body)?;
            self.add_rows(found, selection, query, part.body.get().as_bytes())?;
        }
        Ok(())
    }

    /// Adds the rows of an answer, and the pages behind it.
    fn add_rows(
        &self,
        found: &mut FoundRows,
        selection: &Selection<'_>,
        query: &Query<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        let mut done = add_page(found, selection, body)?;
        while let (false, Some((_, id))) = (done, &found.last) {
            let mut rest = query.clone();
            rest.conditions.push(format!("Id > {}", quote(id)));
            let answer = send(&self.query_request(&rest, selection.scope))?;
            done = add_page(found, selection, &answer.body)?;
        }
        Ok(())
    }
}

/// Adds the rows of one answer; says whether it was the last.
fn add_page(found: &mut FoundRows, selection: &Selection<'_>, body: &[u8]) -> Result<bool, Error> {
    let read: QueryAnswer<'_> = parse(body)?;
    for record in &read.records {
        found.add_row(selection, record)?;
    }
    Ok(read.done || read.records.is_empty())
}
