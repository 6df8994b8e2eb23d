//! What people ask and answer: why a value is there, what stands still, and what they decided.

pub mod resolve;
pub mod standstill;
pub mod why;
