//! The house rules that a machine can check, on the whole repository.
//!
//! Every finding names its file and line and says what to do; all findings are listed at once.

mod architecture;
mod citations;
mod connectors;
mod imports;
mod modules;
mod patches;
mod sources;
mod style;
mod words;
