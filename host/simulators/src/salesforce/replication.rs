//! getUpdated and getDeleted: ids of what changed in a window of time.
//!
//! Windows are whole minutes, at least one long, and reach back 30 days for updates and as far as
//! the deletion log for deletions; the log may be purged early (`Faults::deleted_log_ms`).

use super::error::ApiFault;
use super::ids::Serial;
use super::json::Json;
use super::org::{CallTally, Org};
use super::reply::{OrgCall, OrgReply};
use super::schema::TableNumber;
use super::value::{parse_time, wire_time};
use crate::ledger::CallShape;

const MINUTE_MS: i64 = 60_000;
const UPDATED_REACH_MS: i64 = 30 * 86_400_000;
const IDS_MAX: usize = 600_000;

impl Org {
    pub(super) fn updated(&mut self, call: &OrgCall<'_>, name: &str) -> Result<OrgReply, ApiFault> {
        let table = self.replicated(name, "updated")?;
        let (start, end) = window(call, UPDATED_REACH_MS)?;
        let seen = self.seen();
        let stamped = seen.stamped(table, start, end - 1);
        let live = stamped
            .filter(|(_, serial)| seen.shared(table, *serial).is_some_and(|row| !row.deleted()));
        let ids: Vec<Json> = live.map(|(_, serial)| self.store.id(table, serial).into()).collect();
        self.count(ids.len())?;
        Ok(OrgReply::ok(Json::object([
            ("ids", Json::List(ids)),
            ("latestDateCovered", wire_time(covered(call, end)).into()),
        ])))
    }

    pub(super) fn deleted(&mut self, call: &OrgCall<'_>, name: &str) -> Result<OrgReply, ApiFault> {
        let table = self.replicated(name, "deleted")?;
        let reach_ms = self.faults.salesforce.deleted_log_ms;
        let (start, end) = window(call, reach_ms)?;
        let found = self.seen().deletions(table, start, end - 1);
        let tells = self.faults.salesforce.cascade_tells;
        let listed = |serial: Serial| {
            !self.store.hides(table, serial)
                && (tells || !self.store.quiet.contains(&(table, serial)))
        };
        let records: Vec<Json> = found
            .into_iter()
            .filter(|(_, serial)| listed(*serial))
            .map(|(at, serial)| {
                Json::object([
                    ("deletedDate", wire_time(at).into()),
                    ("id", self.store.id(table, serial).into()),
                ])
            })
            .collect();
        self.count(records.len())?;
        Ok(OrgReply::ok(Json::object([
            ("deletedRecords", Json::List(records)),
            ("earliestDateAvailable", wire_time(call.now_ms - reach_ms).into()),
            ("latestDateCovered", wire_time(covered(call, end)).into()),
        ])))
    }

    fn replicated(&mut self, name: &str, kind: &'static str) -> Result<TableNumber, ApiFault> {
        let table = self.table(name)?;
        let object = self.store.object(table).ok_or_else(ApiFault::not_found)?;
        let shape = CallShape::Page { first: true };
        self.tally = CallTally { shape, cap: IDS_MAX, ..CallTally::batch(kind, object.name, 0) };
        if object.replicateable {
            return Ok(table);
        }
        let message = format!("object type {} is not replicateable", object.name);
        Err(ApiFault::new(400, "INVALID_TYPE_FOR_OPERATION", message))
    }

    fn count(&mut self, ids: usize) -> Result<(), ApiFault> {
        self.tally.rows = ids;
        if ids <= IDS_MAX {
            return Ok(());
        }
        Err(ApiFault::new(
            400,
            "EXCEEDED_ID_LIMIT",
            "Too many ids in the window; use a smaller one",
        ))
    }
}

/// `start` and `end` in whole minutes, checked against the reach of the log.
fn window(call: &OrgCall<'_>, reach_ms: i64) -> Result<(i64, i64), ApiFault> {
    let wrong = |message: &str| ApiFault::new(400, "INVALID_REPLICATION_DATE", message);
    let read = |name: &str| {
        let at = call.request.query(name).and_then(parse_time);
        at.map(|at| at.div_euclid(MINUTE_MS) * MINUTE_MS).ok_or_else(|| {
            ApiFault::new(400, "MALFORMED_QUERY", format!("{name} must be an ISO 8601 time"))
        })
    };
    let (start, end) = (read("start")?, read("end")?);
    if end < start + MINUTE_MS {
        return Err(wrong("endDate must be at least one minute greater than startDate"));
    }
    if start < call.now_ms - reach_ms - MINUTE_MS {
        return Err(wrong("startDate before org replication enabled date"));
    }
    Ok((start, end))
}

/// Nothing later than now is covered, whatever window was asked for.
fn covered(call: &OrgCall<'_>, end: i64) -> i64 {
    end.min(call.now_ms.div_euclid(MINUTE_MS) * MINUTE_MS)
}
