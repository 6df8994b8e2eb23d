//! A client of the simulators' control API: what the demo's people do in the vendors' user
//! interfaces, and what it reads back to judge the result without asking the store.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::fields::looks_at;

/// Both simulators, in a process of their own so that the host's memory is measured alone.
#[derive(Debug)]
pub(crate) struct Simulators {
    process: Child,
    /// HubSpot.
    pub(crate) hubspot: SimulatorClient,
    /// Salesforce.
    pub(crate) salesforce: SimulatorClient,
}

/// The line of `renkei sim` about a system.
#[derive(Debug, Deserialize)]
pub(crate) struct SimulatorClient {
    /// Loopback.
    pub(crate) base_url: String,
    /// By the vendor's names.
    pub(crate) credentials: BTreeMap<String, Value>,
    #[serde(skip)]
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Ready {
    hubspot: SimulatorClient,
    salesforce: SimulatorClient,
}

/// A record as a simulator holds it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SimRecord {
    pub(crate) id: String,
    /// Only the fields that the demo looks at: a world of 20,000 people has millions of others.
    #[serde(deserialize_with = "looked_at")]
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) archived: bool,
    pub(crate) created_by: String,
    pub(crate) references: BTreeMap<String, Vec<String>>,
}

fn looked_at<'de, D: Deserializer<'de>>(fields: D) -> Result<BTreeMap<String, Value>, D::Error> {
    struct LookedAt;
    impl<'de> Visitor<'de> for LookedAt {
        type Value = BTreeMap<String, Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of fields")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                if looks_at(&name) {
                    kept.insert(name, map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept)
        }
    }
    fields.deserialize_map(LookedAt)
}

impl SimRecord {
    /// The field as text; null, missing and empty are all "".
    pub(crate) fn text(&self, field: &str) -> String {
        match self.fields.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// The simulators' ledger; `host/simulators/src/ledger.rs` has the definitions.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CallLedger {
    pub(crate) made: u64,
    pub(crate) minimum: u64,
    pub(crate) breaches: Vec<Value>,
    pub(crate) by_kind: Vec<Value>,
}

impl Simulators {
    /// Starts this same program as `renkei sim ARGS` and waits until both systems serve.
    pub(crate) async fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path")?;
        let mut process = Command::new(program)
            .args(["sim", "--until-input-ends"])
            .args(arguments)
            // Held until this process ends, however it ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the simulators")?;
        let stdout = process.stdout.take().context("the simulators' standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let Some(line) = lines.next_line().await? else {
            bail!("the simulators ended before they were ready");
        };
        let Ready { hubspot, salesforce } =
            serde_json::from_str(&line).context("the simulators' first line")?;
        Ok(Self { process, hubspot, salesforce })
    }

    /// Ends the simulators' process.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("ending the simulators")
    }
}

impl SimulatorClient {
    /// One of its credentials.
    pub(crate) fn credential(&self, name: &str) -> anyhow::Result<&str> {
        self.credentials
            .get(name)
            .and_then(Value::as_str)
            .with_context(|| format!("the simulator names no `{name}` among its credentials"))
    }

    /// All records of an object, archived ones included.
    pub(crate) async fn records(&self, object: &str) -> anyhow::Result<Vec<SimRecord>> {
        self.get(&format!("/_sim/records?object={object}")).await
    }

    /// Calls made and the least that were needed.
    pub(crate) async fn ledger(&self) -> anyhow::Result<CallLedger> {
        self.get("/_sim/ledger").await
    }

    /// A person changes fields of a record.
    pub(crate) async fn edit(&self, object: &str, id: &str, fields: Value) -> anyhow::Result<()> {
        let body = json!({ "object": object, "id": id, "fields": fields });
        self.post::<Value>("/_sim/edit", body).await.map(drop)
    }

    /// A person deletes a record.
    pub(crate) async fn delete(&self, object: &str, id: &str) -> anyhow::Result<()> {
        self.post::<Value>("/_sim/delete", json!({ "object": object, "id": id })).await.map(drop)
    }

    /// A person merges `loser` into `winner`.
    pub(crate) async fn merge(
        &self,
        object: &str,
        winner: &str,
        loser: &str,
    ) -> anyhow::Result<()> {
        let body = json!({ "object": object, "winner": winner, "loser": loser });
        self.post::<Value>("/_sim/merge", body).await.map(drop)
    }

    /// A person converts a Lead; what it became.
    pub(crate) async fn convert(&self, id: &str) -> anyhow::Result<Map<String, Value>> {
        self.post("/_sim/convert", json!({ "id": id })).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.http.get(format!("{}{path}", self.base_url)).send().await?;
        read(path, answer).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> anyhow::Result<T> {
        let answer = self.http.post(format!("{}{path}", self.base_url)).json(&body).send().await?;
        read(path, answer).await
    }
}

async fn read<T: DeserializeOwned>(path: &str, answer: reqwest::Response) -> anyhow::Result<T> {
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("the simulator answered {status} to {path}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("the simulator's answer to {path}"))
}
