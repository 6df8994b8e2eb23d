//! Hostile plugins (`SECURITY.md` S1 to S14). Attacks on the way out stand in `src/tests/egress`.
//!
//! A test binary of its own: cases run one at a time ([`stand`]), so that the memory of the process
//! is the case's, and files are compiled by a child as in the program. Each case asserts that the
//! host lives and the neighbours' work is all done, the typed error, the audit line, and a bound on
//! memory. Guests are made in the tests from text, with `renkei_fixtures::Guest`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

mod stand;

mod cpu_memory;
mod host_calls;
mod load;
mod strangers;
