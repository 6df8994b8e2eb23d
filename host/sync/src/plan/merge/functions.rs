//! Conflicts that a merge function of a transform decides (`RULES.md` E6).
//!
//! The planner is pure and asks no plugin. It looks the answer up in [`MergeAnswers`]; where there
//! is none yet, the plan of the link names the question, and is made again once the plugin has
//! answered it. A function that fails decides nothing: then a person does.

use std::collections::{HashMap, HashSet};

use super::FieldMerge;
use crate::plan::policy::{Vote, function_name};
use crate::read::transforms::TransformCalls;
use renkei_model::canonical::fit;
use renkei_model::index::FieldIndex;
use renkei_model::plugin::PluginError;
use renkei_model::reason::Reason;
use renkei_model::spec::{EntitySpec, TransformRef};
use renkei_model::state::{ReviewSubject, Span};
use renkei_model::value::{Cell, Value};

/// Two values of a field that a merge function makes one of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MergeQuestion {
    /// The field.
    pub field: FieldIndex,
    /// The value that all systems had; null where they had none.
    pub base: Value,
    /// One system's value.
    pub left: Value,
    /// Another one's.
    pub right: Value,
}

/// The values that merge functions made; none where a function failed.
#[derive(Debug, Default)]
pub struct MergeAnswers(HashMap<MergeQuestion, Option<Value>>);

impl MergeAnswers {
    /// Asks the plugins the questions of an entity that are not answered yet.
    ///
    /// # Errors
    /// An error of a plugin that is not about single values.
    pub async fn ask_plugins(
        &mut self,
        transforms: &TransformCalls<'_>,
        entity: &EntitySpec,
        questions: HashSet<MergeQuestion>,
    ) -> Result<(), PluginError> {
        let mut by_field: HashMap<FieldIndex, Vec<MergeQuestion>> = HashMap::new();
        for question in questions {
            by_field.entry(question.field).or_default().push(question);
        }
        for (position, questions) in by_field {
            let field = &entity[position];
            let Some(function) = field.winner.merge_function() else { continue };
            let row = |one: &MergeQuestion| {
                [&one.base, &one.left, &one.right].map(|value| Some(value.clone())).to_vec()
            };
            let rows = questions.iter().map(row).collect();
            let answers = transforms.forward(function, rows).await?;
            for (question, answer) in questions.into_iter().zip(answers) {
                let made = answer.ok().and_then(|cells| cells.into_iter().next().flatten());
                let fitting = made.and_then(|value| fit(&field.kind, Some(value), None).ok());
                self.0.insert(question, fitting.flatten());
            }
        }
        Ok(())
    }
}

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
            match self.rules.answers.0.get(&question) {
                Some(Some(made)) => merged = made.clone(),
                Some(None) => return Combined::Nothing,
                None => return Combined::Unknown(question),
            }
        }
        Combined::Value(merged)
    }
}
