//! Checks a parsed query against the schema and makes the plan that the runner follows.
//!
//! After this nothing about a query can fail: names are slots, literals have the type of their
//! field, date literals are instants and semi-joins are lists of values.

use super::super::error::ApiFault;
use super::super::ids;
use super::super::schema::{ChildRelationship, OrgField, OrgFieldKind, OrgObject, TableNumber};
use super::super::store::OrgStore;
use super::super::value::{OrgValue, day_of};
use super::ast::{
    Aggregate, CompareOp, OrderItem, SelectItem, SoqlExpr, SoqlLiteral, SoqlPath, SoqlQuery,
};
use super::plan::{
    FieldReach, InList, PlanColumn, PlanOutput, ReachLeaf, RowSort, RowTest, SoqlPlan,
};
use super::{at, dates, malformed, run};

/// Levels of parents that a path may climb.
const HOPS_MAX: usize = 5;
/// Rows that OFFSET may skip.
const OFFSET_MAX: usize = 2000;

/// Makes the plan of `query`, whose text is `soql`, at the time `now_ms`.
pub(crate) fn bind(
    store: &OrgStore,
    soql: &str,
    query: &SoqlQuery,
    now_ms: i64,
) -> Result<SoqlPlan, ApiFault> {
    let table = match query.from.parts.as_slice() {
        [name] => store.schema.table(name),
        _ => None,
    };
    let table = table.ok_or_else(|| {
        let name = query.from.parts.join(".");
        let message = format!(
            "sObject type '{name}' is not supported. If you are attempting to use a custom \
             object, be sure to append the '__c' after the entity name. Please reference your \
             WSDL or the describe call for the appropriate names."
        );
        at(soql, query.from.at, "INVALID_TYPE", &message)
    })?;
    let binder = SoqlBinder { store, soql, now_ms, alias: query.alias.as_deref() };
    binder.plan(table, query)
}

struct SoqlBinder<'a> {
    store: &'a OrgStore,
    soql: &'a str,
    now_ms: i64,
    alias: Option<&'a str>,
}

impl<'a> SoqlBinder<'a> {
    fn plan(&self, table: TableNumber, query: &SoqlQuery) -> Result<SoqlPlan, ApiFault> {
        let output = self.output(table, &query.select)?;
        let filter = query.filter.as_ref().map(|expr| self.test(table, expr)).transpose()?;
        let order = query.order.iter().map(|order| self.sort(table, order)).collect();
        if query.offset > OFFSET_MAX {
            let message = "Maximum SOQL offset allowed is 2000";
            return Err(ApiFault::new(400, "NUMBER_OUTSIDE_VALID_RANGE", message));
        }
        let (limit, offset) = (query.limit, query.offset);
        Ok(SoqlPlan { table, output, filter, order: collect(order)?, limit, offset })
    }

    fn output(&self, table: TableNumber, items: &[SelectItem]) -> Result<PlanOutput, ApiFault> {
        if let [SelectItem::Count] = items {
            return Ok(PlanOutput::Count);
        }
        let mut columns = Vec::new();
        let mut aggregates = Vec::new();
        for item in items {
            match item {
                SelectItem::Field(path) => self.add_column(table, path, &mut columns)?,
                SelectItem::Children(query) => columns.push(self.children(table, query)?),
                SelectItem::Aggregate(aggregate, path, alias) => {
                    let (reach, field) = self.reach(table, path)?;
                    let name = alias.clone().unwrap_or_else(|| format!("expr{}", aggregates.len()));
                    let kind = match aggregate {
                        Aggregate::Count => OrgFieldKind::Int,
                        _ => field.map_or(OrgFieldKind::Text(0), |field| field.kind),
                    };
                    aggregates.push((*aggregate, reach, kind, name));
                }
                SelectItem::Count => {
                    return Err(malformed(self.soql, 0, "COUNT() must stand alone"));
                }
            }
        }
        match (columns.is_empty(), aggregates.is_empty()) {
            (false, true) => Ok(PlanOutput::Rows(columns)),
            (true, false) => Ok(PlanOutput::Aggregates(aggregates)),
            _ => Err(malformed(self.soql, 0, "Field must be grouped or aggregated")),
        }
    }

