//! The tests of the engine: everything that needs neither wasmtime nor a network, in one binary.
//!
//! The systems in memory and the workbench come from `../worlds`.
//! `scenarios` tells stories, `histories` shakes the engine with random ones and checks the
//! invariants of `host/sync/RULES.md`, `tidy` checks the house rules on the whole repository.

#[cfg(test)]
use renkei_worlds::{bench, world};

#[cfg(test)]
mod crashes;

#[cfg(test)]
mod scenarios;

#[cfg(test)]
mod histories;

#[cfg(test)]
mod stories;

#[cfg(test)]
mod sweeps;

#[cfg(test)]
mod transforms;

#[cfg(test)]
mod tidy;
