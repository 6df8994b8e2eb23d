//! The task: looks at the folder when something happens, and does what it is ordered to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::deferred::{self, DeferredOrder};
use super::file_state::FileState;
use super::reloader::Reloader;
use super::scan::{self, FileContent, FoundFile};
use super::watch::{self, FolderWatcher};
use crate::lifecycle::admin::{AdminError, PluginAnswer, PluginRequest};
use crate::lifecycle::preview::PairResult;

/// The longest time that a file that served may be gone before nothing serves its plugin any more,
/// ms.
const GRACE_MS: i64 = 10_000;

/// The times that a file that is being written is read before it is left for the next notice.
const READS: usize = 4;

/// The time after which a file that was still being written is looked at again, if no notice comes.
const AGAIN: Duration = Duration::from_secs(2);

/// The times at which the task looks at the folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookSchedule {
    pub(crate) watch: bool,
    pub(crate) debounce: Duration,
    pub(crate) rescan: Duration,
}

/// An order for the task.
pub(crate) enum ReloadOrder {
    /// Look now; answered when it has.
    Look(oneshot::Sender<()>),
    /// A request of an admin.
    Admin(PluginRequest, oneshot::Sender<Result<PluginAnswer, AdminError>>),
    /// Load what serves a plugin and what these bytes are, to be compared.
    Pair { name: String, bytes: Vec<u8>, id: Option<String>, reply: oneshot::Sender<PairResult> },
}

impl Reloader {
    /// Runs until the program drops its end of `orders`.
    pub(crate) async fn run(
        mut self,
        schedule: LookSchedule,
        mut orders: mpsc::Receiver<ReloadOrder>,
    ) {
        let (notice, mut notices) = mpsc::channel(1);
        if schedule.watch {
            self.watch = Some(FolderWatcher::start(&self.folder, notice.clone()));
        }
        let mut clock = tokio::time::interval(watch::interval(&self.folder, schedule.rescan));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let registry = Arc::clone(&self.registry);
        loop {
            let overdue = deferred::until(&self.deferred);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.accept(order).await,
                    None => return,
                },
                _ = notices.recv() => {
                    quiet(&mut notices, schedule.debounce).await;
                    self.look().await;
                }
                () = registry.changed.notified() => {
                    self.reconcile();
                    self.show();
                }
                () = self.loads.ready() => {
                    self.take_loaded().await;
                    self.conclude().await;
                }
                () = overdue => {}
                _ = again.tick(), if self.moving => self.look().await,
                _ = clock.tick() => {
                    self.look().await;
                    let recent = Arc::clone(&self.recent);
                    tokio::task::spawn_blocking(move || recent.save()).await.ok();
                }
            }
            self.answer_deferred().await;
        }
    }

    async fn accept(&mut self, order: ReloadOrder) {
        match order {
            ReloadOrder::Look(done) => {
                self.look().await;
                self.deferred.push(DeferredOrder::look(done));
            }
            ReloadOrder::Admin(request, reply) => {
                self.prepare(&request);
                self.look().await;
                self.deferred.push(DeferredOrder::admin(request, reply));
            }
            ReloadOrder::Pair { name, bytes, id, reply } => {
                reply.send(self.pair(&name, bytes, id).await).ok();
            }
        }
    }

    /// Looks at every file once and lets the good ones serve; every load is waited for, or where
    /// `hasty` those of bytes that were looked at before.
    pub(crate) async fn scan(&mut self, hasty: bool) {
        self.find().await;
        while if hasty { self.loads.has_known() } else { !self.loads.is_empty() } {
            self.loads.ready().await;
            self.take_loaded().await;
        }
        self.conclude().await;
    }

    /// Looks at every file once and begins to load what is new.
    async fn look(&mut self) {
        if self.find().await {
            self.conclude().await;
        }
    }

    /// Begins to load what is new in the folder; whether it could be read.
    async fn find(&mut self) -> bool {
        if let Some(watch) = &mut self.watch {
            watch.follow();
        }
        let Some(found) = self.read().await else { return false };
        self.loads.begin_look();
        let now_ms = self.registry.clock.now_ms();
        let names: BTreeSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        for (name, state) in &mut self.files {
            match names.contains(name.as_str()) {
                true => state.missing_since_ms = None,
                // A clock that was set back does not make it longer.
                false => {
                    state.missing_since_ms =
                        Some(state.missing_since_ms.map_or(now_ms, |at| at.min(now_ms)));
                    self.loads.give_up(name);
                }
            }
        }
        let gone = |state: &FileState| match state.missing_since_ms {
            Some(since) => state.claim.id().is_none() || now_ms.saturating_sub(since) >= GRACE_MS,
            None => false,
        };
        self.files.retain(|_, state| !gone(state));
        for found in found {
            self.examine(found);
        }
        true
    }

    /// Lets serve what the files as far as they are known say should serve.
    async fn conclude(&mut self) {
        self.recall().await;
        self.reconcile();
        self.registry.sweep();
        self.remove_unused();
        self.show();
    }

    /// The files, after a few tries where one is being written.
    async fn read(&mut self) -> Option<Vec<FoundFile>> {
        let is_moving = |found: &FoundFile| matches!(found.content, FileContent::Moving);
        for left in (0..READS).rev() {
            let (folder, mut stamps) = (self.folder.clone(), std::mem::take(&mut self.stamps));
            let read = tokio::task::spawn_blocking(move || {
                let found = scan::read(&folder, &mut stamps);
                (found, stamps)
            });
            let (found, stamps) = read.await.ok()?;
            self.stamps = stamps;
            match found {
                Ok(found) => {
                    self.blind = None;
                    self.moving = found.iter().any(is_moving);
                    if !self.moving || left == 0 {
                        return Some(found);
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if self.blind.as_ref() != Some(&error) {
                        tracing::error!(
                            error,
                            "the plugin folder cannot be read; what serves goes on"
                        );
                    }
                    self.blind = Some(error);
                    return None;
                }
            }
        }
        None
    }
}

/// Waits until it has been quiet for a while, or for ten times as long.
async fn quiet(notices: &mut mpsc::Receiver<()>, debounce: Duration) {
    let quiet =
        async { while let Ok(Some(())) = tokio::time::timeout(debounce, notices.recv()).await {} };
    tokio::time::timeout(debounce * 10, quiet).await.ok();
}
