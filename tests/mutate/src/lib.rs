//! Inputs for parsers that must not panic whatever they get.
//!
//! A plugin, a system or a damaged file hands the host any bytes. So each parser of the host gets a
//! million inputs. The number `n` and the seeds alone make input `n`, so a failure names all that
//! is needed to make it again ([`input`]). Seeds are real files and parts of them. Mutations are
//! those of the usual fuzzers: bytes, words of other seeds, cuts, repetitions, large numbers. There
//! is no coverage feedback: this runs in CI, in seconds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The number of inputs that a parser gets.
pub const INPUTS: u64 = 1_000_000;

/// Bytes that mean something to parsers of text or of WebAssembly.
const TELLING: &[u8] = b"\0\x01\x0b\x7f\x80\xff\n\"'{}[],:=\\#%.-+eE09\xc3\xe5\xed";

const WORDS: &[&[u8]] = &[
    b"18446744073709551616",
    b"-9223372036854775808",
    b"1e999",
    b"null",
    b"\"\"",
    b"[[[[[[[[",
    b"{\"\":{\"\":",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    "\u{202e}\u{feff}".as_bytes(),
];

/// Gives `check` [`INPUTS`] inputs made from `seeds`, on all processors.
///
/// # Panics
/// When `check` panics; the message names the input.
pub fn run(seeds: &[Vec<u8>], check: impl Fn(&[u8]) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let step = u64::try_from(threads).unwrap_or(1);
    std::thread::scope(|scope| {
        for first in 0..step {
            let check = &check;
            scope.spawn(move || {
                for number in (first..INPUTS).step_by(threads) {
                    check_input(seeds, number, check);
                }
            });
        }
    });
}

#[expect(clippy::panic, reason = "this crate is only used by tests, and this fails one")]
fn check_input(seeds: &[Vec<u8>], number: u64, check: &(impl Fn(&[u8]) + Sync)) {
    let bytes = input(seeds, number);
    if catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_err() {
        let shown = String::from_utf8_lossy(bytes.get(..400).unwrap_or(&bytes)).into_owned();
        panic!("input {number} of these seeds ({} bytes): {shown:?}", bytes.len());
    }
}

/// Input `number` of these seeds.
pub fn input(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    if seeds.is_empty() || random.random_ratio(1, 50) {
        let length = random.random_range(0..200);
        return (0..length).map(|_| random.random()).collect();
    }
    let mut bytes = pick(seeds, &mut random).clone();
    for _ in 0..random.random_range(1..=6) {
        mutate(&mut bytes, seeds, &mut random);
    }
    bytes
}

fn pick<'a, T>(of: &'a [T], random: &mut ChaCha8Rng) -> &'a T {
    let at = random.random_range(0..of.len());
    #[expect(clippy::indexing_slicing, reason = "drawn from the range of its indices")]
    &of[at]
}

/// A place and up to `most` bytes from it on.
fn range(length: usize, most: usize, random: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let start = random.random_range(0..=length);
    let end = length.min(start + random.random_range(0..=most));
    start..end
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut ChaCha8Rng) {
    let place = random.random_range(0..=bytes.len());
    match random.random_range(0..10) {
        0 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        1 | 2 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = *pick(TELLING, random);
            }
        }
        3 => bytes.insert(place, random.random()),
        4 => bytes.insert(place, *pick(TELLING, random)),
        5 => {
            bytes.drain(range(bytes.len(), 16, random));
        }
        6 => {
            let copy = bytes.get(range(bytes.len(), 32, random)).unwrap_or_default().to_vec();
            let times = if random.random_ratio(1, 20) { 40 } else { 1 };
            bytes.splice(place..place, copy.repeat(times));
        }
        7 => {
            let other = pick(seeds, random);
            let part = other.get(range(other.len(), 64, random)).unwrap_or_default().to_vec();
            bytes.splice(place..place, part);
        }
        8 => {
            let end = bytes.len().min(place + random.random_range(0..4));
            bytes.splice(place..end, pick(WORDS, random).iter().copied());
        }
        _ if random.random_ratio(1, 8) => bytes.truncate(place),
        _ => bytes.insert(place, random.random()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn input_is_made_again_from_its_number() {
        let seeds = [b"one = 1\n".to_vec(), b"{\"two\": 2}".to_vec()];
        let inputs: BTreeSet<Vec<u8>> = (0..10_000).map(|n| input(&seeds, n)).collect();
        assert!(inputs.len() > 8_500, "{} different ones", inputs.len());
        assert_eq!(input(&seeds, 77), input(&seeds, 77));
    }

    #[test]
    fn every_input_is_given_and_a_panic_names_its_input() {
        let given = AtomicU64::new(0);
        run(&[b"x".to_vec()], |_| {
            given.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(given.into_inner(), INPUTS);
        let failed = catch_unwind(|| check_input(&[b"x".to_vec()], 5, &|_: &[u8]| panic!("bad")))
            .unwrap_err();
        let message = failed.downcast_ref::<String>().unwrap();
        assert!(message.starts_with("input 5 of these seeds"), "{message}");
    }
}
