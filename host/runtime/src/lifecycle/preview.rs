//! Previews a new version of a transform: recent rows through both versions, the
//! difference by field.
//!
//! Each row is a call of its own, under the limits of every call, so that a row at which a version
//! fails is counted and the others are still compared. Values are described, not shown, unless the
//! admin asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::{TransformCall, Way};
use renkei_model::value::{Cell, SmolStr, Value, text_of_parts};
use renkei_package::{Function, ManifestKind};
use serde::Serialize;

use crate::lifecycle::admin::AdminError;
use crate::lifecycle::samples::Sample;

use crate::sandbox::engine::SharedEngine;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::limits::GuestLimits;
use crate::sandbox::settings;
use crate::sandbox::transform;

/// Two versions to be compared, or why there are none.
pub(crate) type PairResult = Result<VersionPair, AdminError>;

/// Two versions to be compared.
pub(crate) struct VersionPair {
    /// The version that serves, if any does; where the file serves, the version before.
    pub(crate) other: Option<Arc<PluginGeneration>>,
    /// The version in the file.
    pub(crate) candidate: PluginGeneration,
    /// The file serves already.
    pub(crate) serves: bool,
}

/// Examples per field.
const EXAMPLES: usize = 3;

/// The difference between two versions of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Preview {
    /// The plugin's id.
    pub id: String,
    /// `connector` or `transform`; connectors have no rows to be tried with.
    pub kind: String,
    /// The version that the file is compared with: what serves or, where the file itself does, the
    /// one before. None where there is no such version.
    pub serving: Option<PreviewVersion>,
    /// The version in the file.
    pub candidate: PreviewVersion,
    /// The file is what serves already.
    pub serves: bool,
    /// The permissions that it asks for and the other one does not.
    pub asks_more: Vec<String>,
    /// The permissions that the other one asks for and it does not.
    pub asks_less: Vec<String>,
    /// Functions that are only in the file.
    pub functions_added: Vec<String>,
    /// Functions that are not in the file any more.
    pub functions_removed: Vec<String>,
    /// Two-way functions that would run one-way, with the reason.
    pub one_way: BTreeMap<String, String>,
    /// Recent rows that were tried.
    pub rows: u64,
    /// Those with a different answer, failures among them.
    pub changed_rows: u64,
    /// Fields that differ.
    pub fields: Vec<FieldChange>,
    /// Functions at which a version failed.
    pub failures: Vec<PreviewFailures>,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PreviewVersion {
    pub version: String,
    /// SHA-256 of the file, hex.
    pub digest: String,
}

impl From<&Generation> for PreviewVersion {
    fn from(generation: &Generation) -> Self {
        Self { version: generation.version.clone(), digest: generation.digest.clone() }
    }
}

/// A field whose value differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The function.
    pub function: String,
    /// `forward` or `backward`.
    pub way: &'static str,
    /// The column of the answer.
    pub field: String,
    /// Rows in which it differs.
    pub changed: u64,
    /// A few of them.
    pub examples: Vec<PreviewExample>,
}

/// One difference; values are described by kind and length unless they are to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PreviewExample {
    pub before: String,
    pub after: String,
}

/// Rows at which a version failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewFailures {
    /// The function.
    pub function: String,
    /// `forward` or `backward`.
    pub way: &'static str,
    /// Rows at which the serving version failed.
    pub before: u64,
    /// Rows at which the file failed.
    pub after: u64,
    /// The first failure of the version in the file.
    pub reason: Option<String>,
}

/// Runs the samples, by function, through both versions.
pub(crate) async fn compare(
    shared: &Arc<SharedEngine>,
    limits: &GuestLimits,
    pair: &VersionPair,
    samples: &BTreeMap<String, Vec<Sample>>,
    show_values: bool,
) -> Preview {
    let (serving, candidate) = (pair.other.as_deref(), &pair.candidate);
    let mut preview = empty(pair);
    let Some(serving) = serving else { return preview };
    for (name, samples) in samples {
        let mut tally = PreviewTally { show_values, ..PreviewTally::default() };
        for sample in samples {
            let (Ok((old, _)), Ok((new, _))) = (serving.function(name), candidate.function(name))
            else {
                continue;
            };
            let before = run(shared, limits, serving, old, sample).await;
            let after = run(shared, limits, candidate, new, sample).await;
            preview.rows += 1;
            preview.changed_rows += u64::from(tally.count(sample.way(), before, after));
        }
        tally.report(name, &mut preview);
    }
    preview
}

