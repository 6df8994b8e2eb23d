//! A double of a two-way transform, small letters, with one flaw at a time.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use renkei_conformance::transform::FunctionTrial;
use renkei_conformance::{CheckVerdict, ConformanceReport};
use renkei_model::plugin::{Cap, Generation, PluginError, StopCause};
use renkei_model::ports::{TransformCall, Transforms, Way};
use renkei_model::record::{Batch, Problem, Remedy, Row};
use renkei_model::value::{Cell, Value};
use renkei_package::{Function, Manifest, ManifestKind};

use crate::{failed, found, named};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransformFlaw {
    None,
    WrongColumn,
    LosesRow,
    RefusesEmoji,
    RefusesLong,
    TrapsBackward,
    CountsCalls,
    LooksAtNeighbour,
    ForgetsOld,
    ForgetsWritten,
    AddsSpaceEachTime,
    AcceptsAnything,
    HidesTheName,
    TrapsOnParameter,
    /// Every call is stopped so.
    Stops(StopCause),
    /// Its code has no function of that name.
    UnknownName,
}

struct SmallLetters {
    flaw: TransformFlaw,
    calls: AtomicI64,
}

fn plugin() -> Generation {
    let (plugin, version, digest) = ("small".to_owned(), "1.0.0".to_owned(), String::new());
    Generation { plugin, version, digest }
}

fn broken(reason: &str) -> PluginError {
    PluginError::Broken { plugin: plugin(), cause: StopCause::Trap, reason: reason.to_owned() }
}

fn invalid(message: &str) -> PluginError {
    let (code, message) = ("value".to_owned(), message.to_owned());
    let problem = Problem { code, message, field: None, remedy: Remedy::Plugin };
    PluginError::Invalid { plugin: plugin(), problem }
}

fn small(cell: &Cell) -> Cell {
    match cell {
        Some(Value::Text(text)) => Some(Value::Text(text.to_lowercase().into())),
        other => other.clone(),
    }
}

impl SmallLetters {
    /// The host's check of parameters before a plugin sees them.
    fn parameters(&self, call: &TransformCall<'_>) -> Result<(), PluginError> {
        if self.flaw == TransformFlaw::AcceptsAnything {
            return Ok(());
        }
        for (name, value) in call.parameters {
            let good = name == "locale" && value.as_text().is_some();
            let odd = value.as_text().is_some_and(|text| text.contains('\u{7f}'));
            if good && odd && self.flaw == TransformFlaw::TrapsOnParameter {
                return Err(broken("unreachable"));
            }
            if !good || odd {
                let hides = self.flaw == TransformFlaw::HidesTheName;
                let message =
                    if hides { "no".to_owned() } else { format!("`{name}` is malformed") };
                return Err(invalid(&message));
            }
        }
        Ok(())
    }

    fn refused(&self, call: &TransformCall<'_>) -> Result<(), PluginError> {
        let texts = call.input.rows.iter().flat_map(|row| &row.cells).flatten();
        let mut texts = texts.filter_map(Value::as_text);
        match self.flaw {
            TransformFlaw::Stops(cause) => {
                let reason = "so it ends".to_owned();
                Err(PluginError::Broken { plugin: plugin(), cause, reason })
            }
            TransformFlaw::UnknownName => {
                let what = "small".to_owned();
                Err(PluginError::Unsupported { plugin: plugin(), what })
            }
            TransformFlaw::RefusesEmoji if texts.any(|text| text.contains('😀')) => {
                Err(invalid("emoji"))
            }
            TransformFlaw::RefusesLong if texts.any(|text| text.len() > 4_000) => {
                Err(invalid("long"))
            }
            TransformFlaw::TrapsBackward if call.way == Way::Backward => Err(broken("unreachable")),
            _ => Ok(()),
        }
    }

    fn cell(&self, way: Way, cell: &Cell, old: Option<&Cell>, before: Option<&Cell>) -> Cell {
        let kept = old.filter(|old| small(old) == *cell);
        match (way, self.flaw) {
            (Way::Forward, TransformFlaw::CountsCalls) => {
                Some(Value::Integer(self.calls.fetch_add(1, Ordering::Relaxed)))
            }
            (Way::Forward, TransformFlaw::LooksAtNeighbour) if before == Some(&None) => None,
            (Way::Forward, TransformFlaw::AddsSpaceEachTime) if old.is_some() => {
                Some(Value::from("something else"))
            }
            (Way::Forward, _) => small(cell),
            (Way::Backward, TransformFlaw::ForgetsOld) => cell.clone(),
            (Way::Backward, TransformFlaw::ForgetsWritten) => old.cloned().flatten(),
            (Way::Backward, _) => kept.unwrap_or(cell).clone(),
        }
    }
}

