//! Arguments of `renkei plugin new` and `test`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The .wasm file.
    pub(crate) file: PathBuf,
    /// Write the report as JSON into this file too.
    #[arg(long, value_name = "PATH")]
    pub(crate) report: Option<PathBuf>,
    /// What to try a connector on: `hubspot` or `salesforce`, which are started for it, or the URL
    /// of a simulator on loopback. Default: the one that its manifest names.
    #[arg(long, value_name = "NAME|URL")]
    pub(crate) simulator: Option<String>,
    /// How the simulator at a URL is logged in to: none, bearer, header:NAME or
    /// client-credentials:ID. The secret comes from `RENKEI_SECRET_SIMULATOR`.
    #[arg(long, value_name = "WAY", default_value = "bearer")]
    pub(crate) auth: String,
    /// A setting of the connector or a parameter of the transform; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) config: Vec<String>,
    /// The same seed makes the same data.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

pub(super) const TEST_HELP: &str = "\
Examples:
  renkei plugin test names.wasm
  renkei plugin test hubspot.wasm --report report.json
  renkei plugin test acme-crm.wasm --simulator http://127.0.0.1:7100 --auth bearer
  renkei plugin test acme-crm.wasm --json | jq '.checks[]'

One line per check: passed, failed with what was seen and what to do, or not applicable with the
reason. Exits 0 only when no check failed. A connector makes, changes and archives records in the
simulator; give it nothing else.";

/// The two kinds of plugin.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PluginKind {
    Connector,
    Transform,
}

/// A language that `plugin new` has a template in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PluginLanguage {
    Rust,
    #[value(name = "javascript")]
    JavaScript,
    Python,
}
