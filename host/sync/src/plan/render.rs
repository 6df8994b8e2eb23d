//! Renders planned writes: from canonical values to an operation in a member's columns.
//!
//! Direct values go as they are, tables are looked up, transforms are called once per group for all
//! planned writes of a chunk. A column that would not change is not written; a value without a
//! counterpart is reported, never guessed (`RULES.md` V17).

use crate::journal::JournalNote;
use crate::plan::one_link::PlannedWrite;
use crate::read::transforms::TransformCalls;
use renkei_model::index::GroupIndex;
use renkei_model::plugin::PluginError;
use renkei_model::reason::Reason;
use renkei_model::review::digest;
use renkei_model::spec::{EntitySpec, MappingGroup, MemberSpec, ValueTable, Via};
use renkei_model::state::{ColumnWrite, FieldWrite, OutboxEntry, OutboxState};
use renkei_model::value::{Cell, Value};

/// The operation that a planned write was rendered into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedWrite {
    /// The operation, without its intent; nothing when no column would change.
    pub entry: Option<OutboxEntry>,
    /// Fields whose columns hold the truth already, in the member's own form.
    pub in_step: Vec<FieldWrite>,
    /// Reasons why something of it is not written.
    pub notes: Vec<JournalNote>,
}

/// Renders the planned writes of one entity, in order.
///
/// # Errors
/// A transform failed as a whole.
pub async fn render(
    transforms: &TransformCalls<'_>,
    entity: &EntitySpec,
    planned_writes: &[PlannedWrite],
) -> Result<Vec<RenderedWrite>, PluginError> {
    let mut columns: Vec<Vec<RenderedColumns>> = planned_writes
        .iter()
        .map(|planned_write| {
            planned_write
                .groups
                .iter()
                .map(|(group, _)| unknown(entity, planned_write, *group))
                .collect()
        })
        .collect();
    for (member_index, member) in entity.indexed_members() {
        for (group_index, group) in member.indexed_groups() {
            let mine = planned_writes.iter().zip(&mut columns);
            let mine = mine.filter(|(planned_write, _)| planned_write.member == member_index);
            let (places, slots): (Vec<_>, Vec<_>) = mine
                .filter_map(|(planned_write, slots)| {
                    let mut slots = planned_write.groups.iter().zip(slots);
                    let ((_, cells), slot) = slots.find(|((index, _), _)| *index == group_index)?;
                    Some(((planned_write, cells), slot))
                })
                .unzip();
            let rows = render_group(transforms, member, group, &places).await?;
            slots.into_iter().zip(rows).for_each(|(slot, row)| *slot = row);
        }
    }
    let rendered = planned_writes.iter().zip(columns).map(|(planned_write, columns)| {
        assemble(entity, &entity[planned_write.member], planned_write, columns)
    });
    Ok(rendered.collect())
}

/// The columns of one group of a planned write.
enum RenderedColumns {
    Cells(Vec<Cell>),
    /// There is no counterpart, or a transform fails at it.
    Failed(Reason),
}

/// The result for a group that was not rendered: no counterpart.
fn unknown(
    entity: &EntitySpec,
    planned_write: &PlannedWrite,
    group: GroupIndex,
) -> RenderedColumns {
    let column = entity[planned_write.member][group].columns.first().cloned().unwrap_or_default();
    RenderedColumns::Failed(Reason::Unmapped { column, items: Vec::new() })
}

/// Renders one group for these planned writes, each with the cells of its fields.
async fn render_group(
    transforms: &TransformCalls<'_>,
    member: &MemberSpec,
    group: &MappingGroup,
    places: &[(&PlannedWrite, &Vec<Cell>)],
) -> Result<Vec<RenderedColumns>, PluginError> {
    let cells = places.iter().map(|(_, cells)| (*cells).clone());
    match &group.via {
        Via::Direct => Ok(cells.map(|cells| in_days(member, group, cells)).collect()),
        Via::Table(table) => {
            let places = places.iter();
            Ok(places
                .map(|(planned_write, cells)| look_up(table, group, planned_write, cells))
                .collect())
        }
        Via::Transform(transform_use) => {
            let old = places.iter().map(|(planned_write, _)| {
                group.columns.iter().map(|column| present(planned_write, column)).collect()
            });
            let answers =
                transforms.to_columns(transform_use, cells.collect(), old.collect()).await?;
            Ok(answers
                .into_iter()
                .map(|answer| answer.map_or_else(RenderedColumns::Failed, RenderedColumns::Cells))
                .collect())
        }
    }
}

/// Days as the columns take them.
fn in_days(member: &MemberSpec, group: &MappingGroup, cells: Vec<Cell>) -> RenderedColumns {
    let mut taken = Vec::with_capacity(cells.len());
    for (column, cell) in group.columns.iter().zip(cells) {
        match member.days.outward(column, cell) {
            Some(cell) => taken.push(cell),
            None => return RenderedColumns::Failed(Reason::ZoneUnknown { column: column.clone() }),
        }
    }
    RenderedColumns::Cells(taken)
}

/// The cells of a group in the member's own values.
fn look_up(
    table: &ValueTable,
    group: &MappingGroup,
    planned_write: &PlannedWrite,
    cells: &[Cell],
) -> RenderedColumns {
    let mut written = Vec::with_capacity(cells.len());
    for (column, cell) in group.columns.iter().zip(cells) {
        let remote = match cell {
            None | Some(Value::Null) => Ok(cell.clone()),
            Some(value) => table.outward(value, &present(planned_write, column)).map(Some),
        };
        match remote {
            Ok(cell) => written.push(cell),
            Err(items) => {
                return RenderedColumns::Failed(Reason::Unmapped { column: column.clone(), items });
            }
        }
    }
    RenderedColumns::Cells(written)
}

