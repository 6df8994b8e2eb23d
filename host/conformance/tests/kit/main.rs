//! Every check of the kit on a double that breaks its rule and on one that keeps all of them: a
//! check that cannot fail is no check.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

mod connectors;
mod crm;
mod files;
mod transforms;

use renkei_conformance::{CheckVerdict, ConformanceReport, RULES};

/// The names of the checks that failed, each once.
pub(crate) fn failed(report: &ConformanceReport) -> Vec<&str> {
    named(report, &CheckVerdict::Failed)
}

pub(crate) fn named<'a>(report: &'a ConformanceReport, verdict: &CheckVerdict) -> Vec<&'a str> {
    let checks = report.checks.iter().filter(|check| check.verdict == *verdict);
    let mut names: Vec<&str> = checks.map(|check| check.check.as_str()).collect();
    names.dedup();
    assert!(names.iter().all(|name| RULES.iter().any(|rule| rule.name == *name)));
    names
}

/// The report's words on one check, for messages and comparisons.
pub(crate) fn found(report: &ConformanceReport, name: &str) -> String {
    let check = report.checks.iter().find(|check| check.check == name).unwrap();
    check.found.join("\n")
}
