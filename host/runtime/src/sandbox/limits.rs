//! The limits of one guest, per kind of plugin, and the meter that counts its use (`SECURITY.md`
//! S7).
//!
//! wasmtime's own `StoreLimits` bounds each memory apart, so that a hundred memories make a hundred
//! times the limit; the [`ResourceMeter`] sums bytes and table elements over the whole store. Time
//! is counted in ticks of the engine's epoch during which the guest itself ran: waiting for an
//! answer, or for the processor, costs nothing.

mod cap;
mod keys;

pub use renkei_model::plugin::{Cap, StopCause};
use wasmtime::{ResourceLimiter, UpdateDeadline};

pub(crate) use cap::StopCounters;
pub use cap::{CountedCause, LimitReached, StopCount};
pub use keys::{LIMIT_KEYS, LimitChanges, LimitKey, LimitRefused};

/// One tick of the epoch, in ms.
pub const TICK_MS: u64 = 10;

/// The limits of one instance and of one call on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLimits {
    /// Linear memory of all memories together, bytes.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Core instances of one component.
    pub instances: usize,
    /// Tables of one component.
    pub tables: usize,
    /// Memories of one component.
    pub memories: usize,
    /// Time in the guest per call, ms; rounded up to ticks.
    pub run_ms: u64,
    /// Added to `run_ms` for each row that a call carries, in µs.
    pub run_us_per_row: u64,
    /// Time of a whole call, host calls included and waits (`http.wait`) not, ms.
    pub call_ms: u64,
    /// The longest wait of a connector in one call, ms of the host's clock.
    pub wait_ms: u64,
    /// The most bytes that one crossing of the boundary may make the host allocate.
    pub call_payload_bytes: usize,
    /// Component handles.
    pub handles: usize,
    /// HTTP requests per call of a connector.
    pub requests: u32,
}

impl GuestLimits {
    /// Defaults for a transform: pure functions over one batch.
    pub fn transform() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 10_000,
            instances: 32,
            tables: 32,
            memories: 8,
            run_ms: 50,
            run_us_per_row: 1_000,
            call_ms: 30_000,
            wait_ms: 0,
            call_payload_bytes: 4 << 20,
            handles: 1_000,
            requests: 0,
        }
    }

    /// Defaults for a connector: one job on one system.
    pub fn connector() -> Self {
        Self {
            memory_bytes: 256 << 20,
            run_ms: 30_000,
            run_us_per_row: 0,
            call_ms: 900_000,
            wait_ms: 600_000,
            call_payload_bytes: 16 << 20,
            handles: 10_000,
            requests: 10_000,
            ..Self::transform()
        }
    }

    fn ticks(&self, rows: usize) -> u64 {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let ms = self.run_ms.saturating_add(self.run_us_per_row.saturating_mul(rows) / 1_000);
        ms.div_ceil(TICK_MS).max(1)
    }
}

/// Counts what one store uses. Dropped with its store.
#[derive(Debug)]
pub(crate) struct ResourceMeter {
    limits: GuestLimits,
    memory_bytes: usize,
    table_elements: usize,
    ticks_left: u64,
    ticks_given: u64,
    waited: bool,
    requests_left: u32,
    wait_left_ms: u64,
}

impl ResourceMeter {
    pub(crate) fn new(limits: GuestLimits) -> Self {
        let ticks = limits.ticks(0);
        Self {
            memory_bytes: 0,
            table_elements: 0,
            ticks_left: ticks,
            ticks_given: ticks,
            waited: false,
            requests_left: limits.requests,
            wait_left_ms: limits.wait_ms,
            limits,
        }
    }

    /// Gives the budget of a new call that carries `rows` rows.
    pub(crate) fn begin_call(&mut self, rows: usize) {
        self.ticks_given = self.limits.ticks(rows);
        self.ticks_left = self.ticks_given;
        self.requests_left = self.limits.requests;
        self.wait_left_ms = self.limits.wait_ms;
    }

    /// The guest is in its code at a tick. Yields to other tasks each time, so that a busy guest
    /// starves nobody.
    pub(crate) fn tick(&mut self) -> Result<UpdateDeadline, LimitReached> {
        if std::mem::take(&mut self.waited) {
            return Ok(UpdateDeadline::Yield(1));
        }
        let given = self.ticks_given.saturating_mul(TICK_MS);
        self.ticks_left =
            self.ticks_left.checked_sub(1).ok_or_else(|| LimitReached::new(Cap::RunTime, given))?;
        Ok(UpdateDeadline::Yield(1))
    }

    /// The guest waited for the network: the tick that it finds on return is not its own.
    pub(crate) fn waited(&mut self) {
        self.waited = true;
    }

    /// The guest wants to wait so long; false where it may not any more in this call.
    pub(crate) fn may_wait(&mut self, ms: u64) -> bool {
        let left = self.wait_left_ms.checked_sub(ms);
        self.wait_left_ms = left.unwrap_or(self.wait_left_ms);
        left.is_some()
    }

    /// True where a call may wait for so long at all, had it not waited before.
    pub(crate) fn could_wait(&self, ms: u64) -> bool {
        ms <= self.limits.wait_ms
    }

    /// The guest sends a request.
    pub(crate) fn request(&mut self) -> Result<(), LimitReached> {
        self.requests_left = self
            .requests_left
            .checked_sub(1)
            .ok_or(LimitReached::new(Cap::Requests, self.limits.requests))?;
        Ok(())
    }
}

impl ResourceLimiter for ResourceMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory_bytes {
            return Err(LimitReached::new(Cap::Memory, self.limits.memory_bytes).into());
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            return Err(LimitReached::new(Cap::Tables, self.limits.table_elements).into());
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_over_all_memories() {
        let mut meter =
            ResourceMeter::new(GuestLimits { memory_bytes: 100, ..GuestLimits::transform() });
        assert!(meter.memory_growing(0, 60, None).is_ok());
        let error = meter.memory_growing(0, 60, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&LimitReached::new(Cap::Memory, 100u64)));
        assert!(meter.memory_growing(60, 100, None).is_ok());
    }

    #[test]
    fn a_tick_after_waiting_is_free() {
        let mut meter = ResourceMeter::new(GuestLimits { run_ms: 20, ..GuestLimits::transform() });
        assert!(meter.tick().is_ok());
        meter.waited();
        assert!(meter.tick().is_ok());
        assert!(meter.tick().is_ok());
        assert_eq!(meter.tick().err(), Some(LimitReached::new(Cap::RunTime, 20u64)));
    }

    #[test]
    fn a_call_waits_up_to_its_limit_and_the_next_one_again() {
        let mut meter =
            ResourceMeter::new(GuestLimits { wait_ms: 100, ..GuestLimits::connector() });
        assert!(meter.may_wait(60));
        assert!(!meter.may_wait(41), "a wait beyond the limit is refused whole");
        assert!(meter.may_wait(40));
        assert!(!meter.may_wait(u64::MAX));
        assert!(meter.could_wait(100) && !meter.could_wait(101));
        meter.begin_call(0);
        assert!(meter.may_wait(100));
    }

    #[test]
    fn rows_add_time() {
        let mut meter = ResourceMeter::new(GuestLimits::transform());
        meter.begin_call(1_000);
        for _ in 0..105 {
            assert!(meter.tick().is_ok());
        }
        assert_eq!(meter.tick().err(), Some(LimitReached::new(Cap::RunTime, 1_050u64)));
    }
}
