//! What a run found: one line per check, for people and as JSON.
//!
//! A check passes, fails with what was seen and what to do, or does not apply, with the reason.
//! Only a failure makes the run fail; what does not apply is counted, so that a run which tried
//! little does not look like one that tried everything.

use renkei_sync::model::plugin::PluginError;
use serde::Serialize;
use serde_json::{Value, json};

use crate::rules::Rule;
use crate::said::Ears;
use crate::why::Explanation;

/// Findings of one check that are shown; the rest is counted.
const FOUND_MAX: usize = 5;
/// Characters of one finding.
const FINDING_CHARS: usize = 400;

/// Why a check stopped before it passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The rule is broken; what was seen.
    Failed(Vec<String>),
    /// A call gave no answer for a reason that is not about the rule; what was seen.
    Stopped(Vec<String>, Explanation),
    /// The rule does not concern this plugin, or cannot be tried here.
    NotApplicable(String),
}

/// How a check ended; the text is a remark for the report, often empty.
pub type Outcome = Result<String, Stop>;

impl Stop {
    /// A failure with one finding.
    pub fn failed(found: impl Into<String>) -> Self {
        Self::Failed(vec![found.into()])
    }

    /// A failure because of a call that ended with this error, told in these words.
    pub fn of(error: &PluginError, words: impl Into<String>) -> Self {
        Self::failed(words).because(Explanation::of(error))
    }

    /// The same failure, whose advice follows the kind of an error.
    pub(crate) fn because(self, why: Option<Explanation>) -> Self {
        match (self, why) {
            (Self::Failed(found), Some(why)) => Self::Stopped(found, why),
            (other, _) => other,
        }
    }

    /// A reason why the rule is not tried.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable(reason.into())
    }
}

impl From<PluginError> for Stop {
    fn from(error: PluginError) -> Self {
        Self::of(&error, error.to_string())
    }
}

/// An outcome from a list of findings: none is a pass with this remark.
pub(crate) fn none_of(found: Vec<String>, remark: impl Into<String>) -> Outcome {
    if found.is_empty() { Ok(remark.into()) } else { Err(Stop::Failed(found)) }
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The rule holds as far as it was tried.
    Passed,
    /// It does not.
    Failed,
    /// It was not tried.
    NotApplicable,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The rule's name.
    pub check: String,
    /// The object or function that it was tried on; empty for the whole plugin.
    #[serde(rename = "on")]
    pub subject: String,
    /// How it ended.
    pub verdict: Verdict,
    /// A remark, or why it does not apply; may be empty.
    pub remark: String,
    /// What was seen, where it failed.
    pub found: Vec<String>,
    /// The plugin's own last lines, where it failed.
    pub said: Vec<String>,
    /// What to do about it, where it failed.
    pub advice: String,
}

/// The whole run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The file's name.
    pub file: String,
    /// Id, version, digest and kind, once the file could be read.
    pub plugin: Value,
    /// The simulator of a connector, as it was named.
    pub simulator: Option<String>,
    /// What the generated data came from: the same seed makes the same run.
    pub seed: u64,
    /// In the order tried.
    pub checks: Vec<Check>,
    /// What hears the plugin meanwhile.
    #[serde(skip)]
    pub(crate) ears: Ears,
}

impl Report {
    /// Adds the outcome of a rule on one object or function, or on the whole plugin (`""`).
    pub fn add(&mut self, rule: &Rule, subject: &str, outcome: Outcome) {
        let mut said = self.ears.take(matches!(outcome, Err(Stop::Stopped(..))));
        let (verdict, remark, found, advice) = match outcome {
            Ok(remark) => (Verdict::Passed, remark, Vec::new(), String::new()),
            Err(Stop::Failed(found)) => {
                (Verdict::Failed, String::new(), shown(found), rule.advice.to_owned())
            }
            Err(Stop::Stopped(found, why)) => {
                let advice = why.advice(rule, subject, !said.is_empty());
                (Verdict::Failed, String::new(), shown(found), advice)
            }
            Err(Stop::NotApplicable(reason)) => {
                (Verdict::NotApplicable, reason, Vec::new(), String::new())
            }
        };
        if verdict != Verdict::Failed {
            said.clear();
        }
        let (check, subject) = (rule.name.to_owned(), subject.to_owned());
        self.checks.push(Check { check, subject, verdict, remark, found, said, advice });
    }

