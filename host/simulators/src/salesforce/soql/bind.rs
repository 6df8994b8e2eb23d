//! Checks a parsed query against the schema and makes the plan that the runner follows.
//!
//! After this nothing about a query can fail: names are slots, literals have the type of their
//! field, date literals are instants and semi-joins are lists of values.

use std::collections::HashSet;

use super::super::error::Fault;
use super::super::ids;
use super::super::schema::{Child, Field, Kind, Object, Table};
use super::super::store::Store;
use super::super::value::{Cell, day_of};
use super::ast::{Aggregate, Expr, Item, Literal, Op, Order, Path, Query};
use super::{at, dates, malformed, run};

/// Levels of parents that a path may climb.
const HOPS_MAX: usize = 5;
/// Rows that OFFSET may skip.
const OFFSET_MAX: usize = 2000;

/// A query that is known to make sense.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) table: Table,
    pub(crate) output: Output,
    pub(super) filter: Option<Test>,
    pub(super) order: Vec<Sort>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// What a query answers.
#[derive(Debug)]
pub(crate) enum Output {
    Rows(Vec<Column>),
    Count,
    Aggregates(Vec<(Aggregate, Reach, Kind, String)>),
}

/// One key of an answered record.
#[derive(Debug)]
pub(crate) enum Column {
    Field {
        name: &'static str,
        slot: usize,
        kind: Kind,
    },
    /// A field of a parent that may be of several objects, found by name in each.
    Named(String),
    Parent {
        name: &'static str,
        slot: usize,
        columns: Vec<Column>,
    },
    Children {
        child: Child,
        plan: Box<Plan>,
    },
}

/// How to get from a row to a value: through references, then a field.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(super) hops: Vec<usize>,
    pub(super) leaf: Leaf,
}

#[derive(Debug)]
pub(super) enum Leaf {
    Slot(usize),
    Named(String),
}

#[derive(Debug)]
pub(super) struct Sort {
    pub(super) reach: Reach,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

#[derive(Debug)]
pub(super) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Reach, Op, Cell),
    In(Reach, Members),
}

/// The values of an IN list; texts are kept for quick tests, as lists may be long.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) values: Vec<Cell>,
    texts: HashSet<String>,
}

impl Members {
    fn new(values: Vec<Cell>) -> Self {
        let texts = values.iter().filter_map(Cell::as_text).map(str::to_lowercase).collect();
        Self { values, texts }
    }

    pub(super) fn contain(&self, found: &Cell) -> bool {
        match found {
            Cell::Text(text) => self.texts.contains(&text.to_lowercase()),
            _ => self.values.contains(found),
        }
    }
}

/// Makes the plan of `query`, whose text is `soql`, at the time `now_ms`.
pub(crate) fn bind(store: &Store, soql: &str, query: &Query, now_ms: i64) -> Result<Plan, Fault> {
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
    let binder = Binder { store, soql, now_ms, alias: query.alias.as_deref() };
    binder.plan(table, query)
}

struct Binder<'a> {
    store: &'a Store,
    soql: &'a str,
    now_ms: i64,
    alias: Option<&'a str>,
}

impl<'a> Binder<'a> {
    fn plan(&self, table: Table, query: &Query) -> Result<Plan, Fault> {
        let output = self.output(table, &query.select)?;
        let filter = query.filter.as_ref().map(|expr| self.test(table, expr)).transpose()?;
        let order = query.order.iter().map(|order| self.sort(table, order)).collect();
        if query.offset > OFFSET_MAX {
            let message = "Maximum SOQL offset allowed is 2000";
            return Err(Fault::new(400, "NUMBER_OUTSIDE_VALID_RANGE", message));
        }
        let (limit, offset) = (query.limit, query.offset);
        Ok(Plan { table, output, filter, order: collect(order)?, limit, offset })
    }

    fn output(&self, table: Table, items: &[Item]) -> Result<Output, Fault> {
        if let [Item::Count] = items {
            return Ok(Output::Count);
        }
        let mut columns = Vec::new();
        let mut aggregates = Vec::new();
        for item in items {
            match item {
                Item::Field(path) => self.add_column(table, path, &mut columns)?,
                Item::Children(query) => columns.push(self.children(table, query)?),
                Item::Aggregate(aggregate, path, alias) => {
                    let (reach, field) = self.reach(table, path)?;
                    let name = alias.clone().unwrap_or_else(|| format!("expr{}", aggregates.len()));
                    let kind = match aggregate {
                        Aggregate::Count => Kind::Int,
                        _ => field.map_or(Kind::Text(0), |field| field.kind),
                    };
                    aggregates.push((*aggregate, reach, kind, name));
                }
                Item::Count => return Err(malformed(self.soql, 0, "COUNT() must stand alone")),
            }
        }
        match (columns.is_empty(), aggregates.is_empty()) {
            (false, true) => Ok(Output::Rows(columns)),
            (true, false) => Ok(Output::Aggregates(aggregates)),
            _ => Err(malformed(self.soql, 0, "Field must be grouped or aggregated")),
        }
    }

