//! kintone in memory: two apps behind the vendor's REST API (`API.md`).
//!
//! It was written from the vendor's documentation and shares no code with the connector.

mod app;
mod form;
mod query;
mod records;
mod refusal;
mod seed;
mod server;
mod time;

pub use server::{Access, Server};
