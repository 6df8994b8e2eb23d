//! The connector's checks on the CRM in memory, one flaw at a time.

use std::sync::LazyLock;

use renkei_conformance::connector::ConnectorTrial;
use renkei_conformance::{CheckVerdict, ConformanceReport};
use renkei_package::{ConnectorManifest, Manifest};
use renkei_test_support::HandClock;
use renkei_test_support::manifest::connector;

use crate::crm::{Crm, CrmFlaw};
use crate::{failed, found, named};

/// A connector that upserts, and reads half as many rows at once.
static MANIFEST: LazyLock<String> = LazyLock::new(|| {
    let text = connector("double").replace("\"things\"", "\"contacts\"");
    let text = text.replace("read_rows = 100", "read_rows = 50");
    text.replace("\"update\"", "\"update\", \"upsert\"")
});

fn manifest(text: &str) -> ConnectorManifest {
    Manifest::from_toml(text, None).unwrap().connector().unwrap().clone()
}

async fn tried(flaw: CrmFlaw, text: &str, small: &Crm) -> ConformanceReport {
    let (crm, manifest) = (Crm::new(flaw, 35), manifest(text));
    let trial = ConnectorTrial {
        systems: &crm,
        small: Ok(small),
        system: "double",
        refused: Some("refused"),
        manifest: &manifest,
        control: &crm,
        clock: &HandClock::default(),
        run: "kit-1",
        patience_ms: 1_000,
    };
    let mut report = ConformanceReport::default();
    trial.check(&mut report, &mut |_| {}).await;
    report
}

/// The flaw fails these checks and no others.
async fn check(flaw: CrmFlaw, expected: &[&str]) {
    let small = Crm::new(CrmFlaw::None, 35);
    let report = tried(flaw, &MANIFEST, &small).await;
    assert_eq!(failed(&report), expected, "{flaw:?}: {}", report.to_text());
}

#[tokio::test]
async fn connector_that_keeps_every_rule_passes_every_check() {
    let small = Crm::new(CrmFlaw::None, 35);
    let report = tried(CrmFlaw::None, &MANIFEST, &small).await;
    assert_eq!(failed(&report), Vec::<&str>::new(), "{}", report.to_text());
    assert_eq!(named(&report, &CheckVerdict::NotApplicable), Vec::<&str>::new());
    assert_eq!(named(&report, &CheckVerdict::Passed).len(), 18, "{}", report.to_text());
}

#[tokio::test]
async fn broken_account_and_schema_fail_their_checks() {
    check(CrmFlaw::NoAccount, &["account"]).await;
    check(CrmFlaw::KnowsEveryObject, &["schema"]).await;
    // Without its stamp nothing is idempotent either.
    let small = Crm::new(CrmFlaw::None, 35);
    let report = tried(CrmFlaw::StampOfNothing, &MANIFEST, &small).await;
    assert!(found_anywhere(&report, "schema", "`stamp` names no unique"), "{}", report.to_text());
}

fn found_anywhere(report: &ConformanceReport, name: &str, words: &str) -> bool {
    let checks = report.checks.iter().filter(|check| check.check == name);
    checks.flat_map(|check| &check.found).any(|found| found.contains(words))
}

#[tokio::test]
async fn broken_pages_fail_the_pages_check() {
    check(CrmFlaw::LargePages, &["pages"]).await;
    let small = Crm::new(CrmFlaw::None, 35);
    for (flaw, words) in [
        (CrmFlaw::RepeatsRows, "rows, but"),
        (CrmFlaw::SkipsARow, "are missing"),
        (CrmFlaw::NeverEnds, "does not end"),
    ] {
        let report = tried(flaw, &MANIFEST, &small).await;
        assert!(found(&report, "pages").contains(words), "{flaw:?}: {}", report.to_text());
    }
}

#[tokio::test]
async fn broken_reading_fails_the_check_of_its_rule() {
    check(CrmFlaw::RemembersItself, &["resume"]).await;
    check(CrmFlaw::SweepMisses, &["sweep"]).await;
    check(CrmFlaw::TakesAnyCursor, &["garbage-cursor"]).await;
    check(CrmFlaw::StaleById, &["by-id"]).await;
    check(CrmFlaw::FindsNothing, &["find"]).await;
}

#[tokio::test]
async fn broken_writing_fails_the_check_of_its_rule() {
    check(CrmFlaw::CreatesTwice, &["create-once"]).await;
    check(CrmFlaw::OtherIds, &["create-once"]).await;
    check(CrmFlaw::UpsertCreates, &["upsert"]).await;
    check(CrmFlaw::NullIsAbsent, &["update"]).await;
    check(CrmFlaw::AbsentIsNull, &["update"]).await;
    check(CrmFlaw::ForgetsChanges, &["changes"]).await;
    check(CrmFlaw::AllOrNothing, &["partial-failure"]).await;
    check(CrmFlaw::Unordered, &["outcomes"]).await;
    check(CrmFlaw::LosesOutcomes, &["outcomes"]).await;
    check(CrmFlaw::SilentArchive, &["archive"]).await;
    let small = Crm::new(CrmFlaw::None, 35);
    let report = tried(CrmFlaw::WritesGone, &MANIFEST, &small).await;
    assert!(failed(&report).contains(&"partial-failure"), "{}", report.to_text());
}

#[tokio::test]
async fn broken_error_kinds_fail_the_check_of_their_rule() {
    check(CrmFlaw::TakesAnyCredentials, &["refused-credentials"]).await;
    check(CrmFlaw::QuotaIsInvalid, &["quota"]).await;
    check(CrmFlaw::WritesWithoutQuota, &["quota"]).await;
    let other = Crm::new(CrmFlaw::None, 3);
    let report = tried(CrmFlaw::None, &MANIFEST, &other).await;
    assert_eq!(failed(&report), ["small-limits"], "{}", report.to_text());
}

#[tokio::test]
async fn read_only_object_is_not_written() {
    let text = MANIFEST.replace("actions = [\"create\", \"update\", \"upsert\", \"archive\"]", "");
    let small = Crm::new(CrmFlaw::None, 35);
    let report = tried(CrmFlaw::None, &text, &small).await;
    assert!(report.passed(), "{}", report.to_text());
    assert_eq!(named(&report, &CheckVerdict::NotApplicable), ["create-once"]);
}
