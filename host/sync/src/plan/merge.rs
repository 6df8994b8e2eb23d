//! The field decision table (`RULES.md` E5): merges one field of one link, all its members at once.
//!
//! Pure and total. A member's edit is `seen != base`. A value that the merge has weighed becomes
//! the base. The truth becomes due wherever a member neither holds it nor has agreed to it before.
//! An edit made by a member that had not yet got the truth is weighed against the truth, so that
//! neither is lost; so is a value that may be an edit or not. A question freezes the field: nothing
//! moves until it is answered (`asked`). `consent` goes before the table where somebody has opted
//! out, whatever else holds.

use std::borrow::Cow;

use crate::plan::merge::answers::{MergeAnswers, MergeQuestion};
use crate::plan::policy::{self, Vote};
use renkei_model::canonical::is_same;
use renkei_model::index::{FieldIndex, Indexed, MemberFieldIndex};
use renkei_model::reason::Reason;
use renkei_model::spec::{Clear, FieldKind, FieldSpec, FirstLink, Winner};
use renkei_model::state::{FieldState, ReviewChoice, ReviewSubject, Span, Truth};
use renkei_model::value::{Cell, Value};

/// A field that goes back more often than this right after the engine's own writes stands still.
const FLIPS_MAX: u32 = 3;

/// One member's view of the field.
#[derive(Debug, Clone)]
pub struct MemberField<'a> {
    /// The member's system.
    pub system: &'a str,
    /// Its values count.
    pub reads: bool,
    /// It may be written.
    pub writes: bool,
    /// Its stored state: seen, base, agreed.
    pub state: &'a FieldState,
    /// The value last seen, with references turned into links.
    pub seen: Cow<'a, Cell>,
}

impl MemberField<'_> {
    /// The value was read and is not what the hub has taken into account.
    fn is_edited(&self) -> bool {
        self.seen.is_some() && *self.seen != self.state.base
    }

    /// The value may be older than the truth or an edit of it: nobody knows.
    fn is_unsure(&self) -> bool {
        self.reads && self.state.unsure && self.seen.is_some()
    }

    /// The member is only written, was never weighed and holds a value of its own.
    fn is_new_own(&self) -> bool {
        let state = self.state;
        let is_new = state.base.is_none() && state.agreed.is_none();
        is_new && !self.reads && self.writes && !is_blank(&self.seen)
    }

    /// The member is only written and holds a value of its own, which was weighed.
    fn is_own(&self) -> bool {
        !self.reads && self.state.base.is_none() && self.state.agreed.is_some()
    }

    /// A value that should have been read but was not is never overwritten.
    fn is_writable(&self) -> bool {
        self.writes && (self.seen.is_some() || !self.reads)
    }
}

/// The result of the merge for one member's field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldResult {
    /// Its base from now on.
    pub base: Cell,
    /// The truth that it has agreed to from now on.
    pub agreed: Cell,
    /// A write of the truth is due, and why.
    pub due: Option<Reason>,
}

/// The result of the merge for the field and all its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedField {
    /// The truth from now on.
    pub truth: Truth,
    /// One per member field, in order.
    pub results: Indexed<MemberFieldIndex, FieldResult>,
    /// Reasons to report, each with its member field.
    pub notes: Vec<(MemberFieldIndex, Reason)>,
    /// A conflict that a rule has decided.
    pub decided: Option<ReviewSubject>,
    /// A question that freezes the field.
    pub question: Option<ReviewSubject>,
    /// The question that a merge function must answer before anything is decided.
    pub asks: Option<MergeQuestion>,
}

/// The rules that a field is merged by.
#[derive(Debug, Clone, Copy)]
pub struct MergeRules<'a> {
    /// The field.
    pub field: &'a FieldSpec,
    /// The rule for values that differ at the first link.
    pub first_link: &'a FirstLink,
    /// The database was put back, so nobody knows which of two values is older: no policy chooses
    /// between them (`RULES.md` P14).
    pub by_hand: bool,
    /// The truth names nothing but what is gone everywhere: it stands for nobody.
    pub is_over: bool,
    /// The field's position in its entity.
    pub position: FieldIndex,
    /// The answers of merge functions.
    pub answers: &'a MergeAnswers,
}

/// Merges one field.
pub fn merge(
    rules: MergeRules<'_>,
    truth: &Truth,
    members: &Indexed<MemberFieldIndex, MemberField<'_>>,
    choice: Option<&ReviewChoice>,
) -> MergedField {
    let merge = FieldMerge::new(rules, truth, members);
    match choice {
        Some(ReviewChoice::Value(value)) => merge.chosen(value),
        _ => merge.run(),
    }
}

