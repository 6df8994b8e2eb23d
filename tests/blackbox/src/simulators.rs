//! Both simulators in one process that ends with this value, and the clock that the program shares
//! with them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use renkei_blackbox::systems::{Door, SIDES, Side, System, Systems};
use serde_json::Value;

/// Speed of a history, real time being 1.
const SPEED: u32 = 60;

/// A clock that simulators and program share: it runs `speed` times as fast since `origin_ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrialClock {
    origin_ms: i64,
    speed: u32,
}

impl TrialClock {
    fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a black box has only the real time")]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default();
        Self { origin_ms: now_ms, speed: SPEED }
    }

    /// Value of the program's `--trial-clock`.
    pub(crate) fn argument(self) -> String {
        format!("{}:{}", self.origin_ms, self.speed)
    }

    /// Waits so many ms of this clock.
    pub(crate) fn wait(self, ms: u64) {
        // A black box has only the real time.
        std::thread::sleep(std::time::Duration::from_millis(ms / u64::from(self.speed)));
    }
}

/// The simulators' process and what it said of itself.
pub(crate) struct Simulators {
    process: Child,
    ready: Value,
    pub(crate) clock: TrialClock,
}

impl Simulators {
    /// Starts empty simulators with these faults.
    pub(crate) fn start(binary: &Path, faults: &Value) -> anyhow::Result<Self> {
        let clock = TrialClock::start();
        let mut process = Command::new(binary)
            .args(["sim", "--until-input-ends", "--people", "0", "--seed", "1", "--no-limits"])
            .arg(format!("--speed={}", clock.speed))
            .arg(format!("--clock-origin-ms={}", clock.origin_ms))
            // Held until this process ends, however it ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the simulators")?;
        let mut line = String::new();
        let stdout = process.stdout.take().context("the simulators' output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the simulators' first line")?;
        let simulators = Self { process, ready, clock };
        for side in SIDES {
            simulators.systems().system(side).post("faults", faults)?;
        }
        Ok(simulators)
    }

    pub(crate) fn systems(&self) -> Systems {
        let door = |side| System(Box::new(Url { base: self.base_url(side).to_owned() }));
        Systems { hubspot: door(Side::HubSpot), salesforce: door(Side::Salesforce) }
    }

    pub(crate) fn base_url(&self, side: Side) -> &str {
        self.ready[side.name()]["base_url"].as_str().unwrap_or_default()
    }

    pub(crate) fn credential(&self, side: Side, name: &str) -> anyhow::Result<&str> {
        let credential = self.ready[side.name()]["credentials"][name].as_str();
        credential.with_context(|| format!("no {name}"))
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        // A process that has ended already is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A simulator behind HTTP.
struct Url {
    base: String,
}

impl Door for Url {
    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sim/{path}", self.base);
        let mut answer = agent().get(&url).call().context(url)?;
        Ok(answer.body_mut().read_json()?)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/_sim/{path}", self.base);
        let mut answer = agent().post(&url).send_json(body).context(url)?;
        let status = answer.status();
        let value: Value = answer.body_mut().read_json()?;
        if !status.is_success() {
            bail!("{path}: {value}");
        }
        Ok(value)
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    ureq::Agent::new_with_config(config)
}
