//! Questions and answers of people: why a value is there, fields that stand still, decisions.

pub mod resolve;
pub mod standstill;
pub mod why;
