//! The command line: commands, flags and their help. `main` hands the parsed command on.
//!
//! A command's help begins with one line: an imperative of [`help_rules`]'s list, at most 70
//! characters. Details follow after a blank line, examples under `after_help`. Every command
//! understands `--json`.

mod auth;
mod cycles;
mod database;
mod describe;
mod dir;
mod mistake;
mod plugin;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};
use renkei_simulators::vendors::VendorEntry;
use tracing_subscriber::EnvFilter;

pub(crate) use auth::{AuthCommand, LoginArgs};
pub(crate) use cycles::{PlanArgs, ServeArgs, SyncArgs};
pub(crate) use database::{AccountCommand, FileArgs};
pub(crate) use describe::DescribeArgs;
pub(crate) use dir::DirArgs;
pub(crate) use mistake::mistake;
pub(crate) use plugin::{PluginCommand, PluginKind, PluginLanguage, TestArgs};

use crate::clock::SystemClock;

/// Keep CRMs in step.
#[derive(Debug, Parser)]
#[command(name = "renkei", version, max_term_width = 110, after_help = MORE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print JSON on standard output instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Log level on standard error: error, warn, info or debug.
    ///
    /// A filter such as `renkei_runtime=debug` works, too. `serve` also logs each change of a
    /// plugin, unless the filter holds `renkei::audit=off`.
    #[arg(long, global = true, default_value = "warn", value_name = "FILTER", value_parser = filter)]
    pub(crate) log: String,

    /// Print log lines as JSON.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,

    /// Clock of a trial on simulators; never use it with a real account.
    ///
    /// It counts SPEED times as fast since ORIGIN_MS, as `sim --clock-origin-ms --speed` does.
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
    /// Run a demo with two simulated CRMs; nothing needs to be set up.
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

    /// Compare the configuration with the plugins and the live systems.
    ///
    /// Writes nothing to a system.
    #[command(after_help = "Examples:
  renkei check --dir sync
  renkei check --dir sync --json | jq '.findings[]'")]
    Check(DirArgs),

    /// Show the objects of a system, or the columns of one.
    ///
    /// Asks the live system. Works before `entities/*.toml` are written and writes nothing.
    #[command(after_help = "Examples:
  renkei describe salesforce --dir sync               every object that the account can read
  renkei describe salesforce.Account --dir sync       its columns: kinds, limits, choices
  renkei describe hubspot --dir sync --json | jq '.objects[] | select(.custom)'
  renkei describe hubspot.deals --dir sync --json | jq '.columns[] | select(.required)'")]
    Describe(DescribeArgs),

    /// Show what a sync would write and why.
    ///
    /// Writes nothing to a system.
    #[command(after_help = "Examples:
  renkei plan --dir sync
  renkei plan --dir sync --limit 20")]
    Plan(PlanArgs),

    /// Run one sync cycle.
    ///
    /// The cycle ends when nothing is left to do.
    #[command(after_help = "Examples:
  renkei sync --dir sync
  renkei sync --yes --dir sync
  renkei sync --dir sync --json | jq .writes

The first sync of an entity stops at its plan: it says how much it would write and ends with exit
code 6, until it is run with --yes or `renkei decide` approves it.")]
    Sync(SyncArgs),

    /// Run sync cycles continuously until SIGTERM or Ctrl-C.
    ///
    /// Plugins are reloaded when their files change.
    #[command(after_help = "Examples:
  renkei serve --dir sync --log info
  renkei serve --dir sync --interval-seconds 30
  renkei serve --dir sync --json | jq 'select(.event == \"cycle\" and .failed > 0)'

Before the first sync `serve` waits for `renkei decide REVIEW approve`, typed in another terminal.

With --json one line per event, each with `event`: `serving` at the start, `cycle` with what
`renkei sync --json` prints, `decided`, `noted`, `plugin-loaded`, `plugin-refused`,
`plugin-removed`, `plugin-one-way`, `plugin-waits`, `plugin-rolled-back`, `plugin-quarantined`,
`plugin-approved`, `plugin-hold`, `plugin-grants`, `plugins-changed`.

Log lines go to standard error. Those about plugins (target `renkei::audit`: loaded, refused, on
hold, who asked) are there whatever --log says; `--log warn,renkei::audit=off` leaves them out.")]
    Serve(ServeArgs),

    /// Show links, open reviews, pending work, and plugins that delay it.
    ///
    /// Each review is listed with the answers that it takes. Plugins are those of a running
    /// `renkei serve`.
    #[command(after_help = "Examples:
  renkei status --dir sync
  renkei status --decided --dir sync           what rules have decided, and how to reverse it")]
    Status(StatusArgs),

    /// Explain why a value was or was not written.
    #[command(after_help = "Examples:
  renkei why hubspot.contacts/501 --dir sync
  renkei why hubspot.contacts/501 --field phone --dir sync
  renkei why person/212 --dir sync             a link by its number, as `status` and `plan` name it")]
    Why(WhyArgs),

    /// Answer an open review, or reverse what a rule decided.
    ///
    /// The next cycle acts on the answer. A running `renkei serve` takes it between two cycles; in
    /// a long cycle it notes the answer, which counts when the cycle has ended.
    #[command(after_help = "Examples:
  renkei status --dir sync                          lists open reviews with their ids
  renkei decide 3f2a take salesforce --dir sync     that system's value stands
  renkei decide 3f2a value '03-1234-5678' --dir sync
  renkei decide 77b0 with salesforce.Contact/003000000000001AAA --dir sync
  renkei decide 77b0 separate --dir sync            it is a record of its own
  renkei decide 9c1e approve --dir sync             the first sync, deletions, a merge: as asked
  renkei decide 9c1e leave --dir sync               nothing is done")]
    Decide(DecideArgs),

    /// Write a copy of the database into a new file.
    ///
    /// Works while `renkei serve` works on the database.
    #[command(after_help = "Examples:
  renkei backup /backup/monday.db --dir sync
  renkei backup /backup/monday.db --dir sync --json | jq .records

