//! SOQL as far as real clients use it: text to tokens to a tree to a checked plan to rows.
//!
//! Covered: fields and parent paths, `COUNT()`, `COUNT|MIN|MAX(field)` without grouping, child
//! sub-selects, AND/OR/NOT, comparison, LIKE, IN with lists and semi-joins, date literals, ORDER
//! BY, LIMIT, OFFSET. Refused with `MALFORMED_QUERY`: GROUP BY, TYPEOF, FIELDS().
//! Errors show the query, a caret and the position, as was recorded (S-query-7).

mod ast;
mod bind;
mod dates;
mod lexer;
mod parser;
mod plan;
mod run;

pub(crate) use bind::bind;
pub(crate) use parser::parse;
pub(crate) use plan::{PlanOutput, SoqlPlan};
pub(crate) use run::{attributes, field, flat, render, select, sheet};

use super::error::ApiFault;

/// An error at a byte of the query, with the excerpt that points at it.
fn at(soql: &str, at: usize, code: &'static str, message: &str) -> ApiFault {
    let before = soql.get(..at).unwrap_or(soql);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let row = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let line = soql.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let caret = format!("{}^", " ".repeat(column - 1));
    let text = format!("\n{line}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}");
    ApiFault::new(400, code, text)
}

fn malformed(soql: &str, position: usize, message: &str) -> ApiFault {
    at(soql, position, "MALFORMED_QUERY", message)
}

#[cfg(test)]
mod tests;
