//! The two simulated CRMs as people and a judge see them: never through the program under test.
//!
//! People act by `/_sim/` routes, which stand for the vendors' user interfaces, and by the vendors'
//! own APIs where the interface has no route. The judge reads `/_sim/records`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Which of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    HubSpot,
    Salesforce,
}

pub(crate) const SIDES: [Side; 2] = [Side::HubSpot, Side::Salesforce];

impl Side {
    /// The system's name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HubSpot => "hubspot",
            Self::Salesforce => "salesforce",
        }
    }

    /// The objects that hold people.
    pub(crate) fn people(self) -> &'static [&'static str] {
        match self {
            Self::HubSpot => &["contacts"],
            Self::Salesforce => &["Contact", "Lead"],
        }
    }

    /// The object that holds companies.
    pub(crate) fn companies(self) -> &'static str {
        match self {
            Self::HubSpot => "companies",
            Self::Salesforce => "Account",
        }
    }
}

/// A record as a simulator lists it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    #[serde(skip)]
    pub(crate) object: String,
    pub(crate) id: String,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) archived: bool,
    pub(crate) references: BTreeMap<String, Vec<String>>,
}

impl Record {
    /// A field as trimmed text; null, missing and empty are all "".
    pub(crate) fn text(&self, field: &str) -> String {
        match self.fields.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(other) => other.to_string(),
        }
    }

    /// A converted Lead is history, not a person.
    pub(crate) fn is_live(&self) -> bool {
        !self.archived && self.text("IsConverted") != "true"
    }
}

/// Both simulators, in one process that ends with this value.
pub(crate) struct Systems {
    process: Child,
    pub(crate) hubspot: System,
    pub(crate) salesforce: System,
    pub(crate) clock: TrialClock,
}

/// One simulator.
pub(crate) struct System {
    pub(crate) base_url: String,
    pub(crate) credentials: Value,
}

/// A clock that simulators and program share: it runs `speed` times as fast since `origin_ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrialClock {
    pub(crate) origin_ms: i64,
    pub(crate) speed: u32,
}

impl TrialClock {
    /// What the program takes as `--trial-clock`.
    pub(crate) fn argument(self) -> String {
        format!("{}:{}", self.origin_ms, self.speed)
    }

    /// Waits so many ms of this clock.
    pub(crate) fn wait(self, ms: u64) {
        // A black box has only the real time.
        std::thread::sleep(std::time::Duration::from_millis(ms / u64::from(self.speed)));
    }
}

impl Systems {
    /// Starts empty simulators with these faults.
    pub(crate) fn start(binary: &Path, clock: TrialClock, faults: &Value) -> anyhow::Result<Self> {
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
        let system = |side: Side| System {
            base_url: ready[side.name()]["base_url"].as_str().unwrap_or_default().to_owned(),
            credentials: ready[side.name()]["credentials"].clone(),
        };
        let systems = Self {
            hubspot: system(Side::HubSpot),
            salesforce: system(Side::Salesforce),
            process,
            clock,
        };
        for side in SIDES {
            systems.of(side).post("faults", faults)?;
        }
        Ok(systems)
    }

    pub(crate) fn of(&self, side: Side) -> &System {
        match side {
            Side::HubSpot => &self.hubspot,
            Side::Salesforce => &self.salesforce,
        }
    }

    /// Calls that both have answered.
    pub(crate) fn calls(&self) -> anyhow::Result<u64> {
        let calls = |side| -> anyhow::Result<u64> {
            Ok(self.of(side).get("ledger")?["made"].as_u64().unwrap_or_default())
        };
        Ok(calls(Side::HubSpot)? + calls(Side::Salesforce)?)
    }
}

impl Drop for Systems {
    fn drop(&mut self) {
        // A process that has ended already is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl System {
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sim/{path}", self.base_url);
        let mut answer = agent().get(&url).call().context(url)?;
        Ok(answer.body_mut().read_json()?)
    }

    /// Posts to `/_sim/PATH`; an answer other than 200 is an error with the simulator's words.
    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/_sim/{path}", self.base_url);
        let mut answer = agent().post(&url).send_json(body).context(url)?;
        let status = answer.status();
        let value: Value = answer.body_mut().read_json()?;
        if !status.is_success() {
            bail!("{path}: {value}");
        }
        Ok(value)
    }

    /// All records of an object, archived ones too.
    pub(crate) fn records(&self, object: &str) -> anyhow::Result<Vec<Record>> {
        let listed = self.get(&format!("records?object={object}"))?;
        let mut records: Vec<Record> = serde_json::from_value(listed)?;
        for record in &mut records {
            record.object = object.to_owned();
        }
        Ok(records)
    }

    /// A person makes a record; its id.
    pub(crate) fn create(&self, object: &str, fields: &Value) -> anyhow::Result<String> {
        let made = self.post("create", &json!({ "object": object, "fields": fields }))?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// A person changes fields of a record.
    pub(crate) fn edit(
        &self,
        object: &str,
        id: &str,
        fields: Map<String, Value>,
    ) -> anyhow::Result<()> {
        self.post("edit", &json!({ "object": object, "id": id, "fields": fields })).map(drop)
    }

    /// A person adds or removes the association of a contact with a company, by HubSpot's API.
    pub(crate) fn associate(
        &self,
        contact: &str,
        company: &str,
        there: bool,
    ) -> anyhow::Result<()> {
        let token = self.credentials["private_app_token"].as_str().unwrap_or_default();
        let bearer = format!("Bearer {token}");
        let base = &self.base_url;
        let path = format!("{base}/crm/v4/objects/contacts/{contact}/associations");
        let answer = if there {
            let url = format!("{path}/default/companies/{company}");
            agent().put(&url).header("authorization", &bearer).send_empty()?
        } else {
            let url = format!("{path}/companies/{company}");
            agent().delete(&url).header("authorization", &bearer).call()?
        };
        if !answer.status().is_success() {
            bail!("associating contact {contact} and company {company}: {}", answer.status());
        }
        Ok(())
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    ureq::Agent::new_with_config(config)
}
