//! `fuller-name`: of two names that were typed for one person, the one that says more.
//!
//! A name that stands as it was before gives way to one that was typed. Else the one with more
//! letters wins, so that `Taro Yamada` beats `T. Yamada`, and between equally long ones the one
//! that is later in the order of code points: the answer is the same whichever is left.

use renkei_sdk::Value;

/// Merges row by row.
pub fn merge(base: &[Value], left: &[Value], right: &[Value]) -> Vec<Value> {
    let pairs = left.iter().zip(right).enumerate();
    pairs.map(|(row, (left, right))| fuller(base.get(row), left, right).clone()).collect()
}

fn fuller<'a>(base: Option<&Value>, left: &'a Value, right: &'a Value) -> &'a Value {
    match (base == Some(left), base == Some(right)) {
        (true, false) => right,
        (false, true) => left,
        _ => std::cmp::max_by_key(left, right, |value| weight(value)),
    }
}

/// The letters and digits of a text; what is no text weighs nothing.
fn weight(value: &Value) -> (usize, String) {
    match value.as_text() {
        Some(text) => (text.chars().filter(|one| one.is_alphanumeric()).count(), text.to_owned()),
        None => (0, format!("{value:?}")),
    }
}
