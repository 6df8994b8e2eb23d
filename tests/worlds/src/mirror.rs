//! Both stores at once: every commit goes to the one in memory and to SQLite, and every answer of
//! the one must be the other's.
//!
//! So each story is told on the store that the program has, and the first query at which the two
//! part is the one that fails. Histories, of which there are 100,000, stay in memory.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use renkei_model::spec::FieldIndex;
use renkei_model::state::{
    Awaited, Cursor, Doubt, Failing, GuardCounts, JournalEntry, LinkId, LinkView, LinkWork,
    OutboxEntry, RecordKey, RecordState, Review, Stream, Sweep,
};
use renkei_model::store::memory::MemoryStore;
use renkei_model::store::port::{
    Candidate, Changes, JournalQuery, OutboxQuery, Restored, ReviewQuery, Store, StoreCounts,
    StoreError,
};
use renkei_store::Layouts;
use renkei_store::SqliteStore;

/// A store in memory and, for stories, its mirror.
pub struct MirrorStore {
    memory: MemoryStore,
    mirror: Mutex<Option<Mirror>>,
    /// Both answer, or both commit, before anything else happens.
    turn: futures::lock::Mutex<()>,
}

struct Mirror {
    store: Arc<SqliteStore>,
    layouts: Layouts,
    dir: Arc<tempfile::TempDir>,
}

/// A backup of both.
pub struct StoreBackup {
    memory: MemoryStore,
    file: Option<(PathBuf, tempfile::TempDir)>,
}

impl MirrorStore {
    /// In memory alone.
    pub fn plain() -> Self {
        Self::new(MemoryStore::new("bench"), None)
    }

    /// On both.
    pub fn mirrored(layouts: Layouts) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::new(MemoryStore::new("bench"), Some(Mirror::open(layouts, dir)))
    }

    fn new(memory: MemoryStore, mirror: Option<Mirror>) -> Self {
        Self { memory, mirror: Mutex::new(mirror), turn: futures::lock::Mutex::default() }
    }

    /// Commits after the next `commits` fail, as if the process had died.
    pub fn stop_after(&self, commits: u64) {
        self.memory.stop_after(commits);
    }

    /// The store of the next process: the same content, and SQLite's file opened again. This one is
    /// left without a mirror.
    pub fn copy(&self) -> Self {
        let mirror = self.mirror.lock().unwrap().take().map(|mirror| {
            let Mirror { store, layouts, dir } = mirror;
            drop(Arc::into_inner(store).unwrap());
            Mirror::open(layouts, dir)
        });
        Self::new(self.memory.copy(), mirror)
    }

    /// `renkei backup`.
    pub fn back_up(&self) -> StoreBackup {
        let file = self.mirror.lock().unwrap().as_ref().map(|mirror| {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("kept.backup");
            SqliteStore::back_up(mirror.dir.path(), &file).unwrap();
            (file, dir)
        });
        StoreBackup { memory: self.memory.copy(), file }
    }

    /// `renkei restore`: the store of the next process, marked as restored. This one is left
    /// without a mirror.
    ///
    /// # Errors
    /// SQLite's file cannot be put back, with the reason.
    pub async fn restore(&self, backup: &StoreBackup, now_ms: i64) -> Result<Self, String> {
        let memory = backup.memory.copy();
        // A backup of a restored database is marked anew.
        for restored in [Restored::ReadAgain, Restored::Noticed(now_ms)] {
            let changes = Changes { restored: Some(restored), ..Changes::default() };
            memory.commit(changes).await.map_err(|error| error.to_string())?;
        }
        let mirror = self.mirror.lock().unwrap().take();
        let mirror = match (mirror, &backup.file) {
            (Some(Mirror { store, layouts, dir }), Some((file, _))) => {
                drop(Arc::into_inner(store).unwrap());
                SqliteStore::restore(dir.path(), file, None, now_ms)
                    .map_err(|error| error.to_string())?;
                Some(Mirror::open(layouts, dir))
            }
            (mirror, _) => mirror,
        };
        Ok(Self::new(memory, mirror))
    }

    /// Number of commits so far.
    pub fn commits(&self) -> u64 {
        self.memory.commits()
    }

    fn sqlite(&self) -> Option<Arc<SqliteStore>> {
        self.mirror.lock().unwrap().as_ref().map(|mirror| Arc::clone(&mirror.store))
    }
}

impl Mirror {
    fn open(layouts: Layouts, dir: Arc<tempfile::TempDir>) -> Self {
        let store = Arc::new(SqliteStore::open(dir.path(), layouts.clone()).unwrap());
        Self { store, layouts, dir }
    }
}

/// Asks both and compares.
macro_rules! ask {
    ($self:ident.$query:ident($($argument:expr),*)) => {{
        let _turn = $self.turn.lock().await;
        let answer = $self.memory.$query($($argument),*).await?;
        if let Some(sqlite) = $self.sqlite() {
            let mirrored = sqlite.$query($($argument),*).await?;
            assert_eq!(mirrored, answer, "SQLite answers `{}` otherwise", stringify!($query));
        }
        Ok(answer)
    }};
}

#[async_trait]
impl Store for MirrorStore {
    fn identity(&self) -> &str {
        self.memory.identity()
    }

    fn epoch(&self) -> &str {
        self.memory.epoch()
    }

