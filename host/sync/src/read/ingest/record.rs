//! One record as a row shows it: its fields, and its unreadable cells.

use std::collections::BTreeMap;

use super::IngestSource;
use crate::read::fields::RowReading;
use crate::read::order::{self, RowVerdict};
use crate::read::unreadable;
use renkei_model::index::{FieldIndex, PerField};
use renkei_model::reason::Reason;
use renkei_model::record::{Page, Row};
use renkei_model::state::{Failure, FailureClass, FieldState, RecordState, RecordStatus, Span};
use renkei_model::value::Value;

impl IngestSource<'_> {
    /// The record after this row; `before` was fetched for the entity. A record without a place in
    /// a link keeps its stamp, which may name its link.
    pub(crate) fn update(
        &self,
        row: &Row,
        reading: &mut RowReading,
        (before, row_verdict): (Option<&RecordState>, &RowVerdict),
        (stamp, unmapped): (Option<&str>, &[FieldIndex]),
    ) -> RecordState {
        let mut record = before.cloned().unwrap_or_else(|| self.blank(&row.id));
        if record.status == RecordStatus::Missing || *row_verdict == RowVerdict::There {
            record.status = RecordStatus::Live;
        } else if !record.status.is_there() {
            // The linking step decides its place.
            record.status = RecordStatus::Returned;
        }
        let last_ms = record.modified_ms;
        for (position, field) in self.entity.indexed_fields() {
            let state = &mut record.fields[position];
            let mut cell = reading.cells[position].take();
            if state.is_filler(&field.kind, &cell) {
                // A default that the record was made with is no value (`RULES.md` V6).
                cell = Some(Value::Null);
            } else if cell.is_some() {
                state.filler = None;
            }
            state.end_standstill(&cell);
            let after = state.seen.is_some().then_some(last_ms).flatten();
            let span = Span { after, until: row.modified_ms };
            order::apply(state, &field.kind, row_verdict.of_field(position), cell, span);
        }
        for field in unmapped {
            record.fields[*field].stand_still();
        }
        for (field, reason) in &reading.problems {
            let state = &mut record.fields[*field];
            match reason {
                Reason::NotAnswered { .. } => state.stand_still(),
                _ => state.seen = None,
            }
        }
        // Without a version the next sweep reads it again.
        record.version = row.version.clone().filter(|_| !reading.again);
        record.modified_ms = row.modified_ms.or(last_ms);
        record.raw = std::mem::take(&mut reading.raw);
        let has_place = record.link.is_some() && record.status != RecordStatus::Returned;
        if let (false, Some(column), Some(stamp)) = (has_place, &self.member.stamp, stamp) {
            record.raw.push((column.clone(), Some(stamp.into())));
        }
        record
    }

    /// The failures of this row.
    pub(super) fn failures(
        &self,
        place: (&Page, &Row, &[(&str, &str)]),
        reading: &RowReading,
        before: Option<&RecordState>,
    ) -> Vec<Failure> {
        // The values of a surplus record are not merged, so none is missed.
        let is_surplus = before.is_some_and(|record| record.status == RecordStatus::Surplus);
        if reading.problems.is_empty() || is_surplus {
            return Vec::new();
        }
        let blank = Failure {
            system: self.member.system.clone(),
            object: self.member.object.clone(),
            id: Some(place.1.id.clone()),
            field: None,
            class: FailureClass::Unreadable,
            problems: Vec::new(),
            digest: String::new(),
            values: BTreeMap::new(),
            since_ms: self.now_ms,
            last_ms: self.now_ms,
            times: 1,
        };
        let name = |field: &FieldIndex| self.entity[*field].name.clone();
        let problems = reading.problems.iter();
        let problems = problems.map(|(field, reason)| (name(field), reason.clone()));
        let known = before.map(|record| record.failures.as_slice()).unwrap_or_default();
        unreadable::failures(&blank, place, problems, known)
    }

    pub(crate) fn blank(&self, id: &str) -> RecordState {
        RecordState {
            key: self.key(id),
            entity: self.entity.name.clone(),
            link: None,
            version: None,
            modified_ms: None,
            status: RecordStatus::Live,
            fields: PerField::filled(self.entity, FieldState::default()),
            raw: Vec::new(),
            failures: Vec::new(),
        }
    }
}
