//! Positions of scans as bytes that later versions of this plugin read.

use serde::{Deserialize, Serialize};

use crate::bindings::exports::renkei::plugin::connector::Scan;
use crate::bindings::renkei::plugin::types::Error;
use crate::error::problem;

/// A cursor of another form has another number.
const FORM: u32 = 1;

/// The position behind a record, within a scan of all records or of those that changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The id of the last record seen.
    pub(crate) after: u64,
    /// The moment in ms since which records of this scan changed; none for all records.
    pub(crate) since: Option<i64>,
    /// The moment from which the next scan of changes reads; none before the first page.
    pub(crate) next: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    form: u32,
    after: u64,
    since: Option<i64>,
    next: Option<i64>,
}

impl Cursor {
    /// The beginning of a scan of changes.
    pub(crate) fn changes_since(since: i64) -> Self {
        Self { after: 0, since: Some(since), next: None }
    }

    /// The position in the bytes, or the beginning of the scan.
    ///
    /// # Errors
    /// `cursor-lost` for other bytes, and for a position in a scan of another kind; `unsupported`
    /// for a scan that 0.2.0 does not name.
    pub(crate) fn read(scan: &Scan, bytes: Option<&[u8]>) -> Result<Self, Error> {
        if let Scan::Other(other) = scan {
            return Err(Error::Unsupported(format!("a scan `{}`", other.code)));
        }
        let Some(bytes) = bytes else {
            return Ok(match scan {
                Scan::Changes => Self::changes_since(0),
                _ => Self { after: 0, since: None, next: None },
            });
        };
        let lost = |message: String| Error::CursorLost(problem("cursor", message, "nobody"));
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| lost(format!("no cursor: {error}")))?;
        let fits = wire.since.is_some() == (*scan == Scan::Changes);
        if wire.form != FORM || !fits {
            return Err(lost("a cursor of another form or scan".to_owned()));
        }
        Ok(Self { after: wire.after, since: wire.since, next: wire.next })
    }

    pub(crate) fn write(self) -> Vec<u8> {
        let Self { after, since, next } = self;
        // A struct of numbers cannot fail to become JSON.
        serde_json::to_vec(&Wire { form: FORM, after, since, next }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Error, Scan};

    #[test]
    fn cursor_reads_back() {
        let cursor = Cursor { after: 9, since: None, next: Some(60_000) };
        assert_eq!(Cursor::read(&Scan::Backfill, Some(&cursor.write())).unwrap(), cursor);
        let changes = Cursor::changes_since(60_000);
        assert_eq!(Cursor::read(&Scan::Changes, Some(&changes.write())).unwrap(), changes);
    }

    #[test]
    fn other_bytes_and_other_scans_are_lost() {
        let backfill = Cursor { after: 9, since: None, next: None }.write();
        for (scan, bytes) in [
            (Scan::Changes, &b"?"[..]),
            (Scan::Changes, &backfill),
            (Scan::Sweep, &Cursor::changes_since(1).write()),
            (Scan::Backfill, br#"{"form":2,"after":0,"since":null,"next":null}"#),
        ] {
            let read = Cursor::read(&scan, Some(bytes));
            assert!(matches!(read, Err(Error::CursorLost(_))), "{scan:?} {read:?}");
        }
    }
}
