//! The store port: simple queries and one atomic commit over the engine's state.
//!
//! A store decides nothing. Every query reads one consistent state. Every [`Store::commit`] is
//! durable and atomic: all of [`Changes`] or nothing, in the order of its fields; the journal may
//! come last. There is one engine per store, so a store need not defend against concurrent engines,
//! but concurrent calls of one engine must be safe. The `renkei-store` crate keeps the state in
//! SQLite, [`crate::store::memory`] in memory; the suite in `host/store/src/tests` runs on both.

use async_trait::async_trait;

use crate::effect::EffectKind;
use crate::spec::FieldIndex;
use crate::state::{
    Awaited, Cursor, Doubt, Failing, GuardCounts, JournalEntry, Link, LinkId, LinkView, LinkWork,
    OutboxEntry, OutboxState, RecordKey, RecordState, Review, Stream, Sweep,
};

/// A failure of the store. The engine stops the cycle; nothing half-written remains.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full: free some room and run again.
    #[error("the store's disk is full: {0}")]
    Full(String),
    /// The stored state cannot be read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The database that is open is not the file at its path any more.
    #[error("{0} was removed or replaced while it was in use")]
    Replaced(String),
    /// Any other failure of the medium.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Full(_) => Some("free some room and run again"),
            Self::Corrupt(_) => Some("put a backup of the database in its place"),
            Self::Replaced(_) => {
                Some("put the right file there, or a backup of it, and start Renkei again")
            }
            Self::Failed(_) => None,
        }
    }
}

/// A record that shares a match key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The value of the match key.
    pub value: String,
    /// The record that has it.
    pub record: RecordKey,
    /// Its link.
    pub link: Option<LinkId>,
}

/// A selection of operations of the outbox.
#[derive(Debug, Clone)]
pub struct OutboxQuery {
    /// Operations of this state.
    pub state: OutboxState,
    /// Operations of this entity only.
    pub entity: Option<String>,
    /// Operations of this system only.
    pub system: Option<String>,
    /// Operations on this object of this kind only: a connector's call may hold nothing else.
    pub kind: Option<(String, EffectKind)>,
    /// Operations with `not_before_ms` at or before this time.
    pub due_ms: i64,
    /// At most so many, in the order in which they were first inserted.
    pub limit: usize,
}

/// A selection of reviews by their status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReviewFilter {
    /// All, those that are over among them.
    #[default]
    All,
    /// `Open` and `Chosen` ones, which still stop something.
    Stopping,
    /// `Decided` ones: decisions of rules, which a person may take back.
    Decided,
}

/// A selection of reviews.
#[derive(Debug, Clone, Default)]
pub struct ReviewQuery {
    /// Reviews of this status.
    pub filter: ReviewFilter,
    /// Reviews about this link only.
    pub link: Option<LinkId>,
    /// At most so many, the oldest first; zero is all.
    pub limit: usize,
}

/// A selection of lines of the journal, the newest first.
#[derive(Debug, Clone)]
pub struct JournalQuery {
    /// Lines about this link, and those about `record`.
    pub link: Option<LinkId>,
    /// Lines about this record.
    pub record: Option<RecordKey>,
    /// The most lines.
    pub limit: usize,
}

/// Numbers for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Numbers per entity, ordered by name.
    pub entities: Vec<EntityCounts>,
    /// Planned operations that are not sent yet.
    pub planned: u64,
    /// Operations sent without a known outcome.
    pub sent: u64,
    /// Links that wait for another.
    pub waiting: u64,
    /// Reviews that are open.
    pub reviews_open: u64,
    /// Failed readings and writes that are listed.
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
    /// Active links that need a plan.
    pub dirty: u64,
    /// Live records without a link.
    pub unlinked: u64,
    /// System, object and live records.
    pub records: Vec<(String, String, u64)>,
}

/// Everything that one commit changes, applied in the order of the fields; the journal may come
/// last.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Cursors to replace.
    pub cursors: Vec<(Stream, Cursor)>,
    /// Links to insert or replace by id. Before records, which refer to them.
    pub links: Vec<Link>,
    /// Records to insert or replace by key.
    pub records: Vec<RecordState>,
    /// Progress of sweeps, to replace.
    pub sweeps: Vec<(Stream, Sweep)>,
    /// Known records that a sweep has seen, with its round.
    pub swept: Vec<(RecordKey, u64)>,
    /// Records whose match keys are replaced: pairs of key name and value.
    pub match_keys: Vec<(RecordKey, Vec<(String, String)>)>,
    /// Records whose doubt is replaced, or ends with `None`. A doubt about an unknown record is not
    /// kept.
    pub doubts: Vec<(RecordKey, Option<Doubt>)>,
    /// Ids that stand for themselves again, because a merged record came back. Applied before
    /// `aliases`.
    pub unaliased: Vec<RecordKey>,
    /// Ids that stand for another record now, after a merge or a conversion. Kept until the record
    /// comes back.
    pub aliases: Vec<(RecordKey, RecordKey)>,
    /// Links that need no plan any more. Applied before `dirty`.
    pub clean: Vec<LinkId>,
    /// Links that need a plan.
    pub dirty: Vec<LinkId>,
    /// Entities whose active links all need a plan.
    pub dirty_entities: Vec<String>,
    /// Links with all that they wait for, to replace; an empty list ends the waiting.
    pub waits: Vec<(LinkId, Vec<Awaited>)>,
    /// Operations to insert or replace by intent.
    pub outbox: Vec<OutboxEntry>,
    /// Operations to forget, by intent.
    pub outbox_done: Vec<String>,
    /// Entity, hour, and counts to add for the guards.
    pub guards: Vec<(String, i64, GuardCounts)>,
    /// Entities whose first sync was approved, each with the creations that the approval still
    /// covers; none where it is to be asked about again.
    pub begun: Vec<(String, Option<u64>)>,
    /// Reviews to insert or replace by id.
    pub reviews: Vec<Review>,
    /// Lines to append.
    pub journal: Vec<JournalEntry>,
    /// Systems with the accounts that they belong to from now on.
    pub accounts: Vec<(String, String)>,
    /// An epoch in which creates are planned.
    pub epoch: Option<String>,
    /// The database was put back, or has been read again since.
    pub restored: Option<Restored>,
}

