//! The program under test: a directory with configuration, secrets and plugins, and its commands.
//!
//! The binary is all that is known of it. A template with compiled plugins is made once; every
//! history gets a copy.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, bail};
use renkei_blackbox::program::{Meanwhile, Program, Service, Synced};
use renkei_blackbox::systems::{SIDES, Side};
use renkei_test_support::example::{root_file, secrets_file};
use serde_json::Value;

use crate::simulators::Simulators;

const PLUGINS: [&str; 4] =
    ["connectors/hubspot", "connectors/salesforce", "transforms/matchkeys", "transforms/names"];

/// Parts that all histories share: the binary and a prepared directory.
pub(crate) struct Template {
    pub(crate) binary: PathBuf,
    dir: tempfile::TempDir,
    /// `sync` takes `--yes` to answer the question of a first sync.
    asks_first: bool,
    can_restore: bool,
}

impl Template {
    /// Builds the plugins with the binary and fills its cache of compiled code.
    pub(crate) fn make(binary: &Path, repository: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("blackbox-").tempdir()?;
        let help = |command: &str| -> anyhow::Result<Option<String>> {
            let output = Command::new(binary).args([command, "--help"]).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(output.status.success().then_some(text))
        };
        let asks_first = help("sync")?.is_some_and(|text| text.contains("--yes"));
        let can_restore = help("backup")?.is_some() && help("restore")?.is_some();
        let binary = binary.to_owned();
        let template = Self { binary, dir, asks_first, can_restore };
        let path = template.dir.path();
        succeed(template.command().args(["init", "--dir"]).arg(path))?;
        for plugin in PLUGINS {
            let source = repository.join("plugins").join(plugin);
            let out = path.join("plugins");
            succeed(
                template.command().args(["plugin", "build"]).arg(source).arg("--out").arg(out),
            )?;
        }
        succeed(template.command().args(["plugin", "list", "--dir"]).arg(path))?;
        Ok(template)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.stdin(Stdio::null());
        command
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}

/// One configured directory.
pub(crate) struct Site<'a> {
    template: &'a Template,
    dir: tempfile::TempDir,
    simulators: Simulators,
    /// `renkei backup` made a copy.
    is_backed_up: bool,
}

/// Result of a command.
struct Ended {
    code: Option<i32>,
    json: Value,
    errors: String,
}

impl<'a> Site<'a> {
    /// The example configuration, pointed at the simulators.
    pub(crate) fn new(template: &'a Template, simulators: Simulators) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("blackbox-site-").tempdir()?;
        copy(template.dir.path(), dir.path())?;
        let site = Self { template, dir, simulators, is_backed_up: false };
        let simulators = &site.simulators;
        let root = root_file(
            10,
            simulators.base_url(Side::HubSpot),
            simulators.base_url(Side::Salesforce),
            simulators.credential(Side::Salesforce, "client_id")?,
        );
        fs::write(site.path().join("renkei.toml"), root)?;
        let token = simulators.credential(Side::HubSpot, "private_app_token")?;
        let secret = simulators.credential(Side::Salesforce, "client_secret")?;
        let secrets = secrets_file(token, secret);
        let mut file = fs::OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o600);
        file.open(site.path().join("secrets.toml"))?.write_all(secrets.as_bytes())?;
        Ok(site)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn kept(&self) -> String {
        self.path().join("kept.backup").to_string_lossy().into_owned()
    }

    /// A command on the directory, with JSON and the trial clock.
    fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut made = self.template.command();
        made.arg(command).args(arguments).arg("--json").arg("--dir").arg(self.path());
        made.arg("--trial-clock").arg(self.simulators.clock.argument());
        made
    }

    /// Runs a command to its end.
    fn run(&self, command: &str, arguments: &[&str]) -> anyhow::Result<Ended> {
        let output = self.command(command, arguments).output()?;
        Ok(ended(&output))
    }

    fn sync_arguments(&self) -> &'static [&'static str] {
        if self.template.asks_first { &["--yes"] } else { &[] }
    }

    fn spawned(&self, command: &str, arguments: &[&str]) -> std::io::Result<Child> {
        let mut command = self.command(command, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }

    /// The running `sync`, once the simulators have answered so many more calls.
    fn sync_after_calls(&self, calls: u64) -> anyhow::Result<Child> {
        let systems = self.simulators.systems();
        let wanted = systems.calls()? + calls;
        let mut child = self.spawned("sync", self.sync_arguments())?;
        while systems.calls()? < wanted && child.try_wait()?.is_none() {}
        Ok(child)
    }

    /// Copies a plugin over itself, as a vendor's update does.
    fn replace_plugin(&self) -> anyhow::Result<()> {
        let plugins = self.path().join("plugins");
        for file in fs::read_dir(&plugins)?.flatten() {
            let path = file.path();
            if path.to_string_lossy().ends_with("hubspot.wasm") {
                let aside = plugins.join("hubspot.wasm.tmp");
                fs::copy(&path, &aside)?;
                fs::rename(&aside, &path)?;
            }
        }
        Ok(())
    }
}

