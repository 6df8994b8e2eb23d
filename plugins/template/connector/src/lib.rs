//! A connector for a small CRM. `API.md` says what the API does on the wire, and
//! `wit/v0.2/connector.wit` in Renkei's repository what each function means.
//!
//! The files are those of every connector of Renkei:
//!
//! | function | file |
//! |---|---|
//! | `configure` | `config.rs` |
//! | `check` | `client.rs` |
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

use renkei_sdk::{
    Account, Activity, Attributes, Connector, Error, FindRequest, Found, Hook, Outcome, Page,
    PageRequest, RecordsRequest, Reply, Schema, WriteRequest,
};

use crate::config::Config;

/// The connector for the length of one job.
pub struct Crm {
    config: Config,
}

renkei_sdk::export_connector!(Crm);

impl Connector for Crm {
    fn configure(settings: &Attributes) -> Result<Self, Error> {
        Ok(Self { config: Config::read(settings)? })
    }

    fn check(&mut self) -> Result<Account, Error> {
        client::check_account()
    }

    fn discover(&mut self, objects: &[String]) -> Result<Vec<Schema>, Error> {
        schema::discover(objects)
    }

    fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        read::read_page(&self.config, request)
    }

    fn read_records(&mut self, request: &RecordsRequest) -> Result<Page, Error> {
        find::read_records(&request.columns, &request.ids)
    }

    fn find(&mut self, request: &FindRequest) -> Result<Found, Error> {
        find::find_records(request)
    }

    fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        Ok(write::write_records(request))
    }

    fn add_activities(&mut self, activities: &[Activity]) -> Result<Vec<Outcome>, Error> {
        activity::add_activities(activities)
    }

    fn webhook(&mut self, hook: &Hook) -> Result<Reply, Error> {
        webhook::receive(hook)
    }
}