    /// The path without the query's alias or the object's own name in front.
    fn parts<'p>(&self, table: Table, path: &'p Path) -> &'p [String] {
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
        table: Table,
        path: &Path,
        columns: &mut Vec<Column>,
    ) -> Result<(), Fault> {
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
                |column| matches!(column, Column::Parent { slot: other, .. } if *other == slot),
            );
            let place = known.unwrap_or(columns.len());
            if known.is_none() {
                columns.push(Column::Parent { name, slot, columns: Vec::new() });
            }
            match columns.get_mut(place) {
                Some(Column::Parent { columns: inner, .. }) => columns = inner,
                _ => return Ok(()),
            }
        }
        columns.push(match object.field(leaf) {
            Some((slot, field)) if !many => {
                Column::Field { name: field.name, slot, kind: field.kind }
            }
            _ => Column::Named(leaf.clone()),
        });
        Ok(())
    }

    fn children(&self, table: Table, query: &Query) -> Result<Column, Fault> {
        let parent = self.object(table)?.name;
        let wanted = query.from.parts.join(".");
        let children = self.store.schema.children(parent);
        let named = |child: &&Child| child.relationship.eq_ignore_ascii_case(&wanted);
        let Some(child) = children.iter().find(named) else {
            let message = format!(
                "Didn't understand relationship '{wanted}' in FROM part of query call. If you are \
                 attempting to use a custom relationship, be sure to append the '__r' after the \
                 custom relationship name."
            );
            return Err(at(self.soql, query.from.at, "INVALID_TYPE", &message));
        };
        let (store, soql, now_ms) = (self.store, self.soql, self.now_ms);
        let inner = Binder { store, soql, now_ms, alias: query.alias.as_deref() };
        let plan = Box::new(inner.plan(child.table, query)?);
        Ok(Column::Children { child: *child, plan })
    }

    fn object(&self, table: Table) -> Result<&'a Object, Fault> {
        self.store.object(table).ok_or_else(Fault::not_found)
    }

    /// The first of the objects that a reference may point to.
    fn object_named(&self, to: &[&str]) -> Result<&'a Object, Fault> {
        let table = to.first().and_then(|name| self.store.schema.table(name));
        self.object(table.ok_or_else(Fault::not_found)?)
    }

    fn reach(&self, table: Table, path: &Path) -> Result<(Reach, Option<&'a Field>), Fault> {
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
            return Ok((Reach { hops, leaf: Leaf::Slot(found.0) }, Some(found.1)));
        }
        let field = many.iter().find_map(|name| {
            let object = self.store.object(self.store.schema.table(name)?)?;
            Some(object.field(leaf)?.1)
        });
        let field = field.ok_or_else(|| self.no_column(object, path, leaf))?;
        Ok((Reach { hops, leaf: Leaf::Named(leaf.clone()) }, Some(field)))
    }

    fn no_column(&self, object: &Object, path: &Path, name: &str) -> Fault {
        let message = format!(
            "No such column '{name}' on entity '{}'. If you are attempting to use a custom field, \
             be sure to append the '__c' after the custom field name. Please reference your WSDL \
             or the describe call for the appropriate names.",
            object.name
        );
        at(self.soql, path.at, "INVALID_FIELD", &message)
    }

    /// The reach of a field that may stand in WHERE or ORDER BY.
    fn filterable(&self, table: Table, path: &Path, place: &str) -> Result<(Reach, Kind), Fault> {
        let (reach, field) = self.reach(table, path)?;
        let kind = field.map_or(Kind::Text(0), |field| field.kind);
        if kind.filterable() {
            return Ok((reach, kind));
        }
        let name = path.parts.join(".");
        let message = format!("field '{name}' can not be {place} in a query call");
        Err(at(self.soql, path.at, "INVALID_FIELD", &message))
    }

    fn sort(&self, table: Table, order: &Order) -> Result<Sort, Fault> {
        let (reach, _) = self.filterable(table, &order.path, "sorted")?;
        Ok(Sort { reach, descending: order.descending, nulls_first: order.nulls_first })
    }

    fn test(&self, table: Table, expr: &Expr) -> Result<Test, Fault> {
        let all = |parts: &[Expr]| {
            parts.iter().map(|part| self.test(table, part)).collect::<Result<Vec<_>, _>>()
        };
        match expr {
            Expr::And(parts) => Ok(Test::All(all(parts)?)),
            Expr::Or(parts) => Ok(Test::Any(all(parts)?)),
            Expr::Not(inner) => Ok(Test::Not(Box::new(self.test(table, inner)?))),
            Expr::Compare(path, op, literal) => self.compare(table, path, *op, literal),
            Expr::In { path, negated, values } => {
                let (reach, kind) = self.filterable(table, path, "filtered")?;
                let values = values.iter().map(|value| match value {
                    Literal::Value(cell) => self.typed(path, kind, cell),
                    Literal::Range(name, _) => Err(self.mistyped(path, kind, name)),
                });
                Ok(negate(*negated, Test::In(reach, Members::new(collect(values.collect())?))))
            }
            Expr::Semi { path, negated, query } => {
                let (reach, _) = self.filterable(table, path, "filtered")?;
                let inner = bind(self.store, self.soql, query, self.now_ms)?;
                let values = run::first_column(self.store, &inner);
                Ok(negate(*negated, Test::In(reach, Members::new(values))))
            }
        }
    }

    fn compare(&self, table: Table, path: &Path, op: Op, literal: &Literal) -> Result<Test, Fault> {
        let (reach, kind) = self.filterable(table, path, "filtered")?;
        let (name, count) = match literal {
            Literal::Value(cell) => {
                let textual = kind.length() > 0 && !matches!(kind, Kind::Id | Kind::Reference(..));
                if op == Op::Like && !(textual && matches!(cell, Cell::Text(_))) {
                    let message = "invalid operator on id field".to_owned();
                    return Err(at(self.soql, path.at, "INVALID_QUERY_FILTER_OPERATOR", &message));
                }
                return Ok(Test::Compare(reach, op, self.typed(path, kind, cell)?));
            }
            Literal::Range(name, count) => (name, *count),
        };
        let range = dates::range(name, count, day_of(self.now_ms));
        let (low, high) = range.ok_or_else(|| self.mistyped(path, kind, name))?;
        let edge = |day: jiff::civil::Date| match kind {
            Kind::Date => Ok(Cell::Date(day)),
            Kind::Time => {
                let start = day.to_zoned(jiff::tz::TimeZone::UTC);
                Ok(Cell::Time(start.map_or(0, |at| at.timestamp().as_millisecond())))
            }
            _ => Err(self.mistyped(path, kind, name)),
        };
        let (low, high) = (edge(low)?, edge(high)?);
        let within = |this: &Self| -> Result<Test, Fault> {
            let (again, _) = this.filterable(table, path, "filtered")?;
            let from = Test::Compare(reach, Op::Ge, low.clone());
            Ok(Test::All(vec![from, Test::Compare(again, Op::Lt, high.clone())]))
        };
        Ok(match op {
            Op::Eq => within(self)?,
            Op::Ne => Test::Not(Box::new(within(self)?)),
            Op::Gt => Test::Compare(self.reach(table, path)?.0, Op::Ge, high),
            Op::Ge => Test::Compare(self.reach(table, path)?.0, Op::Ge, low),
            Op::Lt => Test::Compare(self.reach(table, path)?.0, Op::Lt, low),
            Op::Le => Test::Compare(self.reach(table, path)?.0, Op::Lt, high),
            Op::Like => return Err(self.mistyped(path, kind, name)),
        })
    }

    /// The literal as a value of the field's type.
    fn typed(&self, path: &Path, kind: Kind, literal: &Cell) -> Result<Cell, Fault> {
        let fits = match (kind, literal) {
            (_, Cell::Null) => return Ok(Cell::Null),
            (Kind::Id | Kind::Reference(..), Cell::Text(text)) => return self.id(text),
            (Kind::Bool, Cell::Bool(_)) | (Kind::Time, Cell::Time(_)) => true,
            (Kind::Date, Cell::Date(_)) => true,
            (Kind::Int | Kind::Currency | Kind::Percent, Cell::Number(_)) => true,
            (kind, Cell::Text(text)) if kind.length() > 0 => {
                return Ok(if text.is_empty() { Cell::Null } else { literal.clone() });
            }
            _ => false,
        };
        if fits { Ok(literal.clone()) } else { Err(self.mistyped(path, kind, "")) }
    }

    fn id(&self, text: &str) -> Result<Cell, Fault> {
        match ids::parse(text) {
            _ if text.is_empty() => Ok(Cell::Null),
            Some((prefix, Some(serial))) => Ok(Cell::Text(ids::render(prefix, serial))),
            Some((_, None)) => Ok(Cell::text(text)),
            None => {
                let message = format!("invalid ID field: {text}");
                Err(Fault::new(400, "INVALID_QUERY_FILTER_OPERATOR", message))
            }
        }
    }

    fn mistyped(&self, path: &Path, kind: Kind, word: &str) -> Fault {
        let (wanted, quotes) = match kind {
            Kind::Bool => ("boolean", "should not"),
            Kind::Int => ("int", "should not"),
            Kind::Percent => ("double", "should not"),
            Kind::Currency => ("currency", "should not"),
            Kind::Date => ("date", "should not"),
            Kind::Time => ("dateTime", "should not"),
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

fn negate(negated: bool, test: Test) -> Test {
    if negated { Test::Not(Box::new(test)) } else { test }
}

fn collect<T>(results: Vec<Result<T, Fault>>) -> Result<Vec<T>, Fault> {
    results.into_iter().collect()
}
