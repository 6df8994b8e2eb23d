//! Typed requests and answers for everything that a person may ask of Renkei or want from it.
//!
//! A surface (a command of the program, the control socket, an HTTP API) turns what a person typed
//! into a request of this crate and formats the answer. It queries no store and decides nothing.
//! The JSON of an answer is what `--json` prints.
//!
//! | a person wants | request | answer |
//! |---|---|---|
//! | the state of a database | [`status::StatusQuery`] | [`status::StatusReport`] |
//! | what fails | [`status::StatusQuery`] | [`failures::FailureReport`] |
//! | what awaits a decision | [`status::StatusQuery`] | [`reviews::ReviewReport`] |
//! | to decide a review | [`decisions::ReviewDecision`] | [`decisions::Decided`] |
//! | the reason of a value | [`why::WhyQuery`] | [`renkei_sync::answers::why::Explanation`] |
//! | what a sync would write | | [`cycle::PlanReport`] |
//! | what a cycle did | | [`cycle::CycleSummary`] |
//! | plugins and permissions | [`plugins::PluginRequest`] | [`plugins::PluginStatus`] |
//!
//! Invariants: every error is a [`RequestError`] with what happened, where, and a hint; text of
//! others (records, plugins, configurations) passes through [`text`] before it is printed.

pub mod cycle;
pub mod decisions;
pub mod error;
pub mod failures;
pub mod first_sync;
pub mod noted_decisions;
pub mod plugins;
pub mod reviews;
pub mod socket;
pub mod status;
pub mod text;
pub mod why;

pub use error::{ErrorReport, FailureKind, RequestError};
