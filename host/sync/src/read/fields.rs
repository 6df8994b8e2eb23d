//! From a connector's rows to canonical fields: the inbound half of a mapping.

use crate::read::transforms::TransformCalls;
use renkei_model::canonical::{composed, fit};
use renkei_model::index::{FieldIndex, PerField};
use renkei_model::plugin::PluginError;
use renkei_model::reason::Reason;
use renkei_model::record::{Batch, Row};
use renkei_model::spec::{EntitySpec, MappingGroup, MemberSpec, TransformUse, ValueTable, Via};
use renkei_model::state::RecordState;
use renkei_model::value::{Cell, Value};

/// One row as the fields hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowReading {
    /// One cell per field; absent where the row has no usable value.
    pub cells: PerField<Cell>,
    /// Columns that mappings with a complement must keep.
    pub raw: Vec<(String, Cell)>,
    /// Fields with an unusable value, and the reason.
    pub problems: Vec<(FieldIndex, Reason)>,
    /// Fields that are read from a column of which the row has no cell, with the column.
    pub absent: Vec<(FieldIndex, String)>,
    /// A transform failed at the row, or a time zone was unknown; a later reading may succeed.
    pub again: bool,
}

impl RowReading {
    /// Notes that a field's value is unusable; its stored value does not count any more.
    pub(crate) fn fail(&mut self, field: FieldIndex, reason: Reason) {
        self.problems.push((field, reason));
    }
}

/// The origin of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    /// A system's answer: a field of which one column has no cell was not read.
    Answered,
    /// The cells of a write: a column without a cell was left alone.
    Carried,
}

/// Reads the rows of a batch, in order. `known` holds the stored record of each row, where there is
/// one, fetched for the entity. A field that stands in several columns is read from all of them or
/// not at all.
///
/// # Errors
/// A transform failed as a whole.
pub async fn read_rows(
    transforms: &TransformCalls<'_>,
    entity: &EntitySpec,
    member: &MemberSpec,
    (batch, rows): (&Batch, RowsKind),
    known: &[Option<&RecordState>],
) -> Result<Vec<RowReading>, PluginError> {
    let blank = RowReading {
        cells: PerField::filled(entity, None),
        raw: Vec::new(),
        problems: Vec::new(),
        absent: Vec::new(),
        again: false,
    };
    let mut readings = vec![blank; batch.rows.len()];
    for group in &member.groups {
        let places: Vec<Option<usize>> = group
            .columns
            .iter()
            .map(|column| batch.columns.iter().position(|name| name == column))
            .collect();
        if places.iter().all(Option::is_none) {
            continue;
        }
        let mut columns: Vec<Vec<Cell>> = batch.rows.iter().map(|row| pick(row, &places)).collect();
        if rows == RowsKind::Answered {
            for (reading, cells) in readings.iter_mut().zip(&mut columns) {
                reading.miss(group, &places, cells);
            }
        }
        match &group.via {
            Via::Direct => {
                for (reading, cells) in readings.iter_mut().zip(columns) {
                    reading.put_all(entity, member, group, cells);
                }
            }
            Via::Table(table) => {
                for (reading, cells) in readings.iter_mut().zip(columns) {
                    reading.keep_raw(group, &cells);
                    reading.look_up(entity, member, group, table, &cells);
                }
            }
            Via::Transform(transform_use) => {
                let place = (entity, member, group);
                read_transformed(transforms, place, transform_use, columns, known, &mut readings)
                    .await?;
            }
        }
    }
    Ok(readings)
}

fn pick(row: &Row, places: &[Option<usize>]) -> Vec<Cell> {
    let cell = |place: &Option<usize>| row.cells.get((*place)?).cloned().flatten();
    places.iter().map(cell).collect()
}

