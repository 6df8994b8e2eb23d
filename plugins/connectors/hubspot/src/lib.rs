//! HubSpot as a Renkei connector: contacts, companies, deals, and whatever else has a CRM object.
//!
//! `API.md` states the facts of the wire; comments cite them by name, such as H-search-3.
//! `README.md` lists limits and quirks. The files are those of every connector:
//!
//! | function | file |
//! |---|---|
//! | `configure` | `config.rs` |
//! | `check` | `client/account.rs` |
//! | `objects` | `schema/objects.rs` |
//! | `discover` | `schema.rs` |
//! | `read_page` | `read.rs` |
//! | `read_records`, `find` | `find.rs` |
//! | `write`, `merge` | `write.rs`, `write/merge.rs` |
//! | `add_activities` | `activity.rs` and below |
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

mod associations;

use std::collections::BTreeMap;
use std::rc::Rc;

use renkei_sdk::{
    Account, Activity, Attributes, Connector, Error, FindRequest, Found, Hook, MergeRequest,
    ObjectInfo, Outcome, Page, PageRequest, RecordsRequest, Reply, Schema, WriteRequest,
};

use crate::config::Config;
use crate::schema::Properties;
use crate::value::rows::Selection;

/// One HubSpot account for the length of a job.
#[derive(Debug)]
pub struct HubSpot {
    config: Config,
    /// The properties of the objects used so far.
    properties: BTreeMap<String, Rc<Properties>>,
}

renkei_sdk::export_connector!(HubSpot);

impl HubSpot {
    fn get_properties(&mut self, object: &str) -> Result<Rc<Properties>, Error> {
        if let Some(known) = self.properties.get(object) {
            return Ok(Rc::clone(known));
        }
        Ok(self.keep_properties(object, Properties::fetch(object)?))
    }

    fn keep_properties(&mut self, object: &str, properties: Properties) -> Rc<Properties> {
        let properties = Rc::new(properties);
        self.properties.insert(object.to_owned(), Rc::clone(&properties));
        properties
    }

    /// Writes activities of one sort.
    fn write_activities(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        let properties = self.get_properties(&request.object)?;
        let stamp = &self.config.stamp_property;
        if properties.can_stamp(stamp) {
            return write::write_records(request, &properties, stamp);
        }
        let refused = activity::refuse_without_stamp(&request.object, stamp);
        Ok(vec![refused; request.operations.len()])
    }
}

impl Connector for HubSpot {
    fn configure(configuration: &Attributes) -> Result<Self, Error> {
        Ok(Self { config: Config::read(configuration)?, properties: BTreeMap::new() })
    }

    fn check(&mut self) -> Result<Account, Error> {
        client::account::check_account()
    }

    fn objects(&mut self) -> Result<Vec<ObjectInfo>, Error> {
        schema::objects::list_objects()
    }

    fn discover(&mut self, objects: &[String]) -> Result<Vec<Schema>, Error> {
        let mut schemas = Vec::with_capacity(objects.len());
        for object in objects {
            let (schema, properties) =
                schema::discover_object(object, &self.config.stamp_property)?;
            self.keep_properties(object, properties);
            schemas.push(schema);
        }
        Ok(schemas)
    }

    fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        let properties = self.get_properties(&request.object)?;
        let selection = Selection::new(&request.object, &request.columns, &properties);
        read::read_page(&self.config, &selection, request)
    }

    fn read_records(&mut self, request: &RecordsRequest) -> Result<Page, Error> {
        let properties = self.get_properties(&request.object)?;
        let selection = Selection::new(&request.object, &request.columns, &properties);
        find::read_records(&selection, &request.ids)
    }

    fn find(&mut self, request: &FindRequest) -> Result<Found, Error> {
        let properties = self.get_properties(&request.object)?;
        let selection = Selection::new(&request.object, &request.columns, &properties);
        Ok(Found::all(find::find_records(&selection, &properties, request)?))
    }

    fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        let properties = self.get_properties(&request.object)?;
        write::write_records(request, &properties, &self.config.stamp_property)
    }

    fn merge(&mut self, request: &MergeRequest) -> Result<Outcome, Error> {
        write::merge::merge_records(&request.object, &request.winner, &request.losers)
    }

    fn add_activities(&mut self, activities: &[Activity]) -> Result<Vec<Outcome>, Error> {
        let (groups, mut outcomes) = activity::group_activities(activities);
        for (done, group) in groups.into_iter().enumerate() {
            let added = match self.write_activities(&group.request) {
                Ok(added) => added,
                Err(error) if done == 0 => return Err(error),
                // What the groups before made counts; the others wait for the next call.
                Err(_) => break,
            };
            for (place, outcome) in group.places.into_iter().zip(added) {
                if let Some(known) = outcomes.get_mut(place) {
                    *known = Some(outcome);
                }
            }
        }
        let waits = Outcome::RetryAfter(write::WAIT_MS);
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(waits.clone())).collect())
    }

    fn webhook(&mut self, hook: &Hook) -> Result<Reply, Error> {
        webhook::receive_call(hook)
    }
}
