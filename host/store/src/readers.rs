//! Threads that read, each with a connection of its own.
//!
//! A query is one closure and one read transaction, so it sees one consistent state however many
//! statements it takes. Queries wait in a bounded queue; whichever thread is free takes the next.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use renkei_sync::store::port::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::OpenError;
use crate::error::store_error;

/// Queries that may wait; further callers wait to hand theirs in.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Ends when it is dropped.
pub(crate) struct Readers {
    path: PathBuf,
    queue: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// One thread per connection.
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

    /// Runs a query on a thread that reads.
    pub(crate) async fn run_query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = || StoreError::Failed("the store's readers have stopped".to_owned());
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection.unchecked_transaction().and_then(|_read| query(connection));
            // Whoever gave up waiting needs no answer.
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
        // The one that waits holds the lock; the others wait for it instead.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match job {
            Some(job) => job(connection),
            None => return,
        }
    }
}
