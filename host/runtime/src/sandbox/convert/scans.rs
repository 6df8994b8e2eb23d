//! Checks that the scans of a job get somewhere (`SECURITY.md` S12).
//!
//! A guest that answers `more` with a cursor that this scan had before would be asked for the same
//! pages for ever. The cursors of each scan are remembered as hashes for as long as the next
//! request goes on from the last answer; asking for an earlier page again begins anew.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use renkei_model::record::{Page, PageRequest};

use super::ContractBreach;

/// Hashes kept per job, 8 bytes each; beyond, what is oldest is forgotten all at once and a circle
/// is found one round later.
const KEPT_MAX: usize = 200_000;

/// The scans of one job by object, kind and filter.
#[derive(Debug, Default)]
pub(crate) struct ScanProgress {
    paths: HashMap<u64, ScanPath>,
    kept: usize,
}

#[derive(Debug, Default)]
struct ScanPath {
    last: u64,
    seen: HashSet<u64>,
}

fn hash(value: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn scan(asked: &PageRequest) -> u64 {
    let filter = format!("{:?}", asked.filter);
    hash((&asked.object, format!("{:?}", asked.scan), filter))
}

impl ScanProgress {
    /// True where the request goes on from the last page of its scan in this job.
    pub(crate) fn goes_on(&self, asked: &PageRequest) -> bool {
        let path = self.paths.get(&scan(asked));
        path.is_some_and(|path| path.last == hash(asked.cursor.as_ref()))
    }

    /// Takes note of a page; a breach where its scan goes round in a circle.
    pub(crate) fn follow(
        &mut self,
        asked: &PageRequest,
        page: &Page,
    ) -> Result<(), ContractBreach> {
        let scan = scan(asked);
        if !page.more {
            self.kept -= self.paths.remove(&scan).map_or(0, |path| path.seen.len());
            return Ok(());
        }
        if self.kept >= KEPT_MAX {
            *self = Self::default();
        }
        let from = hash(asked.cursor.as_ref());
        let path = self.paths.entry(scan).or_default();
        if path.last != from {
            self.kept -= path.seen.len();
            path.seen = HashSet::from([from]);
            self.kept += 1;
        }
        path.last = hash(Some(&page.cursor));
        if !path.seen.insert(path.last) {
            return Err(ContractBreach::new(
                "it promises more but its cursor comes back to where the scan was before",
            ));
        }
        self.kept += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use renkei_model::record::{Batch, Scan};

    use super::*;

    fn asked(cursor: Option<u32>) -> PageRequest {
        PageRequest {
            object: "things".to_owned(),
            columns: vec![],
            scan: Scan::Changes,
            cursor: cursor.map(|cursor| cursor.to_le_bytes().to_vec()),
            filter: vec![],
            limit: 10,
            options: vec![],
        }
    }

    fn page(cursor: u32, more: bool) -> Page {
        Page {
            batch: Batch { columns: vec![], rows: vec![] },
            removed: vec![],
            cursor: cursor.to_le_bytes().to_vec(),
            more,
            server_time_ms: None,
            facts: vec![],
        }
    }

    /// Follows cursors from the start; whether the last one closes a circle.
    fn circles(cursors: &[u32]) -> bool {
        let mut scans = ScanProgress::default();
        let mut from = None;
        for (index, cursor) in cursors.iter().enumerate() {
            let followed = scans.follow(&asked(from), &page(*cursor, true));
            assert!(followed.is_ok() || index + 1 == cursors.len(), "{index}");
            if followed.is_err() {
                return true;
            }
            from = Some(*cursor);
        }
        false
    }

    #[test]
    fn cursor_circle_of_any_size_is_found() {
        assert!(circles(&[1, 1]));
        assert!(circles(&[1, 2, 1]));
        assert!(circles(&[1, 2, 3, 4, 5, 3]));
        assert!(!circles(&[5, 4, 3, 2, 1]), "going backwards ends by itself");
    }

    #[test]
    fn a_cursor_of_this_scan_is_known() {
        let mut scans = ScanProgress::default();
        assert!(!scans.goes_on(&asked(None)) && !scans.goes_on(&asked(Some(1))));
        scans.follow(&asked(None), &page(1, true)).unwrap();
        assert!(scans.goes_on(&asked(Some(1))));
        assert!(!scans.goes_on(&asked(Some(2))) && !scans.goes_on(&asked(None)));
    }

    #[test]
    fn repeated_request_is_no_circle() {
        let mut scans = ScanProgress::default();
        for _ in 0..3 {
            scans.follow(&asked(None), &page(1, true)).unwrap();
            scans.follow(&asked(Some(1)), &page(2, true)).unwrap();
        }
        scans.follow(&asked(Some(2)), &page(2, false)).unwrap();
        scans.follow(&asked(Some(2)), &page(2, false)).unwrap();
        assert_eq!((scans.paths.len(), scans.kept), (0, 0));
    }

    #[test]
    fn kept_cursors_are_bounded() {
        let mut scans = ScanProgress::default();
        for cursor in 0..KEPT_MAX as u32 + 10 {
            scans.follow(&asked(cursor.checked_sub(1)), &page(cursor, true)).unwrap();
            assert!(scans.kept <= KEPT_MAX + 2);
        }
    }
}
