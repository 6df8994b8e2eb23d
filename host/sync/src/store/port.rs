//! The store port: what the engine keeps, behind simple queries and one atomic commit.
//!
//! A store decides nothing. Every query reads one consistent state; every [`Store::commit`] is
//! durable and atomic: all of [`Changes`] or nothing, in the order of its fields. There is one
//! engine per store, so a store need not defend against concurrent engines, but concurrent calls of
//! one engine must be safe. The `renkei-store` crate keeps it in SQLite, [`crate::store::memory`] in
//! memory; the suite in `host/store/src/tests` runs on both.

use async_trait::async_trait;

use crate::model::record::Action;
use crate::model::spec::FieldIndex;
use crate::model::state::{
    Awaited, Cursor, Doubt, Failing, GuardCounts, JournalEntry, Link, LinkId, LinkView, LinkWork,
    OutboxEntry, OutboxState, RecordKey, RecordState, Review, Stream, Sweep,
};

/// Why the store failed. The engine stops the cycle; nothing half-written remains.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full: free some room and run again.
    #[error("the store's disk is full: {0}")]
    Full(String),
    /// What is stored cannot be understood.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// Anything else that the medium says.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A record that shares a match key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The key's value.
    pub value: String,
    /// The record.
    pub record: RecordKey,
    /// Its link.
    pub link: Option<LinkId>,
}

/// Which operations of the outbox.
#[derive(Debug, Clone)]
pub struct OutboxQuery {
    /// Of this state.
    pub state: OutboxState,
    /// Of this entity only.
    pub entity: Option<String>,
    /// Of this system only.
    pub system: Option<String>,
    /// On this object with this action only: what one call of a connector may hold.
    pub kind: Option<(String, Action)>,
    /// Those with `not_before_ms` at or before this time.
    pub due_ms: i64,
    /// At most so many, in the order in which they were first inserted.
    pub limit: usize,
}

/// Where the reviews stand that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReviewFilter {
    /// All, those that are over among them.
    #[default]
    All,
    /// `Open` and `Chosen` ones: those that still stop something.
    Stopping,
    /// `Decided` ones: what rules have decided and a person may take back.
    Decided,
}

/// Which reviews.
#[derive(Debug, Clone, Default)]
pub struct ReviewQuery {
    /// Where they stand.
    pub stand: ReviewFilter,
    /// About this link only.
    pub link: Option<LinkId>,
    /// At most so many, the oldest first; zero is all.
    pub limit: usize,
}

/// Which lines of the journal, the newest first.
#[derive(Debug, Clone)]
pub struct JournalQuery {
    /// About this link.
    pub link: Option<LinkId>,
    /// Or about this record.
    pub record: Option<RecordKey>,
    /// At most so many.
    pub limit: usize,
}

/// Numbers for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Per entity.
    pub entities: Vec<EntityCounts>,
    /// Operations planned.
    pub planned: u64,
    /// Operations sent without a known outcome.
    pub sent: u64,
    /// Links that wait for another.
    pub waiting: u64,
    /// Reviews that are open.
    pub reviews_open: u64,
    /// What could not be read or written.
    pub failures: u64,
    /// Lines of the journal.
    pub journal: u64,
    /// The sweeps of every stream, in the order of streams.
    pub sweeps: Vec<(Stream, Sweep)>,
}

/// Numbers of one entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// The entity's name.
    pub entity: String,
    /// Active links.
    pub links: u64,
    /// Links to be planned.
    pub dirty: u64,
    /// Live records without a link.
    pub unlinked: u64,
    /// System, object and live records.
    pub records: Vec<(String, String, u64)>,
}