/// Calls a transform for the rows with at least one cell.
async fn read_transformed(
    transforms: &TransformCalls<'_>,
    (entity, member, group): (&EntitySpec, &MemberSpec, &MappingGroup),
    transform_use: &TransformUse,
    columns: Vec<Vec<Cell>>,
    known: &[Option<&RecordState>],
    readings: &mut [RowReading],
) -> Result<(), PluginError> {
    let mut called = Vec::new();
    let mut input = Vec::new();
    let mut old = Vec::new();
    for ((reading, known), cells) in readings.iter_mut().zip(known).zip(columns) {
        reading.keep_raw(group, &cells);
        if cells.iter().all(Option::is_none) {
            continue;
        }
        called.push(reading);
        input.push(cells);
        old.push(group.fields.iter().map(|field| seen(*known, *field)).collect());
    }
    let answers = transforms.to_fields(transform_use, input, old).await?;
    for (reading, answer) in called.into_iter().zip(answers) {
        match answer {
            Ok(cells) => reading.put_all(entity, member, group, cells),
            Err(reason) => {
                reading.again = true;
                for field in &group.fields {
                    reading.fail(*field, reason.clone());
                }
            }
        }
    }
    Ok(())
}

fn is_filler(fillers: &[String], cell: &Cell) -> bool {
    let Some(Value::Text(text)) = cell else { return false };
    fillers.iter().any(|filler| composed(filler) == composed(text))
}

fn seen(known: Option<&RecordState>, field: FieldIndex) -> Cell {
    known.and_then(|record| record.fields[field].seen.clone())
}

impl RowReading {
    /// Leaves out a group of which the row lacks a cell: part of a name is no name.
    fn miss(&mut self, group: &MappingGroup, places: &[Option<usize>], cells: &mut [Cell]) {
        let mut named = group.columns.iter().zip(places).zip(cells.iter());
        let absent = named.find(|((_, place), cell)| place.is_some() && cell.is_none());
        let Some(((column, _), _)) = absent else { return };
        if group.direction.reads() {
            let fields = group.fields.iter();
            self.absent.extend(fields.map(|field| (*field, column.clone())));
        }
        cells.fill(None);
    }

    fn put_all(
        &mut self,
        entity: &EntitySpec,
        member: &MemberSpec,
        group: &MappingGroup,
        cells: Vec<Cell>,
    ) {
        for (index, (field, cell)) in group.fields.iter().zip(cells).enumerate() {
            let (spec, place) = (&entity[*field], &mut self.cells[*field]);
            let zone = member.days.zone();
            let is_moment = zone.is_none() && matches!(cell, Some(Value::Timestamp(_)));
            match fit(&spec.kind, cell, zone) {
                Ok(cell) if is_filler(&group.rules.fillers, &cell) => *place = Some(Value::Null),
                Ok(cell) => *place = cell,
                Err(_) => {
                    let column = group.columns.get(index).or(group.columns.first()).cloned();
                    let column = column.unwrap_or_default();
                    let reason = match is_moment {
                        true => Reason::ZoneUnknown { column },
                        false => Reason::Unreadable { column },
                    };
                    self.again |= is_moment;
                    self.fail(*field, reason);
                }
            }
        }
    }

    fn look_up(
        &mut self,
        entity: &EntitySpec,
        member: &MemberSpec,
        group: &MappingGroup,
        table: &ValueTable,
        cells: &[Cell],
    ) {
        let Some(Some(value)) = cells.first() else { return };
        match table.inward(value) {
            Ok(value) => self.put_all(entity, member, group, vec![Some(value)]),
            Err(items) => {
                let column = group.columns.first().cloned().unwrap_or_default();
                let reason = Reason::Unmapped { column, items };
                for field in &group.fields {
                    self.fail(*field, reason.clone());
                }
            }
        }
    }

    fn keep_raw(&mut self, group: &MappingGroup, cells: &[Cell]) {
        let read = group.columns.iter().zip(cells).filter(|(_, cell)| cell.is_some());
        self.raw.extend(read.map(|(column, cell)| (column.clone(), cell.clone())));
    }
}