impl Program for Site<'_> {
    fn sync(&mut self) -> anyhow::Result<Synced> {
        let ended = self.run("sync", self.sync_arguments())?;
        let quiet = ended.code == Some(0) && ended.json["writes"].as_u64() == Some(0);
        Ok(Synced { quiet, told: ended.errors })
    }

    fn sync_while(&mut self, calls: u64, meanwhile: Meanwhile) -> anyhow::Result<()> {
        let mut sync = self.sync_after_calls(calls)?;
        meanwhile()?;
        sync.wait()?;
        Ok(())
    }

    fn sync_killed(&mut self, calls: u64) -> anyhow::Result<()> {
        let mut sync = self.sync_after_calls(calls)?;
        sync.kill()?;
        sync.wait()?;
        Ok(())
    }

    fn sync_twice(&mut self) -> anyhow::Result<()> {
        let mut first = self.spawned("sync", self.sync_arguments())?;
        self.run("sync", self.sync_arguments())?;
        first.wait()?;
        Ok(())
    }

    fn serve(&mut self, service: &Service) -> anyhow::Result<()> {
        let mut serve = self.spawned("serve", &[])?;
        self.wait(service.ms / 2);
        if let Some(meanwhile) = &service.meanwhile {
            meanwhile()?;
        }
        if service.swap {
            self.replace_plugin()?;
        }
        self.wait(service.ms / 2);
        if service.kill {
            serve.kill()?;
        } else {
            let id = serve.id().to_string();
            Command::new("kill").args(["-TERM", &id]).status()?;
        }
        serve.wait()?;
        Ok(())
    }

    fn wait(&mut self, ms: u64) {
        self.simulators.clock.wait(ms);
    }

    fn back_up(&mut self) -> anyhow::Result<()> {
        if self.template.can_restore {
            let file = self.kept();
            if Path::new(&file).exists() {
                fs::remove_file(&file)?;
            }
            self.is_backed_up = self.run("backup", &[&file])?.code == Some(0);
        }
        Ok(())
    }

    fn restore(&mut self) -> anyhow::Result<Option<String>> {
        if !self.is_backed_up {
            return Ok(None);
        }
        let ended = self.run("restore", &[&self.kept()])?;
        Ok((ended.code != Some(0)).then_some(ended.errors))
    }

    fn lift_pauses(&mut self) -> anyhow::Result<()> {
        let status = self.run("status", &[])?.json;
        let is_paused = status["paused_systems"].as_array().is_some_and(|list| !list.is_empty());
        for side in SIDES.into_iter().filter(|_| is_paused) {
            let ended = self.run("plugin", &["reload", side.name()])?;
            if ended.code != Some(0) {
                bail!("plugin reload {}: {}", side.name(), ended.errors);
            }
        }
        Ok(())
    }

    fn why(&self, key: &str) -> anyhow::Result<Value> {
        let ended = self.run("why", &[key])?;
        Ok(if ended.code == Some(0) { ended.json } else { Value::Null })
    }

    fn questions(&self) -> anyhow::Result<Vec<String>> {
        let status = self.run("status", &[])?.json;
        let reviews = status["reviews"].as_array().into_iter().flatten();
        Ok(reviews.map(Value::to_string).collect())
    }
}

fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code(),
        json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        errors: String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout),
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            let mode = fs::metadata(entry.path())?.permissions();
            copy(&entry.path(), &target)?;
            fs::set_permissions(&target, mode)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
