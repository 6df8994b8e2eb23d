//! The one thread that writes.
//!
//! Commits wait in a bounded queue. All that wait when the thread is free become one transaction,
//! so that many streams share one wait for the disk. If such a group fails, each of its commits is
//! tried alone, and only the failing one gets the error. A commit is answered with success only
//! when it is durable.
//!
//! Freeing the memory of a commit takes a fifth of the time that writing it takes, so another
//! thread does that (RULES.md Q5).

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use crate::codec::Layouts;
use renkei_model::store::port::{Changes, StoreError};
use rusqlite::{Connection, Result, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::database_file::FileIdentities;
use crate::error::OpenError;
use crate::error::store_error;
use crate::{
    cursors, doubts, guards, identity, journal, keys, links, outbox, records, reviews, sweeps,
};

/// Commits that may wait; further callers wait to add theirs.
const QUEUE: usize = 64;
/// Commits whose memory may wait to be freed.
const FREED_MAX: usize = 4;

/// The writer; when it is dropped, it ends after the waiting commits.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    changes: Changes,
    done: oneshot::Sender<std::result::Result<(), StoreError>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        path: &Path,
        layouts: Arc<Layouts>,
    ) -> std::result::Result<Self, OpenError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let (to_free, used) = std::sync::mpsc::sync_channel(FREED_MAX);
        let thread = std::thread::Builder::new().name("store-free".to_owned());
        // This thread ends with the writer, its only sender.
        drop(thread.spawn(move || used.into_iter().for_each(drop::<Changes>)).map_err(failed)?);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let owned = path.to_owned();
        let thread = thread.spawn(move || run(connection, &owned, &layouts, jobs, &to_free));
        let thread = thread.map_err(failed)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Adds a commit to the queue and waits for its answer: success once the changes are on the
    /// disk.
    pub(crate) async fn commit(&self, changes: Changes) -> std::result::Result<(), StoreError> {
        let stopped = || StoreError::Failed("the store's writer has stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let (done, answer) = oneshot::channel();
        queue.send(Job { changes, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run(
    mut connection: Connection,
    path: &Path,
    layouts: &Layouts,
    mut jobs: mpsc::Receiver<Job>,
    to_free: &SyncSender<Changes>,
) {
    let mut files = FileIdentities::read(path);
    let mut commit = |jobs: &[Job]| {
        let now = FileIdentities::read(path);
        if !files.still_are(&now) {
            return Err(StoreError::Replaced(path.display().to_string()));
        }
        commit(&mut connection, layouts, jobs).map_err(|error| store_error(path, &error))?;
        // The first commit makes the log.
        files = FileIdentities::read(path);
        Ok(())
    };
    while let Some(first) = jobs.blocking_recv() {
        let mut group = vec![first];
        while group.len() < QUEUE
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        let together = commit(&group);
        let again = together.is_err() && group.len() > 1;
        for job in group {
            let result = if again { commit(std::slice::from_ref(&job)) } else { together.clone() };
            // A caller that stopped waiting needs no answer.
            drop(job.done.send(result));
            // If too many commits wait to be freed, this thread frees one.
            drop(to_free.try_send(job.changes));
        }
    }
}

/// Makes one transaction of the jobs: all of them or, on an error, none.
fn commit(connection: &mut Connection, layouts: &Layouts, jobs: &[Job]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in jobs {
        apply(&transaction, layouts, &job.changes)?;
    }
    transaction.commit()
}

/// Applies the changes in the order of the fields of [`Changes`]; only the journal, which nothing
/// refers to, comes last.
fn apply(connection: &Connection, layouts: &Layouts, changes: &Changes) -> Result<()> {
    for (stream, cursor) in &changes.cursors {
        cursors::upsert_cursor(connection, stream, cursor)?;
    }
    for link in &changes.links {
        links::upsert_link(connection, layouts, link)?;
    }
    for record in &changes.records {
        records::upsert_record(connection, layouts, record)?;
    }
    for (stream, sweep) in &changes.sweeps {
        sweeps::upsert_sweep(connection, stream, sweep)?;
    }
    for (record, round) in &changes.swept {
        sweeps::mark(connection, record, *round)?;
    }
    for (record, keys) in &changes.match_keys {
        keys::upsert_keys(connection, record, keys)?;
    }
    for (record, doubt) in &changes.doubts {
        doubts::upsert_doubt(connection, record, doubt.as_ref())?;
    }
    for key in &changes.unaliased {
        keys::remove_alias(connection, key)?;
    }
    for (from, to) in &changes.aliases {
        keys::put_alias(connection, from, to)?;
    }
    for link in &changes.clean {
        links::put_clean(connection, *link)?;
    }
    for link in &changes.dirty {
        links::put_dirty(connection, *link)?;
    }
    for entity in &changes.dirty_entities {
        links::put_dirty_entity(connection, entity)?;
    }
    for (link, awaited) in &changes.waits {
        links::put_waits(connection, *link, awaited)?;
    }
    for entry in &changes.outbox {
        outbox::upsert_entry(connection, entry)?;
    }
    for intent in &changes.outbox_done {
        outbox::remove(connection, intent)?;
    }
    for (entity, hour, counts) in &changes.guards {
        guards::add(connection, entity, *hour, *counts)?;
    }
    for (entity, covered) in &changes.begun {
        match covered {
            Some(covered) => guards::begin(connection, entity, *covered)?,
            None => guards::take_back_begin(connection, entity)?,
        }
    }
    for review in &changes.reviews {
        reviews::upsert_review(connection, review)?;
    }
    for (system, id) in &changes.accounts {
        identity::put_account(connection, system, id)?;
    }
    if let Some(epoch) = &changes.epoch {
        identity::put_epoch(connection, epoch)?;
    }
    if let Some(restored) = changes.restored {
        identity::put_restored(connection, restored)?;
    }
    journal::append(connection, &changes.journal)
}
