//! Questions to merge functions, and their answers (`RULES.md` E6).

use std::collections::{HashMap, HashSet};

use crate::read::transforms::TransformCalls;
use renkei_model::canonical::fit;
use renkei_model::index::FieldIndex;
use renkei_model::plugin::PluginError;
use renkei_model::spec::EntitySpec;
use renkei_model::value::Value;

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
    /// The answer to a question; `None` where it was not asked yet.
    pub(crate) fn find(&self, question: &MergeQuestion) -> Option<&Option<Value>> {
        self.0.get(question)
    }

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
