//! The world behind the engine's ports: connectors, systems and the clock.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use async_trait::async_trait;
use renkei_model::effect::{EffectCall, EffectKind};
use renkei_model::plugin::{Account, Generation, NOT_GRANTED, PluginError, Schema};
use renkei_model::ports::{Clock, Connector, Systems};
use renkei_model::record::{Batch, Outcome, Page, PageRequest, Problem, Remedy, Row, WriteRequest};
use renkei_model::value::Value;

use super::reading::Reading;
use super::writing::refusal;
use super::{Fault, Shared, Who, World, place};

struct FakeConnector {
    shared: Shared,
    system: String,
    generation: Generation,
}

impl FakeConnector {
    fn call(&self) -> Result<MutexGuard<'_, World>, Box<PluginError>> {
        let mut world = self.shared.world();
        world.begin_call();
        if world.failing_calls > 0 {
            world.failing_calls -= 1;
            let reason = "no answer".to_owned();
            return Err(Box::new(PluginError::Host { plugin: self.generation.clone(), reason }));
        }
        Ok(world)
    }

    /// A call about one object.
    fn call_on(&self, object: &str) -> Result<MutexGuard<'_, World>, Box<PluginError>> {
        let world = self.call()?;
        let table = world.tables.get(&place(&self.system, object));
        if table.is_some_and(|table| table.knobs.down) {
            let reason = format!("{object} does not answer");
            return Err(Box::new(PluginError::Host { plugin: self.generation.clone(), reason }));
        }
        Ok(world)
    }
}

#[async_trait]
impl Connector for FakeConnector {
    fn generation(&self) -> &Generation {
        &self.generation
    }

    async fn check(&self) -> Result<Account, PluginError> {
        let world = self.call().map_err(|error| *error)?;
        let id = world.accounts.get(&self.system).unwrap_or(&self.system).clone();
        Ok(Account { id, name: self.system.clone(), facts: Vec::new() })
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        let world = self.call().map_err(|error| *error)?;
        let schema = |object: &String| {
            let table = world.tables.get(&place(&self.system, object));
            let stamped = table.is_some_and(|table| table.stamped);
            let lag_ms = table.map_or(0, |table| table.knobs.lag.find_ms);
            let lag = (lag_ms > 0).then(|| ("stamp-lag-ms".to_owned(), Value::Integer(lag_ms)));
            let facts = stamped.then(|| ("stamp".to_owned(), Value::from("stamp")));
            let facts = facts.into_iter().chain(lag);
            let more = table.map(|table| table.facts.clone()).unwrap_or_default();
            Schema {
                object: object.clone(),
                label: object.clone(),
                fields: Vec::new(),
                facts: facts.chain(more).collect(),
            }
        };
        Ok(objects.iter().map(schema).collect())
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        let mut world = self.call_on(&request.object).map_err(|error| *error)?;
        let at = place(&self.system, &request.object);
        let page = world.page(&at, request);
        let ahead_ms = world.tables.get(&at).map_or(0, |table| table.knobs.clock_ms);
        Ok(Page { server_time_ms: Some(world.now_ms + ahead_ms), ..page })
    }

    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        let world = self.call_on(object).map_err(|error| *error)?;
        let at = place(&self.system, object);
        let mut page = Page::default();
        page.batch.columns = columns.to_vec();
        let Some(table) = world.tables.get(&at) else { return Ok(page) };
        for id in ids.iter().filter(|id| !table.knobs.invisible.contains(*id)) {
            let record = table.records.get(id);
            let seen = record.and_then(|record| table.seen(Reading::ById, record, world.now_ms));
            match seen.map(|version| (version, &version.gone)) {
                Some((version, None)) => page.batch.rows.push(table.row(id, version, columns)),
                Some((version, Some(removal))) => {
                    page.removed.push(table.tombstone(id, version, removal));
                }
                None => {}
            }
        }
        page.removed.extend(table.told_as_hidden(|id| ids.contains(id)));
        Ok(page)
    }

    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        let world = self.call_on(object).map_err(|error| *error)?;
        let at = place(&self.system, object);
        let mut found = Batch { columns: columns.to_vec(), rows: Vec::new() };
        let Some(table) = world.tables.get(&at) else { return Ok(found) };
        let rows = table.records.iter().filter_map(|(id, record)| {
            let version = table.seen(Reading::Find, record, world.now_ms)?;
            let there = version.gone.is_none() && !table.knobs.invisible.contains(id);
            there.then(|| table.row(id, version, columns))
        });
        let index = columns.iter().position(|column| column == key).unwrap();
        let is_wanted = |row: &Row| row.cells[index].as_ref().is_some_and(|v| values.contains(v));
        found.rows.extend(rows.filter(is_wanted));
        Ok(found)
    }

    fn refuses(&self, object: &str, kind: EffectKind) -> Option<PluginError> {
        let world = self.shared.world();
        let table = world.tables.get(&place(&self.system, object));
        if !table.is_some_and(|table| table.knobs.denied.contains(&kind)) {
            return None;
        }
        let problem = Problem {
            code: NOT_GRANTED.to_owned(),
            message: format!("an admin took `write:{object}:{}` away", kind.word()),
            field: None,
            remedy: Remedy::Admin,
        };
        Some(PluginError::Forbidden { plugin: self.generation.clone(), problem })
    }

    async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
        let (words, kinds) = (call.words(), EffectKind::ALL.into_iter());
        let mut needed = kinds.filter(|kind| words.contains(kind.word()));
        if let Some(refusal) = needed.find_map(|kind| self.refuses(call.object(), kind)) {
            return Err(refusal);
        }
        match call {
            EffectCall::Write(request) => self.write(request).await,
            EffectCall::Merge { object, winner, losers, .. } => {
                Ok(vec![self.merge(object, winner, losers).await?])
            }
        }
    }

    async fn finish(
        &self,
        object: &str,
        _: &[String],
        tokens: &[String],
    ) -> Result<Vec<Outcome>, PluginError> {
        let mut world = self.call_on(object).map_err(|error| *error)?;
        Ok(tokens.iter().map(|token| world.finish(token)).collect())
    }
}

