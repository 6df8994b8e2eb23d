//! A connector for kintone, written against `renkei:plugin@0.2.0` and nothing else of Renkei.
//!
//! An object is one app. `../../API.md` holds the facts of the wire, which comments cite by name.
//! `../../wit` is a copy of the contract.
//!
//! | function | file |
//! |---|---|
//! | `configure` | `config.rs` |
//! | `check` | `client.rs` |
//! | `discover` | `schema.rs` |
//! | `read-page` | `read.rs` |
//! | `read-records`, `find` | `find.rs` |
//! | `write`, `merge` | `write.rs` |
//! | `add-activities` | `activity.rs` |
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

#[cfg(test)]
mod simulated;

/// The contract's types and functions, made of `../wit`.
mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "connector-plugin",
        additional_derives: [PartialEq],
    });
}

use std::cell::RefCell;
use std::rc::Rc;

use crate::bindings::exports::renkei::plugin::connector::{
    Account, Activity, FindRequest, FinishRequest, Found, Guest, Hook, MergeRequest, ObjectInfo,
    Outcome, Page, PageRequest, RecordsRequest, Reply, Schema, Subscription, SubscriptionRequest,
    WriteRequest,
};
use crate::bindings::renkei::plugin::http;
use crate::bindings::renkei::plugin::types::{Attributes, Error};
use crate::client::Job;
use crate::config::Config;

thread_local! {
    /// The job that this instance serves, once it is configured.
    static JOB: RefCell<Option<Rc<Job>>> = const { RefCell::new(None) };
}

/// The configured job; `bug` before `configure`.
fn job() -> Result<Rc<Job>, Error> {
    let job = JOB.with(|job| job.borrow().clone());
    job.ok_or_else(|| Error::Bug("a call came before `configure`".to_owned()))
}

struct Kintone;

// Native tests link the rest: a native linker does not take the names of a component's exports.
#[cfg(target_arch = "wasm32")]
bindings::export!(Kintone with_types_in bindings);

impl Guest for Kintone {
    fn configure(settings: Attributes) -> Result<(), Error> {
        let job = Job::new(Config::read(&settings)?, Box::new(http::send));
        JOB.with(|place| place.replace(Some(Rc::new(job))));
        Ok(())
    }

    fn check() -> Result<Account, Error> {
        client::check_account(&*job()?)
    }

    fn discover(objects: Vec<String>) -> Result<Vec<Schema>, Error> {
        schema::discover(&*job()?, &objects)
    }

    fn read_page(request: PageRequest) -> Result<Page, Error> {
        read::read_page(&*job()?, &request)
    }

    fn objects() -> Result<Vec<ObjectInfo>, Error> {
        Err(Error::Unsupported("objects".to_owned()))
    }

    fn read_records(request: RecordsRequest) -> Result<Page, Error> {
        find::read_records(&*job()?, &request.object, &request.columns, &request.ids)
    }

    fn find(request: FindRequest) -> Result<Found, Error> {
        let batch = find::find_records(&*job()?, &request)?;
        Ok(Found { batch, cursor: None, facts: Vec::new() })
    }

    fn write(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        write::write_records(&*job()?, &request)
    }

    fn merge(_: MergeRequest) -> Result<Outcome, Error> {
        Err(Error::Unsupported("merge".to_owned()))
    }

    fn finish(_: FinishRequest) -> Result<Vec<Outcome>, Error> {
        Err(Error::Unsupported("finish: no write of kintone's is pending".to_owned()))
    }

    fn add_activities(activities: Vec<Activity>) -> Result<Vec<Outcome>, Error> {
        activity::add_activities(&activities)
    }

    fn webhook(hook: Hook) -> Result<Reply, Error> {
        webhook::receive(&hook)
    }

    fn subscribe(_: SubscriptionRequest) -> Result<Subscription, Error> {
        Err(Error::Unsupported("subscribe".to_owned()))
    }

    fn renew(_: String) -> Result<Subscription, Error> {
        Err(Error::Unsupported("renew".to_owned()))
    }

    fn unsubscribe(_: String) -> Result<(), Error> {
        Err(Error::Unsupported("unsubscribe".to_owned()))
    }
}
