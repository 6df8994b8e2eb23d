//! What can be typed: commands, flags and their help. Nothing here acts; `main` hands the parsed
//! command on.
//!
//! Every command understands `--json`; the texts under `after_help` are the examples that the
//! README's tour uses.

mod cycles;
mod database;
mod plugin;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};
use renkei_simulators::vendors::VendorEntry;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

pub(crate) use cycles::{PlanArgs, ServeArgs, SyncArgs};
pub(crate) use database::{AccountCommand, FileArgs};
use plugin::TEST_HELP;
pub(crate) use plugin::{PluginKind, PluginLanguage, TestArgs};

use crate::clock::SystemClock;

/// Keeps CRMs in step.
#[derive(Debug, Parser)]
#[command(name = "renkei", version, max_term_width = 110, after_help = MORE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print machine-readable JSON on standard output instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// How much to log on standard error: error, warn, info, debug, or a filter such as
    /// `renkei_runtime=debug`. `serve` also logs each change of a plugin, unless
    /// `renkei::audit=off` is in it.
    #[arg(long, global = true, default_value = "warn", value_name = "FILTER", value_parser = filter)]
    pub(crate) log: String,

    /// Log lines as JSON.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,

    /// For trials on simulators: run on a clock that counts SPEED times as fast since ORIGIN_MS, as
    /// `sim --clock-origin-ms --speed` does. Never use it with a real account.
    #[arg(long, global = true, hide = true, value_name = "ORIGIN_MS:SPEED")]
    pub(crate) trial_clock: Option<SystemClock>,
}

/// A filter that tracing understands; kept as text because `EnvFilter` cannot be cloned.
fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

const MORE: &str = "\
Examples:
  renkei demo                          two simulated CRMs, with nothing to set up
  renkei init --dir sync               an example configuration, to be edited
  renkei check --dir sync              does it fit the live systems?

Exit codes:
  0  done
  1  a check of `plugin test` failed, the demo broke a promise, or something unexpected happened
  2  wrong usage or configuration; nothing was written
  3  a system could not be reached or refused the credentials
  4  the database could not be opened or written
  5  a plugin is broken or built for another contract
  6  the first sync waits for an answer; nothing of it was written";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch two simulated CRMs being kept in step, with nothing to set up.
    #[command(after_help = "Examples:
  renkei demo                          build, sync, edit on both sides, sync again, go on
  renkei demo --once --json            the same as one JSON object, then exit
  renkei demo --once --people 20000 --no-limits
  renkei demo --dir /tmp/renkei        keep configuration and database for `renkei why`
  renkei demo --plugins /tmp/mine      load the plugins of a folder too

