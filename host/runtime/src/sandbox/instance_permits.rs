//! Permits for instances: a job or call that finds the pool full waits in line instead of failing.
//!
//! A permit counts what a pool of instances runs out of: components, memories and tables. Jobs and
//! calls of transforms have permits of their own, because a job that holds its permit calls
//! transforms; calls never wait for anything else, so their permits come free. Jobs can wait for
//! each other (one cycle opens several), so a wait ends with an error after a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::component::Component;

use crate::sandbox::limits::{Cap, GuestLimits, LimitReached};

/// The longest wait for a permit.
const PERMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// The number of instances that may be alive at once.
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
    /// The sizes of a pool that never runs out while these permits hold: components, memories and
    /// tables.
    pub(crate) fn pool(self) -> (u32, u32, u32) {
        let (jobs, calls) =
            (PoolSizes::for_instances(self.jobs), PoolSizes::for_instances(self.calls));
        let sum = |a: u32, b: u32| a.saturating_add(b);
        (
            sum(jobs.instances, calls.instances),
            sum(jobs.memories, calls.memories),
            sum(jobs.tables, calls.tables),
        )
    }
}

/// Two memories and tables per instance on average, and at least as many as one may have.
struct PoolSizes {
    instances: u32,
    memories: u32,
    tables: u32,
}

impl PoolSizes {
    fn for_instances(instances: u32) -> Self {
        let instances = instances.max(1);
        let most = GuestLimits::connector();
        let twice =
            |most: usize| instances.saturating_mul(2).max(u32::try_from(most).unwrap_or(u32::MAX));
        Self { instances, memories: twice(most.memories), tables: twice(most.tables) }
    }
}

/// The resources that one instance of a component takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResourceNeeds {
    memories: u32,
    tables: u32,
}

impl ResourceNeeds {
    /// The needs of a component; of one that cannot tell, the most that is allowed.
    pub(crate) fn of_component(component: &Component) -> Self {
        let most = GuestLimits::connector();
        let capped = |found: u32, most: usize| found.min(u32::try_from(most).unwrap_or(u32::MAX));
        let found = component.resources_required();
        let (memories, tables) =
            found.map_or((u32::MAX, u32::MAX), |needs| (needs.num_memories, needs.num_tables));
        Self { memories: capped(memories, most.memories), tables: capped(tables, most.tables) }
    }
}

/// The permits for instances, by kind.
#[derive(Debug)]
pub(crate) struct InstancePermits {
    pub(crate) jobs: PermitQueue,
    pub(crate) calls: PermitQueue,
}

impl InstancePermits {
    pub(crate) fn new(counts: InstanceCounts) -> Self {
        Self {
            jobs: PermitQueue::new(counts.jobs, PERMIT_WAIT_MAX),
            calls: PermitQueue::new(counts.calls, PERMIT_WAIT_MAX),
        }
    }
}

/// The permits of one kind, given in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct PermitQueue {
    instances: Arc<Semaphore>,
    memories: Arc<Semaphore>,
    tables: Arc<Semaphore>,
    wait_max: Duration,
}

/// A permit for one instance. It must outlive the store that it was taken for.
#[derive(Debug)]
pub(crate) struct InstancePermit {
    _permits: [OwnedSemaphorePermit; 3],
}

impl PermitQueue {
    fn new(instances: u32, wait_max: Duration) -> Self {
        let sizes = PoolSizes::for_instances(instances);
        let semaphore =
            |size: u32| Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX)));
        Self {
            instances: semaphore(sizes.instances),
            memories: semaphore(sizes.memories),
            tables: semaphore(sizes.tables),
            wait_max,
        }
    }

    /// Waits for a permit. The three are always taken in one order, so that nobody who has all of
    /// them waits for somebody who has some.
    pub(crate) async fn acquire(
        &self,
        needs: ResourceNeeds,
    ) -> Result<InstancePermit, LimitReached> {
        let all = async {
            let instance = Arc::clone(&self.instances).acquire_many_owned(1).await.ok()?;
            let memories = Arc::clone(&self.memories).acquire_many_owned(needs.memories);
            let memories = memories.await.ok()?;
            let tables = Arc::clone(&self.tables).acquire_many_owned(needs.tables).await.ok()?;
            Some(InstancePermit { _permits: [instance, memories, tables] })
        };
        // A semaphore that is never closed gives a permit or keeps one waiting.
        let place = timeout(self.wait_max, all).await.ok().flatten();
        place.ok_or_else(|| LimitReached::new(Cap::Places, self.wait_max.as_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: ResourceNeeds = ResourceNeeds { memories: 1, tables: 1 };

    #[tokio::test]
    async fn late_comer_waits_in_line() {
        let line = PermitQueue::new(1, PERMIT_WAIT_MAX);
        let first = line.acquire(SMALL).await.unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        let waiter = async |name: &'static str| {
            let place = line.acquire(SMALL).await.unwrap();
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
        let line = PermitQueue::new(6, Duration::from_millis(30));
        let large = ResourceNeeds { memories: 8, tables: 1 };
        let held = line.acquire(large).await.unwrap();
        let refused = line.acquire(large).await.unwrap_err();
        assert_eq!(refused, LimitReached { cap: Cap::Places, limit: 30 });
        assert!(line.acquire(SMALL).await.is_ok(), "a failed wait keeps nothing");
        drop(held);
        assert!(line.acquire(large).await.is_ok());
    }

    #[test]
    fn pool_is_as_large_as_the_permits() {
        assert_eq!(InstanceCounts::default().pool(), (256, 512, 512));
        assert_eq!(InstanceCounts { jobs: 0, calls: 1 }.pool(), (2, 16, 64));
    }
}
