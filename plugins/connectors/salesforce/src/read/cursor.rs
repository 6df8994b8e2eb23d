//! The cursor of a scan: where it is, and the shape of its columns.
//!
//! Every step can be taken again after a crash or a month later: a scan goes on from the last id or
//! stamp that it saw, never from a query locator, which expires (`API.md`, S-query-2).

use serde::{Deserialize, Serialize};

use crate::schema::ObjectShape;

/// The cursor of a page, JSON on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) shape: ObjectShape,
    pub(crate) step: ScanStep,
}

/// The position of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ScanStep {
    /// In a backfill or sweep by id: rows after this one.
    After { id: String, since_ms: i64 },
    /// In a backfill or sweep by a Bulk 2.0 job.
    Job(QueryJob),
    /// In changes: rows after this stamp and id.
    Stamps { stamp_ms: i64, id: String, since_ms: Option<i64> },
    /// Between scans: the next `changes` begins here, less the look-back.
    Since { at_ms: i64 },
}

/// A Bulk 2.0 query job under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct QueryJob {
    pub(crate) id: String,
    /// The next page of results; none before the first.
    pub(crate) locator: Option<String>,
    /// The job reads the rows after this id: where to go on if the job is lost.
    pub(crate) after: String,
    /// Rows in a page of results.
    pub(crate) rows: u32,
    /// The number of times that the job was found unfinished.
    pub(crate) polls: u32,
    pub(crate) since_ms: i64,
}

#[cfg(test)]
mod tests {
    use renkei_sdk::cursor::{decode, encode};

    use super::*;
    use crate::value::ValueForm;

    #[test]
    fn cursor_reads_back_as_it_was_written() {
        let mut shape = ObjectShape { stamped: true, ..ObjectShape::default() };
        shape.forms.insert("Amount".into(), Some(ValueForm::Decimal));
        shape.forms.insert("Hidden__c".into(), None);
        let step = ScanStep::Stamps { stamp_ms: 7, id: "003".into(), since_ms: Some(5) };
        let cursor = Cursor { shape, step };
        let bytes = encode(&cursor).unwrap();
        assert_eq!(decode::<Option<Cursor>>(Some(&bytes)).unwrap(), Some(cursor));
        assert_eq!(decode::<Option<Cursor>>(None).unwrap(), None);
        assert!(decode::<Option<Cursor>>(Some(b"[1]")).is_err());
    }

    #[test]
    fn cursor_of_the_first_version_is_read() {
        let bytes =
            br#"{"shape":{"forms":{"Name":"t"},"binned":true},"step":{"since":{"at_ms":9}}}"#;
        let cursor = decode::<Option<Cursor>>(Some(bytes)).unwrap().unwrap();
        assert_eq!(cursor.step, ScanStep::Since { at_ms: 9 });
        assert!(cursor.shape.binned && !cursor.shape.replicated);
    }

    /// The host keeps cursors for months, and what it gives back need not be what this version
    /// wrote, so a million inputs are tried.
    #[test]
    fn cursor_decoder_never_panics_on_any_bytes() {
        let mut shape = ObjectShape { stamped: true, ..ObjectShape::default() };
        shape.forms.insert("Amount".into(), Some(ValueForm::Decimal));
        let job = QueryJob {
            id: "750".into(),
            locator: Some("MTAw".into()),
            after: "003".into(),
            rows: 2000,
            polls: 3,
            since_ms: 5,
        };
        let steps = [
            ScanStep::After { id: "003".into(), since_ms: 5 },
            ScanStep::Job(job),
            ScanStep::Stamps { stamp_ms: 7, id: "003".into(), since_ms: Some(5) },
            ScanStep::Since { at_ms: 9 },
        ];
        let seeds = steps.map(|step| encode(&Cursor { shape: shape.clone(), step }).unwrap());
        renkei_mutate::run(&seeds, |bytes| {
            let _checked = decode::<Option<Cursor>>(Some(bytes));
        });
    }
}
