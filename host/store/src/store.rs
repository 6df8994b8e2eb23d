//! The engine's port: each query goes to a reader thread, each commit to the writer thread.

use std::sync::Arc;

use crate::codec::Layouts;
use async_trait::async_trait;
use renkei_model::spec::FieldIndex;
use renkei_model::state::{
    Awaited, Cursor, Doubt, Failing, GuardCounts, JournalEntry, LinkId, LinkView, LinkWork,
    OutboxEntry, RecordKey, RecordState, Review, Stream, Sweep,
};
use renkei_model::store::port::{
    Candidate, Changes, JournalQuery, OutboxQuery, ReviewQuery, Store, StoreCounts, StoreError,
};
use rusqlite::Connection;

use crate::lock::Lock;
use crate::readers::Readers;
use crate::writer::Writer;
use crate::{
    counts, cursors, doubts, failures, guards, identity, journal, keys, links, outbox, records,
    reviews, sweeps,
};

/// A store in one SQLite file; see [`SqliteStore::open`]. Dropping it waits for the commits that
/// were handed in.
pub struct SqliteStore {
    pub(crate) identity: String,
    pub(crate) epoch: String,
    pub(crate) layouts: Arc<Layouts>,
    // Dropped in this order. The connection that writes closes last, because only it can fold the
    // log into the database. Then the lock goes, then a scratch directory.
    pub(crate) readers: Readers,
    pub(crate) writer: Option<Writer>,
    pub(crate) lock: Option<Lock>,
    pub(crate) scratch: Option<tempfile::TempDir>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteStore({})", self.identity)
    }
}

