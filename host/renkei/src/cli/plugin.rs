//! The commands below `renkei plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::dir::DirArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Compile a plugin into one .wasm file with its manifest inside.
    #[command(after_help = "Examples:
  renkei plugin build plugins/connectors/hubspot
  renkei plugin build . --out /srv/renkei/plugins
  renkei plugin build plugins/examples/python/transform

The language is that of the file beside plugin.toml: Cargo.toml (Rust), package.json (JavaScript),
requirements.txt (Python). For the latter two the tools are installed below the directory first.")]
    Build {
        /// Directory of the plugin, which holds plugin.toml.
        path: PathBuf,
        /// Directory for the .wasm file.
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
    /// Put a manifest into a component made without `plugin build`.
    #[command(after_help = "Examples:
  renkei plugin pack component.wasm --manifest plugin.toml --out sync/plugins")]
    Pack {
        /// Component of a world of wit/v0.2, in whatever language.
        file: PathBuf,
        /// Manifest; it must have `version`.
        #[arg(long, default_value = "plugin.toml", value_name = "FILE")]
        manifest: PathBuf,
        /// Directory for the .wasm file.
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
    /// Create a plugin from the template of its language.
    #[command(after_help = "Examples:
  renkei plugin new my-crm
  renkei plugin new my-crm --language python
  renkei plugin new tidy-phones --kind transform --into ../plugins")]
    New {
        /// ID of the plugin: lower-case letters, digits and hyphens.
        name: String,
        /// Kind of plugin.
        #[arg(long, value_enum, default_value_t = PluginKind::Connector, value_name = "KIND")]
        kind: PluginKind,
        /// Language to write it in.
        #[arg(long, value_enum, default_value_t = PluginLanguage::Rust, value_name = "LANGUAGE")]
        language: PluginLanguage,
        /// Directory in which to make that of the plugin.
        #[arg(long, default_value = ".", value_name = "DIR")]
        into: PathBuf,
        /// Directory `plugins/sdk` of a checkout of Renkei.
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
    /// Print manifest, imports, digest and size of a plugin file.
    ///
    /// The file is not run.
    #[command(after_help = "Examples:
  renkei plugin inspect plugins/hubspot.wasm
  renkei plugin inspect plugins/hubspot.wasm --json | jq .imports")]
    Inspect {
        /// Plugin file.
        file: PathBuf,
    },
    /// Show the plugins, their state, and what was stopped or refused.
    ///
    /// The plugins are those of a running `renkei serve`, with what that one stopped or refused
    /// since it began, by plugin, system and cause. Without one, they are those that a host with
    /// this configuration would load.
    #[command(after_help = "Examples:
  renkei plugin list --dir sync
  renkei plugin list --dir sync --json | jq '.stops[]? | select(.cause == \"memory\")'
  renkei plugin list --dir sync --json | jq '.plugins[] | select(.state != \"serving\")'")]
    List(DirArgs),
    /// Test a plugin file against the contract.
    ///
    /// Needs no source. Exits 1 where a check fails.
    #[command(after_help = TEST_HELP)]
    Test(TestArgs),
    /// Compare a plugin file with the version that serves.
    ///
    /// Runs recent rows through both transforms and shows what differs.
    #[command(after_help = "Examples:
  renkei plugin preview names.wasm --dir sync
  renkei plugin preview sync/plugins/names.wasm --show-values --dir sync
  renkei plugin preview names-2.wasm --id names --json --dir sync | jq .fields

Rows are kept whenever a transform runs: the last 256 per function, in the data directory. A
connector cannot be tried without its system: only its permissions are compared.")]
    Preview {
        /// Plugin file.
        file: PathBuf,
        /// ID of the plugin that serves, if it is another one.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Show values of records instead of describing them.
        #[arg(long)]
        show_values: bool,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Rescan the plugin folder, or approve a version that waits.
    ///
    /// With a file or an id: approves the version that waits there, takes one again that was rolled
    /// back, ends a quarantine, and asks systems again that asked for a pause.
    #[command(after_help = "Examples:
  renkei plugin reload --dir sync
  renkei plugin reload names.wasm --dir sync
  renkei plugin reload hubspot --dir sync
  renkei plugin reload hubspot@3f2a9c1b0d4e --dir sync")]
    Reload {
        /// File in the plugin folder, or ID of the plugin.
        plugin: Option<String>,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Roll back to the previous version.
    ///
    /// The version that serves now is not taken again until its file changes or `renkei plugin
    /// reload` approves it.
    #[command(after_help = "Examples:
  renkei plugin rollback names --dir sync")]
    Rollback {
        /// ID of the plugin.
        id: String,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Require approval of new versions of a plugin.
    ///
    /// They wait until `renkei plugin reload ID` approves them.
    #[command(after_help = "Examples:
  renkei plugin hold names --dir sync
  renkei plugin hold names --off --dir sync")]
    Hold {
        /// ID of the plugin.
        id: String,
        /// Let new versions serve at once again.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Show or change the permissions of plugins.
    #[command(after_help = "Examples:
  renkei plugin grants --dir sync
  renkei plugin grants hubspot --deny write:deals:archive --dir sync
  renkei plugin grants hubspot --allow all --dir sync

The first version of a plugin is granted what it asks for. A later version that asks for more waits,
and the previous one serves on, until `--allow` names what is new or `renkei plugin reload ID`
grants all of it.")]
    Grants {
        /// ID of the plugin; without, all are shown.
        id: Option<String>,
        /// Permissions to grant: words of the list, or `all`.
        #[arg(long, value_name = "WORD", value_delimiter = ',', requires = "id")]
        allow: Vec<String>,
        /// Permissions to take away: words of the list.
        #[arg(long, value_name = "WORD", value_delimiter = ',', requires = "id")]
        deny: Vec<String>,
        #[command(flatten)]
        dir: DirArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Plugin file.
    pub(crate) file: PathBuf,
    /// File for the report as JSON.
    #[arg(long, value_name = "PATH")]
    pub(crate) report: Option<PathBuf>,
    /// Simulator for a connector; without, the one its manifest names.
    ///
    /// `hubspot` and `salesforce` are started for the test. A URL names a simulator on loopback
    /// that runs already.
    #[arg(long, value_name = "NAME|URL")]
    pub(crate) simulator: Option<String>,
    /// Authentication of the simulator at a URL.
    ///
    /// `none`, `bearer`, `header:NAME` or `client-credentials:ID`. The secret comes from
    /// `RENKEI_SECRET_SIMULATOR`.
    #[arg(long, value_name = "WAY", default_value = "bearer")]
    pub(crate) auth: String,
    /// Setting of the connector or parameter of the transform; repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) config: Vec<String>,
    /// Seed; the same one makes the same data.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

const TEST_HELP: &str = "\
Examples:
  renkei plugin test names.wasm
  renkei plugin test hubspot.wasm --report report.json
  renkei plugin test acme-crm.wasm --simulator http://127.0.0.1:7100 --auth bearer
  renkei plugin test acme-crm.wasm --json | jq '.checks[]'

One line per check: passed, failed with what was seen and what to do, or not applicable with the
reason. Exits 0 only when no check failed. A connector makes, changes and archives records in the
simulator; give no real system.";

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