/// Everything that one commit changes, applied in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Cursors to replace.
    pub cursors: Vec<(Stream, Cursor)>,
    /// Links to insert or replace by id. Before records, which refer to them.
    pub links: Vec<Link>,
    /// Records to insert or replace by key.
    pub records: Vec<RecordState>,
    /// Sweeps to replace.
    pub sweeps: Vec<(Stream, Sweep)>,
    /// Known records that a sweep has seen, and its round.
    pub swept: Vec<(RecordKey, u64)>,
    /// Records whose match keys are replaced: pairs of key name and value.
    pub match_keys: Vec<(RecordKey, Vec<(String, String)>)>,
    /// Records whose doubt is replaced, or over. A doubt about an unknown record is not kept.
    pub doubts: Vec<(RecordKey, Option<Doubt>)>,
    /// Ids that stand for themselves again: what was merged came back (before `aliases`).
    pub unaliased: Vec<RecordKey>,
    /// An id that now stands for another record: merged or converted. Kept until it comes back.
    pub aliases: Vec<(RecordKey, RecordKey)>,
    /// Links to be planned no more (before `dirty`).
    pub clean: Vec<LinkId>,
    /// Links to be planned.
    pub dirty: Vec<LinkId>,
    /// Entities of which all active links are to be planned.
    pub dirty_entities: Vec<String>,
    /// Replaces all that these links wait for; an empty list ends the waiting.
    pub waits: Vec<(LinkId, Vec<Awaited>)>,
    /// Operations to insert or replace by intent.
    pub outbox: Vec<OutboxEntry>,
    /// Operations to forget, by intent.
    pub outbox_done: Vec<String>,
    /// Entity, hour, and what the guards have counted besides in that hour.
    pub guards: Vec<(String, i64, GuardCounts)>,
    /// Entities whose first sync was approved, each with the creations that this still covers.
    pub begun: Vec<(String, u64)>,
    /// Reviews to insert or replace by id.
    pub reviews: Vec<Review>,
    /// Lines to append.
    pub journal: Vec<JournalEntry>,
    /// The account that a system of this database is, from now on.
    pub accounts: Vec<(String, String)>,
    /// An epoch in which creates are planned.
    pub epoch: Option<String>,
    /// The database was put back, or has been read again since.
    pub restored: Option<Restored>,
}

/// What is found out about a database that was put back from a backup or a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// It was, and this was noticed now, ms: every active link is marked
    /// ([`Link::restored`]) and dirty. Changes nothing where it is known already.
    Noticed(i64),
    /// Everything has been read again since.
    ReadAgain,
}

impl Changes {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.cursors.is_empty()
            && self.links.is_empty()
            && self.records.is_empty()
            && self.sweeps.is_empty()
            && self.swept.is_empty()
            && self.match_keys.is_empty()
            && self.doubts.is_empty()
            && self.unaliased.is_empty()
            && self.aliases.is_empty()
            && self.clean.is_empty()
            && self.dirty.is_empty()
            && self.dirty_entities.is_empty()
            && self.waits.is_empty()
            && self.outbox.is_empty()
            && self.outbox_done.is_empty()
            && self.guards.is_empty()
            && self.begun.is_empty()
            && self.reviews.is_empty()
            && self.journal.is_empty()
            && self.accounts.is_empty()
            && self.epoch.is_none()
            && self.restored.is_none()
    }
}

/// What the engine keeps between cycles and crashes.
#[async_trait]
pub trait Store: Send + Sync {
    /// Random at creation, the same ever after: makes intents unique among all stores of the world.
    fn identity(&self) -> &str;

    /// Random at each opening for writing, 12 hexadecimal digits. No two openings share it, neither
    /// of this database nor of a backup, a copy or a clone of it: what is counted again after a
    /// restore is another count.
    fn epoch(&self) -> &str;

    /// The epochs in which creates were planned, as far as this database remembers.
    async fn epochs(&self) -> Result<Vec<String>, StoreError>;

    /// When the database was found to be put back from a backup or a copy, ms, until everything has
    /// been read again since.
    async fn restored_ms(&self) -> Result<Option<i64>, StoreError>;

    /// The account of a system that this database belongs to.
    async fn account(&self, system: &str) -> Result<Option<String>, StoreError>;

    /// The names under which this database knows an account, in order.
    async fn systems_of(&self, account: &str) -> Result<Vec<String>, StoreError>;

    /// Where reading this stream goes on.
    async fn cursor(&self, stream: &Stream) -> Result<Option<Cursor>, StoreError>;

    /// How far the sweep of this stream has come.
    async fn sweep(&self, stream: &Stream) -> Result<Option<Sweep>, StoreError>;

    /// How many live records of the entity the stream has.
    async fn count_live(&self, entity: &str, stream: &Stream) -> Result<u64, StoreError>;

