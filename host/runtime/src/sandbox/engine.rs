//! The wasmtime engine, its epoch ticker, and what all guests share.
//!
//! - The epoch is advanced by an operating-system thread of its own: a blocked Tokio worker must
//!   not stop preemption.
//! - Instances come from a pool where the address space allows it, else on demand; the limits are
//!   the same, and so is the number of instances alive at once (`sandbox/instance_permits.rs`).
//! - Compiling is not covered by a guest's limits; see `sandbox/compiler.rs`.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::sandbox::instance_permits::{InstanceCounts, InstancePermits};
use crate::sandbox::limits::{Cap, CountedCause, GuestLimits, LimitReached, StopCounters, TICK_MS};

/// The source of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// From a pool if the address space can be reserved, else on demand.
    #[default]
    Auto,
    /// From a pool or not at all.
    On,
    /// On demand.
    Off,
}

/// Core stack of a guest, bytes. The gap to [`ASYNC_STACK_BYTES`] is the stack of the host's own
/// functions.
const WASM_STACK_BYTES: usize = 512 << 10;
const ASYNC_STACK_BYTES: usize = 2 << 20;

/// The most elements that a table can be allowed in the configuration; unused ones cost only
/// address space.
const POOL_TABLE_ELEMENTS: usize = 100_000;

/// The bytes that a slot of the pool keeps in memory from one instance to the next: its pages are
/// wiped instead of given back, because taking a page anew costs more than all else of a short
/// call. A batch of 1,000 rows of 30 texts touches about this much.
const KEEP_MEMORY_BYTES: usize = 8 << 20;
const KEEP_TABLE_BYTES: usize = 64 << 10;
/// Slots that may keep it while nobody uses them.
const WARM_SLOTS: u32 = 16;

/// The engine that all guests of a runtime share.
pub(crate) struct SharedEngine {
    pub(crate) engine: Engine,
    pub(crate) permits: InstancePermits,
    pub(crate) stops: Arc<StopCounters>,
}

impl SharedEngine {
    /// Starts the engine with room for so many instances.
    pub(crate) fn start(pooling: Pooling, counts: InstanceCounts) -> Result<Self, EngineError> {
        let engine = start_with(pooling, counts)?;
        Ok(Self { engine, permits: InstancePermits::new(counts), stops: Arc::default() })
    }
}

/// An engine that only compiles: what it makes can be loaded by one that runs guests.
pub(crate) fn for_compiling() -> Result<Engine, EngineError> {
    Engine::new(&config(None)).map_err(|error| EngineError::Engine(error.to_string()))
}

/// An engine of the default size.
#[cfg(test)]
pub(crate) fn start(pooling: Pooling) -> Result<Engine, EngineError> {
    start_with(pooling, InstanceCounts::default())
}

/// Builds the engine and starts its ticker, which ends when the engine is dropped.
fn start_with(pooling: Pooling, counts: InstanceCounts) -> Result<Engine, EngineError> {
    let pool = || Engine::new(&config(Some(counts)));
    let engine = match pooling {
        Pooling::Off => Engine::new(&config(None)),
        Pooling::On => pool(),
        Pooling::Auto => pool().or_else(|error| {
            tracing::warn!(%error, "no room for a pool of instances; they are made on demand");
            Engine::new(&config(None))
        }),
    }
    .map_err(|error| EngineError::Engine(error.to_string()))?;
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("renkei-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(Duration::from_millis(TICK_MS));
            }
        })
        .map_err(|error| EngineError::Engine(error.to_string()))?;
    Ok(engine)
}

fn config(pool: Option<InstanceCounts>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES);
    if let Some(counts) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool_config(counts)));
    }
    config
}