fn present(planned_write: &PlannedWrite, column: &str) -> Cell {
    planned_write.raw.iter().find(|(name, _)| name == column).and_then(|(_, cell)| cell.clone())
}

fn assemble(
    entity: &EntitySpec,
    member: &MemberSpec,
    planned_write: &PlannedWrite,
    columns: Vec<RenderedColumns>,
) -> RenderedWrite {
    let mut rendered = RenderedWrite { entry: None, in_step: Vec::new(), notes: Vec::new() };
    let mut writes: Vec<ColumnWrite> = Vec::new();
    let mut fields: Vec<FieldWrite> = Vec::new();
    let mut sendable = true;
    for ((group, _), cells) in planned_write.groups.iter().zip(columns) {
        let group = &member[*group];
        let mine: Vec<FieldWrite> = planned_write
            .fields
            .iter()
            .filter(|write| {
                entity.field(&write.field).is_some_and(|(f, _)| group.fields.contains(&f))
            })
            .cloned()
            .collect();
        match cells {
            RenderedColumns::Failed(reason) => {
                rendered.notes.extend(held(member, planned_write, &mine, &reason));
                // The system would put its default there, which would come back as a value
                // (`RULES.md` V17).
                sendable &= !planned_write.effect.kind().makes_record();
            }
            RenderedColumns::Cells(cells) if columns_hold(planned_write, group, &cells) => {
                rendered.in_step.extend(mine)
            }
            RenderedColumns::Cells(cells) => {
                let named = group.columns.iter().cloned().zip(cells);
                writes.extend(named.map(|(column, cell)| ColumnWrite { column, cell }));
                fields.extend(mine);
            }
        }
    }
    if planned_write.effect.kind().makes_record() {
        for (column, cell) in planned_write.copies.iter().chain(&member.constants) {
            let is_given = |write: &ColumnWrite| {
                write.column == *column && write.cell.as_ref().is_some_and(|one| !one.is_null())
            };
            if !writes.iter().any(is_given) {
                writes.push(ColumnWrite { column: column.clone(), cell: cell.clone() });
            }
        }
    }
    writes.retain(|write| {
        let is_news =
            !planned_write.effect.kind().makes_record() || write.cell != Some(Value::Null);
        write.cell.is_some() && is_news
    });
    let bare = !planned_write.effect.kind().writes_columns();
    if sendable && (bare || !writes.is_empty()) {
        rendered.entry = Some(entry(entity, member, planned_write, writes, fields));
    }
    rendered
}

/// True where the columns, as last read, hold these cells already.
fn columns_hold(planned_write: &PlannedWrite, group: &MappingGroup, cells: &[Cell]) -> bool {
    !matches!(group.via, Via::Direct)
        && planned_write.effect.kind().changes_record()
        && group
            .columns
            .iter()
            .zip(cells)
            .all(|(column, cell)| cell.is_none() || present(planned_write, column) == *cell)
}

fn held(
    member: &MemberSpec,
    planned_write: &PlannedWrite,
    fields: &[FieldWrite],
    reason: &Reason,
) -> Vec<JournalNote> {
    let record = planned_write.record(member);
    let note = |write: &FieldWrite| JournalNote {
        record: record.clone(),
        field: Some(write.field.clone()),
        reason: reason.clone(),
    };
    fields.iter().map(note).collect()
}

fn entry(
    entity: &EntitySpec,
    member: &MemberSpec,
    planned_write: &PlannedWrite,
    columns: Vec<ColumnWrite>,
    fields: Vec<FieldWrite>,
) -> OutboxEntry {
    OutboxEntry {
        intent: String::new(),
        entity: entity.name.clone(),
        link: planned_write.link,
        system: member.system.clone(),
        object: member.object.clone(),
        effect: planned_write.effect.clone(),
        if_version: planned_write.if_version.clone(),
        if_modified_ms: planned_write.if_modified_ms,
        columns,
        fields,
        reason: planned_write.reason.clone(),
        state: OutboxState::Planned,
        not_before_ms: 0,
        attempts: 0,
        job: None,
    }
}

/// The digest of a write and its mapping: a refused write is not tried again until this changes.
pub fn refusal_digest(entry: &OutboxEntry, mapping: &str) -> String {
    let OutboxEntry { effect, columns, .. } = entry;
    digest(&[&format!("{:?} {:?} {columns:?}", effect.kind(), effect.id()), mapping])
}

/// The digest under which a link remembers a create that a person gave up, whatever its values.
pub fn given_up(entry: &OutboxEntry) -> String {
    digest(&["given up", &entry.system, &entry.object])
}

/// The key of an intent, unique for ever (`RULES.md` P1): the link's version tells the intents of
/// one opening of the store apart, and `opening` is its identity and epoch, which no other opening
/// has.
pub fn intent(opening: (&str, &str), entry: &OutboxEntry, version: u64) -> String {
    let OutboxEntry { link, system, object, effect, .. } = entry;
    let (identity, epoch) = opening;
    let kind = effect.kind();
    digest(&[identity, epoch, &format!("{link} {version} {kind:?}"), system, object])
}