#[async_trait]
impl Transforms for SmallLetters {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        self.parameters(&call)?;
        self.refused(&call)?;
        let column = match (call.way, self.flaw) {
            (_, TransformFlaw::WrongColumn) => "large",
            (Way::Forward, _) => "small",
            (Way::Backward, _) => "text",
        };
        let mut rows = Vec::new();
        let mut before: Option<&Cell> = None;
        for (index, row) in call.input.rows.iter().enumerate() {
            let old = call.old.rows.get(index).map(|row| &row.cells[0]);
            let cell = self.cell(call.way, &row.cells[0], old, before);
            rows.push(Row { cells: vec![cell], ..Row::default() });
            before = Some(&row.cells[0]);
        }
        if self.flaw == TransformFlaw::LosesRow {
            rows.pop();
        }
        Ok(Batch { columns: vec![column.to_owned()], rows })
    }
}

fn function(shape: &str) -> Function {
    let toml = format!(
        "id = \"small\"\ntitle = \"Small\"\npublisher = \"acme\"\nkind = \"transform\"\n\
         contract = \"0.2\"\nversion = \"1.0.0\"\n\
         [[function]]\nname = \"small\"\nshape = \"{shape}\"\nhelp = \"x\"\n\
         input = [\"text\"]\noutput = [\"small\"]\n\
         [[function.parameter]]\nname = \"locale\"\nkind = \"text\"\nhelp = \"x\"\n"
    );
    match Manifest::from_toml(&toml, None).unwrap().kind {
        ManifestKind::Transform(mut transform) => transform.functions.remove(0),
        ManifestKind::Connector(_) => panic!("a transform"),
    }
}

async fn tried(flaw: TransformFlaw, small: TransformFlaw) -> ConformanceReport {
    let of = |flaw| SmallLetters { flaw, calls: AtomicI64::new(0) };
    let (ordinary, small) = (of(flaw), of(small));
    let function = function("two-way");
    let trial = FunctionTrial {
        transforms: &ordinary,
        small: Ok(&small),
        plugin: "small",
        function: &function,
        parameters: &Vec::new(),
        seed: 1,
    };
    let mut report = ConformanceReport::default();
    trial.check(&mut report).await;
    report
}

/// The flaw fails these checks and no others.
async fn check(flaw: TransformFlaw, expected: &[&str]) -> ConformanceReport {
    let report = tried(flaw, flaw).await;
    assert_eq!(failed(&report), expected, "{flaw:?}: {}", report.to_text());
    report
}

#[tokio::test]
async fn transform_that_keeps_every_rule_passes_every_check() {
    let report = check(TransformFlaw::None, &[]).await;
    let all = [
        "settings",
        "columns",
        "total",
        "deterministic",
        "row-independent",
        "small-limits",
        "lens-get-put",
        "lens-put-get",
        "lens-stable",
    ];
    assert_eq!(named(&report, &CheckVerdict::Passed), all);
}

#[tokio::test]
async fn answer_of_another_shape_fails_the_columns_check() {
    let columns = check(TransformFlaw::WrongColumn, &["columns"]).await;
    assert!(found(&columns, "columns").contains("large"), "{}", columns.to_text());
    let report = tried(TransformFlaw::LosesRow, TransformFlaw::LosesRow).await;
    assert!(failed(&report).contains(&"columns"), "{}", report.to_text());
}

#[tokio::test]
async fn refused_row_is_shown_shrunk_and_other_rows_are_still_tried() {
    let report = check(TransformFlaw::RefusesEmoji, &["total"]).await;
    assert!(found(&report, "total").contains("forward of \"😀\": "), "{}", report.to_text());
    assert!(named(&report, &CheckVerdict::Passed).contains(&"row-independent"));
    let report = check(TransformFlaw::RefusesLong, &["total"]).await;
    assert!(found(&report, "total").contains("characters)"), "{}", report.to_text());
    let report = check(TransformFlaw::TrapsBackward, &["total"]).await;
    assert!(found(&report, "total").starts_with("backward of "), "{}", report.to_text());
}

#[tokio::test]
async fn call_without_an_answer_breaks_no_law() {
    // Backward is never answered: what needs it is not tried, and `stable` does without.
    let report = check(TransformFlaw::TrapsBackward, &["total"]).await;
    let skipped = named(&report, &CheckVerdict::NotApplicable);
    assert!(skipped.ends_with(&["lens-get-put", "lens-put-get"]), "{}", report.to_text());
    assert!(named(&report, &CheckVerdict::Passed).contains(&"lens-stable"), "{}", report.to_text());
    let last = report.checks.iter().find(|check| check.check == "lens-get-put").unwrap();
    assert_eq!(last.remark, "the function does not answer ordinary rows, see `total`");
}

