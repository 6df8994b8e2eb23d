//! The SDK of Renkei's plugins.
//!
//! A plugin is one WebAssembly component: a connector (one CRM) or a transform (pure functions over
//! batches). This crate is the contract `wit/v0.2` in Rust, with the types as generated and short
//! ways to make and read them. Features: `connector` and `transform` bring the world's trait and
//! macro, `testing` the host for native tests.
//!
//! # A whole connector
//!
//! It serves an API that has people with a name, in pages, and makes one per key however often it
//! is asked.
//!
//! ```
//! use renkei_sdk::http::Request;
//! use renkei_sdk::{
//!     Account, Action, Applied, Attributes, Batch, Cell, Connector, Error, Field, FindRequest,
//!     Found, Kind, Operation, Outcome, Page, PageRequest, Problem, RecordsRequest, Remedy, Row,
//!     Schema, Value, WriteRequest, cursor,
//! };
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Person {
//!     id: String,
//!     name: Option<String>,
//! }
//!
//! #[derive(Deserialize)]
//! struct People {
//!     people: Vec<Person>,
//!     /// Where the next page begins; never missing, so that a later scan goes on from there.
//!     next: String,
//!     more: bool,
//! }
//!
//! struct Tiny;
//!
//! impl Connector for Tiny {
//!     fn configure(_: &Attributes) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!
//!     fn check(&mut self) -> Result<Account, Error> {
//!         let answer = Request::get("/me").send()?;
//!         if answer.status == 403 {
//!             return Err(Error::forbidden("403", "the token may not read its own account"));
//!         }
//!         let me: Person = answer.json()?;
//!         Ok(Account::new(me.id, me.name.unwrap_or_default()))
//!     }
//!
//!     fn discover(&mut self, _: &[String]) -> Result<Vec<Schema>, Error> {
//!         let name = Field::new("name", Kind::Text).label("Name").max_length(80);
//!         Ok(vec![Schema::new("people", "People").field(name).fact("creatable", true)])
//!     }
//!
//!     fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
//!         let after: String = cursor::decode(request.cursor.as_deref())?;
//!         let page: People = Request::get("/people").query("after", &after).send()?.json()?;
//!         let cursor = cursor::encode(&page.next)?;
//!         let batch = batch(&request.columns, page.people);
//!         Ok(if page.more { Page::more(batch, cursor) } else { Page::last(batch, cursor) })
//!     }
//!
//!     fn read_records(&mut self, request: &RecordsRequest) -> Result<Page, Error> {
//!         let answer = Request::get("/people").query("ids", &request.ids.join(",")).send()?;
//!         let page: People = answer.json()?;
//!         Ok(Page::last(batch(&request.columns, page.people), Vec::new()))
//!     }
//!
//!     fn find(&mut self, request: &FindRequest) -> Result<Found, Error> {
//!         // This API compares one field; several at once are `unsupported`.
//!         let (key, values) = request.key()?;
//!         let names: Vec<&str> = values.into_iter().filter_map(Value::as_text).collect();
//!         let answer = Request::get("/people").query(key, &names.join(",")).send()?;
//!         let page: People = answer.json()?;
//!         Ok(Found::all(batch(&request.columns, page.people)))
//!     }
//!
//!     fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
//!         let write = |operation: &Operation| {
//!             if operation.action != Action::Create {
//!                 let problem = Problem::new("action", "create only", Remedy::Admin);
//!                 return Ok(Outcome::rejected(problem));
//!             }
//!             let name = request.cell(operation, "name").and_then(Value::as_text);
//!             let body = serde_json::json!({ "name": name });
//!             // The key makes the request safe to repeat.
//!             let put = Request::put(format!("/people/{}", operation.intent)).json(&body);
//!             match put.send() {
//!                 Ok(answer) => Ok(Applied::created(answer.json::<Person>()?.id).into()),
//!                 Err(failure) => Ok(failure.into()),
//!             }
//!         };
//!         request.operations.iter().map(write).collect()
//!     }
//! }
//!
//! /// The columns asked for, in their order; a column that the API does not have is absent.
//! fn batch(columns: &[String], people: Vec<Person>) -> Batch {
//!     let mut batch = Batch::new(columns);
//!     for person in people {
//!         let cell = |column: &String| -> Cell {
//!             (column == "name").then(|| person.name.clone().into())
//!         };
//!         batch.rows.push(Row::new(person.id.clone(), columns.iter().map(cell).collect()));
//!     }
//!     batch
//! }
//!
//! renkei_sdk::export_connector!(Tiny);
//!
//! // A test needs no host: its handler answers instead.
//! # fn main() {
//! use renkei_sdk::testing::{respond, with_http};
//! use renkei_sdk::Scan;
//!
//! let request = PageRequest::new("people", ["name"], Scan::Backfill);
//! let page = with_http(
//!     |request| {
//!         assert_eq!(request.path, "/people?after=");
//!         let people = r#"{"people": [{"id": "7", "name": "山田"}], "next": "7", "more": false}"#;
//!         Ok(respond(200, people))
//!     },
//!     || Tiny.read_page(&request),
//! );
//! assert_eq!(page.unwrap().batch.iter().next().unwrap().text("name"), Some("山田"));
//! # }
//! ```
#![warn(missing_docs)]

/// Every guest's: every text that crosses the boundary is allocated by the guest first.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: allocator::Allocator<talc::wasm::WasmDynamicTalc> =
    allocator::Allocator::new(talc::wasm::new_wasm_dynamic_allocator());

#[cfg(any(target_family = "wasm", test))]
mod allocator;

#[doc(hidden)]
pub mod bindings;

pub mod batch;
#[cfg(any(feature = "connector", feature = "transform"))]
mod panics;
mod problem;
mod value;

#[cfg(feature = "connector")]
pub mod connector;
#[cfg(feature = "connector")]
mod hook;
#[cfg(feature = "connector")]
mod outcome;
#[cfg(feature = "connector")]
mod request;
#[cfg(feature = "connector")]
mod schema;
#[cfg(feature = "transform")]
pub mod transform;

pub mod cursor;
pub mod http;
pub mod log;
pub mod signing;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
pub mod time;

pub use bindings::imports::renkei::plugin::types::{
    Batch, Error, Extra, Problem, Removal, Row, Tombstone, Value,
};
#[cfg(feature = "connector")]
pub use connector::{
    Account, Action, Activity, Applied, Connector, Field, FindRequest, FinishRequest, Found, Hint,
    Hook, Job, MergeRequest, ObjectInfo, Operation, Outcome, Page, PageRequest, RecordsRequest,
    Reply, Scan, Schema, Subscription, SubscriptionRequest, WriteRequest,
};
pub use problem::Remedy;
#[cfg(feature = "connector")]
pub use schema::{Kind, Resolution};
#[cfg(feature = "transform")]
pub use transform::Transform;
pub use value::{Attributes, Cell, Facts, text_of_parts};
