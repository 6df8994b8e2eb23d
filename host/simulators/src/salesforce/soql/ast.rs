//! A parsed SOQL query, names unchecked; positions point into its text for error excerpts.

use super::super::value::Cell;

/// A name or dotted path with the byte where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    pub(crate) parts: Vec<String>,
    pub(crate) at: usize,
}

/// `SELECT … FROM … [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) select: Vec<Item>,
    pub(crate) from: Path,
    pub(crate) alias: Option<String>,
    pub(crate) filter: Option<Expr>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// One entry of the SELECT list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Field(Path),
    /// `COUNT()`: only the number of rows.
    Count,
    /// `COUNT(Id)`, `MIN(x)`, `MAX(x)` with an optional alias: one `AggregateResult` row.
    Aggregate(Aggregate, Path, Option<String>),
    /// `(SELECT … FROM Contacts)`.
    Children(Query),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Min,
    Max,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Path, Op, Literal),
    In {
        path: Path,
        negated: bool,
        values: Vec<Literal>,
    },
    /// `Id IN (SELECT AccountId FROM Contact)`.
    Semi {
        path: Path,
        negated: bool,
        query: Box<Query>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Value(Cell),
    /// `TODAY`, `LAST_N_DAYS:7` and their like.
    Range(String, Option<i64>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) path: Path,
    pub(crate) descending: bool,
    /// Ascending puts nulls first unless told, descending last.
    pub(crate) nulls_first: bool,
}
