//! The connector's checks on the CRM in memory, one flaw at a time.

use std::sync::LazyLock;

use renkei_conformance::connector::Trial;
use renkei_conformance::{Report, Verdict};
use renkei_package::{ConnectorManifest, Kind, Manifest};
use renkei_test_support::HandClock;
use renkei_test_support::manifest::connector;

use crate::crm::{Crm, Flaw};
use crate::{failed, found, named};

/// A connector that upserts, and reads half as many rows at once.
static MANIFEST: LazyLock<String> = LazyLock::new(|| {
    let text = connector("double").replace("\"things\"", "\"contacts\"");
    let text = text.replace("read_rows = 100", "read_rows = 50");
    text.replace("\"update\"", "\"update\", \"upsert\"")
});

fn manifest(text: &str) -> ConnectorManifest {
    match Manifest::from_toml(text, None).unwrap().kind {
        Kind::Connector(connector) => connector,
        Kind::Transform(_) => panic!("a connector"),
    }
}

async fn tried(flaw: Flaw, text: &str, small: &Crm) -> Report {
    let (crm, manifest) = (Crm::new(flaw, 35), manifest(text));
    let trial = Trial {
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
    let mut report = Report::default();
    trial.check(&mut report, &mut |_| {}).await;
    report
}

/// The flaw fails these checks and no others.
async fn check(flaw: Flaw, expected: &[&str]) {
    let small = Crm::new(Flaw::None, 35);
    let report = tried(flaw, &MANIFEST, &small).await;
    assert_eq!(failed(&report), expected, "{flaw:?}: {}", report.to_text());
}

#[tokio::test]
async fn one_that_keeps_every_rule_passes_every_check() {
    let small = Crm::new(Flaw::None, 35);
    let report = tried(Flaw::None, &MANIFEST, &small).await;
    assert_eq!(failed(&report), Vec::<&str>::new(), "{}", report.to_text());
    assert_eq!(named(&report, &Verdict::NotApplicable), Vec::<&str>::new());
    assert_eq!(named(&report, &Verdict::Passed).len(), 18, "{}", report.to_text());
}

#[tokio::test]
async fn who_it_is_and_what_there_is() {
    check(Flaw::NoAccount, &["account"]).await;
    check(Flaw::KnowsEveryObject, &["schema"]).await;
    // Without its stamp nothing is idempotent either.
    let small = Crm::new(Flaw::None, 35);
    let report = tried(Flaw::StampOfNothing, MANIFEST, &small).await;
    assert!(found_anywhere(&report, "schema", "`stamp` names no unique"), "{}", report.to_text());
}

fn found_anywhere(report: &Report, name: &str, words: &str) -> bool {
    let checks = report.checks.iter().filter(|check| check.check == name);
    checks.flat_map(|check| &check.found).any(|found| found.contains(words))
}

#[tokio::test]
async fn pages_that_repeat_skip_or_never_end() {
    check(Flaw::LargePages, &["pages"]).await;
    let small = Crm::new(Flaw::None, 35);
    for (flaw, words) in [
        (Flaw::RepeatsRows, "rows, but"),
        (Flaw::SkipsARow, "are missing"),
        (Flaw::NeverEnds, "does not end"),
    ] {
        let report = tried(flaw, &MANIFEST, &small).await;
        assert!(found(&report, "pages").contains(words), "{flaw:?}: {}", report.to_text());
    }
}

#[tokio::test]
async fn reading_that_breaks_a_rule() {
    check(Flaw::RemembersItself, &["resume"]).await;
    check(Flaw::SweepMisses, &["sweep"]).await;
    check(Flaw::TakesAnyCursor, &["garbage-cursor"]).await;
    check(Flaw::StaleById, &["by-id"]).await;
    check(Flaw::FindsNothing, &["find"]).await;
}

#[tokio::test]
async fn writing_that_breaks_a_rule() {
    check(Flaw::CreatesTwice, &["create-once"]).await;
    check(Flaw::OtherIds, &["create-once"]).await;
    check(Flaw::UpsertCreates, &["upsert"]).await;
    check(Flaw::NullIsAbsent, &["update"]).await;
    check(Flaw::AbsentIsNull, &["update"]).await;
    check(Flaw::ForgetsChanges, &["changes"]).await;
    check(Flaw::AllOrNothing, &["partial-failure"]).await;
    check(Flaw::Unordered, &["outcomes"]).await;
    check(Flaw::LosesOutcomes, &["outcomes"]).await;
    check(Flaw::SilentArchive, &["archive"]).await;
    let small = Crm::new(Flaw::None, 35);
    let report = tried(Flaw::WritesGone, &MANIFEST, &small).await;
    assert!(failed(&report).contains(&"partial-failure"), "{}", report.to_text());
}

#[tokio::test]
async fn trouble_that_is_not_told_as_what_it_is() {
    check(Flaw::TakesAnyCredentials, &["refused-credentials"]).await;
    check(Flaw::QuotaIsInvalid, &["quota"]).await;
    check(Flaw::WritesWithoutQuota, &["quota"]).await;
    let other = Crm::new(Flaw::None, 3);
    let report = tried(Flaw::None, &MANIFEST, &other).await;
    assert_eq!(failed(&report), ["small-limits"], "{}", report.to_text());
}

#[tokio::test]
async fn an_object_that_is_only_read_is_only_read() {
    let text = MANIFEST.replace("actions = [\"create\", \"update\", \"upsert\", \"archive\"]", "");
    let small = Crm::new(Flaw::None, 35);
    let report = tried(Flaw::None, &text, &small).await;
    assert!(report.passed(), "{}", report.to_text());
    assert_eq!(named(&report, &Verdict::NotApplicable), ["create-once"]);
}
