//! A place to sync in: built plugins, simulators in a process of their own, a configured directory.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use renkei_test_support::example::{root_file, secrets_file};
use serde_json::{Value, json};

/// The program under test.
pub(crate) fn renkei() -> Command {
    Command::new(env!("CARGO_BIN_EXE_renkei"))
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    renkei().args(arguments).output().unwrap()
}

/// Runs the program with `--json`; it must succeed.
pub(crate) fn run_json(arguments: &[&str]) -> Value {
    let output = renkei().args(arguments).arg("--json").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {} {errors}", text(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Bytes as text, for messages and searching.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The directory with the four plugins of the example, compiled once per run.
pub(crate) fn plugins() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        std::fs::create_dir_all(&out).unwrap();
        for crate_dir in [
            "connectors/hubspot",
            "connectors/salesforce",
            "transforms/matchkeys",
            "transforms/names",
        ] {
            let crate_dir = root.join("plugins").join(crate_dir);
            run_json(&["plugin", "build", path(&crate_dir), "--out", path(&out)]);
        }
        out
    })
}

/// A data directory whose cache holds the plugins' compiled code, so that only one site pays for
/// compiling.
fn warm_data() -> &'static Path {
    static WARM: OnceLock<PathBuf> = OnceLock::new();
    WARM.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("warm");
        if dir.exists() {
            std::fs::remove_dir_all(&dir).unwrap();
        }
        run_json(&["init", "--dir", path(&dir)]);
        copy_files(plugins(), &dir.join("plugins"));
        run_json(&["plugin", "list", "--dir", path(&dir)]);
        dir.join("data")
    })
}

/// Copies a directory and what is below it.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_files(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A path as an argument.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Both simulators; they end with this value.
pub(crate) struct Simulators {
    process: Child,
    pub(crate) hubspot: Simulator,
    pub(crate) salesforce: Simulator,
}

/// One simulator and its control API.
pub(crate) struct Simulator {
    pub(crate) base_url: String,
    pub(crate) credentials: Value,
}

impl Simulators {
    /// A small world without rate limits and lag.
    pub(crate) fn start(people: u32) -> Self {
        Self::with_seed(people, 11)
    }

    /// Another seed makes another org.
    pub(crate) fn with_seed(people: u32, seed: u32) -> Self {
        let (people, seed) = (people.to_string(), seed.to_string());
        let mut process = renkei()
            .args(["sim", "--people", &people, "--seed", &seed, "--no-limits"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let simulator = |name: &str| Simulator {
            base_url: ready[name]["base_url"].as_str().unwrap().to_owned(),
            credentials: ready[name]["credentials"].clone(),
        };
        Self { hubspot: simulator("hubspot"), salesforce: simulator("salesforce"), process }
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Simulator {
    /// Reads `/_sim/PATH`.
    pub(crate) fn get(&self, path: &str) -> Value {
        let url = format!("{}/_sim/{path}", self.base_url);
        ureq::get(&url).call().unwrap().body_mut().read_json().unwrap()
    }

    /// Posts to `/_sim/PATH`.
    pub(crate) fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_sim/{path}", self.base_url);
        ureq::post(&url).send_json(body).unwrap().body_mut().read_json().unwrap()
    }

    /// Live records of an object.
    pub(crate) fn live(&self, object: &str) -> Vec<Value> {
        let records = self.get(&format!("records?object={object}"));
        let records = records.as_array().unwrap().iter();
        records.filter(|record| record["archived"] == json!(false)).cloned().collect()
    }

    /// Calls answered so far.
    pub(crate) fn calls(&self) -> u64 {
        self.get("ledger")["made"].as_u64().unwrap()
    }

    /// A credential's text.
    pub(crate) fn credential(&self, name: &str) -> &str {
        self.credentials[name].as_str().unwrap()
    }
}

/// A command with what approves a first sync.
fn approved<'a>(command: &'a &'a str) -> &'a [&'a str] {
    match *command {
        "sync" => &["sync", "--yes"],
        _ => std::slice::from_ref(command),
    }
}

/// A directory with a configuration, secrets and plugins.
pub(crate) struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    /// The example configuration, pointed at the simulators.
    pub(crate) fn new(simulators: &Simulators) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        run_json(&["init", "--dir", site.path()]);
        let (hubspot, salesforce) = (&simulators.hubspot, &simulators.salesforce);
        let client_id = salesforce.credential("client_id");
        let root = root_file(1, &hubspot.base_url, &salesforce.base_url, client_id);
        site.write("renkei.toml", &root);
        site.secrets(
            hubspot.credential("private_app_token"),
            salesforce.credential("client_secret"),
        );
        copy_files(plugins(), &site.file("plugins"));
        copy_files(warm_data(), &site.file("data"));
        site
    }

    /// Writes the secrets file, readable by its owner only.
    pub(crate) fn secrets(&self, hubspot: &str, salesforce: &str) {
        let file = self.file("secrets.toml");
        let text = secrets_file(hubspot, salesforce);
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(file).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }

    /// The directory, as an argument.
    pub(crate) fn path(&self) -> &str {
        path(self.dir.path())
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// Changes a file in it; the old text must be there.
    pub(crate) fn replace(&self, name: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(old), "{name} has no {old}");
        self.write(name, &text.replace(old, new));
    }

    /// Runs a command on the directory; it must succeed. A first sync is approved.
    pub(crate) fn run_json(&self, command: &str) -> Value {
        run_json(&[approved(&command), &["--dir", self.path()]].concat())
    }

    /// Runs a command on the directory and gives exit code, output and errors. A first sync is
    /// approved.
    pub(crate) fn attempt(&self, command: &str) -> (i32, String) {
        self.try_command(approved(&command))
    }

    /// Runs a command exactly as given on the directory and gives exit code, output and errors.
    pub(crate) fn try_command(&self, command: &[&str]) -> (i32, String) {
        let output = run(&[command, &["--dir", self.path(), "--log", "info"]].concat());
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        (output.status.code().unwrap_or(-1), said)
    }

    /// Every file below the directory with its bytes, the secrets file left out.
    pub(crate) fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("secrets.toml") {
                    let bytes = std::fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found
    }
}
