//! Conflicts that a merge function of a transform decides (`RULES.md` E6).
//!
//! The planner is pure and asks no plugin. It looks the answer up in
//! [`super::answers::MergeAnswers`]; where there is none yet, the plan of the link names the
//! question, and is made again once the plugin has answered it. A function that fails decides
//! nothing: then a person does.

use super::FieldMerge;
use super::answers::MergeQuestion;
use crate::plan::policy::{Vote, function_name};
use renkei_model::reason::Reason;
use renkei_model::spec::TransformRef;
use renkei_model::state::{ReviewSubject, Span};
use renkei_model::value::{Cell, Value};

/// The result of merging the votes one after another.
enum Combined {
    Value(Value),
    /// The function failed.
    Nothing,
    /// The plugin was not asked yet.
    Unknown(MergeQuestion),
}

impl FieldMerge<'_> {
    /// Members want different values, and a function makes one of them.
    pub(super) fn resolve_by_function(
        &mut self,
        function: &TransformRef,
        votes: &[Vote],
        unsure: bool,
    ) -> Option<ReviewSubject> {
        let name = function_name(function);
        let made = match self.combine(votes) {
            Combined::Value(made) => made,
            Combined::Nothing => {
                return Some(self.undecided(votes, format!("by hand, because {name} failed")));
            }
            Combined::Unknown(question) => {
                self.asks = Some(question);
                return Some(self.undecided(votes, format!("{name} merges")));
            }
        };
        let made = Some(made);
        if unsure && !self.is_same(&made, &self.old.value) {
            return Some(self.undecided(votes, super::asked::UNSURE.to_owned()));
        }
        let values = self.shown(votes);
        self.decided = Some(self.conflict(values, format!("{name} merges"), Some(made.clone())));
        if made != self.old.value {
            self.replace(made, None, Span::default(), 0);
        }
        self.reason = Reason::MergedBy { function: name };
        self.overrule();
        None
    }

    fn undecided(&self, votes: &[Vote], policy: String) -> ReviewSubject {
        let mut values = self.shown(votes);
        self.add_newcomers(&mut values);
        self.conflict(values, policy, None)
    }

    /// Merges the votes in the order of their systems, so that every cycle asks the same.
    fn combine(&self, votes: &[Vote]) -> Combined {
        let value = |cell: &Cell| cell.clone().unwrap_or(Value::Null);
        let mut votes: Vec<&Vote> = votes.iter().collect();
        votes.sort_by(|one, other| one.system.cmp(&other.system));
        let mut votes = votes.into_iter().map(|vote| value(&vote.value));
        let Some(mut merged) = votes.next() else { return Combined::Nothing };
        for right in votes {
            if right == merged {
                continue;
            }
            let (field, base) = (self.rules.position, value(&self.old.value));
            let question = MergeQuestion { field, base, left: merged, right };
            match self.rules.answers.find(&question) {
                Some(Some(made)) => merged = made.clone(),
                Some(None) => return Combined::Nothing,
                None => return Combined::Unknown(question),
            }
        }
        Combined::Value(merged)
    }
}