fn empty(pair: &VersionPair) -> Preview {
    let (serving, candidate) = (pair.other.as_deref(), &pair.candidate);
    let asked =
        |plugin: Option<&PluginGeneration>| plugin.map(PluginGeneration::asked).unwrap_or_default();
    let (old, new) = (asked(serving), asked(Some(candidate)));
    let (had, has) = (serving.map(functions).unwrap_or_default(), functions(candidate));
    Preview {
        id: candidate.generation.plugin.clone(),
        kind: candidate.manifest.kind.name().to_owned(),
        serving: serving.map(|serving| PreviewVersion::from(&serving.generation)),
        candidate: PreviewVersion::from(&candidate.generation),
        serves: pair.serves,
        asks_more: only_in(&new, &old),
        asks_less: only_in(&old, &new),
        functions_added: only_in(&has, &had),
        functions_removed: only_in(&had, &has),
        one_way: candidate.one_way.clone(),
        rows: 0,
        changed_rows: 0,
        fields: Vec::new(),
        failures: Vec::new(),
    }
}

/// The texts of what only `these` has.
fn only_in<T: Ord + ToString>(these: &BTreeSet<T>, those: &BTreeSet<T>) -> Vec<String> {
    these.difference(those).map(ToString::to_string).collect()
}

fn functions(plugin: &PluginGeneration) -> BTreeSet<String> {
    match &plugin.manifest.kind {
        ManifestKind::Transform(manifest) => {
            manifest.functions.iter().map(|f| f.name.clone()).collect()
        }
        ManifestKind::Connector(_) => BTreeSet::new(),
    }
}

/// One answer: its cells by column.
type RowResult = Result<BTreeMap<String, Cell>, String>;

async fn run(
    shared: &Arc<SharedEngine>,
    limits: &GuestLimits,
    plugin: &PluginGeneration,
    function: &Function,
    sample: &Sample,
) -> RowResult {
    let way = sample.way();
    let (from, to) = match way {
        Way::Forward => (&function.input, &function.output),
        Way::Backward => (&function.output, &function.input),
    };
    // A parameter that this version does not know is not given to it.
    let known = |(name, _): &&(String, Value)| function.parameters.iter().any(|p| p.name == *name);
    let given = sample.parameters().iter().filter(known).cloned().collect();
    let parameters = settings::complete(&function.parameters, &given)?;
    let (input, old) = (sample.input(from), sample.old(to));
    let (id, name) = (plugin.generation.plugin.as_str(), function.name.as_str());
    let call = TransformCall {
        plugin: id,
        function: name,
        way,
        parameters: &parameters,
        input: &input,
        old: &old,
    };
    let answer = transform::call(shared, limits, plugin, call).await;
    let answer = answer.map_err(|failed| in_words(failed.into()))?;
    let cells = answer.rows.into_iter().next().map(|row| row.cells).unwrap_or_default();
    Ok(answer.columns.into_iter().zip(cells).collect())
}

/// The reason why a version failed; a guest's own message may hold values and is left out.
fn in_words(error: PluginError) -> String {
    match error {
        PluginError::Broken { reason, .. } => reason,
        PluginError::Invalid { problem, .. } => format!("it refused the row ({})", problem.code),
        PluginError::Unsupported { what, .. } => what,
        _ => "it refused the row".to_owned(),
    }
}

/// The differences of one function.
#[derive(Default)]
struct PreviewTally {
    show_values: bool,
    fields: BTreeMap<(&'static str, String), (u64, Vec<PreviewExample>)>,
    failures: BTreeMap<&'static str, (u64, u64, Option<String>)>,
}

impl PreviewTally {
    /// Counts a row; whether its answer differs.
    fn count(&mut self, way: Way, before: RowResult, after: RowResult) -> bool {
        let way = match way {
            Way::Forward => "forward",
            Way::Backward => "backward",
        };
        let (before, after) = match (before, after) {
            (Ok(before), Ok(after)) => (before, after),
            (before, after) => {
                let differs = before.is_ok() != after.is_ok();
                let failed = self.failures.entry(way).or_default();
                failed.0 += u64::from(before.is_err());
                failed.1 += u64::from(after.is_err());
                failed.2 = failed.2.take().or(after.err());
                return differs;
            }
        };
        let columns: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut differs = false;
        for column in columns {
            let cell = |answer: &BTreeMap<String, Cell>| answer.get(column).cloned().flatten();
            let (before, after) = (cell(&before), cell(&after));
            if before == after {
                continue;
            }
            differs = true;
            let show = self.show_values;
            let (changed, examples) = self.fields.entry((way, column.clone())).or_default();
            *changed += 1;
            if examples.len() < EXAMPLES {
                let (before, after) = (shown(&before, show), shown(&after, show));
                examples.push(PreviewExample { before, after });
            }
        }
        differs
    }