#[tokio::test]
async fn advice_follows_the_cause_of_a_failed_call() {
    for (flaw, words) in [
        (TransformFlaw::Stops(StopCause::Trap), "the plugin ended without a line"),
        (TransformFlaw::Stops(StopCause::Limit(Cap::RunTime)), "the call does not end"),
        (TransformFlaw::Stops(StopCause::Limit(Cap::Memory)), "stay below the limit"),
        (TransformFlaw::UnknownName, "the manifest lists `small`, the code does not"),
        (TransformFlaw::RefusesEmoji, "make a value that does not convert null or absent"),
    ] {
        let report = check(flaw, &["total"]).await;
        let total = report.checks.iter().find(|check| check.check == "total").unwrap();
        assert!(total.advice.starts_with(words), "{flaw:?}: {}", report.to_text());
    }
    let report = check(TransformFlaw::Stops(StopCause::Contract), &["columns", "total"]).await;
    let advice = |name| &report.checks.iter().find(|check| check.check == name).unwrap().advice;
    assert!(advice("columns").starts_with("give one row for each row"), "{}", report.to_text());
    assert!(advice("total").starts_with("make the answer fit"), "{}", report.to_text());
}

#[tokio::test]
async fn state_between_calls_fails_its_checks() {
    let report = tried(TransformFlaw::CountsCalls, TransformFlaw::CountsCalls).await;
    let failed = failed(&report);
    assert!(failed.contains(&"deterministic") && failed.contains(&"row-independent"));
    let report = tried(TransformFlaw::LooksAtNeighbour, TransformFlaw::LooksAtNeighbour).await;
    assert!(found(&report, "row-independent").contains("at first"), "{}", report.to_text());
    assert!(!crate::failed(&report).contains(&"deterministic"));
}

#[tokio::test]
async fn broken_law_is_shown_at_the_smallest_row() {
    let report = check(TransformFlaw::ForgetsOld, &["lens-get-put"]).await;
    let words = found(&report, "lens-get-put");
    assert!(words.starts_with("a = [\"") && words.contains("expected ["), "{words}");
    let letters = words.split('"').nth(1).unwrap().chars().count();
    assert_eq!(letters, 1, "not shrunk: {words}");
    let report = check(TransformFlaw::ForgetsWritten, &["lens-put-get"]).await;
    assert!(found(&report, "lens-put-get").contains("b = forward("), "{}", report.to_text());
    check(TransformFlaw::AddsSpaceEachTime, &["lens-put-get", "lens-stable"]).await;
}

#[tokio::test]
async fn malformed_parameter_must_be_refused_by_name() {
    for (flaw, words) in [
        (TransformFlaw::AcceptsAnything, "accepted"),
        (TransformFlaw::HidesTheName, "does not name it"),
        (TransformFlaw::TrapsOnParameter, "stopped the plugin"),
    ] {
        let report = check(flaw, &["settings"]).await;
        assert!(found(&report, "settings").contains(words), "{}", report.to_text());
    }
}

#[tokio::test]
async fn other_answer_under_small_limits_fails() {
    let report = tried(TransformFlaw::None, TransformFlaw::CountsCalls).await;
    assert_eq!(failed(&report), ["small-limits"], "{}", report.to_text());
}

/// A merge function: of two texts the longer, or always the left one.
struct Merging {
    takes_left: bool,
}

#[async_trait]
impl Transforms for Merging {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        if let Some((name, _)) = call.parameters.first() {
            return Err(invalid(&format!("`{name}` is unknown")));
        }
        let row = |row: &Row| {
            let (left, right) = (row.cells[1].clone(), row.cells[2].clone());
            let weight = |cell: &Cell| (format!("{cell:?}").len(), format!("{cell:?}"));
            let longer = std::cmp::max_by_key(left.clone(), right, weight);
            let cells = vec![if self.takes_left { left } else { longer }];
            Row { cells, ..Row::default() }
        };
        let rows = call.input.rows.iter().map(row).collect();
        Ok(Batch { columns: vec!["merged".to_owned()], rows })
    }
}

#[tokio::test]
async fn merge_function_takes_no_side() {
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let function = Function {
        input: columns(&renkei_package::MERGE_INPUT),
        output: columns(&renkei_package::MERGE_OUTPUT),
        shape: renkei_package::FunctionShape::Merge,
        parameters: Vec::new(),
        ..function("one-way")
    };
    for (takes_left, expected) in [(false, &[][..]), (true, &["merge-either-side"][..])] {
        let double = Merging { takes_left };
        let trial = FunctionTrial {
            transforms: &double,
            small: Err("it does not start"),
            plugin: "merging",
            function: &function,
            parameters: &Vec::new(),
            seed: 1,
        };
        let mut report = ConformanceReport::default();
        trial.check(&mut report).await;
        assert_eq!(failed(&report), expected, "{}", report.to_text());
    }
}