impl SqliteStore {
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection, &Layouts) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let layouts = Arc::clone(&self.layouts);
        self.readers.run_query(move |connection| query(connection, &layouts)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    async fn epochs(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection, _| identity::epochs(connection)).await
    }

    async fn restored_ms(&self) -> Result<Option<i64>, StoreError> {
        self.read(|connection, _| identity::restored_ms(connection)).await
    }

    async fn account(&self, system: &str) -> Result<Option<String>, StoreError> {
        let system = system.to_owned();
        self.read(move |connection, _| identity::account(connection, &system)).await
    }

    async fn systems_of(&self, account: &str) -> Result<Vec<String>, StoreError> {
        let account = account.to_owned();
        self.read(move |connection, _| identity::systems_of(connection, &account)).await
    }

    async fn cursor(&self, stream: &Stream) -> Result<Option<Cursor>, StoreError> {
        let stream = stream.clone();
        self.read(move |connection, _| cursors::get(connection, &stream)).await
    }

    async fn sweep(&self, stream: &Stream) -> Result<Option<Sweep>, StoreError> {
        let stream = stream.clone();
        self.read(move |connection, _| sweeps::get(connection, &stream)).await
    }

    async fn count_live(&self, entity: &str, stream: &Stream) -> Result<u64, StoreError> {
        let (entity, stream) = (entity.to_owned(), stream.clone());
        self.read(move |connection, _| counts::count_live(connection, &entity, &stream)).await
    }

    async fn unswept(
        &self,
        stream: &Stream,
        round: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let (stream, after) = (stream.clone(), after.unwrap_or_default().to_owned());
        self.read(move |connection, _| sweeps::unswept(connection, &stream, round, &after, limit))
            .await
    }

    async fn stream_records(
        &self,
        stream: &Stream,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let (stream, after) = (stream.clone(), after.unwrap_or_default().to_owned());
        self.read(move |connection, _| sweeps::stream_records(connection, &stream, &after, limit))
            .await
    }

    async fn records(&self, keys: &[RecordKey]) -> Result<Vec<RecordState>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection, layouts| records::get(connection, layouts, &keys)).await
    }

    async fn doubts(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Doubt)>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection, _| doubts::find_doubts(connection, &keys)).await
    }

    async fn due_doubts(
        &self,
        stream: &Stream,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Doubt)>, StoreError> {
        let stream = stream.clone();
        self.read(move |connection, _| doubts::due(connection, &stream, now_ms, limit)).await
    }

    async fn link_work(
        &self,
        entity: &str,
        work: LinkWork,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordState>, StoreError> {
        let (entity, after) = (entity.to_owned(), after.cloned());
        self.read(move |connection, layouts| {
            records::link_work(connection, layouts, &entity, work, after.as_ref(), limit)
        })
        .await
    }

    async fn candidates(
        &self,
        entity: &str,
        key: &str,
        values: &[String],
    ) -> Result<Vec<Candidate>, StoreError> {
        let (entity, key, values) = (entity.to_owned(), key.to_owned(), values.to_vec());
        self.read(move |connection, _| keys::candidates(connection, &entity, &key, &values)).await
    }

    async fn match_keys(
        &self,
        records: &[RecordKey],
    ) -> Result<Vec<(RecordKey, Vec<(String, String)>)>, StoreError> {
        let records = records.to_vec();
        self.read(move |connection, _| keys::get(connection, &records)).await
    }

    async fn aliases(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, RecordKey)>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection, _| keys::aliases(connection, &keys)).await
    }

    async fn resolve(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, LinkId)>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection, _| keys::resolve(connection, &keys)).await
    }

    async fn members(&self, links: &[LinkId]) -> Result<Vec<(LinkId, RecordKey)>, StoreError> {
        let links = links.to_vec();
        self.read(move |connection, _| keys::members(connection, &links)).await
    }

    async fn last_link(&self) -> Result<LinkId, StoreError> {
        self.read(|connection, _| links::last(connection)).await
    }

    async fn links(&self, ids: &[LinkId]) -> Result<Vec<LinkView>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |connection, layouts| links::views(connection, layouts, &ids)).await
    }

    async fn dirty(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError> {
        let entity = entity.to_owned();
        self.read(move |connection, _| links::dirty(connection, &entity, after, limit)).await
    }

    async fn pending_deletions(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError> {
        let entity = entity.to_owned();
        self.read(move |connection, _| links::pending_deletions(connection, &entity, after, limit))
            .await
    }

    async fn active_links(&self, entity: &str) -> Result<u64, StoreError> {
        let entity = entity.to_owned();
        self.read(move |connection, _| links::active(connection, &entity)).await
    }

    async fn referring(
        &self,
        entity: &str,
        stream: &Stream,
        field: FieldIndex,
        ids: &[String],
    ) -> Result<Vec<RecordKey>, StoreError> {
        let (entity, stream, ids) = (entity.to_owned(), stream.clone(), ids.to_vec());
        self.read(move |connection, layouts| {
            records::referring(connection, layouts, &entity, &stream, field, &ids)
        })
        .await
    }

    async fn guard_counts(&self, entity: &str, first_hour: i64) -> Result<GuardCounts, StoreError> {
        let entity = entity.to_owned();
        self.read(move |connection, _| guards::sum(connection, &entity, first_hour)).await
    }

    async fn begun(&self, entity: &str) -> Result<Option<u64>, StoreError> {
        let entity = entity.to_owned();
        self.read(move |connection, _| guards::begun(connection, &entity)).await
    }

    async fn links_waiting_for(&self, awaited: &[Awaited]) -> Result<Vec<LinkId>, StoreError> {
        let awaited = awaited.to_vec();
        self.read(move |connection, _| links::links_waiting_for(connection, &awaited)).await
    }

    async fn awaited_by(&self, link: LinkId) -> Result<Vec<Awaited>, StoreError> {
        self.read(move |connection, _| links::awaited_by(connection, link)).await
    }

    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutboxEntry>, StoreError> {
        let query = query.clone();
        self.read(move |connection, _| outbox::query(connection, &query)).await
    }

    async fn review(&self, id: &str) -> Result<Option<Review>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection, _| reviews::get(connection, &id)).await
    }

    async fn reviews(&self, query: &ReviewQuery) -> Result<Vec<Review>, StoreError> {
        let query = query.clone();
        self.read(move |connection, _| reviews::query(connection, &query)).await
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, StoreError> {
        let query = query.clone();
        self.read(move |connection, _| journal::query(connection, &query)).await
    }

    async fn failures(&self, since_ms: i64, limit: usize) -> Result<Vec<Failing>, StoreError> {
        self.read(move |connection, _| failures::query(connection, since_ms, limit)).await
    }

    async fn failing_links(&self, before_ms: i64, limit: usize) -> Result<Vec<LinkId>, StoreError> {
        self.read(move |connection, _| failures::links(connection, before_ms, limit)).await
    }

    async fn counts(&self) -> Result<StoreCounts, StoreError> {
        self.read(|connection, _| counts::get(connection)).await
    }

    async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        match &self.writer {
            Some(writer) => writer.commit(changes).await,
            None => Err(StoreError::Failed("opened for reading only".to_owned())),
        }
    }
}
