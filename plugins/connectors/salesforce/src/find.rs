//! Single records: by id, and by the value of a column (`API.md`, S-collection-5).
//!
//! Values travel in the address, so many of them need several queries; `/composite` carries five
//! queries in one call (S-collection-6).

use renkei_sdk::http::Request;
use renkei_sdk::{Batch, Error, Page, Value, cursor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Salesforce;
use crate::client::soql::{PATH_LEN_MAX, Query, check_name, chunks, literals, quote};
use crate::client::{check_part, parse, send, server_time};
use crate::read::query::query_path;
use crate::value::rows::{Found, JsonRow, QueryAnswer, Scope, Wanted};

/// Ids of one retrieve.
const RETRIEVE_MAX: usize = 2000;
/// Queries of one `/composite` call.
const COMPOSITE_QUERIES: usize = 5;

#[derive(Serialize)]
struct Retrieve<'a> {
    ids: &'a [String],
    fields: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    method: &'static str,
    url: String,
    reference_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Composite<'a> {
    #[serde(borrow)]
    composite_response: Vec<PartAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartAnswer<'a> {
    http_status_code: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Salesforce {
    /// Records by id. A retrieve knows only what is there; the recycle bin tells of the others.
    pub(crate) fn by_ids(
        &mut self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, Error> {
        check_name("object", object)?;
        let shape = self.shape(object, columns)?;
        let wanted = Wanted { object, columns, shape: &shape, scope: Scope::All };
        let ids: Vec<String> = ids.iter().filter(|id| shape.may_have(id)).cloned().collect();
        let (mut found, mut server_ms) = (wanted.nothing(), None);
        for part in ids.chunks(RETRIEVE_MAX) {
            let body = Retrieve { ids: part, fields: &wanted.select() };
            let path = format!("{}/composite/sobjects/{object}", self.config.root);
            let answer = send(&Request::post(path).json(&body).repeatable())?;
            for record in parse::<Vec<Option<JsonRow<'_>>>>(&answer.body)?.into_iter().flatten() {
                found.add(&wanted, &record)?;
            }
            server_ms = server_time(&answer).or(server_ms);
        }
        let missing: Vec<String> = found.missing(&ids).into_iter().map(str::to_owned).collect();
        let Found { batch, mut removed, .. } = found;
        removed.extend(self.known_anywhere(&wanted, &missing)?.removed);
        let page = Page::last(batch, cursor::encode(&())?);
        Ok(Page { removed, server_time: server_ms, ..page }.lag(0))
    }

    /// What queries know of these ids, those in the recycle bin included.
    pub(crate) fn known_anywhere(
        &self,
        wanted: &Wanted<'_>,
        ids: &[String],
    ) -> Result<Found, Error> {
        let wanted = Wanted { columns: &[], scope: Scope::All, ..*wanted };
        self.by_literals(&wanted, "Id", ids.iter().map(|id| quote(id)).collect())
    }

    /// All records whose `key` equals one of `values`, as SOQL compares them (S-query-6); a null
    /// equals nothing.
    pub(crate) fn by_key(
        &mut self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, Error> {
        check_name("object", object)?;
        check_name("column", key)?;
        let shape = self.shape(object, columns)?;
        let wanted = Wanted { object, columns, shape: &shape, scope: Scope::Live };
        let given = values.iter().filter(|value| !value.is_null());
        let mut literals: Vec<String> = given.flat_map(literals).collect();
        literals.sort_unstable();
        literals.dedup();
        Ok(self.by_literals(&wanted, key, literals)?.batch)
    }

    fn by_literals(
        &self,
        wanted: &Wanted<'_>,
        key: &str,
        literals: Vec<String>,
    ) -> Result<Found, Error> {
        let query = |list: &[String]| {
            let mut conditions = wanted.conditions();
            conditions.push(format!("{key} IN ({})", list.join(",")));
            let (select, from) = (wanted.select(), wanted.object);
            Query { select, from, conditions, order: "Id", limit: None }
        };
        let room = PATH_LEN_MAX.saturating_sub(query_path(&query(&[]), wanted.scope).len());
        let queries: Vec<Query<'_>> = chunks(&literals, room).into_iter().map(query).collect();
        let mut found = wanted.nothing();
        for part in queries.chunks(COMPOSITE_QUERIES) {
            if let [query] = part {
                let answer = send(&self.query_request(query, wanted.scope))?;
                self.add_all(&mut found, wanted, query, &answer.body)?;
            } else {
                self.add_composite(&mut found, wanted, part)?;
            }
        }
        Ok(found)
    }

    fn add_composite(
        &self,
        found: &mut Found,
        wanted: &Wanted<'_>,
        queries: &[Query<'_>],
    ) -> Result<(), Error> {
        let parts: Vec<Part> = queries
            .iter()
            .enumerate()
            .map(|(index, query)| Part {
                method: "GET",
                url: format!("{}{}", self.config.root, query_path(query, wanted.scope)),
                reference_id: format!("q{index}"),
            })
            .collect();
        let request = Request::post(format!("{}/composite", self.config.root))
            .json(&serde_json::json!({"compositeRequest": parts}))
            .repeatable();
        let answer = send(&request)?;
        let answers = parse::<Composite<'_>>(&answer.body)?.composite_response;
        for (query, part) in queries.iter().zip(answers) {
            check_part(part.http_status_code, part.body)?;
            self.add_all(found, wanted, query, part.body.get().as_bytes())?;
        }
        Ok(())
    }

    /// Adds the rows of an answer, and the pages behind it.
    fn add_all(
        &self,
        found: &mut Found,
        wanted: &Wanted<'_>,
        query: &Query<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        let mut done = add_page(found, wanted, body)?;
        while let (false, Some((_, id))) = (done, &found.last) {
            let mut rest = query.clone();
            rest.conditions.push(format!("Id > {}", quote(id)));
            let answer = send(&self.query_request(&rest, wanted.scope))?;
            done = add_page(found, wanted, &answer.body)?;
        }
        Ok(())
    }
}

/// Adds the rows of one answer; says whether it was the last.
fn add_page(found: &mut Found, wanted: &Wanted<'_>, body: &[u8]) -> Result<bool, Error> {
    let read: QueryAnswer<'_> = parse(body)?;
    for record in &read.records {
        found.add(wanted, record)?;
    }
    Ok(read.done || read.records.is_empty())
}
