//! The plan of a checked query: names are slots, literals have the type of their field.

use std::collections::HashSet;

use super::super::schema::{ChildRelationship, OrgFieldKind, TableNumber};
use super::super::value::OrgValue;
use super::ast::{Aggregate, CompareOp};

/// A query that is known to make sense.
#[derive(Debug)]
pub(crate) struct SoqlPlan {
    pub(crate) table: TableNumber,
    pub(crate) output: PlanOutput,
    pub(super) filter: Option<RowTest>,
    pub(super) order: Vec<RowSort>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// Answer of a query.
#[derive(Debug)]
pub(crate) enum PlanOutput {
    Rows(Vec<PlanColumn>),
    Count,
    Aggregates(Vec<(Aggregate, FieldReach, OrgFieldKind, String)>),
}

/// One key of an answered record.
#[derive(Debug)]
pub(crate) enum PlanColumn {
    Field {
        name: &'static str,
        slot: usize,
        kind: OrgFieldKind,
    },
    /// A field of a parent that may be of several objects, found by name in each.
    Named(String),
    Parent {
        name: &'static str,
        slot: usize,
        columns: Vec<PlanColumn>,
    },
    Children {
        child: ChildRelationship,
        plan: Box<SoqlPlan>,
    },
}

/// Way from a row to a value: through references, then a field.
#[derive(Debug)]
pub(crate) struct FieldReach {
    pub(super) hops: Vec<usize>,
    pub(super) leaf: ReachLeaf,
}

#[derive(Debug)]
pub(super) enum ReachLeaf {
    Slot(usize),
    Named(String),
}

#[derive(Debug)]
pub(super) struct RowSort {
    pub(super) reach: FieldReach,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

#[derive(Debug)]
pub(super) enum RowTest {
    All(Vec<RowTest>),
    Any(Vec<RowTest>),
    Not(Box<RowTest>),
    Compare(FieldReach, CompareOp, OrgValue),
    In(FieldReach, InList),
}

/// The values of an IN list; texts are kept for quick tests, as lists may be long.
#[derive(Debug)]
pub(super) struct InList {
    pub(super) values: Vec<OrgValue>,
    texts: HashSet<String>,
}

impl InList {
    pub(super) fn new(values: Vec<OrgValue>) -> Self {
        let texts = values.iter().filter_map(OrgValue::as_text).map(str::to_lowercase).collect();
        Self { values, texts }
    }

    pub(super) fn contain(&self, found: &OrgValue) -> bool {
        match found {
            OrgValue::Text(text) => self.texts.contains(&text.to_lowercase()),
            _ => self.values.contains(found),
        }
    }
}
