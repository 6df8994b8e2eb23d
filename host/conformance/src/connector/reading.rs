//! Checks of reading: pages to the end, resuming from every cursor, sweeps, foreign cursors,
//! records by id.

use std::collections::{BTreeMap, BTreeSet};

use renkei_model::plugin::{PluginError, Schema};
use renkei_model::record::{Page, Row, Scan};
use renkei_package::ManifestObject;

use super::trial::{ConnectorTrial, ids, page_request};
use crate::report::{CheckResult, ConformanceReport, NotPassed, none_of};
use crate::rules;

/// Rows per page: few, so that there are many cursors.
const PAGE_ROWS: u32 = 10;
/// The most cursors that are resumed from; they are spread over the scan.
const CURSORS: usize = 40;
/// The most records that are read by id.
const BY_ID: usize = 25;
/// The most columns that are read.
const COLUMNS: usize = 6;

/// The read checks of one object.
pub(super) struct ReadChecks<'a> {
    pub(super) trial: &'a ConnectorTrial<'a>,
    pub(super) object: &'a ManifestObject,
    pub(super) schema: &'a Schema,
}

impl ReadChecks<'_> {
    /// Runs the checks; gives the last cursor of the backfill, where changes begin.
    pub(super) async fn check(&self, report: &mut ConformanceReport) -> Option<Vec<u8>> {
        let name = &self.object.name;
        let columns = self.columns();
        let wanted = page_request(name, Scan::Backfill, &columns, PAGE_ROWS);
        let pages = match self.trial.scan(wanted).await {
            Ok(pages) => pages,
            Err(stop) => {
                report.add(&rules::PAGES, name, Err(stop));
                return None;
            }
        };
        report.add(&rules::PAGES, name, self.complete(&pages, &columns).await);
        report.add(&rules::RESUME, name, self.resume(&pages, &columns).await);
        report.add(&rules::SWEEP, name, self.sweep(&pages).await);
        report.add(&rules::CURSOR, name, self.garbage(&pages, &columns).await);
        report.add(&rules::BY_ID, name, self.by_id(&pages, &columns).await);
        pages.last().map(|page| page.cursor.clone())
    }

    fn columns(&self) -> Vec<String> {
        let readable = self.schema.fields.iter().filter(|field| field.readable);
        readable.take(COLUMNS).map(|field| field.name.clone()).collect()
    }

    /// Every record once, in small pages and in large ones.
    async fn complete(&self, pages: &[Page], columns: &[String]) -> CheckResult {
        let mut found = Vec::new();
        let rows = |page: &Page| u32::try_from(page.batch.rows.len()).unwrap_or(u32::MAX);
        if let Some(page) = pages.iter().find(|page| rows(page) > PAGE_ROWS) {
            found.push(format!("a page of {} rows where {PAGE_ROWS} were wanted", rows(page)));
        }
        let all = ids(pages);
        let distinct: BTreeSet<String> = all.iter().cloned().collect();
        if distinct.len() != all.len() {
            found.push(format!("{} rows, but {} records", all.len(), distinct.len()));
        }
        if let Some(live) = self.trial.control.live_records(&self.object.name).await {
            found.extend(difference("the simulator's records", &live, &distinct));
        }
        let name = &self.object.name;
        let large = page_request(name, Scan::Backfill, columns, self.object.read_rows);
        let large: BTreeSet<String> = ids(&self.trial.scan(large).await?).into_iter().collect();
        found.extend(difference("the pages of the size in the manifest", &large, &distinct));
        none_of(found, format!("{} records in {} pages", all.len(), pages.len()))
    }

    async fn resume(&self, pages: &[Page], columns: &[String]) -> CheckResult {
        let cursors = pages.len().saturating_sub(1);
        if cursors == 0 {
            return Err(NotPassed::not_applicable(
                "one page holds everything: no cursor to resume from",
            ));
        }
        let step = cursors.div_ceil(CURSORS);
        let mut tried = 0;
        for (index, page) in pages.iter().enumerate().take(cursors).step_by(step) {
            let name = &self.object.name;
            let mut wanted = page_request(name, Scan::Backfill, columns, PAGE_ROWS);
            wanted.cursor = Some(page.cursor.clone());
            let rest: BTreeSet<String> = ids(&self.trial.scan(wanted).await?).into_iter().collect();
            let expected = pages.get(index + 1..).unwrap_or_default();
            let expected: BTreeSet<String> = ids(expected).into_iter().collect();
            let what = format!("what follows page {}", index + 1);
            if let Some(finding) = difference(&what, &expected, &rest) {
                return Err(NotPassed::failed(finding));
            }
            tried += 1;
        }
        Ok(format!("{tried} cursors"))
    }

    async fn sweep(&self, pages: &[Page]) -> CheckResult {
        let wanted = page_request(&self.object.name, Scan::Sweep, &[], PAGE_ROWS);
        let swept: BTreeSet<String> = ids(&self.trial.scan(wanted).await?).into_iter().collect();
        let expected: BTreeSet<String> = ids(pages).into_iter().collect();
        none_of(difference("the backfill", &expected, &swept).into_iter().collect(), "")
    }

    async fn garbage(&self, pages: &[Page], columns: &[String]) -> CheckResult {
        let cut = pages.first().map(|page| {
            let half = page.cursor.len() / 2;
            page.cursor.get(..half).unwrap_or_default().to_vec()
        });
        let cursors = [
            ("bytes that are no text", b"\xff\xfe\x00\x80".to_vec()),
            ("a text", b"renkei kit: no cursor".to_vec()),
            ("zeros", vec![0; 60_000]),
            ("half a cursor", cut.unwrap_or_default()),
        ];
        let mut found = Vec::new();
        for scan in [Scan::Backfill, Scan::Changes, Scan::Sweep] {
            let columns = if scan == Scan::Sweep { &[] } else { columns };
            for (what, cursor) in &cursors {
                let mut wanted = page_request(&self.object.name, scan, columns, PAGE_ROWS);
                wanted.cursor = Some(cursor.clone());
                let answer = self.trial.open().await?.read_page(&wanted).await;
                let words = match answer {
                    Err(PluginError::CursorLost { .. }) => continue,
                    Err(error) => error.to_string(),
                    Ok(_) => "taken as a cursor".to_owned(),
                };
                found.push(format!("{what}, {scan:?}: {words}"));
            }
        }
        none_of(found, "")
    }

    async fn by_id(&self, pages: &[Page], columns: &[String]) -> CheckResult {
        let rows = pages.iter().flat_map(|page| &page.batch.rows).take(BY_ID);
        let expected: BTreeMap<&str, &Row> = rows.map(|row| (row.id.as_str(), row)).collect();
        if expected.is_empty() {
            return Err(NotPassed::not_applicable("there are no records"));
        }
        let wanted: Vec<String> = expected.keys().map(|id| (*id).to_owned()).collect();
        let job = self.trial.open().await?;
        let page = job.read_records(&self.object.name, columns, &wanted).await?;
        let mut found = Vec::new();
        for row in &page.batch.rows {
            match expected.get(row.id.as_str()) {
                Some(scanned) if scanned.cells == row.cells => {}
                Some(_) => found.push(format!("record {} has other cells", row.id)),
                None => found.push(format!("record {} was not asked for", row.id)),
            }
        }
        if page.batch.rows.len() != expected.len() {
            let rows = page.batch.rows.len();
            found.push(format!("{rows} rows for {} ids", expected.len()));
        }
        none_of(found, format!("{} records", expected.len()))
    }
}

/// The ids that only one of two sets has, in words.
fn difference(what: &str, expected: &BTreeSet<String>, got: &BTreeSet<String>) -> Option<String> {
    let missing: Vec<&String> = expected.difference(got).collect();
    let more: Vec<&String> = got.difference(expected).collect();
    let name = |ids: &[&String]| ids.iter().take(3).map(|id| (*id).clone()).collect::<Vec<_>>();
    (!missing.is_empty() || !more.is_empty()).then(|| {
        format!(
            "compared with {what}, {} are missing {:?} and {} are too many {:?}",
            missing.len(),
            name(&missing),
            more.len(),
            name(&more)
        )
    })
}
