//! The cursor of a scan. The host keeps it between jobs.
//!
//! `since` is the server's clock when the scan began, ms: the next scan of changes starts there,
//! less the look-back. Scans go by id, so each visits a record once and ends although records
//! change under way; what changes after its id was passed is seen by the next scan.

use renkei_sdk::Error;
use serde::{Deserialize, Serialize};

/// A position in one of the scans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub(crate) enum Cursor {
    /// Inside a backfill: the token of the next page.
    Backfill { since: i64, after: String },
    /// Changes: the search. `begun` is the clock at its first page; `last_id` was its last row.
    Search {
        since: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_id: Option<String>,
        /// The page at which the list of archived records goes on, if the scan before did not
        /// finish it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        archived: Option<String>,
    },
    /// Changes: the list of archived records, which follows the search.
    Archived {
        since: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Pages read in this scan.
        pages: u32,
    },
    /// Inside a sweep: live records first, then archived ones.
    Sweep {
        since: i64,
        archived: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
}

impl Cursor {
    /// The beginning of a scan of changes.
    pub(crate) fn changes(since: i64, archived: Option<String>) -> Self {
        Self::Search { since, begun: None, last_id: None, archived }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        renkei_sdk::cursor::encode(self)
    }

    /// # Errors
    /// `cursor-lost` for bytes that are no cursor of this connector.
    pub(crate) fn decode(bytes: Option<&[u8]>) -> Result<Option<Self>, Error> {
        renkei_sdk::cursor::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> [Cursor; 5] {
        [
            Cursor::Backfill { since: 7, after: "123".into() },
            Cursor::changes(7, None),
            Cursor::Search {
                since: 7,
                begun: Some(9),
                last_id: Some("1".into()),
                archived: Some("5".into()),
            },
            Cursor::Archived { since: 7, after: None, pages: 3 },
            Cursor::Sweep { since: 7, archived: true, after: Some("1".into()) },
        ]
    }

    #[test]
    fn cursor_reads_back_as_it_was_written() {
        for cursor in every_kind() {
            let bytes = cursor.encode().unwrap();
            assert_eq!(Cursor::decode(Some(&bytes)).unwrap(), Some(cursor));
        }
    }

    #[test]
    fn missing_cursor_begins_and_foreign_cursor_is_lost() {
        assert_eq!(Cursor::decode(None).unwrap(), None);
        assert!(matches!(Cursor::decode(Some(b"{}")), Err(Error::CursorLost(_))));
        assert!(matches!(Cursor::decode(Some(b"\xff")), Err(Error::CursorLost(_))));
    }

    /// The host keeps cursors for months, and what it gives back need not be what this version
    /// wrote, so a million inputs are tried.
    #[test]
    fn cursor_decoder_never_panics_on_any_bytes() {
        let seeds: Vec<Vec<u8>> = every_kind().map(|cursor| cursor.encode().unwrap()).into();
        renkei_mutate::run(&seeds, |bytes| {
            let _checked = Cursor::decode(Some(bytes));
        });
    }
}
