//! Makes a history that breaks a promise as short as it can be: delta debugging over its steps.

use super::step::{History, Step};

/// The shortest history found that still fails.
pub fn shrink(history: &History, fails: impl Fn(&History) -> bool) -> History {
    let mut best = history.clone();
    loop {
        let before = best.clone();
        drop_steps(&mut best, &fails);
        drop_sides(&mut best, &fails);
        shorten_waits(&mut best, &fails);
        if best == before {
            return best;
        }
    }
}

fn attempt(best: &mut History, candidate: History, fails: &impl Fn(&History) -> bool) -> bool {
    let better = candidate != *best && fails(&candidate);
    if better {
        *best = candidate;
    }
    better
}

/// Takes away runs of steps, long ones first.
fn drop_steps(best: &mut History, fails: &impl Fn(&History) -> bool) {
    let mut length = best.steps.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        while from < best.steps.len() {
            let mut candidate = best.clone();
            candidate.steps.drain(from..(from + length).min(best.steps.len()));
            if !attempt(best, candidate, fails) {
                from += length;
            }
        }
        if length == 1 {
            return;
        }
        length = length.div_ceil(2);
    }
}

/// Fewer systems, where no step names the others.
fn drop_sides(best: &mut History, fails: &impl Fn(&History) -> bool) {
    while best.sides > 2 && !best.steps.iter().any(|step| step.names(best.sides - 1)) {
        let candidate = History { sides: best.sides - 1, ..best.clone() };
        if !attempt(best, candidate, fails) {
            break;
        }
    }
    let candidate = History { swept: false, ..best.clone() };
    attempt(best, candidate, fails);
}

fn shorten_waits(best: &mut History, fails: &impl Fn(&History) -> bool) {
    for position in 0..best.steps.len() {
        while let Step::Wait(ms) = best.steps[position] {
            let mut candidate = best.clone();
            candidate.steps[position] = Step::Wait(ms / 2);
            if ms < 2 || !attempt(best, candidate, fails) {
                break;
            }
        }
    }
}