    fn report(self, function: &str, preview: &mut Preview) {
        for ((way, field), (changed, examples)) in self.fields {
            let function = function.to_owned();
            preview.fields.push(FieldChange { function, way, field, changed, examples });
        }
        for (way, (before, after, reason)) in self.failures {
            let function = function.to_owned();
            preview.failures.push(PreviewFailures { function, way, before, after, reason });
        }
    }
}

/// A value, or what kind of value it is.
fn shown(cell: &Cell, show_values: bool) -> String {
    let Some(value) = cell else { return "absent".to_owned() };
    if show_values {
        return serde_json::to_string(&plain(value)).unwrap_or_default();
    }
    let text = |text: &str| format!("text of {} characters", text.chars().count());
    match value {
        Value::Null => "empty".to_owned(),
        Value::Boolean(_) => "a truth value".to_owned(),
        Value::Integer(_) => "an integer".to_owned(),
        Value::Decimal(_) => "a decimal".to_owned(),
        Value::Text(value) => text(value),
        Value::Other(parts) => text(&text_of_parts(parts)),
        Value::Date(_) => "a date".to_owned(),
        Value::Timestamp(_) => "a time".to_owned(),
        Value::Choices(items) => format!("{} choices", items.len()),
        Value::References(items) => format!("{} references", items.len()),
    }
}

/// As JSON without the kind.
fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Boolean(flag) => (*flag).into(),
        Value::Integer(number) | Value::Timestamp(number) => (*number).into(),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) => text.as_str().into(),
        Value::Other(parts) => text_of_parts(parts).into(),
        Value::Choices(items) | Value::References(items) => {
            items.iter().map(SmolStr::as_str).collect::<Vec<_>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cells: &[(&str, Cell)]) -> RowResult {
        Ok(cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect())
    }

    #[test]
    fn differences_are_counted_by_field_and_values_described() {
        let text = |text: &str| Some(Value::from(text));
        let old = || answer(&[("a", text("山田")), ("b", None), ("c", text("x"))]);
        let new =
            || answer(&[("a", text("山田 太郎")), ("b", Some(Value::Null)), ("c", text("x"))]);
        let mut tally = PreviewTally::default();
        assert!(!tally.count(Way::Forward, old(), old()));
        for _ in 0..5 {
            assert!(tally.count(Way::Forward, old(), new()));
        }
        assert!(tally.count(Way::Backward, old(), answer(&[("a", text("山田")), ("b", None)])));
        assert!(tally.count(Way::Backward, old(), Err("it trapped".to_owned())));
        assert!(!tally.count(Way::Backward, Err("old".to_owned()), Err("new".to_owned())));
        let field = |way, name: &str| tally.fields.get(&(way, name.to_owned())).cloned();
        let (changed, examples) = field("forward", "a").unwrap();
        assert_eq!((changed, examples.len()), (5, EXAMPLES));
        assert_eq!(examples[0].before, "text of 2 characters");
        assert_eq!(examples[0].after, "text of 5 characters");
        let (_, examples) = field("forward", "b").unwrap();
        assert_eq!((&*examples[0].before, &*examples[0].after), ("absent", "empty"));
        assert_eq!(field("forward", "c"), None);
        assert_eq!(field("backward", "c").unwrap().0, 1, "a column that is gone");
        assert_eq!(tally.failures["backward"], (1, 2, Some("it trapped".to_owned())));

        let mut tally = PreviewTally { show_values: true, ..PreviewTally::default() };
        tally.count(Way::Forward, old(), new());
        let (_, examples) = &tally.fields[&("forward", "a".to_owned())];
        assert_eq!(examples[0].after, "\"山田 太郎\"");
    }
}
