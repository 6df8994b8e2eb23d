//! The report of a run: one line per check, for people and as JSON.
//!
//! A check passes, fails with findings and advice, or does not apply, with the reason. Only a
//! failure makes the run fail. Checks that do not apply are counted, so that a run which tried
//! little does not look like one that tried everything.

use renkei_model::plugin::PluginError;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure_advice::FailureCause;
use crate::guest_output::GuestOutput;
use crate::rules::ContractRule;

/// Findings of one check that are shown; the rest is counted.
const FOUND_MAX: usize = 5;
/// Characters of one finding.
const FINDING_CHARS: usize = 400;

/// A check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPassed {
    /// The rule is broken; the findings.
    Failed(Vec<String>),
    /// A call gave no answer for a reason that is not about the rule; the findings.
    CallFailed(Vec<String>, FailureCause),
    /// The rule does not concern this plugin, or cannot be tried here.
    NotApplicable(String),
}

/// The end of a check; the text is a remark for the report, often empty.
pub type CheckResult = Result<String, NotPassed>;

impl NotPassed {
    /// A failure with one finding.
    pub fn failed(found: impl Into<String>) -> Self {
        Self::Failed(vec![found.into()])
    }

    /// A failure because a call ended with this error; `words` is the finding.
    pub fn from_call(error: &PluginError, words: impl Into<String>) -> Self {
        Self::failed(words).because(FailureCause::classify(error))
    }

    /// The same failure, whose advice follows the kind of an error.
    pub(crate) fn because(self, why: Option<FailureCause>) -> Self {
        match (self, why) {
            (Self::Failed(found), Some(why)) => Self::CallFailed(found, why),
            (other, _) => other,
        }
    }

    /// A reason why the rule is not tried.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable(reason.into())
    }
}

impl From<PluginError> for NotPassed {
    fn from(error: PluginError) -> Self {
        Self::from_call(&error, error.to_string())
    }
}

/// An outcome from a list of findings: none is a pass with this remark.
pub(crate) fn none_of(found: Vec<String>, remark: impl Into<String>) -> CheckResult {
    if found.is_empty() { Ok(remark.into()) } else { Err(NotPassed::Failed(found)) }
}

/// The verdict on a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// The rule holds as far as the check tried it.
    Passed,
    /// The rule does not hold.
    Failed,
    /// The rule was not tried.
    NotApplicable,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportLine {
    /// The rule's name.
    pub check: String,
    /// The object or function that it was tried on; empty for the whole plugin.
    #[serde(rename = "on")]
    pub subject: String,
    /// The verdict.
    pub verdict: CheckVerdict,
    /// A remark, or why it does not apply; may be empty.
    pub remark: String,
    /// The findings, where it failed.
    pub found: Vec<String>,
    /// The plugin's own last lines, where it failed.
    pub guest_output: Vec<String>,
    /// The advice, where it failed.
    pub advice: String,
}

/// The whole run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConformanceReport {
    /// The file's name.
    pub file: String,
    /// Id, version, digest and kind, once the file could be read.
    pub plugin: Value,
    /// The simulator of a connector, as it was named.
    pub simulator: Option<String>,
    /// The seed of generated rows: the same seed makes the same run.
    pub seed: u64,
    /// In the order tried.
    pub checks: Vec<ReportLine>,
    /// Captures the plugin's lines meanwhile.
    #[serde(skip)]
    pub(crate) guest_output: GuestOutput,
}

impl ConformanceReport {
    /// Adds the outcome of a rule on one object or function, or on the whole plugin (`""`).
    pub fn add(&mut self, rule: &ContractRule, subject: &str, outcome: CheckResult) {
        let mut guest_output =
            self.guest_output.take_lines(matches!(outcome, Err(NotPassed::CallFailed(..))));
        let (verdict, remark, found, advice) = match outcome {
            Ok(remark) => (CheckVerdict::Passed, remark, Vec::new(), String::new()),
            Err(NotPassed::Failed(found)) => {
                (CheckVerdict::Failed, String::new(), shown(found), rule.advice.to_owned())
            }
            Err(NotPassed::CallFailed(found, why)) => {
                let advice = why.advice(rule, subject, !guest_output.is_empty());
                (CheckVerdict::Failed, String::new(), shown(found), advice)
            }
            Err(NotPassed::NotApplicable(reason)) => {
                (CheckVerdict::NotApplicable, reason, Vec::new(), String::new())
            }
        };
        if verdict != CheckVerdict::Failed {
            guest_output.clear();
        }
        let (check, subject) = (rule.name.to_owned(), subject.to_owned());
        self.checks.push(ReportLine {
            check,
            subject,
            verdict,
            remark,
            found,
            guest_output,
            advice,
        });
    }

