//! The clock and the random numbers of one guest, and the ways in which it may end itself.

use std::sync::Arc;

use rand::TryRngCore as _;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use renkei_model::ports::Clock;

/// The time in a transform: 2000-01-01T00:00:00Z, always.
const FIXED_MS: u64 = 946_684_800_000;

/// The seed of a transform's random numbers, which are the same in every call.
const FIXED_SEED: [u8; 32] = *b"renkei: the same in every call!!";

/// A guest ended itself, or asked for what no plugin gets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestExit {
    #[error("it called {0}, which no plugin gets")]
    NotOffered(String),
    #[error("it ended itself (exit)")]
    Exit,
    #[error("it asked for {0} random bytes at once, and the most is {RANDOM_BYTES_MAX}")]
    Random(u64),
    #[error("the host has no random numbers: {0}")]
    NoRandom(String),
}

/// The most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Clock and random numbers of one guest: the host's for a connector, fixed for a transform, whose
/// answers must depend on nothing but its input.
#[derive(Default)]
pub(crate) struct WasiEnvironment {
    clock: Option<Arc<dyn Clock>>,
    rng: Option<ChaCha12Rng>,
    /// The last reading of the monotonic clock, ms.
    last_ms: u64,
}

impl WasiEnvironment {
    /// The environment of a transform.
    pub(super) fn fixed() -> Self {
        Self::default()
    }

    /// The environment of a connector.
    pub(super) fn real(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// ms since 1970. A whole ms is as fine as it gets.
    pub(super) fn now_ms(&self) -> u64 {
        let now = self.clock.as_ref().map(|clock| u64::try_from(clock.now_ms()).unwrap_or(0));
        now.unwrap_or(FIXED_MS)
    }

    /// The monotonic clock, which never goes back. The fixed one moves a ms each time that it is
    /// read, so that a guest which waits for it to move does not wait for ever.
    pub(super) fn monotonic_ms(&mut self) -> u64 {
        let next = if self.clock.is_some() { self.now_ms() } else { self.last_ms + 1 };
        self.last_ms = self.last_ms.max(next);
        self.last_ms
    }

    fn rng(&mut self) -> Result<&mut ChaCha12Rng, GuestExit> {
        let mut seed = FIXED_SEED;
        if self.clock.is_some() && self.rng.is_none() {
            let filled = rand::rngs::OsRng.try_fill_bytes(&mut seed);
            filled.map_err(|error| GuestExit::NoRandom(error.to_string()))?;
        }
        Ok(self.rng.get_or_insert_with(|| ChaCha12Rng::from_seed(seed)))
    }

    pub(super) fn random_u64(&mut self) -> Result<u64, GuestExit> {
        Ok(self.rng()?.next_u64())
    }

    pub(super) fn random_bytes(&mut self, count: u64) -> Result<Vec<u8>, GuestExit> {
        let fits = usize::try_from(count).ok().filter(|_| count <= RANDOM_BYTES_MAX);
        let mut bytes = vec![0; fits.ok_or(GuestExit::Random(count))?];
        self.rng()?.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use renkei_test_support::HandClock;

    #[test]
    fn a_connector_has_the_hosts_clock_which_never_goes_back_for_it() {
        let clock = Arc::new(HandClock::default());
        clock.advance(5_000);
        let mut surroundings = WasiEnvironment::real(clock.clone());
        assert_eq!((surroundings.now_ms(), surroundings.monotonic_ms()), (5_000, 5_000));
        clock.advance(-3_000);
        assert_eq!((surroundings.now_ms(), surroundings.monotonic_ms()), (2_000, 5_000));
    }

    #[test]
    fn random_numbers_are_real_for_a_connector_and_fixed_for_a_transform() {
        let draw = |mut from: WasiEnvironment| from.random_bytes(32).unwrap();
        let real = || WasiEnvironment::real(Arc::new(HandClock::default()));
        assert_ne!(draw(real()), draw(real()));
        assert_eq!(draw(WasiEnvironment::fixed()), draw(WasiEnvironment::fixed()));
        assert!(real().random_bytes(RANDOM_BYTES_MAX + 1).is_err());
    }
}
