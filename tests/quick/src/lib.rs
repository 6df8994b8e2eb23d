//! The quick tests: everything that needs neither wasmtime nor a network, in one binary.
//!
//! `world` is a light CRM in memory with faults, `bench` runs the engine's real cycles on it.
//! `mirror` is both stores at once.
//! `scenarios` tells stories, `histories` shakes the engine with random ones and checks the
//! invariants of SYNC.md 3.10, `tidy` checks the house rules on the whole repository.

#[cfg(test)]
mod world;

#[cfg(test)]
mod mirror;

#[cfg(test)]
mod bench;

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
