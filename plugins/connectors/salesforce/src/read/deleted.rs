//! The log of deletions (`API.md`, S-deleted-1).
//!
//! The recycle bin may have been emptied since an old cursor was made, and a query does not know
//! what left the bin. The log knows it for 15 days.

use std::collections::BTreeSet;

use renkei_sdk::http::Request;
use renkei_sdk::{Error, Removal, Tombstone, time};
use serde::Deserialize;

use crate::Salesforce;
use crate::client::{parse, send};
use crate::value::format_moment;
use crate::value::rows::Selection;

/// The longest time that the recycle bin keeps a row (S-record-3).
const BIN_MS: i64 = 15 * 24 * 3_600_000;

impl Salesforce {
    /// Deletions between two moments. What a query still finds is left to the query, which knows
    /// more about it.
    pub(super) fn deleted_since(
        &self,
        selection: &Selection<'_>,
        from_ms: i64,
        now_ms: i64,
    ) -> Result<Vec<Tombstone>, Error> {
        // Without a log, only the bin tells (S-describe-6).
        if !selection.shape.replicated {
            return if now_ms - from_ms < BIN_MS { Ok(Vec::new()) } else { Err(purged()) };
        }
        let span = format!("start={}&end={}", format_moment(from_ms), format_moment(now_ms));
        let span = span.replace(':', "%3A");
        let path = format!("{}/sobjects/{}/deleted/?{span}", self.config.root, selection.object);
        let answer = send(&Request::get(path))?;
        let log: DeleteLog = parse(&answer.body)?;
        if time::parse(&log.earliest_date_available).is_none_or(|earliest| earliest > from_ms) {
            return Err(purged());
        }
        let ids: Vec<String> = log.deleted_records.iter().map(|gone| gone.id.clone()).collect();
        let known = self.find_anywhere(selection, &ids)?;
        let unknown: BTreeSet<&str> = known.missing_ids(&ids).into_iter().collect();
        let gone = log.deleted_records.iter().filter(|gone| unknown.contains(gone.id.as_str()));
        Ok(gone.map(DeletedRecord::tombstone).collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteLog {
    deleted_records: Vec<DeletedRecord>,
    earliest_date_available: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeletedRecord {
    id: String,
    deleted_date: String,
}

impl DeletedRecord {
    fn tombstone(&self) -> Tombstone {
        let at = time::parse(&self.deleted_date);
        Tombstone { at, ..Tombstone::new(&self.id, Removal::Deleted) }
    }
}

fn purged() -> Error {
    Error::cursor_lost("delete-log-purged", "the log of deletions does not reach back so far")
}
