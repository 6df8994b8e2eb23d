//! Serves the simulators until interrupted; prints one JSON line per system when it is ready.
//!
//! `cargo run -p renkei-sim --example serve -- [people] [seed]`

fn main() {}
