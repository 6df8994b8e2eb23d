//! The task: looks at the folder when something happens, and does what it is ordered to.
//!
//! A notice of the operating system, or else the poll of each second, begins a look that reads what
//! changed by its stamp. A look at the `rescan` interval, or one that a person ordered, reads every
//! file. A poll that finds nothing new decides nothing anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::deferred::{self, DeferredOrder};
use super::file_state::FileState;
use super::reloader::Reloader;
use super::scan::{self, FileContent, FoundFile, KnownStamps, LookDepth};
use super::watch::FolderWatcher;
use crate::lifecycle::admin::{AdminError, PluginAnswer, PluginRequest};
use crate::lifecycle::preview::PairResult;

/// The longest time that a file that served may be gone before nothing serves its plugin any more,
/// ms.
const GRACE_MS: i64 = 10_000;

/// The times that a file that is being written is read before it is left for the next notice.
const READS: usize = 4;

/// The interval of looks at the stamps, whether notices come or not.
const POLL: Duration = Duration::from_secs(1);

/// The times at which the task looks at the folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookSchedule {
    /// True where notices and polls begin looks.
    pub(crate) watch: bool,
    pub(crate) debounce: Duration,
    /// The interval of looks that read every file.
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
        let (mut rescan, mut poll) = (interval(schedule.rescan), interval(POLL));
        rescan.tick().await;
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
                    self.look(LookDepth::Stamps).await;
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
                _ = poll.tick(), if schedule.watch || self.moving => self.poll().await,
                _ = rescan.tick() => {
                    self.look(LookDepth::Bytes).await;
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
                self.look(LookDepth::Bytes).await;
                self.deferred.push(DeferredOrder::look(done));
            }
            ReloadOrder::Admin(request, reply) => {
                self.prepare(&request);
                self.look(match request {
                    PluginRequest::Reload(_) => LookDepth::Bytes,
                    _ => LookDepth::Stamps,
                })
                .await;
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
        self.find(LookDepth::Bytes).await;
        while if hasty { self.loads.has_known() } else { !self.loads.is_empty() } {
            self.loads.ready().await;
            self.take_loaded().await;
        }
        self.conclude().await;
    }

    /// Looks at every file once and begins to load what is new.
    async fn look(&mut self, depth: LookDepth) {
        if self.find(depth).await.is_some() {
            self.conclude().await;
        }
    }

    /// Looks at the stamps and at what other processes decided; nothing follows where nothing is
    /// new.
    async fn poll(&mut self) {
        let is_decided = self.registry.states().is_changed_elsewhere();
        let found = self.find(LookDepth::Stamps).await;
        if found.is_some_and(|is_new| is_new || is_decided) {
            self.conclude().await;
        }
    }

    /// Begins to load what is new in the folder; true where anything is, none where the folder
    /// cannot be read.
    async fn find(&mut self, depth: LookDepth) -> Option<bool> {
        if let Some(watch) = &mut self.watch {
            watch.follow();
        }
        let found = self.read(depth).await?;
        self.loads.begin_look();
        let now_ms = self.registry.clock.now_ms();
        let mut is_new = false;
        let names: BTreeSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        for (name, state) in &mut self.files {
            let is_there = names.contains(name.as_str());
            is_new |= is_there == state.missing_since_ms.is_some();
            match is_there {
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
        let listed = self.files.len();
        self.files.retain(|_, state| !gone(state));
        is_new |= self.files.len() != listed;
        for found in found {
            is_new |= self.examine(found);
        }
        Some(is_new)
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
    async fn read(&mut self, depth: LookDepth) -> Option<Vec<FoundFile>> {
        let is_moving = |found: &FoundFile| matches!(found.content, FileContent::Moving);
        let (mut depth, mut earlier) = (depth, Vec::new());
        for left in (0..READS).rev() {
            let (folder, mut stamps) = (self.folder.clone(), std::mem::take(&mut self.stamps));
            let read = tokio::task::spawn_blocking(move || {
                let found = scan::read(&folder, depth, &mut stamps, &Instant::now);
                (found, stamps)
            });
            let (found, stamps) = read.await.ok()?;
            self.stamps = stamps;
            match found {
                Ok(mut found) => {
                    scan::fill_in(&mut found, earlier);
                    self.blind = None;
                    self.moving = found.iter().any(is_moving);
                    if !self.moving || left == 0 {
                        return Some(found);
                    }
                    (depth, earlier) = (LookDepth::Stamps, found);
                }
                Err(error) => {
                    // What a try before this one read is lost.
                    self.stamps = KnownStamps::default();
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

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Waits until it has been quiet for a while, or for ten times as long.
async fn quiet(notices: &mut mpsc::Receiver<()>, debounce: Duration) {
    let quiet =
        async { while let Ok(Some(())) = tokio::time::timeout(debounce, notices.recv()).await {} };
    tokio::time::timeout(debounce * 10, quiet).await.ok();
}
