//! The connectors' crates behind the engine's ports, without a component in between.
//!
//! A connector's HTTP is played per thread (`renkei_sdk::testing`), so each job has a thread: calls
//! go there one after another, as they do into an instance, over a plain HTTP client that blocks.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use renkei_bench_first_sync::{Fast, mapping, text};
use renkei_connector_hubspot::HubSpot;
use renkei_connector_salesforce::Salesforce;
use renkei_model::effect::EffectCall;
use renkei_model::plugin::{Account, Generation, PluginError, Schema};
use renkei_model::ports::{Connector, Systems};
use renkei_model::record::{Batch, Outcome, Page, PageRequest, WriteRequest};
use renkei_model::value::Value;
use renkei_package::{Manifest, SettingValue};
use renkei_sdk as sdk;
use renkei_sdk::http::Request;
use renkei_sdk::testing::{loopback, with_http, with_wait};
use serde_json::Value as Json;
use tokio::sync::oneshot;

/// Both systems.
pub(crate) struct Natives {
    clock: Arc<Fast>,
    hubspot: System,
    salesforce: System,
}

/// Address of one system, and the set-up of its connector.
#[derive(Clone)]
struct System {
    base_url: String,
    token: String,
    settings: sdk::Attributes,
}

impl Natives {
    pub(crate) fn new(clock: Arc<Fast>, hubspot: &Json, salesforce: &Json) -> Result<Self> {
        let url = |system: &Json| text(system, "base_url");
        let hubspot = System {
            base_url: url(hubspot)?,
            token: text(hubspot, "private_app_token")?,
            settings: defaults(include_str!("../../../../plugins/connectors/hubspot/plugin.toml"))?,
        };
        let token = session(&url(salesforce)?, salesforce)?;
        let salesforce = System {
            base_url: url(salesforce)?,
            token,
            settings: defaults(include_str!(
                "../../../../plugins/connectors/salesforce/plugin.toml"
            ))?,
        };
        Ok(Self { clock, hubspot, salesforce })
    }
}

/// Values of the host for settings that a configuration leaves out.
fn defaults(manifest: &str) -> Result<sdk::Attributes> {
    let manifest = Manifest::from_toml(manifest, Some("0.0.0"))?;
    let manifest = manifest.connector().context("not a connector")?;
    let value = |value: SettingValue| match value {
        SettingValue::Boolean(flag) => sdk::Value::Boolean(flag),
        SettingValue::Integer(number) => sdk::Value::Integer(number),
        SettingValue::Text(text) => sdk::Value::Text(text),
    };
    let settings = manifest.settings.iter().cloned();
    Ok(settings.filter_map(|setting| Some((setting.name, value(setting.default?)))).collect())
}

/// A Salesforce session by client credentials (RFC 6749 4.4).
fn session(base_url: &str, told: &Json) -> Result<String> {
    let (id, secret) = (text(told, "client_id")?, text(told, "client_secret")?);
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let kind = "application/x-www-form-urlencoded";
    let request = Request::post("/services/oauth2/token").body(form.into_bytes(), kind);
    let answer = with_http(loopback(base_url, ""), || request.send());
    let answer = answer.map_err(|failure| anyhow::anyhow!("no session: {failure:?}"))?;
    let answer: Json = answer.json().map_err(|error| anyhow::anyhow!("no session: {error:?}"))?;
    Ok(answer.get("access_token").and_then(Json::as_str).context("no session")?.to_owned())
}

#[async_trait]
impl Systems for Natives {
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError> {
        let clock = Arc::clone(&self.clock);
        Ok(match system {
            mapping::HUBSPOT => Box::new(Job::<HubSpot>::open(self.hubspot.clone(), clock)),
            _ => Box::new(Job::<Salesforce>::open(self.salesforce.clone(), clock)),
        })
    }
}

type Call<C> = Box<dyn FnOnce(&mut C) + Send>;

/// One job: a connector on a thread of its own.
struct Job<C> {
    generation: Generation,
    calls: Sender<Call<C>>,
}

impl<C: sdk::Connector> Job<C> {
    fn open(system: System, clock: Arc<Fast>) -> Self {
        let (calls, asked) = channel::<Call<C>>();
        std::thread::spawn(move || {
            let sleeper = move |ms| {
                clock.block(ms);
                Ok(())
            };
            with_http(loopback(&system.base_url, &system.token), || {
                with_wait(sleeper, || {
                    // Settings that it refuses end the thread, and with it every call.
                    let Ok(mut connector) = C::configure(&system.settings) else { return };
                    for call in asked {
                        call(&mut connector);
                    }
                });
            });
        });
        Self { generation: generation(), calls }
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut C) -> Result<T, sdk::Error> + Send + 'static,
    ) -> Result<T, PluginError> {
        let (done, answer) = oneshot::channel();
        let call: Call<C> = Box::new(move |connector| {
            // The caller may have gone.
            done.send(call(connector)).ok();
        });
        let ended = |_| unsupported("the connector's thread has ended".to_owned());
        self.calls.send(call).map_err(|_| unsupported("it is not set up".to_owned()))?;
        answer.await.map_err(ended)?.map_err(|error| unsupported(format!("{error:?}")))
    }
}

fn generation() -> Generation {
    Generation { plugin: "native".to_owned(), version: "0".to_owned(), digest: "native".to_owned() }
}

/// Any error ends the measurement, so its kind does not matter.
pub(crate) fn unsupported(what: String) -> PluginError {
    PluginError::Unsupported { plugin: generation(), what }
}

#[async_trait]
impl<C: sdk::Connector> Connector for Job<C> {
    fn generation(&self) -> &Generation {
        &self.generation
    }

    async fn check(&self) -> Result<Account, PluginError> {
        self.call(C::check).await.map(renkei_native::account_out)
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        let objects = objects.to_vec();
        let schemas = self.call(move |connector| connector.discover(&objects)).await?;
        Ok(schemas.into_iter().map(renkei_native::schema_out).collect())
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        let request = renkei_native::page_request_in(request);
        self.call(move |connector| connector.read_page(&request)).await.map(renkei_native::page_out)
    }

    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        let request = sdk::RecordsRequest::new(object, columns, ids);
        let page = self.call(move |connector| connector.read_records(&request));
        page.await.map(renkei_native::page_out)
    }

    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        let request = renkei_native::find_request_in(object, columns, key, values);
        let found = self.call(move |connector| renkei_native::find_all(connector, request));
        found.await.map(renkei_native::batch_out)
    }

    async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
        match call {
            EffectCall::Write(request) => self.write(request).await,
            EffectCall::Merge { object, winner, losers, intent } => {
                let request = sdk::MergeRequest::new(object, winner, losers);
                let request = sdk::MergeRequest { intent: intent.to_owned(), ..request };
                let outcome = self.call(move |connector| connector.merge(&request)).await?;
                Ok(vec![renkei_native::outcome_out(outcome)])
            }
        }
    }

    async fn finish(
        &self,
        object: &str,
        columns: &[String],
        tokens: &[String],
    ) -> Result<Vec<Outcome>, PluginError> {
        let request = sdk::FinishRequest::new(object, columns, tokens);
        let outcomes = self.call(move |connector| connector.finish(&request)).await?;
        Ok(outcomes.into_iter().map(renkei_native::outcome_out).collect())
    }
}

impl<C: sdk::Connector> Job<C> {
    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError> {
        let request = renkei_native::write_request_in(request);
        let outcomes = self.call(move |connector| connector.write(&request)).await?;
        Ok(outcomes.into_iter().map(renkei_native::outcome_out).collect())
    }
}
