//! Threads that read, each with a connection of its own.
//!
//! A query is one closure and one read transaction, so it sees one consistent state in all its
//! statements. Queries wait in a bounded queue; the next free thread takes the next one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use renkei_model::store::port::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::OpenError;
use crate::error::store_error;

/// Queries that may wait; further callers wait to add theirs.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The readers; they end when this is dropped.
pub(crate) struct Readers {
    path: PathBuf,
    queue: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts one thread per connection.
    pub(crate) fn start(connections: Vec<Connection>, path: &Path) -> Result<Self, OpenError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        for connection in connections {
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new().name("store-reader".to_owned());
            let thread = thread.spawn(move || run(&connection, &jobs));
            threads.push(thread.map_err(|source| OpenError::Io { path: path.to_owned(), source })?);
        }
        Ok(Self { path: path.to_owned(), queue: Some(queue), threads })
    }

    /// Runs a query on a reader thread.
    pub(crate) async fn run_query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Failed("the store's readers have stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection.unchecked_transaction().and_then(|_read| query(connection));
            // A caller that stopped waiting needs no answer.
            drop(done.send(result));
        });
        queue.send(job).await.map_err(|_| stopped())?;
        let result = answer.await.map_err(|_| stopped())?;
        result.map_err(|error| store_error(&self.path, &error))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One idle thread holds the lock while it waits for a job; the others wait for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match job {
            Some(job) => job(connection),
            None => return,
        }
    }
}
