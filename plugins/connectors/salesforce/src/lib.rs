//! Salesforce as a Renkei connector: REST, sObject Collections and Bulk 2.0.
//!
//! `API.md` states the facts of the wire; comments cite them by name, such as S-query-3.
//! `README.md` lists limits, quirks and permissions. A job keeps nothing but the shapes of the
//! objects it met. The files are those of every connector:
//!
//! | function | file |
//! |---|---|
//! | `configure` | `config.rs` |
//! | `check` | `client/account.rs` |
//! | `objects` | `schema/objects.rs` |
//! | `discover` | `schema.rs` |
//! | `read_page` | `read.rs` |
//! | `read_records`, `find` | `find.rs` |
//! | `write` | `write.rs` |
//! | `add_activities` | `activity.rs` |
//! | `webhook` | `webhook.rs` |

mod client;
mod config;
mod error;

mod schema;
mod value;

mod find;
mod read;
mod write;

mod activity;
mod webhook;

use std::collections::BTreeMap;

use renkei_sdk::{
    Account, Activity, Attributes, Connector, Error, FindRequest, Found, Hook, ObjectInfo, Outcome,
    Page, PageRequest, RecordsRequest, Reply, Schema, WriteRequest,
};

use crate::client::soql::check_name;
use crate::config::Config;
use crate::schema::ObjectShape;

/// A connector for one org.
#[derive(Debug)]
pub struct Salesforce {
    config: Config,
    shapes: BTreeMap<String, ObjectShape>,
}

renkei_sdk::export_connector!(Salesforce);

impl Connector for Salesforce {
    fn configure(configuration: &Attributes) -> Result<Self, Error> {
        Ok(Self { config: Config::read(configuration)?, shapes: BTreeMap::new() })
    }

    fn check(&mut self) -> Result<Account, Error> {
        client::account::check_account(&self.config)
    }

    fn objects(&mut self) -> Result<Vec<ObjectInfo>, Error> {
        schema::objects::list_objects(&self.config)
    }

    fn discover(&mut self, objects: &[String]) -> Result<Vec<Schema>, Error> {
        objects.iter().try_for_each(|object| check_name("object", object))?;
        let stamp = &self.config.stamp_field;
        let described = schema::describe_objects(&self.config, objects)?;
        let shapes = objects.iter().zip(&described);
        self.shapes.extend(shapes.map(|(object, found)| (object.clone(), found.shape(stamp))));
        Ok(described.iter().map(|found| found.schema(stamp)).collect())
    }

    fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        self.read_scan_page(request)
    }

    fn read_records(&mut self, request: &RecordsRequest) -> Result<Page, Error> {
        self.retrieve_records(&request.object, &request.columns, &request.ids)
    }

    fn find(&mut self, request: &FindRequest) -> Result<Found, Error> {
        Ok(Found::all(self.find_records(request)?))
    }

    fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        self.write_operations(request)
    }

    fn add_activities(&mut self, activities: &[Activity]) -> Result<Vec<Outcome>, Error> {
        self.add_tasks(activities)
    }

    fn webhook(&mut self, _: &Hook) -> Result<Reply, Error> {
        webhook::refuse_call()
    }
}

impl Salesforce {
    /// The shape of an object, described only if what this job knows does not cover the columns.
    fn get_shape(&mut self, object: &str, columns: &[String]) -> Result<ObjectShape, Error> {
        if let Some(shape) = self.shapes.get(object).filter(|shape| shape.covers(columns)) {
            return Ok(shape.clone());
        }
        for described in schema::describe_objects(&self.config, &[object.to_owned()])? {
            let shape = described.shape(&self.config.stamp_field);
            self.shapes.insert(object.to_owned(), shape);
        }
        Ok(self.shapes.get(object).cloned().unwrap_or_default())
    }

    /// Takes over the shape that a cursor carries, unless this job knows better.
    fn keep_shape(&mut self, object: &str, shape: ObjectShape) {
        if self.shapes.get(object).is_none_or(|known| !known.whole) {
            self.shapes.insert(object.to_owned(), shape);
        }
    }

    /// Drops a shape that came from a cursor; false if it was described in this job.
    fn drop_shape(&mut self, object: &str) -> bool {
        let stale = self.shapes.get(object).is_some_and(|shape| !shape.whole);
        stale && self.shapes.remove(object).is_some()
    }
}