fn pool_config(counts: InstanceCounts) -> PoolingAllocationConfig {
    let (components, memories, tables) = counts.pool();
    let each = GuestLimits::connector();
    let count = |most: usize| u32::try_from(most).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(components)
        .total_core_instances(components.saturating_mul(count(each.instances)))
        .total_stacks(components)
        .total_memories(memories)
        .total_tables(tables)
        .max_core_instances_per_component(count(each.instances))
        .max_memories_per_component(count(each.memories))
        .max_tables_per_component(count(each.tables))
        .max_memories_per_module(count(each.memories))
        .max_tables_per_module(count(each.tables))
        .table_elements(POOL_TABLE_ELEMENTS)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .linear_memory_keep_resident(KEEP_MEMORY_BYTES)
        .table_keep_resident(KEEP_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM_SLOTS);
    pool
}

/// The reason why there is no engine or no compiled component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// wasmtime does not start on this machine.
    #[error("wasmtime does not start: {0}")]
    Engine(String),
    /// Not a component that this engine takes.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// A limit of the compiler; the same file reaches it again.
    #[error(transparent)]
    Limit(LimitReached),
    /// The compiler did not finish in time although it may have had little of the processor; the
    /// file is tried again at the next rescan.
    #[error("compiling did not end within {0} s")]
    Slow(u64),
    /// The compiler died of this file.
    #[error("the compiler crashed on it ({0})")]
    Crashed(String),
    /// The compiler was killed, which no file does.
    #[error("the compiler was killed, as systems do that run out of memory")]
    Killed,
    /// A limit that the host runs under keeps every plugin from being compiled.
    #[error("this machine gives Renkei only {0}")]
    HostLacks(String),
    /// The operating system refused something that the compiled code needs.
    #[error("the operating system refused what it needs: {0}")]
    OperatingSystem(String),
    /// The compiler cannot be started or talked to.
    #[error("the compiler cannot be run: {0}")]
    NoCompiler(String),
}

impl EngineError {
    /// The child ended well and said nothing.
    pub(crate) fn silent() -> Self {
        Self::NoCompiler("it gave no answer".to_owned())
    }

    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::HostLacks(_)).then_some("raise that limit and start Renkei again")
    }

    /// True where the same bytes reach it again in every process with the same limits.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Compile(_) | Self::Limit(_) => true,
            Self::Crashed(how) => how != "it panicked",
            _ => false,
        }
    }

    /// True where the same bytes may fare better another time.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Slow(_)
                | Self::Killed
                | Self::NoCompiler(_)
                | Self::HostLacks(_)
                | Self::OperatingSystem(_)
        )
    }

    /// The cause by which it is counted.
    pub(crate) fn cause(&self) -> CountedCause {
        match self {
            Self::Limit(reached) => reached.cap.into(),
            Self::Slow(_) => Cap::CompileTime.into(),
            // wasmtime has only words for what a pool does not take.
            Self::Compile(words) if words.contains("in the pooling allocator") => {
                Cap::Instances.into()
            }
            _ => CountedCause::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_with_and_without_a_pool() {
        assert!(start(Pooling::On).is_ok());
        assert!(start(Pooling::Off).is_ok());
    }

    #[test]
    fn a_slot_of_the_pool_forgets_its_last_guest() {
        let engine = start(Pooling::On).unwrap();
        // Says what it finds far up in its memory and leaves something there.
        let peek = r#"(component
            (core module $m (memory 4)
                (func (export "peek") (result i32) (local i32)
                    (local.set 0 (i32.load (i32.const 200000)))
                    (i32.store (i32.const 200000) (i32.const 7))
                    (local.get 0)))
            (core instance $i (instantiate $m))
            (func (export "peek") (result u32) (canon lift (core func $i "peek"))))"#;
        let component =
            wasmtime::component::Component::from_binary(&engine, &wat::parse_str(peek).unwrap())
                .unwrap();
        let linker = wasmtime::component::Linker::new(&engine);
        for _ in 0..3 {
            let mut store = wasmtime::Store::new(&engine, ());
            store.set_epoch_deadline(1_000);
            let instance = linker.instantiate(&mut store, &component).unwrap();
            let peek = instance.get_typed_func::<(), (u32,)>(&mut store, "peek").unwrap();
            assert_eq!(peek.call(&mut store, ()).unwrap(), (0,));
            assert_eq!(peek.call(&mut store, ()).unwrap(), (7,));
        }
    }
}