/// True where this member field needs no merge: no edit, no doubt and no write are due. The field
/// must have no question.
pub(crate) fn is_quiet(field: &FieldSpec, member: &MemberField<'_>, truth: &Truth) -> bool {
    let taken = !member.is_edited() && !member.is_unsure() || member.is_own();
    let settled = !member.is_writable()
        || truth.value.is_none()
        || member.state.agreed == truth.value
        || *member.seen == truth.value;
    taken
        && settled
        && (member.state.agreed == truth.value || *member.seen != truth.value)
        && !member.has_newly_opted_out(&field.winner, truth)
}

struct FieldMerge<'a> {
    field: &'a FieldSpec,
    rules: MergeRules<'a>,
    old: &'a Truth,
    members: &'a Indexed<MemberFieldIndex, MemberField<'a>>,
    new: Truth,
    /// One per member field.
    results: Indexed<MemberFieldIndex, FieldResult>,
    notes: Vec<(MemberFieldIndex, Reason)>,
    reason: Reason,
    decided: Option<ReviewSubject>,
    asks: Option<MergeQuestion>,
}

impl<'a> FieldMerge<'a> {
    fn new(
        rules: MergeRules<'a>,
        old: &'a Truth,
        members: &'a Indexed<MemberFieldIndex, MemberField<'a>>,
    ) -> Self {
        let results = members.values().map(|member| FieldResult {
            base: member.seen.as_ref().clone().or_else(|| member.state.base.clone()),
            agreed: member.state.agreed.clone(),
            due: None,
        });
        Self {
            field: rules.field,
            rules,
            old,
            members,
            new: old.clone(),
            results: results.collect(),
            notes: Vec::new(),
            reason: old.from.clone().map_or(Reason::Chosen, Reason::ChangedIn),
            decided: None,
            asks: None,
        }
    }

    fn run(mut self) -> MergedField {
        if self.weigh_consent() {
            self.replace_own(false);
            return self.into_merged_field();
        }
        let question = match self.edits() {
            Ok(edits) => self
                .weigh(edits)
                .or_else(|| self.adopt_first_values())
                .or_else(|| self.replace_own(true)),
            Err(question) => Some(*question),
        };
        match question {
            Some(question) => self.frozen(question),
            None => self.into_merged_field(),
        }
    }

    /// A person has chosen: everybody else's value is taken into account and overruled.
    fn chosen(mut self, value: &Cell) -> MergedField {
        self.new =
            Truth { value: value.clone(), previous: self.old.value.clone(), ..Truth::default() };
        self.reason = Reason::Chosen;
        self.overrule();
        self.into_merged_field()
    }

    /// The edits; drift and ignored clears are left out.
    fn edits(&mut self) -> Result<Vec<MemberFieldIndex>, Box<ReviewSubject>> {
        let (mut edits, mut emptied) = (Vec::new(), Vec::new());
        for (position, member) in self.members.iter() {
            if member.state.base.is_none() || !member.is_edited() && !member.is_unsure() {
                continue;
            }
            let system = member.system.to_owned();
            let cleared = member.is_edited() && is_null(&member.seen) && !is_blank(&self.old.value);
            if !member.reads {
                self.notes.push((position, Reason::Drift(system)));
            } else if cleared && self.field.clear == Clear::Ignore {
                self.notes.push((position, Reason::ClearIgnored(system)));
                self.agree(position);
            } else if cleared && self.field.clear == Clear::Review {
                emptied.push(position);
            } else {
                edits.push(position);
            }
        }
        match emptied.is_empty() {
            true => Ok(edits),
            false => Err(Box::new(self.emptied(&emptied, &edits))),
        }
    }

    /// Moves the truth by the edits, or asks.
    fn weigh(&mut self, edits: Vec<MemberFieldIndex>) -> Option<ReviewSubject> {
        let edits = self.weighty(edits);
        if edits.is_empty() {
            return None;
        }
        let unsure = edits.iter().any(|edit| self.members[*edit].is_unsure());
        if self.is_set() && !unsure {
            self.merge_sets(&edits);
            return None;
        }
        let mut votes: Vec<Vote> = edits.iter().map(|edit| self.vote(*edit)).collect();
        // Where no edit was made by somebody who had the truth, the truth has a vote of its own.
        if edits.iter().all(|edit| self.is_behind(*edit)) {
            votes.push(Vote {
                system: self.old.from.clone().unwrap_or_default(),
                value: self.old.value.clone(),
                edited: self.old.edited,
            });
        }
        let first = votes.first()?.clone();
        if votes.iter().any(|vote| !self.is_same(&vote.value, &first.value)) {
            return match &self.field.winner {
                Winner::Merge(function) if !self.rules.by_hand => {
                    self.resolve_by_function(function, &votes, unsure)
                }
                _ => self.resolve_conflict(&votes, unsure),
            };
        }
        let reason = match votes.len() {
            1 => Reason::ChangedIn(first.system.clone()),
            _ => Reason::SameChange,
        };
        self.adopt(&first, reason)
    }