Host and simulators share a clock that runs 30 times as fast as yours: lags and quota windows of a
minute pass in two seconds. So times of records lie ahead, and the records a second are not those of
a real account; --speed 1 is real time.")]
    Demo(DemoArgs),

    /// Start simulated CRMs on loopback.
    #[command(after_help = "Examples:
  renkei sim                           both on free ports; prints one JSON line when ready
  renkei sim --systems hubspot --port-base 7100 --people 500 --seed 7
  renkei sim --no-limits               no quotas, and HubSpot's search shows an edit at once and
                                       not only after some seconds, as the real one does")]
    Sim(SimArgs),

    /// Write an example configuration into a directory.
    #[command(after_help = "Examples:
  renkei init --dir sync               writes sync/renkei.toml, sync/entities/*.toml and an empty sync/plugins")]
    Init(DirArgs),

    /// Compare the configuration with the plugins and the live systems; writes nothing.
    #[command(after_help = "Examples:
  renkei check --dir sync
  renkei check --dir sync --json | jq '.findings[]'")]
    Check(DirArgs),

    /// Show what a sync would write and why; writes nothing.
    #[command(after_help = "Examples:
  renkei plan --dir sync
  renkei plan --dir sync --limit 20")]
    Plan(PlanArgs),

    /// Synchronise once, until nothing is left to do.
    #[command(after_help = "Examples:
  renkei sync --dir sync
  renkei sync --yes --dir sync
  renkei sync --dir sync --json | jq .writes

The first sync of an entity stops at its plan: it says how much it would write and ends with exit
code 6, until it is run with --yes or `renkei decide` approves it.")]
    Sync(SyncArgs),

    /// Synchronise again and again until SIGTERM or Ctrl-C; plugins are reloaded when their files
    /// change.
    #[command(after_help = "Examples:
  renkei serve --dir sync --log info
  renkei serve --dir sync --interval-seconds 30
  renkei serve --dir sync --json | jq 'select(.event == \"cycle\" and .failed > 0)'

Before the first sync it waits for `renkei decide REVIEW approve`, which may be typed beside it.

With --json one line per event, each with `event`: `serving` at the start, `cycle` with what
`renkei sync --json` prints, `decided`, `plugin-loaded`, `plugin-refused`, `plugin-removed`,
`plugin-one-way`, `plugin-waits`, `plugin-rolled-back`, `plugin-quarantined`, `plugin-approved`,
`plugin-hold`, `plugin-grants`.

Log lines go to standard error. Those about plugins (target `renkei::audit`: loaded, refused, held,
who asked) are there whatever --log says; `--log warn,renkei::audit=off` leaves them out.")]
    Serve(ServeArgs),

    /// Show links, open questions and how to answer them, work that waits, and plugins of a running
    /// `serve` that keep it waiting.
    #[command(after_help = "Examples:
  renkei status --dir sync
  renkei status --decided --dir sync           what rules have decided, and how to take it back")]
    Status(StatusArgs),

    /// Answer why a value was or was not written.
    #[command(after_help = "Examples:
  renkei why hubspot.contacts/501 --dir sync
  renkei why hubspot.contacts/501 --field phone --dir sync
  renkei why person/212 --dir sync             a link by its number, as `status` and `plan` name it")]
    Why(WhyArgs),

    /// Answer an open review, or reverse what a rule decided; the next cycle acts on it. A running
    /// `renkei serve` is asked to do it between two cycles; during a long one the answer is noted,
    /// and counts when that has ended.
    #[command(after_help = "Examples:
  renkei status --dir sync                          lists open reviews with their ids
  renkei decide 3f2a take salesforce --dir sync     that system's value stands
  renkei decide 3f2a value '03-1234-5678' --dir sync
  renkei decide 77b0 with salesforce.Contact/003000000000001AAA --dir sync
  renkei decide 77b0 separate --dir sync            it is a record of its own
  renkei decide 9c1e approve --dir sync             the first sync, deletions, a merge: as asked
  renkei decide 9c1e leave --dir sync               nothing is done")]
    Decide(DecideArgs),

    /// Write a copy of the database into a new file, also while `renkei serve` works on it.
    #[command(after_help = "Examples:
  renkei backup /backup/monday.db --dir sync
  renkei backup /backup/monday.db --dir sync --json | jq .records

The copy is one consistent state, checked, and readable for its owner only. Without the plugins and
the configuration, which are files of their own.")]
    Backup(FileArgs),

    /// Put a backup in the place of the database. What it replaces is kept beside it; the next
    /// cycles read everything again before they write.
    #[command(after_help = "Examples:
  renkei restore /backup/monday.db --dir sync
  renkei restore /backup/monday.db --dir sync --json | jq .replaced

Refused while `renkei serve` or another command works on the database. Records that were made since
the backup are found again by their stamps; where both systems were edited, or one was deleted and
another edited, a person is asked.")]
    Restore(FileArgs),

    /// Say which accounts the systems of this database are.
    #[command(
        subcommand,
        after_help = "Examples:
  renkei account list --dir sync
  renkei account move salesforce --to 00D000000000002 --dir sync"
    )]
    Account(AccountCommand),

    /// Write, build and test plugins; see which serve, replace them, and say what they may.
    #[command(
        subcommand,
        after_help = "Examples:
  renkei plugin new my-crm
  renkei plugin build my-crm --out sync/plugins
  renkei plugin list --dir sync"
    )]
    Plugin(PluginCommand),
}

#[derive(Debug, Args, Clone)]
pub(crate) struct DirArgs {
    /// The directory that holds `renkei.toml`.
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// List what rules have decided instead of the open questions, the oldest first.
    #[arg(long)]
    pub(crate) decided: bool,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Exit after the table instead of going on.
    #[arg(long)]
    pub(crate) once: bool,
    /// How many people the simulated world has; companies are a fifth, deals a tenth of that.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    pub(crate) people: u32,
    /// The same seed makes the same world.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Lift the simulators' rate limits and lag, for measuring speed.
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// Keep configuration and database here; default is a temporary directory, its path is printed.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Load the .wasm files of this folder too, beside those that the demo builds.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// How many times faster than real time the demo's clock runs, so that lag and quota windows
    /// pass quickly.
    #[arg(long, default_value_t = 30.0, value_name = "X")]
    pub(crate) speed: f64,
}

/// All simulated vendors, as `--systems` lists them.
static SIMULATED: LazyLock<String> = LazyLock::new(|| VendorEntry::list_names().replace(", ", ","));

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// Which systems, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = SIMULATED.as_str(), value_name = "LIST")]
    pub(crate) systems: Vec<String>,
    /// How many people the world has.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) people: u32,
    /// The same seed makes the same world.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// First port; the systems take ports from here in the order named. Default: free ports.
    #[arg(long, value_name = "P")]
    pub(crate) port_base: Option<u16>,
    /// No rate limits, no lag, no faults.
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// How many times faster than real time the clock runs.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub(crate) speed: f64,
    /// The real and virtual time, ms since 1970, from which a faster clock counts. Default: now.
    #[arg(long, value_name = "MS")]
    pub(crate) clock_origin_ms: Option<i64>,
    /// End when standard input ends: with whoever started this, however that ended.
    #[arg(long)]
    pub(crate) until_input_ends: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// `entity/link` such as `person/12`, or `system.object/id` of a record.
    pub(crate) record: String,
    /// Only this field, by its name in the mapping or by that of its column in a system.
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The review's id as `renkei status` shows it, or the beginning of it.
    pub(crate) review: String,
    #[command(subcommand)]
    pub(crate) answer: Answer,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// A conflict: this system's value stands.
    #[command(after_help = "Examples:
  renkei decide 3f2a take salesforce --dir sync")]
    Take {
        /// The system's name in the configuration.
        system: String,
    },
    /// A conflict: this value stands.
    #[command(after_help = "Examples:
  renkei decide 3f2a value '03-1234-5678' --dir sync
  renkei decide 3f2a value hubspot.companies/501 --dir sync")]
    Value {
        /// As text. Of a list of choices with `;` between; of a reference a record as
        /// `system.object/id`.
        text: String,
    },
    /// A conflict: the field is emptied.
    #[command(after_help = "Examples:
  renkei decide 3f2a clear --dir sync")]
    Clear,
    /// An ambiguous match: link the record with this one. A create without an answer: this is it.
    /// A record that is gone: this one takes its place.
    #[command(after_help = "Examples:
  renkei decide 77b0 with salesforce.Contact/003000000000001AAA --dir sync")]
    With {
        /// `system.object/id`.
        record: String,
    },
    /// An ambiguous match: the record is a thing of its own. A create without an answer: send it
    /// again.
    #[command(after_help = "Examples:
  renkei decide 77b0 separate --dir sync")]
    Separate,
    /// Do what was asked: archive the others, merge the records there too, treat a missing record
    /// as deleted, go on with the deletions or creations, write
    /// the first sync.
    #[command(after_help = "Examples:
  renkei decide 9c41 approve --dir sync")]
    Approve,
    /// Leave things as they are. A create without an answer: give it up.
    #[command(after_help = "Examples:
  renkei decide 9c41 leave --dir sync")]
    Leave,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Compile a plugin into one .wasm component with its manifest inside.
    #[command(after_help = "Examples:
  renkei plugin build plugins/connectors/hubspot
  renkei plugin build . --out /srv/renkei/plugins
  renkei plugin build plugins/examples/python/transform

The language is that of the file beside plugin.toml: Cargo.toml (Rust), package.json (JavaScript),
requirements.txt (Python). For the latter two the tools are installed below the directory first.")]
    Build {
        /// The plugin's directory; it holds plugin.toml.
        path: PathBuf,
        /// Where the .wasm goes.
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
    /// Put a manifest into a component that was made without `plugin build`.
    #[command(after_help = "Examples:
  renkei plugin pack component.wasm --manifest plugin.toml --out sync/plugins")]
    Pack {
        /// A component of a world of wit/v1, in whatever language.
        file: PathBuf,
        /// Its manifest; it must say `version`.
        #[arg(long, default_value = "plugin.toml", value_name = "FILE")]
        manifest: PathBuf,
        /// Where the .wasm goes.
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
    /// Start a new plugin from the template of its language.
    #[command(after_help = "Examples:
  renkei plugin new my-crm
  renkei plugin new my-crm --language python
  renkei plugin new tidy-phones --kind transform --into ../plugins")]
    New {
        /// The plugin's id: lower-case letters, digits and hyphens.
        name: String,
        /// What it will be.
        #[arg(long, value_enum, default_value_t = PluginKind::Connector, value_name = "KIND")]
        kind: PluginKind,
        /// What it will be written in.
        #[arg(long, value_enum, default_value_t = PluginLanguage::Rust, value_name = "LANGUAGE")]
        language: PluginLanguage,
        /// The directory in which the plugin's directory is made.
        #[arg(long, default_value = ".", value_name = "DIR")]
        into: PathBuf,
    },
    /// Print manifest, imports, digest and size of a file without running it.
    #[command(after_help = "Examples:
  renkei plugin inspect plugins/hubspot.wasm
  renkei plugin inspect plugins/hubspot.wasm --json | jq .imports")]
    Inspect {
        /// The .wasm file.
        file: PathBuf,
    },
    /// Show which plugins a host with this configuration loads, how they fare, and what is wrong
    /// with the others. Like the commands below, it asks a running `renkei serve`, and shows what
    /// that one stopped or refused since it began, by plugin, system and cause.
    #[command(after_help = "Examples:
  renkei plugin list --dir sync
  renkei plugin list --dir sync --json | jq '.stops[] | select(.cause == \"memory\")'
  renkei plugin list --dir sync --json | jq '.plugins[] | select(.state != \"serving\")'")]
    List(DirArgs),
    /// Try a plugin file against the contract, without its source; exits 1 where a check fails.
    #[command(after_help = TEST_HELP)]
    Test(TestArgs),
    /// Run recent rows through the transform that serves and through a file, and show what differs.
    #[command(after_help = "Examples:
  renkei plugin preview names.wasm --dir sync
  renkei plugin preview sync/plugins/names.wasm --show-values --dir sync
  renkei plugin preview names-2.wasm --id names --json --dir sync | jq .fields

Rows are kept whenever a transform runs: the last 256 per function, in the data directory. A
connector cannot be tried without its system; of it, what it asks for is compared.")]
    Preview {
        /// The .wasm file.
        file: PathBuf,
        /// The plugin that serves, where its id is another one.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Show values of records; they are described otherwise.
        #[arg(long)]
        show_values: bool,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Look at the plugin folder now. With a file or an id: approve the version that waits there,
    /// take one again that was rolled back, end a quarantine.
    #[command(after_help = "Examples:
  renkei plugin reload --dir sync
  renkei plugin reload names.wasm --dir sync
  renkei plugin reload hubspot --dir sync
  renkei plugin reload hubspot@3f2a9c1b0d4e --dir sync")]
    Reload {
        /// The file's name in the plugin folder, or the plugin's id.
        plugin: Option<String>,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Let the version before serve again. The one that serves now is not taken again until its
    /// file changes or `renkei plugin reload` asks for it.
    #[command(after_help = "Examples:
  renkei plugin rollback names --dir sync")]
    Rollback {
        /// The plugin's id.
        id: String,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Let new versions of a plugin wait until `renkei plugin reload ID` approves them.
    #[command(after_help = "Examples:
  renkei plugin hold names --dir sync
  renkei plugin hold names --off --dir sync")]
    Hold {
        /// The plugin's id.
        id: String,
        /// Let them serve at once again.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        dir: DirArgs,
    },
    /// Show what plugins ask for and what they may; change it.
    #[command(after_help = "Examples:
  renkei plugin grants --dir sync
  renkei plugin grants hubspot --deny write:deals:archive --dir sync
  renkei plugin grants hubspot --allow all --dir sync

The first version of a plugin is given what it asks for. A later version that asks for more waits,
and the one before serves on, until `--allow` names what is new or `renkei plugin reload ID` allows
all of it.")]
    Grants {
        /// The plugin's id; without, all are shown.
        id: Option<String>,
        /// What it may from now on: a word of the list, or `all`.
        #[arg(long, value_name = "WORD", value_delimiter = ',', requires = "id")]
        allow: Vec<String>,
        /// What it may not any more: a word of the list.
        #[arg(long, value_name = "WORD", value_delimiter = ',', requires = "id")]
        deny: Vec<String>,
        #[command(flatten)]
        dir: DirArgs,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// The examples of a command and of all below it, as typed.
    fn examples(command: &clap::Command, found: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Examples:"), "{}: {help}", command.get_name());
        let lines = help.lines().filter_map(|line| line.strip_prefix("  renkei "));
        let typed = lines.map(|line| line.split(" | ").next().unwrap().replace('\'', ""));
        found.extend(typed.map(|line| line.split("   ").next().unwrap().to_owned()));
        for below in command.get_subcommands() {
            examples(below, found);
        }
    }

    #[test]
    fn every_example_can_be_typed() {
        Cli::command().debug_assert();
        let mut found = Vec::new();
        examples(&Cli::command(), &mut found);
        assert!(found.len() > 30, "{found:?}");
        for example in found {
            let words = ["renkei"].into_iter().chain(example.split_whitespace());
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}
