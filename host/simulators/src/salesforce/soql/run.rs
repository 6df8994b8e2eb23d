//! Follows a plan: finds the rows through the best index, orders them, shows pages of them.
//!
//! A query is run once; what it found is a list of serials that its cursor keeps, so a page costs
//! only its own rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::super::ids::Serial;
use super::super::json::Json;
use super::super::schema::{ChildRelationship, OrgFieldKind, SLOT_ID, SLOT_STAMP, TableNumber};
use super::super::store::{NULL, OrgRow, OrgStore};
use super::super::value::OrgValue;
use super::ast::{Aggregate, CompareOp};
use super::plan::{FieldReach, PlanColumn, PlanOutput, ReachLeaf, RowSort, RowTest, SoqlPlan};

/// The rows of a query in order, after OFFSET and LIMIT; `all` includes deleted ones.
pub(crate) fn select(store: &OrgStore, plan: &SoqlPlan, all: bool) -> Vec<Serial> {
    let wanted = plan.limit.map_or(usize::MAX, |limit| limit.saturating_add(plan.offset));
    let fits = |row: &&OrgRow| {
        (all || !row.deleted())
            && !store.hides(plan.table, row.serial)
            && plan.filter.as_ref().is_none_or(|test| test.holds(store, row))
    };
    let rows = candidates(store, plan);
    let kept = rows.into_iter().filter(fits);
    let sorted: Vec<&OrgRow> = if by_stamp(plan) && !narrow(store, plan) {
        kept.take(wanted).collect()
    } else {
        let mut found: Vec<&OrgRow> = kept.collect();
        found.sort_by(|a, b| order(store, &plan.order, a, b));
        found.truncate(wanted);
        found
    };
    sorted.into_iter().skip(plan.offset).map(|row| row.serial).collect()
}

/// The rows worth testing: from a text index, else by stamp, else all.
fn candidates<'a>(
    store: &'a OrgStore,
    plan: &SoqlPlan,
) -> Box<dyn Iterator<Item = &'a OrgRow> + 'a> {
    let table = plan.table;
    if let Some(mut serials) = plan.filter.as_ref().and_then(|test| test.lookup(store, table)) {
        serials.sort_unstable();
        serials.dedup();
        return Box::new(serials.into_iter().filter_map(move |serial| store.row(table, serial)));
    }
    let (low, high) = plan.filter.as_ref().map_or((i64::MIN, i64::MAX), RowTest::stamps);
    if by_stamp(plan) || low > i64::MIN {
        let rows = store.stamped(table, low, high);
        return Box::new(rows.filter_map(move |(_, serial)| store.row(table, serial)));
    }
    Box::new(store.rows(table))
}

/// True if the order asked for is the order of the stamp index.
fn by_stamp(plan: &SoqlPlan) -> bool {
    let slots: Vec<_> = plan.order.iter().map(|sort| (sort.reach.own(), sort.descending)).collect();
    matches!(
        slots.as_slice(),
        [(Some(SLOT_STAMP), false)] | [(Some(SLOT_STAMP), false), (Some(SLOT_ID), false)]
    )
}

fn narrow(store: &OrgStore, plan: &SoqlPlan) -> bool {
    plan.filter.as_ref().is_some_and(|test| test.lookup(store, plan.table).is_some())
}

impl RowTest {
    fn holds(&self, store: &OrgStore, row: &OrgRow) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(store, row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(store, row)),
            Self::Not(inner) => !inner.holds(store, row),
            Self::Compare(reach, op, value) => {
                let found = reach.get(store, row);
                compare(found, *op, value, reach.rank(found, value))
            }
            Self::In(reach, members) => members.contain(reach.get(store, row)),
        }
    }

    /// The rows an index gives for this test, a superset of those it holds for.
    fn lookup(&self, store: &OrgStore, table: TableNumber) -> Option<Vec<Serial>> {
        match self {
            Self::All(parts) => parts.iter().find_map(|part| part.lookup(store, table)),
            Self::Any(parts) => {
                let found: Option<Vec<_>> =
                    parts.iter().map(|part| part.lookup(store, table)).collect();
                Some(found?.concat())
            }
            Self::Not(_) => None,
            Self::Compare(reach, CompareOp::Eq, value) => {
                by_value(store, table, reach.own()?, value)
            }
            Self::Compare(..) => None,
            Self::In(reach, members) => {
                let slot = reach.own()?;
                let found: Option<Vec<_>> = members
                    .values
                    .iter()
                    .map(|value| by_value(store, table, slot, value))
                    .collect();
                Some(found?.concat())
            }
        }
    }

    /// Bounds of `SystemModstamp` that this test implies.
    fn stamps(&self) -> (i64, i64) {
        let whole = (i64::MIN, i64::MAX);
        match self {
            Self::All(parts) => parts
                .iter()
                .map(Self::stamps)
                .fold(whole, |(low, high), (l, h)| (low.max(l), high.min(h))),
            Self::Any(parts) => parts
                .iter()
                .map(Self::stamps)
                .reduce(|(low, high), (l, h)| (low.min(l), high.max(h)))
                .unwrap_or(whole),
            Self::Compare(reach, op, OrgValue::Time(at)) if reach.own() == Some(SLOT_STAMP) => {
                match op {
                    CompareOp::Eq => (*at, *at),
                    CompareOp::Gt | CompareOp::Ge => (*at, i64::MAX),
                    CompareOp::Lt | CompareOp::Le => (i64::MIN, *at),
                    CompareOp::Ne | CompareOp::Like => whole,
                }
            }
            Self::Not(_) | Self::Compare(..) | Self::In(..) => whole,
        }
    }
}