    /// A person who only changes the form of a value does not contest another value.
    fn weighty(&self, edits: Vec<MemberFieldIndex>) -> Vec<MemberFieldIndex> {
        let in_form = |edit: &MemberFieldIndex| {
            let member = &self.members[*edit];
            !member.is_unsure() && self.is_same(&member.seen, &member.state.base)
        };
        let (mut forms, values): (Vec<_>, Vec<_>) = edits.into_iter().partition(in_form);
        forms.retain(|edit| !self.is_behind(*edit));
        if values.is_empty() { forms } else { values }
    }

    fn is_same(&self, one: &Cell, other: &Cell) -> bool {
        is_same(&self.field.kind, one, other)
    }

    fn vote(&self, position: MemberFieldIndex) -> Vote {
        let member = &self.members[position];
        Vote {
            system: member.system.to_owned(),
            value: member.seen.as_ref().clone(),
            edited: member.state.edited,
        }
    }

    /// True where a member was edited before it had got the truth.
    fn is_behind(&self, position: MemberFieldIndex) -> bool {
        let member = &self.members[position];
        let bereft = member.state.bereft.as_deref();
        let agreed = self.is_same(&member.state.agreed, &self.old.value)
            || self.is_same(&member.state.base, &self.old.value)
            || bereft.is_some() && bereft == self.old.value.as_ref()
            || self.rules.is_over;
        self.old.value.is_some() && (member.is_unsure() || !agreed)
    }

    fn merge_sets(&mut self, edits: &[MemberFieldIndex]) {
        let members = edits.iter().map(|edit| &self.members[*edit]);
        let edits = members.clone().map(|member| (&member.state.base, member.seen.as_ref()));
        let merged = policy::merge_sets(&self.old.value, edits);
        let from = members.map(|member| member.system.to_owned()).next();
        self.reason = from.clone().map_or(Reason::SameChange, Reason::ChangedIn);
        self.replace(Some(merged), from, Span::default(), 0);
        self.overrule();
    }

    /// Makes a vote the truth. A value that has gone back more than [`FLIPS_MAX`] times is a
    /// question.
    fn adopt(&mut self, vote: &Vote, reason: Reason) -> Option<ReviewSubject> {
        // The value before the last truth comes back from another member.
        let swings = vote.value == self.old.previous
            && vote.value != self.old.value
            && self.old.from.as_ref().is_some_and(|from| from != &vote.system);
        let flips = if swings { self.old.flips + 1 } else { 0 };
        if flips > FLIPS_MAX {
            let values = vec![self.old.value.clone(), vote.value.clone()];
            return Some(ReviewSubject::Oscillation { field: self.field.name.clone(), values });
        }
        if vote.value != self.old.value {
            self.replace(vote.value.clone(), Some(vote.system.clone()), vote.edited, flips);
        }
        self.reason = reason;
        self.overrule();
        None
    }

    fn replace(&mut self, value: Cell, from: Option<String>, edited: Span, flips: u32) {
        let previous = self.new.value.clone();
        self.new = Truth { value, previous, from, edited, flips };
        // An agreement from before the truth moved, perhaps there and back, does not count.
        for (member, result) in self.members.values().zip(self.results.values_mut()) {
            if *member.seen != self.new.value {
                result.agreed = None;
            }
        }
    }

    /// Edited members whose value is not the truth have agreed to nothing any more.
    fn overrule(&mut self) {
        for (member, result) in self.members.values().zip(self.results.values_mut()) {
            let edited = member.is_edited() || member.is_unsure();
            if member.reads && edited && *member.seen != self.new.value {
                result.agreed = None;
            }
        }
    }