/// A finding about a database that was put back from a backup or a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// This was noticed at this time, ms: every active link is marked ([`Link::restored`]) and
    /// dirty. Changes nothing where it is known already.
    Noticed(i64),
    /// Everything has been read again since.
    ReadAgain,
}

impl Changes {
    /// True if there is nothing to commit.
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

/// The state that the engine keeps between cycles and crashes.
#[async_trait]
pub trait Store: Send + Sync {
    /// A random name, set at creation and never changed; it makes intents unique among all stores.
    fn identity(&self) -> &str;

    /// A random name of this opening for writing, 12 hexadecimal digits. No two openings share it,
    /// neither of this database nor of a backup, a copy or a clone of it. So counts that begin
    /// again after a restore stand in another epoch (RULES.md P1).
    fn epoch(&self) -> &str;

    /// The epochs in which creates were planned, as far as this database remembers.
    async fn epochs(&self) -> Result<Vec<String>, StoreError>;

    /// The time when the database was found to be put back from a backup or a copy, ms. `None` once
    /// everything has been read again.
    async fn restored_ms(&self) -> Result<Option<i64>, StoreError>;

    /// The account of a system that this database belongs to.
    async fn account(&self, system: &str) -> Result<Option<String>, StoreError>;

    /// The names under which this database knows an account, in order.
    async fn systems_of(&self, account: &str) -> Result<Vec<String>, StoreError>;

    /// The cursor of this stream.
    async fn cursor(&self, stream: &Stream) -> Result<Option<Cursor>, StoreError>;

    /// The progress of this stream's sweep.
    async fn sweep(&self, stream: &Stream) -> Result<Option<Sweep>, StoreError>;

    /// The number of live records of the entity in the stream.
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

    /// The known ones of the records with these keys, in any order.
    async fn records(&self, keys: &[RecordKey]) -> Result<Vec<RecordState>, StoreError>;

    /// The doubts about these records, in the order of `keys`; records without a doubt are left
    /// out.
    async fn doubts(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Doubt)>, StoreError>;

    /// Doubts about records of the stream that are due, the longest due first, then by id.
    async fn due_doubts(
        &self,
        stream: &Stream,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Doubt)>, StoreError>;

    /// Records of the entity that have this task of the linking step ([`RecordState::link_work`]),
    /// with keys greater than `after`, in the order of keys.
    async fn link_work(
        &self,
        entity: &str,
        work: LinkWork,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordState>, StoreError>;

    /// Records of the entity with one of these values under this match key, live or missing. A
    /// missing one is the same thing as long as nobody has said that it is gone (RULES.md V12).
    /// Every match, in the order of `values`, then of keys.
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
    /// ([`RecordStatus::is_there`](crate::state::RecordStatus::is_there)).
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

    /// The number of active links of the entity.
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

    /// The sum of an entity's counts for the guards, from this hour on.
    async fn guard_counts(&self, entity: &str, first_hour: i64) -> Result<GuardCounts, StoreError>;

    /// The creations that the approval of an entity's first sync still covers; `None` before it was
    /// approved.
    async fn begun(&self, entity: &str) -> Result<Option<u64>, StoreError>;

    /// Links that wait for one of these events.
    async fn links_waiting_for(&self, awaited: &[Awaited]) -> Result<Vec<LinkId>, StoreError>;

    /// The events that this link waits for.
    async fn awaited_by(&self, link: LinkId) -> Result<Vec<Awaited>, StoreError>;

    /// Operations of the outbox, in the order in which they were first inserted.
    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutboxEntry>, StoreError>;

    /// The review with this id.
    async fn review(&self, id: &str) -> Result<Option<Review>, StoreError>;

    /// Reviews, the oldest first.
    async fn reviews(&self, query: &ReviewQuery) -> Result<Vec<Review>, StoreError>;

    /// Lines of the journal, the newest first.
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, StoreError>;

    /// Failures at or after this time, ms. Of at most `limit` links, in the order of their numbers,
    /// then of at most `limit` records, in the order of keys.
    async fn failures(&self, since_ms: i64, limit: usize) -> Result<Vec<Failing>, StoreError>;

    /// Active links whose newest failure is at or before this time, ms, in the order of their
    /// numbers.
    async fn failing_links(&self, until_ms: i64, limit: usize) -> Result<Vec<LinkId>, StoreError>;

    /// Numbers for `status`.
    async fn counts(&self) -> Result<StoreCounts, StoreError>;

    /// Makes all of the changes, or none; they are durable when it returns.
    async fn commit(&self, changes: Changes) -> Result<(), StoreError>;
}
