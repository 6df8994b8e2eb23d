//! Reading what changed: every stream page by page, each page with its cursor in one commit.

use crate::absorb::{AbsorbError, Source};
use crate::engine::{CycleError, Engine, Event, Tally};
use crate::plugin::PluginError;
use crate::ports::Connector;
use crate::record::{Page, PageRequest, Scan};
use crate::spec::{EntitySpec, MemberSpec};
use crate::state::{Cursor, RecordKey, Stream};
use crate::store::Changes;
use crate::value::Value;

/// Reads all streams of all systems, the systems side by side.
pub(crate) async fn observe(engine: &Engine<'_>, tally: &Tally<'_>) -> Result<(), CycleError> {
    let systems = engine.spec.systems();
    let reads = systems.iter().map(|system| observe_system(engine, tally, system));
    futures::future::try_join_all(reads).await.map(drop)
}

async fn observe_system(
    engine: &Engine<'_>,
    tally: &Tally<'_>,
    system: &str,
) -> Result<(), CycleError> {
    let connector = match engine.systems.open(system).await {
        Ok(connector) => connector,
        Err(error) => {
            tally.failed(system, "open", &error);
            return Ok(());
        }
    };
    for entity in engine.spec.entities() {
        for member in entity.members.iter().filter(|member| member.system == system) {
            let reader = Reader { engine, tally, connector: connector.as_ref(), entity, member };
            match reader.run().await {
                Ok(()) => {}
                Err(AbsorbError::Store(error)) => return Err(error.into()),
                Err(AbsorbError::Plugin(error)) => tally.failed(system, &member.object, &error),
            }
        }
    }
    Ok(())
}

struct Reader<'a> {
    engine: &'a Engine<'a>,
    tally: &'a Tally<'a>,
    connector: &'a dyn Connector,
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
}

impl Reader<'_> {
    async fn run(&self) -> Result<(), AbsorbError> {
        let stream =
            Stream { system: self.member.system.clone(), object: self.member.object.clone() };
        let kept = self.engine.store.cursor(&stream).await?;
        let mut cursor = kept
            .filter(|cursor| cursor.digest == self.member.digest)
            .unwrap_or_else(|| self.start());
        loop {
            let page = match self.connector.read_page(&self.request(&cursor)).await {
                Err(PluginError::CursorLost { .. }) if cursor.position.is_some() => {
                    cursor = self.start();
                    continue;
                }
                page => page?,
            };
            cursor.position = Some(page.cursor.clone());
            cursor.backfilled |= !page.more;
            let mut changes = self.source().absorb(&page).await?;
            let successors = successors(&changes);
            changes.cursors.push((stream.clone(), cursor.clone()));
            self.engine.store.commit(changes).await?;
            self.tell(&page);
            self.fetch(successors).await?;
            self.wait(&page).await;
            if !page.more {
                return Ok(());
            }
        }
    }

    fn start(&self) -> Cursor {
        Cursor { position: None, backfilled: false, digest: self.member.digest.clone() }
    }

    fn request(&self, cursor: &Cursor) -> PageRequest {
        PageRequest {
            object: self.member.object.clone(),
            columns: self.member.read_columns(),
            scan: if cursor.backfilled { Scan::Changes } else { Scan::Backfill },
            cursor: cursor.position.clone(),
            filter: Vec::new(),
            limit: self.member.read_rows,
            options: Vec::new(),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            store: self.engine.store,
            transforms: self.engine.transforms,
            entity: self.entity,
            member: self.member,
            generation: self.connector.generation(),
            now_ms: self.engine.clock.now_ms(),
        }
    }

    fn tell(&self, page: &Page) {
        self.tally.event(&Event::Read {
            system: &self.member.system,
            object: &self.member.object,
            rows: page.batch.rows.len() as u64,
            removed: page.removed.len() as u64,
            more: page.more,
        });
    }

    /// Reads records that took over from others and were not read yet.
    async fn fetch(&self, successors: Vec<RecordKey>) -> Result<(), AbsorbError> {
        let known = self.engine.store.records(&successors).await?;
        let unknown = |key: &&RecordKey| !known.iter().any(|record| record.key == **key);
        for key in successors.iter().filter(unknown) {
            let Some((_, member)) = self.entity.member(&key.system, &key.object) else { continue };
            let ids = [key.id.clone()];
            let columns = member.read_columns();
            let page = self.connector.read_records(&member.object, &columns, &ids).await?;
            let source = Source { member, ..self.source() };
            let changes = source.absorb(&page).await?;
            self.engine.store.commit(changes).await?;
        }
        Ok(())
    }

    /// A page may ask for a pause before the next call.
    async fn wait(&self, page: &Page) {
        let wait = page.facts.iter().find(|(code, _)| code == "wait-ms");
        if let Some((_, Value::Integer(ms))) = wait {
            self.engine.clock.sleep_ms(u64::try_from(*ms).unwrap_or_default()).await;
        }
    }
}

/// Records that took over from records which this page reports as moved.
fn successors(changes: &Changes) -> Vec<RecordKey> {
    let moved = changes.records.iter().filter_map(|record| record.status.successor());
    let mut keys: Vec<RecordKey> = moved.cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
