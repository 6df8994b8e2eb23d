//! The Salesforce connector: REST, sObject Collections and Bulk 2.0 behind the connector contract.
//!
//! Written from `apis/salesforce.md`. The files in reading order: `config` (settings), `schema`
//! (describe), `value` and `rows` (cells and rows), `soql` (queries), `cursor` and `read` (scans),
//! `bulk`, `lookup` (single records), `write`, `ingest`, `activity`, `error`; `README.md` has
//! limits, quirks and permissions. A job keeps nothing but the shapes of the objects it met.

mod activity;
mod bulk;
mod client;
mod config;
mod cursor;
mod error;
mod ingest;
mod lookup;
mod read;
mod rows;
mod schema;
mod soql;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use renkei_sdk::http::Request;
use renkei_sdk::{
    Account, Activity, Attributes, Batch, Connector, Error, Outcome, Page, PageRequest, Schema,
    Value, WriteRequest,
};
use serde::Deserialize;

use crate::client::{parse, send};
use crate::config::Config;
use crate::schema::Shape;
use crate::soql::check_name;

/// A connector for one org.
#[derive(Debug)]
pub struct Salesforce {
    config: Config,
    shapes: BTreeMap<String, Shape>,
}

renkei_sdk::export_connector!(Salesforce);

impl Connector for Salesforce {
    fn configure(configuration: &Attributes) -> Result<Self, Error> {
        Ok(Self { config: Config::read(configuration)?, shapes: BTreeMap::new() })
    }

    fn check(&mut self) -> Result<Account, Error> {
        // Limits first: an expired token is a 401 there, which the host renews, and a 403 below.
        let answer = send(&Request::get(format!("{}/limits", self.config.root)))?;
        let limits: Limits = parse(&answer.body)?;
        let answer = send(&Request::get("/services/oauth2/userinfo"))?;
        let user: UserInfo = parse(&answer.body)?;
        let mut account = Account::new(user.organization_id, user.preferred_username)
            .fact("daily-calls-left", limits.daily_api_requests.remaining)
            .fact("daily-calls", limits.daily_api_requests.max);
        if let Some(zone) = user.zoneinfo {
            account = account.fact("time-zone", zone);
        }
        Ok(account)
    }

    fn discover(&mut self, objects: &[String]) -> Result<Vec<Schema>, Error> {
        objects.iter().try_for_each(|object| check_name("object", object))?;
        let stamp = &self.config.stamp_field;
        let described = schema::describe(&self.config, objects)?;
        let shapes = objects.iter().zip(&described);
        self.shapes.extend(shapes.map(|(object, found)| (object.clone(), found.shape(stamp))));
        Ok(described.iter().map(|found| found.schema(stamp)).collect())
    }

    fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        self.page(request)
    }

    fn read_records(
        &mut self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, Error> {
        self.by_ids(object, columns, ids)
    }

    fn find(
        &mut self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, Error> {
        self.by_key(object, columns, key, values)
    }

    fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        self.write_all(request)
    }

    fn add_activities(&mut self, activities: &[Activity]) -> Result<Vec<Outcome>, Error> {
        self.add_tasks(activities)
    }
}

/// `/services/oauth2/userinfo`.
#[derive(Deserialize)]
struct UserInfo {
    organization_id: String,
    #[serde(default)]
    preferred_username: String,
    zoneinfo: Option<String>,
}

/// `/limits`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Limits {
    daily_api_requests: Limit,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Limit {
    max: i64,
    remaining: i64,
}

impl Salesforce {
    /// The shape of an object, described only if what this job knows does not cover the columns.
    fn shape(&mut self, object: &str, columns: &[String]) -> Result<Shape, Error> {
        if let Some(shape) = self.shapes.get(object).filter(|shape| shape.covers(columns)) {
            return Ok(shape.clone());
        }
        for described in schema::describe(&self.config, &[object.to_owned()])? {
            let shape = described.shape(&self.config.stamp_field);
            self.shapes.insert(object.to_owned(), shape);
        }
        Ok(self.shapes.get(object).cloned().unwrap_or_default())
    }

    /// Takes over the shape that a cursor carries, unless this job knows better.
    fn remember(&mut self, object: &str, shape: Shape) {
        if self.shapes.get(object).is_none_or(|known| !known.whole) {
            self.shapes.insert(object.to_owned(), shape);
        }
    }

    /// Drops a shape that came from a cursor; false if it was described in this job.
    fn forget(&mut self, object: &str) -> bool {
        let stale = self.shapes.get(object).is_some_and(|shape| !shape.whole);
        stale && self.shapes.remove(object).is_some()
    }
}