    /// Members that are seen for the first time: adopt, fill, or prefer (the "no base" rows).
    fn adopt_first_values(&mut self) -> Option<ReviewSubject> {
        for (position, member) in self.members.iter() {
            if member.state.base.is_some() || member.seen.is_none() || !member.reads {
                continue;
            }
            let vote = self.vote(position);
            // A field that was emptied just now is not filled behind that person's back.
            let emptied = is_null(&self.new.value) && !is_blank(&self.old.value);
            let nulls = is_null(&self.new.value) && is_null(&vote.value);
            if is_blank(&self.new.value) && !nulls && !emptied {
                let system = member.system.to_owned();
                self.reason = Reason::Filled(system.clone());
                self.replace(vote.value, Some(system), vote.edited, 0);
            } else if self.is_set() && !self.rules.by_hand {
                let union = policy::merge_sets(&self.new.value, [(&None, &vote.value)].into_iter());
                self.new.value = Some(union);
            } else if !self.is_same(&vote.value, &self.new.value)
                && !is_null(&vote.value)
                && let Some(question) = self.introduce(position, &vote)
            {
                return Some(question);
            }
        }
        None
    }

    /// Decides what is due, once the truth is known.
    fn into_merged_field(mut self) -> MergedField {
        for position in self.members.positions() {
            self.decide_due(position);
        }
        MergedField {
            truth: self.new,
            results: self.results,
            notes: self.notes,
            decided: self.decided,
            question: None,
            asks: None,
        }
    }

    /// Decides about one member once the truth is known: it agrees to the truth, or the truth is
    /// due there. A member that holds the truth agrees, also in a form of its own. A field that was
    /// never read agrees to an empty truth. An opt-out that may not be overwritten stands.
    fn decide_due(&mut self, position: MemberFieldIndex) {
        let member = &self.members[position];
        let holds_truth = *member.seen == self.new.value;
        // Another form of the same value stays, unless a person has just changed the form.
        let holds_form = !self.is_form() && self.holds_same_value(position);
        // An own value of a member that is only written is no answer to the truth: should it be
        // read one day, it is a first value.
        if !member.reads && member.is_edited() && !holds_form {
            self.results[position].base = None;
        }
        // An empty truth empties no field that was never read, and none at the first link.
        let is_new = member.state.base.is_none() && member.state.agreed.is_none();
        let is_unknown = is_new && (member.seen.is_none() || !member.reads);
        let keeps_unknown = is_unknown && is_null(&self.new.value);
        let agrees = holds_truth || holds_form || keeps_unknown;
        let keeps_opt_out = !agrees && self.keeps_opt_out(member);
        if agrees || keeps_opt_out {
            self.results[position].agreed.clone_from(&self.new.value);
        }
        if keeps_opt_out {
            self.notes.push((position, Reason::OptOutStands(member.system.to_owned())));
        }
        let has_agreed = self.results[position].agreed == self.new.value;
        if !has_agreed && member.is_writable() && self.new.value.is_some() {
            self.results[position].due = Some(self.due_reason(member));
        }
    }

    /// The reason for which the truth is due at a member.
    fn due_reason(&self, member: &MemberField<'_>) -> Reason {
        let is_first = member.state.base.is_none() && is_blank(&member.seen);
        match &self.new.from {
            Some(from) if is_first => Reason::Filled(from.clone()),
            Some(from) if member.is_new_own() => Reason::Replaced(from.clone()),
            _ => self.reason.clone(),
        }
    }

    /// True where the truth changed its form only.
    fn is_form(&self) -> bool {
        self.new.value != self.old.value && self.is_same(&self.new.value, &self.old.value)
    }

    fn holds_same_value(&self, position: MemberFieldIndex) -> bool {
        self.is_same(&self.members[position].seen, &self.new.value)
    }

    fn frozen(self, question: ReviewSubject) -> MergedField {
        let still = |member: &MemberField<'_>| FieldResult {
            base: member.state.base.clone(),
            agreed: member.state.agreed.clone(),
            due: None,
        };
        MergedField {
            truth: self.old.clone(),
            results: self.members.values().map(still).collect(),
            notes: Vec::new(),
            decided: None,
            question: Some(question),
            asks: self.asks,
        }
    }

    fn agree(&mut self, position: MemberFieldIndex) {
        self.results[position].agreed.clone_from(&self.old.value);
    }

    fn is_set(&self) -> bool {
        matches!(self.field.kind, FieldKind::Choices | FieldKind::Reference { many: true, .. })
    }
}

fn is_null(cell: &Cell) -> bool {
    cell.as_ref().is_some_and(Value::is_null)
}

/// Absent or null.
fn is_blank(cell: &Cell) -> bool {
    cell.as_ref().is_none_or(Value::is_null)
}

pub mod answers;
mod asked;
pub(crate) mod coarse;
pub(crate) mod consent;
mod functions;
#[cfg(test)]
mod tests;
