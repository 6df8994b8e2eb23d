//! Consent: no rule weakens it, only a person does (`RULES.md` P5).
//!
//! One of the two values of such a field says that somebody does not want to be contacted: the
//! opt-out. It stands over every other value at the first link, in a conflict and after a merge.
//! A person takes it back by changing it in one system while all others hold it unchanged.

use super::{Merge, Part};
use crate::policy;
use crate::reason::Reason;
use crate::spec::Winner;
use crate::state::{Matter, Span, Truth};
use crate::value::{Cell, Value};

impl Merge<'_> {
    /// Moves the truth where somebody has opted out; `false` where nobody has, so that the decision
    /// table speaks.
    pub(super) fn weigh_consent(&mut self) -> bool {
        let Some(out) = opt_out(&self.field.winner) else { return false };
        if self.old.value != out {
            let Some(position) = self.newly_out(&out) else { return false };
            if let Some(vote) = self.vote(position) {
                self.replace(vote.value, Some(vote.system), vote.edited, 0);
                self.stand(&out);
            }
        } else if let Some(vote) = self.given_back(&out).and_then(|position| self.vote(position)) {
            self.replace(vote.value, Some(vote.system.clone()), vote.edited, 0);
            self.reason = Reason::ChangedIn(vote.system);
            self.overrule();
        } else {
            self.stand(&out);
        }
        true
    }

    /// The member that has opted out and whose word was not weighed yet.
    fn newly_out(&self, out: &Cell) -> Option<usize> {
        // A consent that was just given back may not have got everywhere yet.
        let pending = self.old.previous == *out;
        let is_news = |part: &Part<'_>| {
            part.state.base != *out
                || part.is_unsure()
                || part.state.agreed != self.old.value && !pending
        };
        self.parts.iter().position(|part| part.reads && *part.seen == *out && is_news(part))
    }

    /// The member where a person has taken the opt-out back, if all others still held it.
    fn given_back(&self, out: &Cell) -> Option<usize> {
        let mut given = None;
        for (position, part) in self.parts.iter().enumerate().filter(|(_, part)| part.reads) {
            let consents = matches!(&*part.seen, Some(Value::Boolean(_))) && *part.seen != *out;
            let known = part.seen.is_some() && !part.is_unsure();
            let fits = match part.is_edited() {
                true => consents && part.state.base == *out,
                false if *part.seen == *out => part.writes,
                false => part.state.agreed == self.old.value,
            };
            if !known || !fits {
                return None;
            }
            if part.is_edited() {
                given.get_or_insert(position);
            }
        }
        given
    }

    /// The opt-out stands over what the others say; what a rule has overruled stays on record.
    fn stand(&mut self, out: &Cell) {
        let policy = policy::describe(&self.field.winner);
        let from = self.new.from.clone().unwrap_or_default();
        let mut values = vec![(from.clone(), out.clone())];
        for (position, part) in self.parts.iter().enumerate() {
            let news = part.is_edited() || part.is_unsure();
            if !news || *part.seen == *out {
                continue;
            }
            if !part.reads {
                let drift = Reason::Drift(part.system.to_owned());
                self.notes.extend(part.state.base.is_some().then_some((position, drift)));
            } else if part.state.base.is_some() || matches!(&*part.seen, Some(Value::Boolean(_))) {
                values.push((part.system.to_owned(), part.seen.as_ref().clone()));
            }
        }
        self.reason = Reason::ChangedIn(from.clone());
        if values.len() > 1 {
            self.reason = Reason::Won { winner: from, policy: policy.clone() };
            self.decided = Some(Matter::Conflict {
                field: self.field.name.clone(),
                base: self.old.value.clone(),
                values,
                policy,
                chosen: Some(out.clone()),
            });
        }
        self.overrule();
    }

    /// Whether a member that is not read has opted out by itself: no rule writes over that.
    pub(super) fn keeps_opt_out(&self, part: &Part<'_>) -> bool {
        opt_out(&self.field.winner).is_some_and(|out| {
            *part.seen == out && self.new.value != out && self.new.previous != out
        })
    }
}

/// The value that says that somebody opted out, in a field of consent.
fn opt_out(winner: &Winner) -> Option<Cell> {
    winner.opted_out().map(|out| Some(Value::Boolean(out)))
}

/// The opt-out that one of two links holds that become one, with where it came from.
pub(crate) fn join<'a>(winner: &Winner, left: &'a Truth, right: &Truth) -> Option<&'a Truth> {
    let out = opt_out(winner)?;
    (left.value == out && right.value != out).then_some(left)
}

/// Whether this is an opt-out in a field of consent.
pub(crate) fn is_opt_out(winner: &Winner, cell: &Cell) -> bool {
    opt_out(winner).is_some_and(|out| *cell == out)
}

/// Makes an opt-out the truth of a link without a member that said so just now.
pub(crate) fn carried(truth: &Truth) -> Truth {
    Truth { previous: None, edited: Span::default(), flips: 0, ..truth.clone() }
}
