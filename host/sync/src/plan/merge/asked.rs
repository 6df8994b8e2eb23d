//! Questions about a field, and records of what a rule overruled. Each names every system once,
//! with the value that it holds now (`RULES.md` V20).

use super::{FieldMerge, MemberField, is_blank};
use crate::plan::policy::{self, Vote};
use renkei_model::index::MemberFieldIndex;
use renkei_model::reason::Reason;
use renkei_model::spec::FirstLink;
use renkei_model::state::ReviewSubject;
use renkei_model::value::Cell;

/// The words of a conflict in a link that was put back from a backup.
const PUT_BACK: &str = "by hand, because the database was put back";

/// The words of a conflict at the first link, where the mapping lets a person decide.
const BY_HAND: &str = "first link, by hand";

/// The words of a conflict about a write that may never have happened (`RULES.md` V1, R26).
pub(super) const UNSURE: &str = "by hand: either our write never happened or somebody took it back";

/// The words of a decision that replaces the own value of a member that is only written.
const ONLY_WRITTEN: &str = "only written there";

impl FieldMerge<'_> {
    /// Members want different values: the policy chooses, or a person. Where one of them is
    /// `unsure` to be an edit at all, a policy may only keep what the hub has: an old value never
    /// wins unseen.
    pub(super) fn resolve_conflict(
        &mut self,
        votes: &[Vote],
        unsure: bool,
    ) -> Option<ReviewSubject> {
        let chosen = policy::choose(self.field, votes).cloned();
        let keeps = |vote: &Vote| self.is_same(&vote.value, &self.old.value);
        let (policy, chosen) = match chosen {
            _ if self.rules.by_hand => (PUT_BACK.to_owned(), None),
            Some(vote) if unsure && !keeps(&vote) => (UNSURE.to_owned(), None),
            chosen => (policy::describe(&self.field.winner), chosen),
        };
        let mut values = self.shown(votes);
        if chosen.is_none() {
            self.add_newcomers(&mut values);
        }
        let chosen_value = chosen.as_ref().map(|vote| vote.value.clone());
        let conflict = self.conflict(values, policy.clone(), chosen_value);
        let Some(chosen) = chosen else {
            return Some(conflict);
        };
        self.decided = Some(conflict);
        self.adopt(&chosen, Reason::Won { winner: chosen.system.clone(), policy })
    }

    /// Both have a value at the first link and differ: the preferred system's counts.
    pub(super) fn introduce(
        &mut self,
        position: MemberFieldIndex,
        vote: &Vote,
    ) -> Option<ReviewSubject> {
        let held = Vote {
            system: self.new.from.clone().unwrap_or_default(),
            value: self.new.value.clone(),
            edited: self.new.edited,
        };
        let mut values = self.shown(&[held.clone(), vote.clone()]);
        // Values that a rule has just overruled stay on record.
        if let Some(ReviewSubject::Conflict { values: overruled, .. }) = self.decided.take() {
            for (system, value) in overruled {
                add(&mut values, &system, &value);
            }
        }
        let preferred = match self.rules.first_link {
            FirstLink::Prefer(preferred) if !self.rules.by_hand => preferred.clone(),
            _ => {
                self.add_newcomers(&mut values);
                let by_hand = if self.rules.by_hand { PUT_BACK } else { BY_HAND };
                return Some(self.first(values, by_hand.to_owned(), None));
            }
        };
        let wins = vote.system == preferred;
        if wins && self.is_unread(&held.system) {
            add(&mut values, &held.system, &held.value);
        }
        let chosen = if wins { vote.value.clone() } else { self.new.value.clone() };
        let policy = format!("first link, {preferred} preferred");
        self.decided = Some(self.first(values, policy, Some(chosen)));
        self.notes.push((position, Reason::Preferred(preferred.clone())));
        self.reason = Reason::Preferred(preferred);
        if wins {
            self.replace(vote.value.clone(), Some(vote.system.clone()), vote.edited, 0);
        }
        None
    }

    /// A value that a member holds by itself which is only written gives way to the truth: that
    /// stays on record, and where a person decides at the first link, a person is asked before
    /// (`RULES.md` P10).
    pub(super) fn replace_own(&mut self, asks: bool) -> Option<ReviewSubject> {
        let given_way: Vec<MemberFieldIndex> =
            self.members.positions().filter(|position| self.gives_way(*position)).collect();
        let is_first = given_way.iter().any(|one| self.members[*one].is_new_own());
        let (value, edited) = (self.new.value.clone(), self.new.edited);
        let held = Vote { system: self.new.from.clone().unwrap_or_default(), value, edited };
        let mut votes = vec![held];
        votes.extend(given_way.iter().map(|position| self.vote(*position)));
        if votes.len() == 1 {
            return None;
        }
        let mut values = self.shown(&votes);
        let by_hand = self.rules.by_hand || *self.rules.first_link == FirstLink::Review;
        if asks && is_first && by_hand {
            self.add_newcomers(&mut values);
            let policy = if self.rules.by_hand { PUT_BACK } else { BY_HAND };
            return Some(self.first(values, policy.to_owned(), None));
        }
        self.decided = Some(match self.decided.take() {
            // Values that a rule has just overruled stay on record.
            Some(ReviewSubject::Conflict { field, base, values: mut all, policy, chosen }) => {
                values.iter().for_each(|(system, value)| add(&mut all, system, value));
                ReviewSubject::Conflict { field, base, values: all, policy, chosen }
            }
            _ => self.first(values, ONLY_WRITTEN.to_owned(), Some(self.new.value.clone())),
        });
        None
    }

    /// True where a write replaces a value of its own in a member that is only written. A value
    /// that the system set at creation does not count.
    fn gives_way(&self, position: MemberFieldIndex) -> bool {
        let (member, result) = (&self.members[position], &self.results[position]);
        let is_own = member.is_new_own() || member.is_own() && !member.state.preset;
        let is_kept = is_blank(&self.new.value) && member.is_new_own();
        is_own
            && member.is_writable()
            && !is_blank(&member.seen)
            && self.new.value.is_some()
            && result.agreed != self.new.value
            && !is_kept
            && !self.is_same(&member.seen, &self.new.value)
            && !self.keeps_opt_out(member)
    }

    /// A field was emptied and the policy asks; `others` are what was edited besides.
    pub(super) fn emptied(
        &self,
        emptied: &[MemberFieldIndex],
        others: &[MemberFieldIndex],
    ) -> ReviewSubject {
        let votes = |positions: &[MemberFieldIndex]| -> Vec<Vote> {
            positions.iter().map(|position| self.vote(*position)).collect()
        };
        let mut values = self.shown(&[votes(emptied), votes(others)].concat());
        self.add_newcomers(&mut values);
        match values.as_slice() {
            [(system, _)] => ReviewSubject::Cleared {
                field: self.field.name.clone(),
                system: system.clone(),
                value: self.old.value.clone(),
            },
            _ => self.conflict(values, "by hand, because it was emptied".to_owned(), None),
        }
    }

    pub(super) fn conflict(
        &self,
        values: Vec<(String, Cell)>,
        policy: String,
        chosen: Option<Cell>,
    ) -> ReviewSubject {
        let (field, base) = (self.field.name.clone(), self.old.value.clone());
        ReviewSubject::Conflict { field, base, values, policy, chosen }
    }

    /// A conflict between values of which none was before the other.
    fn first(
        &self,
        values: Vec<(String, Cell)>,
        policy: String,
        chosen: Option<Cell>,
    ) -> ReviewSubject {
        ReviewSubject::Conflict {
            field: self.field.name.clone(),
            base: None,
            values,
            policy,
            chosen,
        }
    }

    /// Each system that wants one of these values or stands for it, with what it holds now. A truth
    /// that no member holds any more is left out.
    pub(super) fn shown(&self, votes: &[Vote]) -> Vec<(String, Cell)> {
        let mut values = Vec::with_capacity(votes.len());
        for vote in votes {
            let holds = |member: &&MemberField<'_>| self.is_same(&member.seen, &vote.value);
            let own =
                self.members.values().find(|member| member.system == vote.system).filter(holds);
            if let Some(member) = own.or_else(|| self.members.values().find(holds)) {
                add(&mut values, member.system, &member.seen);
            }
        }
        values
    }

    /// True if what a system holds now cannot be read: then its last known value stands for it in
    /// the record of a decision that overrules it.
    fn is_unread(&self, system: &str) -> bool {
        self.members.values().any(|member| member.system == system && member.seen.is_none())
    }

    /// Members that were never weighed and hold a value: the answer will be about them as well.
    pub(super) fn add_newcomers(&self, values: &mut Vec<(String, Cell)>) {
        for member in self.members.values().filter(|member| member.state.base.is_none()) {
            if member.is_new_own() || member.reads && !is_blank(&member.seen) {
                add(values, member.system, &member.seen);
            }
        }
    }
}

/// Adds a system that is not there yet.
fn add(values: &mut Vec<(String, Cell)>, system: &str, value: &Cell) {
    if !values.iter().any(|(known, _)| known == system) {
        values.push((system.to_owned(), value.clone()));
    }
}