fn by_value(
    store: &OrgStore,
    table: TableNumber,
    slot: usize,
    value: &OrgValue,
) -> Option<Vec<Serial>> {
    let text = value.as_text()?;
    if slot == SLOT_ID {
        let found = store.locate(text).filter(|(of, _)| *of == table);
        return Some(found.into_iter().map(|(_, serial)| serial).collect());
    }
    store.by_text(table, slot, text).map(<[Serial]>::to_vec)
}

impl FieldReach {
    /// The slot, where this is a field of the row itself.
    fn own(&self) -> Option<usize> {
        match (&self.leaf, self.hops.is_empty()) {
            (ReachLeaf::Slot(slot), true) => Some(*slot),
            _ => None,
        }
    }

    /// The order of two values of this field: ids sort byte by byte, as their serials do.
    fn rank(&self, a: &OrgValue, b: &OrgValue) -> Ordering {
        match (a, b) {
            (OrgValue::Text(a), OrgValue::Text(b)) if self.own() == Some(SLOT_ID) => a.cmp(b),
            _ => a.order(b),
        }
    }

    fn get<'a>(&self, store: &'a OrgStore, row: &'a OrgRow) -> &'a OrgValue {
        let mut row = row;
        let mut table = None;
        for hop in &self.hops {
            match parent(store, row, *hop) {
                Some((of, parent)) => (table, row) = (Some(of), parent),
                None => return &NULL,
            }
        }
        match &self.leaf {
            ReachLeaf::Slot(slot) => row.cell(*slot),
            ReachLeaf::Named(name) => {
                let slot = table.and_then(|table| store.object(table)?.slot(name));
                slot.map_or(&NULL, |slot| row.cell(slot))
            }
        }
    }
}

fn parent<'a>(store: &'a OrgStore, row: &OrgRow, slot: usize) -> Option<(TableNumber, &'a OrgRow)> {
    let (table, serial) = store.locate(row.cell(slot).as_text()?)?;
    Some((table, store.shared(table, serial)?))
}

fn compare(found: &OrgValue, op: CompareOp, value: &OrgValue, order: Ordering) -> bool {
    let both = !found.is_null() && !value.is_null();
    match op {
        CompareOp::Eq => order == Ordering::Equal,
        CompareOp::Ne => order != Ordering::Equal,
        CompareOp::Lt => both && order == Ordering::Less,
        CompareOp::Le => both && order != Ordering::Greater,
        CompareOp::Gt => both && order == Ordering::Greater,
        CompareOp::Ge => both && order != Ordering::Less,
        CompareOp::Like => match (found.as_text(), value.as_text()) {
            (Some(text), Some(pattern)) => {
                let text: Vec<char> = text.to_lowercase().chars().collect();
                let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
                like(&text, &pattern)
            }
            _ => false,
        },
    }
}

/// `%` is any run, `_` any character, `\` makes the next one literal.
fn like(text: &[char], pattern: &[char]) -> bool {
    match (text, pattern) {
        (_, []) => text.is_empty(),
        (_, ['%', rest @ ..]) => (0..=text.len())
            .any(|skip| text.get(skip..).is_some_and(|remaining| like(remaining, rest))),
        ([c, text @ ..], ['\\', literal, rest @ ..]) => c == literal && like(text, rest),
        ([_, text @ ..], ['_', rest @ ..]) => like(text, rest),
        ([c, text @ ..], [p, rest @ ..]) => c == p && like(text, rest),
        ([], _) => false,
    }
}