    /// Live and surplus records of the stream that this round of its sweep has not seen, with ids
    /// greater than `after`, in the order of ids.
    async fn unswept(
        &self,
        stream: &Stream,
        round: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError>;

    /// All records of the stream that were ever read, with ids greater than `after`, in the order
    /// of ids.
    async fn stream_records(
        &self,
        stream: &Stream,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError>;

    /// The records with these keys that are known, in any order.
    async fn records(&self, keys: &[RecordKey]) -> Result<Vec<RecordState>, StoreError>;

    /// What is in doubt about these records, in the order in which they are asked for; those
    /// without a doubt are left out.
    async fn doubts(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Doubt)>, StoreError>;

    /// Doubts about records of the stream that are due, the longest due first, then by id.
    async fn due_doubts(
        &self,
        stream: &Stream,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Doubt)>, StoreError>;

    /// Records of the entity that the linking step must look at, by [`RecordState::link_work`],
    /// with keys greater than `after`, in the order of keys.
    async fn link_work(
        &self,
        entity: &str,
        work: LinkWork,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordState>, StoreError>;

    /// Records of the entity that have one of these values under this match key: live ones, and
    /// those out of sight, which are the same thing as long as nobody has said that they are gone.
    /// Every match, in the order of the values as asked for, then of keys.
    async fn candidates(
        &self,
        entity: &str,
        key: &str,
        values: &[String],
    ) -> Result<Vec<Candidate>, StoreError>;

    /// The match keys of these records: key name and value; those without any are left out.
    async fn match_keys(
        &self,
        records: &[RecordKey],
    ) -> Result<Vec<(RecordKey, Vec<(String, String)>)>, StoreError>;

    /// The records that these ids stand for now, through all aliases; those without an alias are
    /// left out.
    async fn aliases(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, RecordKey)>, StoreError>;

    /// The links of these records, through all aliases and united links, in any order; those
    /// without a link are left out. A record that is there stands for itself
    /// ([`RecordStatus::is_there`](crate::model::state::RecordStatus::is_there)).
    async fn resolve(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, LinkId)>, StoreError>;

    /// The `Live` records of these links. A united link answers with the records of the link that
    /// it became, under the number that was asked for.
    async fn members(&self, links: &[LinkId]) -> Result<Vec<(LinkId, RecordKey)>, StoreError>;

    /// The highest link number ever used; zero when there is none.
    async fn last_link(&self) -> Result<LinkId, StoreError>;

    /// These links with all that belongs to them, ordered by id.
    async fn links(&self, ids: &[LinkId]) -> Result<Vec<LinkView>, StoreError>;

    /// Dirty links of the entity with ids greater than `after`, in the order of ids. Links with
    /// operations in the outbox are left out: they are planned when these are done.
    async fn dirty(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError>;

    /// Dirty active links of the entity that have a removed record, with ids greater than `after`,
    /// in the order of ids.
    async fn pending_deletions(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError>;

    /// How many active links the entity has.
    async fn active_links(&self, entity: &str) -> Result<u64, StoreError>;

    /// Live and surplus records of the stream that were last seen with one of these ids in this
    /// field of their entity, in the order of ids. Goes over all records of the stream.
    async fn referring(
        &self,
        entity: &str,
        stream: &Stream,
        field: FieldIndex,
        ids: &[String],
    ) -> Result<Vec<RecordKey>, StoreError>;

    /// What the guards of an entity have counted since the beginning of this hour.
    async fn guarded(&self, entity: &str, first_hour: i64) -> Result<GuardCounts, StoreError>;

    /// Whether the first sync of an entity was approved, and how many creations that still covers.
    async fn begun(&self, entity: &str) -> Result<Option<u64>, StoreError>;

    /// Links that wait for one of these.
    async fn links_waiting_for(&self, awaited: &[Awaited]) -> Result<Vec<LinkId>, StoreError>;

    /// What these links wait for.
    async fn awaited_by(&self, link: LinkId) -> Result<Vec<Awaited>, StoreError>;

    /// Operations of the outbox.
    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutboxEntry>, StoreError>;

    /// One review.
    async fn review(&self, id: &str) -> Result<Option<Review>, StoreError>;

    /// Reviews.
    async fn reviews(&self, query: &ReviewQuery) -> Result<Vec<Review>, StoreError>;

    /// Lines of the journal, the newest first.
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, StoreError>;

    /// What could not be read or written and failed at or after this time, ms: of at most so many
    /// links, in the order of their numbers, and of at most so many records, in the order of keys.
    async fn failures(&self, since_ms: i64, limit: usize) -> Result<Vec<Failing>, StoreError>;

    /// Active links with failures, none of them after this time, ms, in the order of their numbers.
    async fn failing_links(&self, until_ms: i64, limit: usize) -> Result<Vec<LinkId>, StoreError>;

    /// Numbers for `status`.
    async fn counts(&self) -> Result<StoreCounts, StoreError>;

    /// All of it, or nothing; durable when it returns.
    async fn commit(&self, changes: Changes) -> Result<(), StoreError>;
}