The copy is one consistent state, checked, and readable for its owner only. Plugins and
configuration are not in it: they are files of their own.")]
    Backup(FileArgs),

    /// Replace the database with a backup.
    ///
    /// The replaced database is kept beside it. The next cycles read everything again before they
    /// write.
    #[command(after_help = "Examples:
  renkei restore /backup/monday.db --dir sync
  renkei restore /backup/monday.db --dir sync --json | jq .replaced

Refused while `renkei serve` or another command works on the database. Records that were made since
the backup are found again by their stamps; where both systems were edited, or one was deleted and
another edited, someone must decide.")]
    Restore(FileArgs),

    /// Show or move the accounts that the database belongs to.
    #[command(
        subcommand,
        after_help = "Examples:
  renkei account list --dir sync
  renkei account move salesforce --to 00D000000000002 --dir sync"
    )]
    Account(AccountCommand),

    /// Log in to systems, show logins, or log out.
    #[command(
        subcommand,
        after_help = "Examples:
  renkei auth login salesforce --dir sync
  renkei auth status --dir sync
  renkei auth logout salesforce --dir sync"
    )]
    Auth(AuthCommand),

    /// Write, build, test, replace and permit plugins.
    #[command(
        subcommand,
        after_help = "Examples:
  renkei plugin new my-crm
  renkei plugin build my-crm --out sync/plugins
  renkei plugin list --dir sync"
    )]
    Plugin(PluginCommand),
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// List what rules have decided instead of open reviews, oldest first.
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
    /// People of the simulated world; a fifth as many companies.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    pub(crate) people: u32,
    /// Seed; the same one makes the same world.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Lift the simulators' rate limits and lag, for measuring speed.
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// Directory to keep; without, a temporary one, whose path is printed.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Folder of more .wasm files to load beside those that the demo builds.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// Speed of the demo's clock; 1 is real time.
    #[arg(long, default_value_t = 30.0, value_name = "X", value_parser = clock_speed)]
    pub(crate) speed: f64,
}

/// The speed of a clock.
fn clock_speed(text: &str) -> Result<f64, String> {
    let known = text.parse().ok().filter(|speed: &f64| (0.001..=100_000.0).contains(speed));
    known.ok_or_else(|| "expected a number from 0.001 to 100000".to_owned())
}

/// All simulated vendors, as `--systems` lists them.
static SIMULATED: LazyLock<String> = LazyLock::new(|| VendorEntry::list_names().replace(", ", ","));

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// Systems, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = SIMULATED.as_str(), value_name = "LIST")]
    pub(crate) systems: Vec<String>,
    /// People of the simulated world.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) people: u32,
    /// Seed; the same one makes the same world.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// First port, for the systems in the order named; without, free ports.
    #[arg(long, value_name = "P")]
    pub(crate) port_base: Option<u16>,
    /// Lift rate limits, lag and faults.
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// Speed of the clock; 1 is real time.
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = clock_speed)]
    pub(crate) speed: f64,
    /// Time from which a faster clock counts, ms since 1970; without, now.
    #[arg(long, value_name = "MS")]
    pub(crate) clock_origin_ms: Option<i64>,
    /// End when standard input ends.
    #[arg(long)]
    pub(crate) until_input_ends: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// Record as `system.object/id`, or link as `entity/number`.
    pub(crate) record: String,
    /// Field, by its name in the mapping or its column in a system.
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// ID of the review as `renkei status` shows it, or its first digits.
    pub(crate) review: String,
    #[command(subcommand)]
    pub(crate) answer: AnswerCommand,
    #[command(flatten)]
    pub(crate) dir: DirArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AnswerCommand {
    /// Take the value of a system, in a conflict.
    #[command(after_help = "Examples:
  renkei decide 3f2a take salesforce --dir sync")]
    Take {
        /// Name of the system in the configuration.
        system: String,
    },
    /// Take this value, in a conflict.
    #[command(after_help = "Examples:
  renkei decide 3f2a value '03-1234-5678' --dir sync
  renkei decide 3f2a value hubspot.companies/501 --dir sync")]
    Value {
        /// Value as text.
        ///
        /// Choices have `;` between them. A reference is a record as `system.object/id`.
        text: String,
    },
    /// Empty the field, in a conflict.
    #[command(after_help = "Examples:
  renkei decide 3f2a clear --dir sync")]
    Clear,
    /// Link the record with this one.
    ///
    /// After a create without an answer: this record is what it made. For a record that is gone:
    /// this one takes its place.
    #[command(after_help = "Examples:
  renkei decide 77b0 with salesforce.Contact/003000000000001AAA --dir sync")]
    With {
        /// Record as `system.object/id`.
        record: String,
    },
    /// Keep the record apart, or send an unanswered create again.
    #[command(after_help = "Examples:
  renkei decide 77b0 separate --dir sync")]
    Separate,
    /// Approve what the review proposes.
    ///
    /// Archives the others, merges the records there too, treats a missing record as deleted, goes
    /// on with the deletions or creations, or writes the first sync.
    #[command(after_help = "Examples:
  renkei decide 9c41 approve --dir sync")]
    Approve,
    /// Leave things as they are, and send no unanswered create again.
    #[command(after_help = "Examples:
  renkei decide 9c41 leave --dir sync")]
    Leave,
}

#[cfg(test)]
mod help_rules;