fn order(store: &OrgStore, sorts: &[RowSort], a: &OrgRow, b: &OrgRow) -> Ordering {
    for sort in sorts {
        let (x, y) = (sort.reach.get(store, a), sort.reach.get(store, b));
        let nulls = y.is_null().cmp(&x.is_null());
        let nulls = if sort.nulls_first { nulls } else { nulls.reverse() };
        let values = match x.is_null() || y.is_null() {
            true => nulls,
            false if sort.descending => sort.reach.rank(y, x),
            false => sort.reach.rank(x, y),
        };
        if values != Ordering::Equal {
            return values;
        }
    }
    a.serial.cmp(&b.serial)
}

/// The values of a semi-join: the first selected field of each row that is not deleted.
pub(super) fn first_column(store: &OrgStore, plan: &SoqlPlan) -> Vec<OrgValue> {
    let slot = match &plan.output {
        PlanOutput::Rows(columns) => columns.iter().find_map(|column| match column {
            PlanColumn::Field { slot, .. } => Some(*slot),
            _ => None,
        }),
        _ => None,
    };
    let rows = select(store, plan, false);
    let cells = rows.iter().filter_map(|serial| {
        let cell = store.row(plan.table, *serial)?.cell(slot?);
        (!cell.is_null()).then(|| cell.clone())
    });
    cells.collect()
}

/// The records of some rows, in the answer's shape; rows gone since are left out.
/// `base` is the path up to the version, such as `/services/data/v60.0`.
pub(crate) fn render(store: &OrgStore, plan: &SoqlPlan, rows: &[Serial], base: &str) -> Vec<Json> {
    match &plan.output {
        PlanOutput::Rows(columns) => rows
            .iter()
            .filter_map(|serial| store.row(plan.table, *serial))
            .map(|row| record(store, plan.table, row, columns, base))
            .collect(),
        PlanOutput::Count => Vec::new(),
        PlanOutput::Aggregates(aggregates) => {
            let mut pairs =
                vec![("attributes".into(), Json::object([("type", "AggregateResult".into())]))];
            for (aggregate, reach, kind, name) in aggregates {
                let values = rows
                    .iter()
                    .filter_map(|serial| store.row(plan.table, *serial))
                    .map(|row| reach.get(store, row))
                    .filter(|value| !value.is_null());
                let value = match aggregate {
                    Aggregate::Count => Json::from(values.count()),
                    Aggregate::Min => shown(values.min_by(|a, b| a.order(b)), *kind),
                    Aggregate::Max => shown(values.max_by(|a, b| a.order(b)), *kind),
                };
                pairs.push((Cow::Owned(name.clone()), value));
            }
            vec![Json::Object(pairs)]
        }
    }
}

fn shown(value: Option<&OrgValue>, kind: OrgFieldKind) -> Json {
    value.map_or(Json::Null, |value| value.json(kind))
}

fn record(
    store: &OrgStore,
    table: TableNumber,
    row: &OrgRow,
    columns: &[PlanColumn],
    base: &str,
) -> Json {
    let mut pairs = Vec::with_capacity(columns.len() + 1);
    pairs.push(("attributes".into(), attributes(store, table, row.serial, base)));
    for column in columns {
        let (name, value) = match column {
            PlanColumn::Field { name, slot, kind } => {
                (Cow::Borrowed(*name), field(row, *slot, *kind))
            }
            PlanColumn::Named(name) => (Cow::Owned(name.clone()), named(store, table, row, name)),
            PlanColumn::Parent { name, slot, columns } => {
                let value = parent(store, row, *slot)
                    .map_or(Json::Null, |(table, row)| record(store, table, row, columns, base));
                (Cow::Borrowed(*name), value)
            }
            PlanColumn::Children { child, plan } => (
                Cow::Borrowed(child.relationship),
                children(store, *child, plan, &store.id(table, row.serial), base),
            ),
        };
        pairs.push((name, value));
    }
    Json::Object(pairs)
}

/// The `attributes` of a record: its type and the path of the record itself.
pub(crate) fn attributes(store: &OrgStore, table: TableNumber, serial: Serial, base: &str) -> Json {
    let name = store.object(table).map_or("", |object| object.name);
    let url = format!("{base}/sobjects/{name}/{}", store.id(table, serial));
    Json::object([("type", name.into()), ("url", url.into())])
}

