//! A parsed SOQL query, names unchecked; positions point into its text for error excerpts.

use super::super::value::OrgValue;

/// A name or dotted path with the byte where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SoqlPath {
    pub(crate) parts: Vec<String>,
    pub(crate) at: usize,
}

/// `SELECT … FROM … [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SoqlQuery {
    pub(crate) select: Vec<SelectItem>,
    pub(crate) from: SoqlPath,
    pub(crate) alias: Option<String>,
    pub(crate) filter: Option<SoqlExpr>,
    pub(crate) order: Vec<OrderItem>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// One entry of the SELECT list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SelectItem {
    Field(SoqlPath),
    /// `COUNT()`: only the number of rows.
    Count,
    /// `COUNT(Id)`, `MIN(x)`, `MAX(x)` with an optional alias: one `AggregateResult` row.
    Aggregate(Aggregate, SoqlPath, Option<String>),
    /// `(SELECT … FROM Contacts)`.
    Children(SoqlQuery),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Min,
    Max,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SoqlExpr {
    And(Vec<SoqlExpr>),
    Or(Vec<SoqlExpr>),
    Not(Box<SoqlExpr>),
    Compare(SoqlPath, CompareOp, SoqlLiteral),
    In {
        path: SoqlPath,
        negated: bool,
        values: Vec<SoqlLiteral>,
    },
    /// `Id IN (SELECT AccountId FROM Contact)`.
    Semi {
        path: SoqlPath,
        negated: bool,
        query: Box<SoqlQuery>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SoqlLiteral {
    Value(OrgValue),
    /// `TODAY`, `LAST_N_DAYS:7` and their like.
    Range(String, Option<i64>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderItem {
    pub(crate) path: SoqlPath,
    pub(crate) descending: bool,
    /// Ascending puts nulls first unless told, descending last.
    pub(crate) nulls_first: bool,
}
