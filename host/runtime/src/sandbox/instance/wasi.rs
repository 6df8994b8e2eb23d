//! What the runtimes of other languages get of WASI 0.2, and what becomes of the rest.
//!
//! CPython, QuickJS and the like import WASI whether a plugin uses it or not. `renkei-package` says
//! which interfaces may be listed; [`offer`] defines the few functions that work, with no access to
//! anything: a clock, random numbers, output to the guest's log, an empty environment and file
//! system. Every other function of a listed interface is linked to an end of the guest that names
//! it, so sockets, files and `wasi:http` exist as types only.
//!
//! This is our own and not the crate wasmtime-wasi, because that one always brings its file system
//! and the crates below it (74 more, cap-primitives and rustix's fs among them), which no plugin
//! may ever reach (TRUST.md 2.2).

mod offer;

use std::borrow::Cow;
use std::sync::Arc;

use rand::TryRngCore as _;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use renkei_sync::ports::Clock;

use super::State;

/// The time in a transform: 2000-01-01T00:00:00Z, always.
const FIXED_MS: u64 = 946_684_800_000;

/// The seed of a transform's random numbers, which are the same in every call.
const FIXED_SEED: [u8; 32] = *b"renkei: the same in every call!!";

/// A guest ended itself, or asked for what no plugin gets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("it called {0}, which no plugin gets")]
    NotOffered(String),
    #[error("it ended itself (exit)")]
    Exit,
    #[error("it asked for {0} random bytes at once; the most is {RANDOM_BYTES_MAX}")]
    Random(u64),
    #[error("the host has no random numbers: {0}")]
    NoRandom(String),
}

/// The most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Clock and random numbers of one guest: the host's for a connector, fixed for a transform, whose
/// answers must depend on nothing but its input.
#[derive(Default)]
pub(crate) struct Surroundings {
    clock: Option<Arc<dyn Clock>>,
    dice: Option<ChaCha12Rng>,
    /// What the monotonic clock said last, ms.
    last_ms: u64,
}

impl Surroundings {
    /// Of a transform.
    pub(super) fn fixed() -> Self {
        Self::default()
    }

    /// Of a connector.
    pub(super) fn real(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// ms since 1970. A whole ms is as fine as it gets (TRUST.md 2.1, timers).
    fn now_ms(&self) -> u64 {
        let now = self.clock.as_ref().map(|clock| u64::try_from(clock.now_ms()).unwrap_or(0));
        now.unwrap_or(FIXED_MS)
    }

    /// Never goes back. The fixed one moves a ms each time that it is read, so that a guest which
    /// waits for it to move does not wait for ever.
    fn monotonic_ms(&mut self) -> u64 {
        let next = if self.clock.is_some() { self.now_ms() } else { self.last_ms + 1 };
        self.last_ms = self.last_ms.max(next);
        self.last_ms
    }

    fn dice(&mut self) -> Result<&mut ChaCha12Rng, Ended> {
        let mut seed = FIXED_SEED;
        if self.clock.is_some() && self.dice.is_none() {
            let filled = rand::rngs::OsRng.try_fill_bytes(&mut seed);
            filled.map_err(|error| Ended::NoRandom(error.to_string()))?;
        }
        Ok(self.dice.get_or_insert_with(|| ChaCha12Rng::from_seed(seed)))
    }

    fn random_u64(&mut self) -> Result<u64, Ended> {
        Ok(self.dice()?.next_u64())
    }

    fn random_bytes(&mut self, count: u64) -> Result<Vec<u8>, Ended> {
        let fits = usize::try_from(count).ok().filter(|_| count <= RANDOM_BYTES_MAX);
        let mut bytes = vec![0; fits.ok_or(Ended::Random(count))?];
        self.dice()?.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

/// `linker` with everything of WASI that the component lists.
pub(crate) fn link<'a>(
    linker: &'a Linker<State>,
    component: &Component,
) -> wasmtime::Result<Cow<'a, Linker<State>>> {
    let mut linker = Cow::Borrowed(linker);
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let interface = name.split_once('@').map(|(interface, _)| interface);
        let Some(interface) = interface.filter(|name| name.starts_with("wasi:")) else { continue };
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let mut ours = linker.to_mut().instance(name)?;
        for (export, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_)
                    if !offer::function(&mut ours, interface, export)? =>
                {
                    refuse(&mut ours, name, export)?;
                }
                ComponentItem::Resource(_) => {
                    ours.resource(export, offer::resource(export), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(linker)
}

/// Links a function that ends the guest.
fn refuse(
    instance: &mut LinkerInstance<'_, State>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    let name = format!("{interface}#{function}");
    instance.func_new(function, move |_, _, _, _| Err(Ended::NotOffered(name.clone()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use renkei_test_support::HandClock;

    #[test]
    fn a_connector_has_the_hosts_clock_which_never_goes_back_for_it() {
        let clock = Arc::new(HandClock::default());
        clock.advance(5_000);
        let mut surroundings = Surroundings::real(clock.clone());
        assert_eq!((surroundings.now_ms(), surroundings.monotonic_ms()), (5_000, 5_000));
        clock.advance(-3_000);
        assert_eq!((surroundings.now_ms(), surroundings.monotonic_ms()), (2_000, 5_000));
    }

    #[test]
    fn random_numbers_are_real_for_a_connector_and_fixed_for_a_transform() {
        let draw = |mut from: Surroundings| from.random_bytes(32).unwrap();
        let real = || Surroundings::real(Arc::new(HandClock::default()));
        assert_ne!(draw(real()), draw(real()));
        assert_eq!(draw(Surroundings::fixed()), draw(Surroundings::fixed()));
        assert!(real().random_bytes(RANDOM_BYTES_MAX + 1).is_err());
    }
}