/// One value of a row; an address is put together from the five slots before it.
pub(crate) fn field(row: &OrgRow, slot: usize, kind: OrgFieldKind) -> Json {
    if kind != OrgFieldKind::Address {
        return row.cell(slot).json(kind);
    }
    let part =
        |back: usize| row.cell(slot.saturating_sub(back)).as_text().map_or(Json::Null, Json::from);
    let parts = [part(5), part(4), part(3), part(2), part(1)];
    if parts.iter().all(|part| *part == Json::Null) {
        return Json::Null;
    }
    let [street, city, state, postal_code, country] = parts;
    Json::object([
        ("city", city),
        ("country", country),
        ("geocodeAccuracy", Json::Null),
        ("latitude", Json::Null),
        ("longitude", Json::Null),
        ("postalCode", postal_code),
        ("state", state),
        ("street", street),
    ])
}

fn named(store: &OrgStore, table: TableNumber, row: &OrgRow, name: &str) -> Json {
    let found = store.object(table).and_then(|object| object.field(name));
    found.map_or(Json::Null, |(slot, of)| field(row, slot, of.kind))
}

fn children(
    store: &OrgStore,
    child: ChildRelationship,
    plan: &SoqlPlan,
    parent: &str,
    base: &str,
) -> Json {
    let serials = store.live(child.table, child.slot, parent);
    let fits = |row: &&OrgRow| plan.filter.as_ref().is_none_or(|test| test.holds(store, row));
    let rows = serials.iter().filter_map(|serial| store.shared(child.table, *serial));
    let mut found: Vec<&OrgRow> = rows.filter(fits).collect();
    found.sort_by(|a, b| order(store, &plan.order, a, b));
    let limit = plan.limit.unwrap_or(usize::MAX);
    let serials: Vec<Serial> =
        found.iter().skip(plan.offset).take(limit).map(|row| row.serial).collect();
    if serials.is_empty() {
        return Json::Null;
    }
    Json::object([
        ("totalSize", serials.len().into()),
        ("done", true.into()),
        ("records", Json::List(render(store, plan, &serials, base))),
    ])
}

/// True if the plan gives plain rows: fields and parents, no children, counts or aggregates.
pub(crate) fn flat(plan: &SoqlPlan) -> bool {
    fn plain(columns: &[PlanColumn]) -> bool {
        columns.iter().all(|column| match column {
            PlanColumn::Field { kind, .. } => *kind != OrgFieldKind::Address,
            PlanColumn::Named(_) => true,
            PlanColumn::Parent { columns, .. } => plain(columns),
            PlanColumn::Children { .. } => false,
        })
    }
    matches!(&plan.output, PlanOutput::Rows(columns) if plain(columns))
}

/// Header and rows of a plan's records as Bulk 2.0 shows them, parents as `Account.Name`.
pub(crate) fn sheet(
    store: &OrgStore,
    plan: &SoqlPlan,
    rows: &[Serial],
) -> (Vec<String>, Vec<Vec<String>>) {
    let PlanOutput::Rows(columns) = &plan.output else { return (Vec::new(), Vec::new()) };
    let mut header = Vec::new();
    name_columns(columns, "", &mut header);
    let found = rows.iter().filter_map(|serial| store.row(plan.table, *serial));
    let lines = found.map(|row| {
        let mut line = Vec::with_capacity(header.len());
        show_line(store, plan.table, Some(row), columns, &mut line);
        line
    });
    let lines = lines.collect();
    (header, lines)
}

fn name_columns(columns: &[PlanColumn], prefix: &str, header: &mut Vec<String>) {
    for column in columns {
        match column {
            PlanColumn::Field { name, .. } => header.push(format!("{prefix}{name}")),
            PlanColumn::Named(name) => header.push(format!("{prefix}{name}")),
            PlanColumn::Parent { name, columns, .. } => {
                name_columns(columns, &format!("{prefix}{name}."), header);
            }
            PlanColumn::Children { .. } => {}
        }
    }
}

fn show_line(
    store: &OrgStore,
    table: TableNumber,
    row: Option<&OrgRow>,
    columns: &[PlanColumn],
    line: &mut Vec<String>,
) {
    for column in columns {
        match column {
            PlanColumn::Field { slot, kind, .. } => {
                line.push(row.map_or_else(String::new, |row| row.cell(*slot).csv(*kind)));
            }
            PlanColumn::Named(name) => {
                let field = store.object(table).and_then(|object| object.field(name));
                let cell = row.zip(field).map(|(row, (slot, of))| row.cell(slot).csv(of.kind));
                line.push(cell.unwrap_or_default());
            }
            PlanColumn::Parent { slot, columns, .. } => {
                let found = row.and_then(|row| parent(store, row, *slot));
                let (table, row) = found.map_or((table, None), |(table, row)| (table, Some(row)));
                show_line(store, table, row, columns, line);
            }
            PlanColumn::Children { .. } => {}
        }
    }
}
