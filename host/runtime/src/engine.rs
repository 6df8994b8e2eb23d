//! The wasmtime engine, its epoch ticker, and compiling under limits (DESIGN.md 4, TRUST.md 2.3).
//!
//! - The epoch is advanced by an operating-system thread of its own: a blocked Tokio worker must
//!   not stop preemption.
//! - Instances come from a pool where the address space allows it, else on demand; the limits are
//!   the same.
//! - Compiling is not covered by a guest's limits, so `renkei-package` bounds size, function count
//!   and body size before, and the caller waits for a bounded time. A compiler thread cannot be
//!   killed; compiling in a child process that can be is not here yet (README).

use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::TICK_MS;

/// Where instances come from.
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

/// Instances alive at once: jobs plus transform calls.
const POOL_COMPONENTS: u32 = 256;
const POOL_MEMORIES: u32 = 512;

/// What a slot of the pool keeps in memory from one instance to the next, bytes: its pages are
/// wiped instead of given back, because taking a page anew costs more than all else of a short
/// call. A batch of 1,000 rows of 30 texts touches about this much.
const KEEP_MEMORY_BYTES: usize = 8 << 20;
const KEEP_TABLE_BYTES: usize = 64 << 10;
/// Slots that may keep it while nobody uses them.
const WARM_SLOTS: u32 = 16;

/// How long a caller waits for the compiler.
const COMPILE_DEADLINE: Duration = Duration::from_secs(60);

/// Builds the engine and starts its ticker, which ends when the engine is dropped.
pub(crate) fn start(pooling: Pooling) -> Result<Engine, EngineError> {
    let engine = match pooling {
        Pooling::Off => Engine::new(&config(false)),
        Pooling::On => Engine::new(&config(true)),
        Pooling::Auto => Engine::new(&config(true)).or_else(|error| {
            tracing::warn!(%error, "no room for a pool of instances; they are made on demand");
            Engine::new(&config(false))
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

fn config(pool: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES);
    if pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool_config()));
    }
    config
}

fn pool_config() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(POOL_COMPONENTS)
        .total_core_instances(POOL_COMPONENTS * 4)
        .total_stacks(POOL_COMPONENTS)
        .total_memories(POOL_MEMORIES)
        .total_tables(POOL_MEMORIES)
        .max_core_instances_per_component(32)
        .max_memories_per_component(8)
        .max_tables_per_component(32)
        .max_memories_per_module(8)
        .max_tables_per_module(8)
        .table_elements(10_000)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .linear_memory_keep_resident(KEEP_MEMORY_BYTES)
        .table_keep_resident(KEEP_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM_SLOTS);
    pool
}

/// Compiles a component away from the async workers; the second value is the artefact for the
/// cache.
pub(crate) async fn compile(
    engine: &Engine,
    wasm: Vec<u8>,
) -> Result<(Component, Vec<u8>), EngineError> {
    let engine = engine.clone();
    let work = tokio::task::spawn_blocking(move || {
        let component = Component::from_binary(&engine, &wasm)
            .map_err(|error| EngineError::Compile(format!("{error:#}")))?;
        let artefact =
            component.serialize().map_err(|error| EngineError::Compile(format!("{error:#}")))?;
        Ok((component, artefact))
    });
    match tokio::time::timeout(COMPILE_DEADLINE, work).await {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(_)) => Err(EngineError::Compile("the compiler panicked".to_owned())),
        Err(_) => Err(EngineError::Slow(COMPILE_DEADLINE.as_secs())),
    }
}

/// Why there is no engine or no compiled component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// wasmtime does not start on this machine.
    #[error("wasmtime does not start: {0}")]
    Engine(String),
    /// Not a component that this engine takes.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// The compiler did not finish; the file is tried again at the next rescan.
    #[error("compiling took longer than {0} s")]
    Slow(u64),
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
        let component = Component::from_binary(&engine, &wat::parse_str(peek).unwrap()).unwrap();
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

    #[tokio::test]
    async fn refuses_what_is_not_a_component() {
        let engine = start(Pooling::Off).unwrap();
        for bytes in [&b"garbage"[..], b"", b"\0asm\x01\0\0\0"] {
            let outcome = compile(&engine, bytes.to_vec()).await;
            assert!(matches!(outcome, Err(EngineError::Compile(_))), "{bytes:?}");
        }
    }
}
