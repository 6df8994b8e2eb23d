//! Shortening: the fewest steps that still break the same promise.

use crate::history::History;
use crate::judge::Violation;

/// Leaves out ever smaller runs of steps while the promise stays broken, within so many plays.
///
/// # Errors
/// The error of `play`.
pub fn shrink(
    history: History,
    violation: &Violation,
    mut plays: u32,
    mut play: impl FnMut(&History) -> anyhow::Result<Option<Violation>>,
) -> anyhow::Result<(History, Violation)> {
    let (mut best, mut broken) = (history, violation.clone());
    let mut length = (best.steps.len() / 2).max(1);
    loop {
        let mut from = 0;
        while from < best.steps.len() {
            if plays == 0 {
                return Ok((best, broken));
            }
            plays -= 1;
            let mut shorter = best.clone();
            let until = (from + length).min(shorter.steps.len());
            shorter.steps.drain(from..until);
            match play(&shorter)? {
                Some(found) if found.promise == broken.promise => (best, broken) = (shorter, found),
                _ => from = until,
            }
        }
        if length == 1 {
            return Ok((best, broken));
        }
        length /= 2;
    }
}