    /// Whether this rule failed on this object or function.
    pub(crate) fn has_failed(&self, rule: &Rule, subject: &str) -> bool {
        self.checks.iter().any(|check| {
            check.verdict == Verdict::Failed && check.check == rule.name && check.subject == subject
        })
    }

    /// How many checks ended so.
    pub fn count(&self, verdict: &Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == *verdict).count()
    }

    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.count(&Verdict::Failed) == 0
    }

    /// The report as one JSON object; its keys are documented in `plugins/README.md`.
    pub fn to_json(&self) -> Value {
        json!({
            "file": self.file,
            "plugin": self.plugin,
            "simulator": self.simulator,
            "seed": self.seed,
            "passed": self.count(&Verdict::Passed),
            "failed": self.count(&Verdict::Failed),
            "not_applicable": self.count(&Verdict::NotApplicable),
            "checks": self.checks,
        })
    }

    /// The report for people: a line per check, failures with what was seen and what to do.
    pub fn to_text(&self) -> String {
        let mut text = self.headline();
        let name = |check: &Check| format!("{} {}", check.check, check.subject).trim().to_owned();
        let width = self.checks.iter().map(|check| name(check).chars().count()).max();
        let width = width.unwrap_or_default();
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Passed => "passed",
                Verdict::Failed => "FAILED",
                Verdict::NotApplicable => "not applicable",
            };
            let line = format!("{verdict:<14}  {:<width$}  {}", name(check), check.remark);
            line_to(&mut text, line.trim_end());
            for found in &check.found {
                line_to(&mut text, &format!("                saw: {found}"));
            }
            for said in &check.said {
                line_to(&mut text, &format!("            it said: {said}"));
            }
            if !check.advice.is_empty() {
                line_to(&mut text, &format!("                do:  {}", check.advice));
            }
        }
        let [passed, failed, other] =
            [Verdict::Passed, Verdict::Failed, Verdict::NotApplicable].map(|v| self.count(&v));
        line_to(&mut text, &format!("{passed} passed, {failed} failed, {other} not applicable"));
        text.trim_end().to_owned()
    }

    fn headline(&self) -> String {
        let word = |key: &str| self.plugin.get(key).and_then(Value::as_str).unwrap_or("?");
        let mut text = self.file.clone();
        if self.plugin.is_object() {
            let said = format!(": {} {} {}", word("kind"), word("id"), word("version"));
            text.push_str(&said);
        }
        if let Some(simulator) = &self.simulator {
            text.push_str(&format!(", against the simulator {simulator}"));
        }
        text.push('\n');
        text
    }
}

fn line_to(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn shown(mut found: Vec<String>) -> Vec<String> {
    let more = found.len().saturating_sub(FOUND_MAX);
    found.truncate(FOUND_MAX);
    for one in &mut found {
        if one.chars().count() > FINDING_CHARS {
            *one = one.chars().take(FINDING_CHARS).chain("...".chars()).collect();
        }
    }
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;

    fn report() -> Report {
        let mut report = Report { file: "a.wasm".to_owned(), ..Report::default() };
        report.add(&rules::FILE, "", Ok(String::new()));
        report.add(&rules::TOTAL, "same", Err(Stop::failed("it trapped")));
        report.add(&rules::QUOTA, "", Err(Stop::not_applicable("no simulator")));
        report
    }

    #[test]
    fn only_a_failure_fails_the_run() {
        let mut report = report();
        assert!(!report.passed());
        report.checks.remove(1);
        assert!(report.passed());
        assert_eq!(report.to_json()["not_applicable"], 1);
    }

    #[test]
    fn a_failure_says_what_was_seen_and_what_to_do() {
        let text = report().to_text();
        assert!(text.contains("FAILED          total same"), "{text}");
        assert!(text.contains("saw: it trapped\n") && text.contains("do:  "), "{text}");
        assert!(text.ends_with("1 passed, 1 failed, 1 not applicable"), "{text}");
        let json = report().to_json();
        assert_eq!(json["checks"][1]["verdict"], "failed");
        assert_eq!(json["checks"][1]["found"][0], "it trapped");
    }

    #[test]
    fn many_findings_are_counted_and_long_ones_are_cut() {
        let found = shown(vec!["x".repeat(1_000); 9]);
        assert_eq!(found.len(), FOUND_MAX + 1);
        assert_eq!(found[0].len(), FINDING_CHARS + 3);
        assert_eq!(found[FOUND_MAX], "and 4 more");
    }
}
