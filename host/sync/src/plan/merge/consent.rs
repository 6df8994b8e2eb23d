//! Consent: no rule weakens it, only a person does (`RULES.md` P5).
//!
//! One of the two values of such a field says that somebody does not want to be contacted: the
//! opt-out. It stands over every other value at the first link, in a conflict, after a merge and
//! after the database was put back. A person takes it back by changing it in one system, unless
//! another system holds it that may not be written. A member that never held it has no say.

use super::{FieldMerge, MemberField};
use crate::plan::policy::{self, Vote};
use renkei_model::index::MemberFieldIndex;
use renkei_model::reason::Reason;
use renkei_model::spec::{EntitySpec, Winner};
use renkei_model::state::{Link, RecordState, Span, Truth};
use renkei_model::value::{Cell, Value};

impl FieldMerge<'_> {
    /// Moves the truth where somebody has opted out; `false` where nobody has, so that the decision
    /// table speaks.
    pub(super) fn weigh_consent(&mut self) -> bool {
        let Some(out) = opt_out(&self.field.winner) else { return false };
        if self.old.value != out {
            let Some(position) = self.newly_out() else { return false };
            let vote = self.vote(position);
            self.replace(vote.value, Some(vote.system), vote.edited, 0);
            self.apply_opt_out(&out);
        } else if let Some(vote) = self.given_back(&out).map(|position| self.vote(position)) {
            self.replace(vote.value, Some(vote.system.clone()), vote.edited, 0);
            self.reason = Reason::ChangedIn(vote.system);
            self.overrule();
        } else {
            self.apply_opt_out(&out);
        }
        true
    }

    /// The member that has opted out and whose word was not weighed yet.
    fn newly_out(&self) -> Option<MemberFieldIndex> {
        let mut members = self.members.iter();
        let out =
            members.find(|(_, member)| member.has_newly_opted_out(&self.field.winner, self.old));
        out.map(|(position, _)| position)
    }

    /// The member where a person has taken the opt-out back, if all others that hold it may be
    /// written. Where the database was put back, one that still holds it may have opted out since.
    fn given_back(&self, out: &Cell) -> Option<MemberFieldIndex> {
        let mut given = None;
        for (position, member) in self.members.iter().filter(|(_, member)| member.reads) {
            if member.seen.is_none() || member.is_unsure() {
                return None;
            }
            match (member.state.base == *out, *member.seen == *out) {
                (true, true) if member.writes && !self.rules.by_hand => {}
                (true, false) if matches!(&*member.seen, Some(Value::Boolean(_))) => {
                    given.get_or_insert(position);
                }
                (false, false) => {}
                _ => return None,
            }
        }
        given
    }

    /// The opt-out stands over what the others say; what a rule has overruled stays on record.
    fn apply_opt_out(&mut self, out: &Cell) {
        let policy = policy::describe(&self.field.winner);
        let from = self.new.from.clone().unwrap_or_default();
        let mut overruled = Vec::new();
        for (position, member) in self.members.iter() {
            let news = member.is_edited() || member.is_unsure();
            if !news || *member.seen == *out {
                continue;
            }
            if !member.reads {
                let drift = Reason::Drift(member.system.to_owned());
                self.notes.extend(member.state.base.is_some().then_some((position, drift)));
            } else if member.state.base.is_some()
                || matches!(&*member.seen, Some(Value::Boolean(_)))
            {
                overruled.push(self.vote(position));
            }
        }
        self.reason = Reason::ChangedIn(from.clone());
        if !overruled.is_empty() {
            self.reason = Reason::Won { winner: from.clone(), policy: policy.clone() };
            let (value, edited) = (out.clone(), Span::default());
            overruled.insert(0, Vote { system: from, value, edited });
            let values = self.shown(&overruled);
            self.decided = Some(self.conflict(values, policy, Some(out.clone())));
        }
        self.overrule();
    }

    /// True where a member that is not read has opted out by itself: no rule writes over that.
    pub(super) fn keeps_opt_out(&self, member: &MemberField<'_>) -> bool {
        opt_out(&self.field.winner).is_some_and(|out| {
            *member.seen == out && self.new.value != out && self.new.previous != out
        })
    }
}

impl MemberField<'_> {
    /// The member has opted out and its word was not weighed yet.
    pub(super) fn has_newly_opted_out(&self, winner: &Winner, truth: &Truth) -> bool {
        let Some(out) = opt_out(winner).filter(|out| truth.value != *out) else { return false };
        // A consent that was just given back may not have got everywhere yet.
        let pending = truth.previous == out;
        let unweighed = self.state.base != out
            || self.is_unsure()
            || self.state.agreed != truth.value && !pending;
        self.reads && *self.seen == out && unweighed
    }
}

/// The value that says that somebody opted out, in a field of consent.
fn opt_out(winner: &Winner) -> Option<Cell> {
    winner.opted_out().map(|out| Some(Value::Boolean(out)))
}

/// The opt-out that one of two links holds that become one, with where it came from.
pub(crate) fn join<'a>(winner: &Winner, ended: &'a Truth, kept: &Truth) -> Option<&'a Truth> {
    let out = opt_out(winner)?;
    (ended.value == out && kept.value != out).then_some(ended)
}

/// Lets an opt-out of a surplus record count in its link. True where one did.
pub(crate) fn carry(entity: &EntitySpec, link: &mut Link, record: &RecordState) -> bool {
    debug_assert!(link.truth.covers(entity) && record.fields.covers(entity), "fetched for it");
    let mut carries = false;
    let fields = entity.fields.iter().zip(link.truth.values_mut()).zip(record.fields.values());
    for ((field, truth), state) in fields {
        if is_opt_out(&field.winner, &state.seen) && truth.value != state.seen {
            let (value, from) = (state.seen.clone(), Some(record.key.system.clone()));
            *truth = Truth { value, from, ..Truth::default() };
            carries = true;
        }
    }
    carries
}

/// True where the cell is an opt-out in a field of consent.
pub(crate) fn is_opt_out(winner: &Winner, cell: &Cell) -> bool {
    opt_out(winner).is_some_and(|out| *cell == out)
}

/// Makes an opt-out the truth of a link without a member that said so just now.
pub(crate) fn carried(truth: &Truth) -> Truth {
    Truth { previous: None, edited: Span::default(), flips: 0, ..truth.clone() }
}