    /// Each store has its own: the engine uses those of the one in memory, which both are told.
    async fn epochs(&self) -> Result<Vec<String>, StoreError> {
        ask!(self.epochs())
    }

    async fn restored_ms(&self) -> Result<Option<i64>, StoreError> {
        ask!(self.restored_ms())
    }

    async fn account(&self, system: &str) -> Result<Option<String>, StoreError> {
        ask!(self.account(system))
    }

    async fn systems_of(&self, account: &str) -> Result<Vec<String>, StoreError> {
        ask!(self.systems_of(account))
    }

    async fn cursor(&self, stream: &Stream) -> Result<Option<Cursor>, StoreError> {
        ask!(self.cursor(stream))
    }

    async fn sweep(&self, stream: &Stream) -> Result<Option<Sweep>, StoreError> {
        ask!(self.sweep(stream))
    }

    async fn count_live(&self, entity: &str, stream: &Stream) -> Result<u64, StoreError> {
        ask!(self.count_live(entity, stream))
    }

    async fn unswept(
        &self,
        stream: &Stream,
        round: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        ask!(self.unswept(stream, round, after, limit))
    }

    async fn stream_records(
        &self,
        stream: &Stream,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        ask!(self.stream_records(stream, after, limit))
    }

    async fn records(&self, keys: &[RecordKey]) -> Result<Vec<RecordState>, StoreError> {
        ask!(self.records(keys))
    }

    async fn doubts(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Doubt)>, StoreError> {
        ask!(self.doubts(keys))
    }

    async fn due_doubts(
        &self,
        stream: &Stream,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Doubt)>, StoreError> {
        ask!(self.due_doubts(stream, now_ms, limit))
    }

    async fn link_work(
        &self,
        entity: &str,
        work: LinkWork,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordState>, StoreError> {
        ask!(self.link_work(entity, work, after, limit))
    }

    async fn candidates(
        &self,
        entity: &str,
        key: &str,
        values: &[String],
    ) -> Result<Vec<Candidate>, StoreError> {
        ask!(self.candidates(entity, key, values))
    }

    async fn match_keys(
        &self,
        records: &[RecordKey],
    ) -> Result<Vec<(RecordKey, Vec<(String, String)>)>, StoreError> {
        ask!(self.match_keys(records))
    }

    async fn aliases(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, RecordKey)>, StoreError> {
        ask!(self.aliases(keys))
    }

    async fn resolve(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, LinkId)>, StoreError> {
        ask!(self.resolve(keys))
    }

    async fn members(&self, links: &[LinkId]) -> Result<Vec<(LinkId, RecordKey)>, StoreError> {
        ask!(self.members(links))
    }

    async fn last_link(&self) -> Result<LinkId, StoreError> {
        ask!(self.last_link())
    }

    async fn links(&self, ids: &[LinkId]) -> Result<Vec<LinkView>, StoreError> {
        ask!(self.links(ids))
    }

    async fn dirty(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError> {
        ask!(self.dirty(entity, after, limit))
    }

    async fn pending_deletions(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError> {
        ask!(self.pending_deletions(entity, after, limit))
    }

    async fn active_links(&self, entity: &str) -> Result<u64, StoreError> {
        ask!(self.active_links(entity))
    }

    async fn referring(
        &self,
        entity: &str,
        stream: &Stream,
        field: FieldIndex,
        ids: &[String],
    ) -> Result<Vec<RecordKey>, StoreError> {
        ask!(self.referring(entity, stream, field, ids))
    }

    async fn guard_counts(&self, entity: &str, first_hour: i64) -> Result<GuardCounts, StoreError> {
        ask!(self.guard_counts(entity, first_hour))
    }

    async fn begun(&self, entity: &str) -> Result<Option<u64>, StoreError> {
        ask!(self.begun(entity))
    }

    async fn links_waiting_for(&self, awaited: &[Awaited]) -> Result<Vec<LinkId>, StoreError> {
        ask!(self.links_waiting_for(awaited))
    }

    async fn awaited_by(&self, link: LinkId) -> Result<Vec<Awaited>, StoreError> {
        ask!(self.awaited_by(link))
    }

    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutboxEntry>, StoreError> {
        ask!(self.outbox(query))
    }

    async fn review(&self, id: &str) -> Result<Option<Review>, StoreError> {
        ask!(self.review(id))
    }

    async fn reviews(&self, query: &ReviewQuery) -> Result<Vec<Review>, StoreError> {
        ask!(self.reviews(query))
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, StoreError> {
        ask!(self.journal(query))
    }

    async fn failures(&self, since_ms: i64, limit: usize) -> Result<Vec<Failing>, StoreError> {
        ask!(self.failures(since_ms, limit))
    }

    async fn failing_links(&self, before_ms: i64, limit: usize) -> Result<Vec<LinkId>, StoreError> {
        ask!(self.failing_links(before_ms, limit))
    }

    async fn counts(&self) -> Result<StoreCounts, StoreError> {
        ask!(self.counts())
    }

    /// A crash of the one is a crash of both: what the memory refuses, SQLite never sees.
    async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let Some(sqlite) = self.sqlite() else { return self.memory.commit(changes).await };
        let _turn = self.turn.lock().await;
        self.memory.commit(changes.clone()).await?;
        sqlite.commit(changes).await
    }
}