impl FakeConnector {
    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError> {
        let mut world = self.call_on(&request.object).map_err(|error| *error)?;
        let at = place(&self.system, &request.object);
        let operations = request.operations.iter();
        let write = |operation| {
            let operation = world.beside_others(&at, request, operation);
            world.write(&at, &request.columns, &operation)
        };
        Ok(operations.map(write).collect())
    }

    /// As HubSpot does: the survivor has a new id.
    async fn merge(
        &self,
        object: &str,
        winner: &str,
        losers: &[String],
    ) -> Result<Outcome, PluginError> {
        let mut world = self.call_on(object).map_err(|error| *error)?;
        let at = place(&self.system, object);
        let fault = world.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Refuse => return Ok(Outcome::Rejected(vec![refusal()])),
            Fault::Unsupported => {
                let (plugin, what) = (self.generation().clone(), "merging".to_owned());
                return Err(PluginError::Unsupported { plugin, what });
            }
            Fault::Retry => return Ok(Outcome::RetryAfter(500)),
            Fault::LostRequest => return Ok(Outcome::Uncertain("no answer".to_owned())),
            _ => {}
        }
        let live = world.live(&at);
        if losers.iter().map(String::as_str).chain([winner]).any(|id| !live.contains(&id.into())) {
            return Ok(Outcome::Gone);
        }
        let losers: Vec<&str> = losers.iter().map(String::as_str).collect();
        let id = world.unite(&at, winner, &losers, true, Who::Engine);
        match fault {
            Fault::LostReply => Ok(Outcome::Uncertain("no answer".to_owned())),
            _ => Ok(world.applied(&at, &id, &[], &BTreeMap::new(), false)),
        }
    }
}

#[async_trait]
impl Systems for Shared {
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError> {
        let generation = Generation {
            plugin: system.to_owned(),
            version: "1.0.0".to_owned(),
            digest: "0".repeat(64),
        };
        let system = system.to_owned();
        Ok(Box::new(FakeConnector { shared: self.clone(), system, generation }))
    }
}

#[async_trait]
impl Clock for Shared {
    fn now_ms(&self) -> i64 {
        self.world().now_ms
    }

    async fn sleep_ms(&self, ms: u64) {
        self.world().advance(i64::try_from(ms).unwrap());
    }
}