    /// True where this rule failed on this object or function.
    pub(crate) fn has_failed(&self, rule: &ContractRule, subject: &str) -> bool {
        self.checks.iter().any(|check| {
            check.verdict == CheckVerdict::Failed
                && check.check == rule.name
                && check.subject == subject
        })
    }

    /// The number of checks with this verdict.
    pub fn count(&self, verdict: &CheckVerdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == *verdict).count()
    }

    /// True where no check failed.
    pub fn passed(&self) -> bool {
        self.count(&CheckVerdict::Failed) == 0
    }

    /// The report as one JSON object; its keys are documented in `plugins/README.md`.
    pub fn to_json(&self) -> Value {
        json!({
            "file": self.file,
            "plugin": self.plugin,
            "simulator": self.simulator,
            "seed": self.seed,
            "passed": self.count(&CheckVerdict::Passed),
            "failed": self.count(&CheckVerdict::Failed),
            "not_applicable": self.count(&CheckVerdict::NotApplicable),
            "checks": self.checks,
        })
    }

    /// The report for people: a line per check, failures with findings and advice.
    pub fn to_text(&self) -> String {
        let mut text = self.headline();
        let name =
            |check: &ReportLine| format!("{} {}", check.check, check.subject).trim().to_owned();
        let width = self.checks.iter().map(|check| name(check).chars().count()).max();
        let width = width.unwrap_or_default();
        for check in &self.checks {
            let verdict = match check.verdict {
                CheckVerdict::Passed => "passed",
                CheckVerdict::Failed => "FAILED",
                CheckVerdict::NotApplicable => "not applicable",
            };
            let line = format!("{verdict:<14}  {:<width$}  {}", name(check), check.remark);
            line_to(&mut text, line.trim_end());
            for found in &check.found {
                line_to(&mut text, &format!("                saw: {found}"));
            }
            for line in &check.guest_output {
                line_to(&mut text, &format!("              output: {line}"));
            }
            if !check.advice.is_empty() {
                line_to(&mut text, &format!("                do:  {}", check.advice));
            }
        }
        let [passed, failed, other] =
            [CheckVerdict::Passed, CheckVerdict::Failed, CheckVerdict::NotApplicable]
                .map(|v| self.count(&v));
        line_to(&mut text, &format!("{passed} passed, {failed} failed, {other} not applicable"));
        text.trim_end().to_owned()
    }

    fn headline(&self) -> String {
        let word = |key: &str| self.plugin.get(key).and_then(Value::as_str).unwrap_or("?");
        let mut text = self.file.clone();
        if self.plugin.is_object() {
            let plugin = format!(": {} {} {}", word("kind"), word("id"), word("version"));
            text.push_str(&plugin);
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

    fn report() -> ConformanceReport {
        let mut report =
            ConformanceReport { file: "a.wasm".to_owned(), ..ConformanceReport::default() };
        report.add(&rules::FILE, "", Ok(String::new()));
        report.add(&rules::TOTAL, "same", Err(NotPassed::failed("it trapped")));
        report.add(&rules::QUOTA, "", Err(NotPassed::not_applicable("no simulator")));
        report
    }

    #[test]
    fn run_fails_only_when_a_check_fails() {
        let mut report = report();
        assert!(!report.passed());
        report.checks.remove(1);
        assert!(report.passed());
        assert_eq!(report.to_json()["not_applicable"], 1);
    }

    #[test]
    fn failure_shows_findings_and_advice() {
        let text = report().to_text();
        assert!(text.contains("FAILED          total same"), "{text}");
        assert!(text.contains("saw: it trapped\n") && text.contains("do:  "), "{text}");
        assert!(text.ends_with("1 passed, 1 failed, 1 not applicable"), "{text}");
        let json = report().to_json();
        assert_eq!(json["checks"][1]["verdict"], "failed");
        assert_eq!(json["checks"][1]["found"][0], "it trapped");
    }

    #[test]
    fn findings_are_cut_and_counted_when_there_are_many() {
        let found = shown(vec!["x".repeat(1_000); 9]);
        assert_eq!(found.len(), FOUND_MAX + 1);
        assert_eq!(found[0].len(), FINDING_CHARS + 3);
        assert_eq!(found[FOUND_MAX], "and 4 more");
    }
}