    /// The path without the query's alias or the object's own name in front.
    fn parts<'p>(&self, table: TableNumber, path: &'p SoqlPath) -> &'p [String] {
        let own = self.store.object(table).map(|object| object.name);
        match path.parts.split_first() {
            Some((first, rest)) if !rest.is_empty() => {
                let names = [self.alias, own];
                let qualified = names.iter().flatten().any(|name| name.eq_ignore_ascii_case(first));
                if qualified { rest } else { &path.parts }
            }
            _ => &path.parts,
        }
    }

    fn add_column(
        &self,
        table: TableNumber,
        path: &SoqlPath,
        columns: &mut Vec<PlanColumn>,
    ) -> Result<(), ApiFault> {
        self.reach(table, path)?;
        let mut object = self.object(table)?;
        let mut columns = columns;
        let parts = self.parts(table, path);
        let Some((leaf, parents)) = parts.split_last() else { return Ok(()) };
        let mut many = false;
        for parent in parents {
            let Some((slot, field)) = object.relationship(parent) else { return Ok(()) };
            let Some((to, name)) = field.reference() else { return Ok(()) };
            many = to.len() > 1;
            object = self.object_named(to)?;
            let known = columns.iter().position(
                |column| matches!(column, PlanColumn::Parent { slot: other, .. } if *other == slot),
            );
            let place = known.unwrap_or(columns.len());
            if known.is_none() {
                columns.push(PlanColumn::Parent { name, slot, columns: Vec::new() });
            }
            match columns.get_mut(place) {
                Some(PlanColumn::Parent { columns: inner, .. }) => columns = inner,
                _ => return Ok(()),
            }
        }
        columns.push(match object.field(leaf) {
            Some((slot, field)) if !many => {
                PlanColumn::Field { name: field.name, slot, kind: field.kind }
            }
            _ => PlanColumn::Named(leaf.clone()),
        });
        Ok(())
    }

    fn children(&self, table: TableNumber, query: &SoqlQuery) -> Result<PlanColumn, ApiFault> {
        let parent = self.object(table)?.name;
        let wanted = query.from.parts.join(".");
        let children = self.store.schema.children(parent);
        let named = |child: &&ChildRelationship| child.relationship.eq_ignore_ascii_case(&wanted);
        let Some(child) = children.iter().find(named) else {
            let message = format!(
                "Didn't understand relationship '{wanted}' in FROM part of query call. If you are \
                 attempting to use a custom relationship, be sure to append the '__r' after the \
                 custom relationship name."
            );
            return Err(at(self.soql, query.from.at, "INVALID_TYPE", &message));
        };
        let (store, soql, now_ms) = (self.store, self.soql, self.now_ms);
        let inner = SoqlBinder { store, soql, now_ms, alias: query.alias.as_deref() };
        let plan = Box::new(inner.plan(child.table, query)?);
        Ok(PlanColumn::Children { child: *child, plan })
    }

    fn object(&self, table: TableNumber) -> Result<&'a OrgObject, ApiFault> {
        self.store.object(table).ok_or_else(ApiFault::not_found)
    }

    /// The first of the objects that a reference may point to.
    fn object_named(&self, to: &[&str]) -> Result<&'a OrgObject, ApiFault> {
        let table = to.first().and_then(|name| self.store.schema.table(name));
        self.object(table.ok_or_else(ApiFault::not_found)?)
    }

    fn reach(
        &self,
        table: TableNumber,
        path: &SoqlPath,
    ) -> Result<(FieldReach, Option<&'a OrgField>), ApiFault> {
        let mut object = self.object(table)?;
        let parts = self.parts(table, path);
        let Some((leaf, parents)) = parts.split_last() else {
            return Err(self.no_column(object, path, ""));
        };
        let mut hops = Vec::new();
        let mut many: &[&str] = &[];
        for parent in parents {
            let found = object.relationship(parent).filter(|_| hops.len() < HOPS_MAX);
            let Some((slot, (to, _))) = found.and_then(|(s, f)| Some((s, f.reference()?))) else {
                let message = format!(
                    "Didn't understand relationship '{parent}' in field path. If you are \
                     attempting to use a custom relationship, be sure to append the '__r' after \
                     the custom relationship name."
                );
                return Err(at(self.soql, path.at, "INVALID_FIELD", &message));
            };
            hops.push(slot);
            object = self.object_named(to)?;
            many = if to.len() > 1 { to } else { &[] };
        }
        if many.is_empty() {
            let found = object.field(leaf).ok_or_else(|| self.no_column(object, path, leaf))?;
            return Ok((FieldReach { hops, leaf: ReachLeaf::Slot(found.0) }, Some(found.1)));
        }
        let field = many.iter().find_map(|name| {
            let object = self.store.object(self.store.schema.table(name)?)?;
            Some(object.field(leaf)?.1)
        });
        let field = field.ok_or_else(|| self.no_column(object, path, leaf))?;
        Ok((FieldReach { hops, leaf: ReachLeaf::Named(leaf.clone()) }, Some(field)))
    }

    fn no_column(&self, object: &OrgObject, path: &SoqlPath, name: &str) -> ApiFault {
        let message = format!(
            "No such column '{name}' on entity '{}'. If you are attempting to use a custom field, \
             be sure to append the '__c' after the custom field name. Please reference your WSDL \
             or the describe call for the appropriate names.",
            object.name
        );
        at(self.soql, path.at, "INVALID_FIELD", &message)
    }

    /// The reach of a field that may stand in WHERE or ORDER BY.
    fn filterable(
        &self,
        table: TableNumber,
        path: &SoqlPath,
        place: &str,
    ) -> Result<(FieldReach, OrgFieldKind), ApiFault> {
        let (reach, field) = self.reach(table, path)?;
        let kind = field.map_or(OrgFieldKind::Text(0), |field| field.kind);
        if kind.filterable() {
            return Ok((reach, kind));
        }
        let name = path.parts.join(".");
        let message = format!("field '{name}' can not be {place} in a query call");
        Err(at(self.soql, path.at, "INVALID_FIELD", &message))
    }

    fn sort(&self, table: TableNumber, order: &OrderItem) -> Result<RowSort, ApiFault> {
        let (reach, _) = self.filterable(table, &order.path, "sorted")?;
        Ok(RowSort { reach, descending: order.descending, nulls_first: order.nulls_first })
    }

    fn test(&self, table: TableNumber, expr: &SoqlExpr) -> Result<RowTest, ApiFault> {
        let all = |parts: &[SoqlExpr]| {
            parts.iter().map(|part| self.test(table, part)).collect::<Result<Vec<_>, _>>()
        };
        match expr {
            SoqlExpr::And(parts) => Ok(RowTest::All(all(parts)?)),
            SoqlExpr::Or(parts) => Ok(RowTest::Any(all(parts)?)),
            SoqlExpr::Not(inner) => Ok(RowTest::Not(Box::new(self.test(table, inner)?))),
            SoqlExpr::Compare(path, op, literal) => self.compare(table, path, *op, literal),
            SoqlExpr::In { path, negated, values } => {
                let (reach, kind) = self.filterable(table, path, "filtered")?;
                let values = values.iter().map(|value| match value {
                    SoqlLiteral::Value(cell) => self.typed(path, kind, cell),
                    SoqlLiteral::Range(name, _) => Err(self.mistyped(path, kind, name)),
                });
                Ok(negate(*negated, RowTest::In(reach, InList::new(collect(values.collect())?))))
            }
            SoqlExpr::Semi { path, negated, query } => {
                let (reach, _) = self.filterable(table, path, "filtered")?;
                let inner = bind(self.store, self.soql, query, self.now_ms)?;
                let values = run::first_column(self.store, &inner);
                Ok(negate(*negated, RowTest::In(reach, InList::new(values))))
            }
        }
    }

    fn compare(
        &self,
        table: TableNumber,
        path: &SoqlPath,
        op: CompareOp,
        literal: &SoqlLiteral,
    ) -> Result<RowTest, ApiFault> {
        let (reach, kind) = self.filterable(table, path, "filtered")?;
        let (name, count) = match literal {
            SoqlLiteral::Value(cell) => {
                let textual = kind.length() > 0
                    && !matches!(kind, OrgFieldKind::Id | OrgFieldKind::Reference(..));
                if op == CompareOp::Like && !(textual && matches!(cell, OrgValue::Text(_))) {
                    let message = "invalid operator on id field".to_owned();
                    return Err(at(self.soql, path.at, "INVALID_QUERY_FILTER_OPERATOR", &message));
                }
                return Ok(RowTest::Compare(reach, op, self.typed(path, kind, cell)?));
            }
            SoqlLiteral::Range(name, count) => (name, *count),
        };
        let range = dates::range(name, count, day_of(self.now_ms));
        let (low, high) = range.ok_or_else(|| self.mistyped(path, kind, name))?;
        let edge = |day: jiff::civil::Date| match kind {
            OrgFieldKind::Date => Ok(OrgValue::Date(day)),
            OrgFieldKind::Time => {
                let start = day.to_zoned(jiff::tz::TimeZone::UTC);
                Ok(OrgValue::Time(start.map_or(0, |at| at.timestamp().as_millisecond())))
            }
            _ => Err(self.mistyped(path, kind, name)),
        };
        let (low, high) = (edge(low)?, edge(high)?);
        let within = |this: &Self| -> Result<RowTest, ApiFault> {
            let (again, _) = this.filterable(table, path, "filtered")?;
            let from = RowTest::Compare(reach, CompareOp::Ge, low.clone());
            Ok(RowTest::All(vec![from, RowTest::Compare(again, CompareOp::Lt, high.clone())]))
        };
        Ok(match op {
            CompareOp::Eq => within(self)?,
            CompareOp::Ne => RowTest::Not(Box::new(within(self)?)),
            CompareOp::Gt => RowTest::Compare(self.reach(table, path)?.0, CompareOp::Ge, high),
            CompareOp::Ge => RowTest::Compare(self.reach(table, path)?.0, CompareOp::Ge, low),
            CompareOp::Lt => RowTest::Compare(self.reach(table, path)?.0, CompareOp::Lt, low),
            CompareOp::Le => RowTest::Compare(self.reach(table, path)?.0, CompareOp::Lt, high),
            CompareOp::Like => return Err(self.mistyped(path, kind, name)),
        })
    }

    /// The literal as a value of the field's type.
    fn typed(
        &self,
        path: &SoqlPath,
        kind: OrgFieldKind,
        literal: &OrgValue,
    ) -> Result<OrgValue, ApiFault> {
        let fits = match (kind, literal) {
            (_, OrgValue::Null) => return Ok(OrgValue::Null),
            (OrgFieldKind::Id | OrgFieldKind::Reference(..), OrgValue::Text(text)) => {
                return self.id(text);
            }
            (OrgFieldKind::Bool, OrgValue::Bool(_)) | (OrgFieldKind::Time, OrgValue::Time(_)) => {
                true
            }
            (OrgFieldKind::Date, OrgValue::Date(_)) => true,
            (
                OrgFieldKind::Int | OrgFieldKind::Currency | OrgFieldKind::Percent,
                OrgValue::Number(_),
            ) => true,
            (kind, OrgValue::Text(text)) if kind.length() > 0 => {
                return Ok(if text.is_empty() { OrgValue::Null } else { literal.clone() });
            }
            _ => false,
        };
        if fits { Ok(literal.clone()) } else { Err(self.mistyped(path, kind, "")) }
    }

    fn id(&self, text: &str) -> Result<OrgValue, ApiFault> {
        match ids::parse(text) {
            _ if text.is_empty() => Ok(OrgValue::Null),
            Some((prefix, Some(serial))) => Ok(OrgValue::Text(ids::render(prefix, serial))),
            Some((_, None)) => Ok(OrgValue::text(text)),
            None => {
                let message = format!("invalid ID field: {text}");
                Err(ApiFault::new(400, "INVALID_QUERY_FILTER_OPERATOR", message))
            }
        }
    }

    fn mistyped(&self, path: &SoqlPath, kind: OrgFieldKind, word: &str) -> ApiFault {
        let (wanted, quotes) = match kind {
            OrgFieldKind::Bool => ("boolean", "should not"),
            OrgFieldKind::Int => ("int", "should not"),
            OrgFieldKind::Percent => ("double", "should not"),
            OrgFieldKind::Currency => ("currency", "should not"),
            OrgFieldKind::Date => ("date", "should not"),
            OrgFieldKind::Time => ("dateTime", "should not"),
            _ => ("string", "should"),
        };
        let name = path.parts.join(".");
        let message = if word.is_empty() || kind.length() == 0 {
            format!(
                "value of filter criterion for field '{name}' must be of type {wanted} and \
                 {quotes} be enclosed in quotes"
            )
        } else {
            format!("Bind variables only allowed in Apex code, or unknown literal '{word}'")
        };
        at(self.soql, path.at, "INVALID_FIELD", &message)
    }
}

fn negate(negated: bool, test: RowTest) -> RowTest {
    if negated { RowTest::Not(Box::new(test)) } else { test }
}

fn collect<T>(results: Vec<Result<T, ApiFault>>) -> Result<Vec<T>, ApiFault> {
    results.into_iter().collect()
}
