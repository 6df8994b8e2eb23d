//! Places for instances: whoever finds the pool full waits in line instead of failing.
//!
//! Counted in what a pool of instances runs out of: components, memories and tables. Jobs and calls
//! of transforms have places of their own, because a job that holds its place calls transforms;
//! calls never wait for anything else, so their places come free. Jobs can wait for each other (one
//! cycle opens several), so a wait ends with an error after a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::component::Component;

use crate::sandbox::limits::{Cap, LimitReached, Limits};

/// How long a place is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many instances may be alive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceCounts {
    /// Connectors: one per open job, at least 1.
    pub jobs: u32,
    /// Transforms: one per call under way, at least 1.
    pub calls: u32,
}

impl Default for InstanceCounts {
    /// 192 jobs and 64 calls.
    fn default() -> Self {
        Self { jobs: 192, calls: 64 }
    }
}

impl InstanceCounts {
    /// The sizes of a pool that never runs out while these places hold: components, memories and
    /// tables.
    pub(crate) fn pool(self) -> (u32, u32, u32) {
        let (jobs, calls) = (Sizes::of(self.jobs), Sizes::of(self.calls));
        let sum = |a: u32, b: u32| a.saturating_add(b);
        (
            sum(jobs.instances, calls.instances),
            sum(jobs.memories, calls.memories),
            sum(jobs.tables, calls.tables),
        )
    }
}

/// Two memories and tables per instance on average, and at least as many as one may have.
struct Sizes {
    instances: u32,
    memories: u32,
    tables: u32,
}

impl Sizes {
    fn of(instances: u32) -> Self {
        let instances = instances.max(1);
        let most = Limits::connector();
        let twice =
            |most: usize| instances.saturating_mul(2).max(u32::try_from(most).unwrap_or(u32::MAX));
        Self { instances, memories: twice(most.memories), tables: twice(most.tables) }
    }
}

/// What one instance of a component takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    memories: u32,
    tables: u32,
}

impl Needs {
    /// The needs of a component; of one that cannot tell, the most that is allowed.
    pub(crate) fn of(component: &Component) -> Self {
        let most = Limits::connector();
        let capped = |found: u32, most: usize| found.min(u32::try_from(most).unwrap_or(u32::MAX));
        let found = component.resources_required();
        let (memories, tables) =
            found.map_or((u32::MAX, u32::MAX), |needs| (needs.num_memories, needs.num_tables));
        Self { memories: capped(memories, most.memories), tables: capped(tables, most.tables) }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) jobs: Line,
    pub(crate) calls: Line,
}

impl Places {
    pub(crate) fn new(counts: InstanceCounts) -> Self {
        Self { jobs: Line::new(counts.jobs, PATIENCE), calls: Line::new(counts.calls, PATIENCE) }
    }
}

/// The places of one kind, given in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct Line {
    instances: Arc<Semaphore>,
    memories: Arc<Semaphore>,
    tables: Arc<Semaphore>,
    patience: Duration,
}

/// A place. Must outlive the store that it was taken for.
#[derive(Debug)]
pub(crate) struct Place {
    _permits: [OwnedSemaphorePermit; 3],
}

impl Line {
    fn new(instances: u32, patience: Duration) -> Self {
        let sizes = Sizes::of(instances);
        let semaphore =
            |size: u32| Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX)));
        Self {
            instances: semaphore(sizes.instances),
            memories: semaphore(sizes.memories),
            tables: semaphore(sizes.tables),
            patience,
        }
    }

    /// Waits for a place. The three are always taken in one order, so that nobody who has all of
    /// them waits for somebody who has some.
    pub(crate) async fn take(&self, needs: Needs) -> Result<Place, LimitReached> {
        let all = async {
            let instance = Arc::clone(&self.instances).acquire_many_owned(1).await.ok()?;
            let memories = Arc::clone(&self.memories).acquire_many_owned(needs.memories);
            let memories = memories.await.ok()?;
            let tables = Arc::clone(&self.tables).acquire_many_owned(needs.tables).await.ok()?;
            Some(Place { _permits: [instance, memories, tables] })
        };
        // A semaphore that is never closed gives a permit or keeps one waiting.
        let place = timeout(self.patience, all).await.ok().flatten();
        place.ok_or_else(|| LimitReached::new(Cap::Places, self.patience.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Needs = Needs { memories: 1, tables: 1 };

    #[tokio::test]
    async fn who_comes_late_waits_in_line() {
        let line = Line::new(1, PATIENCE);
        let first = line.take(SMALL).await.unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        let waiter = async |name: &'static str| {
            let place = line.take(SMALL).await.unwrap();
            order.lock().unwrap().push(name);
            drop(place);
        };
        let release = async {
            tokio::task::yield_now().await;
            assert!(order.lock().unwrap().is_empty(), "the place is taken");
            drop(first);
        };
        futures::join!(waiter("second"), waiter("third"), release);
        assert_eq!(*order.lock().unwrap(), ["second", "third"]);
    }

    #[tokio::test]
    async fn memories_run_out_before_instances() {
        let line = Line::new(6, Duration::from_millis(30));
        let large = Needs { memories: 8, tables: 1 };
        let held = line.take(large).await.unwrap();
        let refused = line.take(large).await.unwrap_err();
        assert_eq!(refused, LimitReached { cap: Cap::Places, limit: 30 });
        assert!(line.take(SMALL).await.is_ok(), "a failed wait keeps nothing");
        drop(held);
        assert!(line.take(large).await.is_ok());
    }

    #[test]
    fn the_pool_holds_what_the_places_promise() {
        assert_eq!(InstanceCounts::default().pool(), (256, 512, 512));
        assert_eq!(InstanceCounts { jobs: 0, calls: 1 }.pool(), (2, 16, 64));
    }
}
