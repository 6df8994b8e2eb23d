//! SOQL: literals, conditions and whole queries as text (`API.md`, S-query-5). Pure.
//!
//! Nothing from outside reaches a query unescaped: names must look like names, texts are quoted.
//! A query travels in the address, whose length has a limit (S-call-1), so long lists of values are
//! cut into several queries.

use std::fmt;

use renkei_sdk::http::escape;
use renkei_sdk::{Error, Value, text_of_parts};

use crate::value::format_moment;

/// Bytes that a path with its query may have, so that headers and token fit beside it.
pub(crate) const PATH_LEN_MAX: usize = 14_000;

/// A query of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query<'a> {
    pub(crate) select: Vec<&'a str>,
    pub(crate) from: &'a str,
    /// All of them must hold.
    pub(crate) conditions: Vec<String>,
    pub(crate) order: &'static str,
    pub(crate) limit: Option<u32>,
}

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SELECT {} FROM {}", self.select.join(","), self.from)?;
        if !self.conditions.is_empty() {
            write!(f, " WHERE {}", self.conditions.join(" AND "))?;
        }
        if !self.order.is_empty() {
            write!(f, " ORDER BY {}", self.order)?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, " LIMIT {limit}"))
    }
}

/// A text literal, quoted.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\'' => quoted.push_str("\\'"),
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// The literals of one value: none for an empty list, several for references.
pub(crate) fn write_literals(value: &Value) -> Vec<String> {
    match value {
        Value::Null => vec!["null".to_owned()],
        Value::Boolean(value) => vec![value.to_string()],
        Value::Integer(value) => vec![value.to_string()],
        Value::Decimal(text) => vec![write_number(text)],
        Value::Date(text) => vec![write_date(text)],
        Value::Timestamp(at_ms) => vec![format_moment(*at_ms)],
        Value::Text(text) => vec![quote(text)],
        Value::Choices(chosen) => vec![quote(&chosen.join(";"))],
        Value::References(ids) => ids.iter().map(|id| quote(id)).collect(),
        Value::Other(parts) => vec![quote(&text_of_parts(parts))],
    }
}

/// Decimals and dates go in bare, but only if they are what they say.
fn write_number(text: &str) -> String {
    let bare = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if bare && !text.is_empty() { text.to_owned() } else { quote(text) }
}

fn write_date(text: &str) -> String {
    let bare = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if bare { text.to_owned() } else { quote(text) }
}

/// Refuses a name that could be anything but a name; `what` is `object` or `column`.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(Error::invalid("name", format!("{name:?} is not an API name (of the {what})")))
}

/// The condition for one entry of a filter, or nothing where SOQL has no such thing: the host
/// filters again, so a condition left out costs rows but no correctness.
pub(crate) fn write_condition(field: &str, operator: &str, values: &[Value]) -> Option<String> {
    let literals: Vec<String> = values.iter().flat_map(write_literals).collect();
    match (operator, literals.as_slice()) {
        ("=" | "!=" | "<" | "<=" | ">" | ">=", [one]) => Some(format!("{field} {operator} {one}")),
        ("in" | "=", [_, ..]) => Some(format!("{field} IN ({})", literals.join(","))),
        ("!=", [_, _, ..]) => Some(format!("{field} NOT IN ({})", literals.join(","))),
        _ => None,
    }
}

/// Rows after `(stamp, id)` in the order `SystemModstamp, Id`, so that equal stamps beyond a page
/// cannot stall a scan.
pub(crate) fn follow_stamp(stamp_ms: i64, id: &str) -> String {
    let (stamp, id) = (format_moment(stamp_ms), quote(id));
    format!("(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > {id}))")
}

/// A condition that holds where one of many texts does: long lists are cut into several conditions.
#[derive(Debug)]
pub(crate) struct AnyOf {
    before: String,
    /// Literals, or conditions in parentheses; sorted, each once.
    texts: Vec<String>,
    separator: &'static str,
}

impl AnyOf {
    /// One column that equals one of these literals.
    pub(crate) fn values(key: &str, literals: Vec<String>) -> Self {
        Self::new(format!("{key} IN ("), literals, ",")
    }

    /// Columns that all equal their value in one of these lists. A null equals nothing.
    pub(crate) fn tuples(keys: &[String], lists: &[Vec<Value>]) -> Self {
        let texts = lists.iter().filter_map(|list| write_tuple(keys, list)).collect();
        Self::new("(".to_owned(), texts, " OR ")
    }

    fn new(before: String, mut texts: Vec<String>, separator: &'static str) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Self { before, texts, separator }
    }

    /// The condition with some of the texts.
    pub(crate) fn write(&self, texts: &[String]) -> String {
        format!("{}{})", self.before, texts.join(self.separator))
    }

    /// Cuts the texts so that each part, encoded and with its separators, fits in `room` bytes.
    pub(crate) fn split(&self, room: usize) -> Vec<&[String]> {
        let separator_len = escape(self.separator).len();
        let mut parts = Vec::new();
        let (mut start, mut used) = (0, 0);
        for (index, text) in self.texts.iter().enumerate() {
            let len = escape(text).len() + separator_len;
            if used + len > room && index > start {
                parts.extend(self.texts.get(start..index));
                (start, used) = (index, 0);
            }
            used += len;
        }
        parts.extend(self.texts.get(start..).filter(|rest| !rest.is_empty()));
        parts
    }
}

/// The condition that each column equals its value; nothing where a value equals nothing.
fn write_tuple(keys: &[String], values: &[Value]) -> Option<String> {
    let equals = |(key, value): (&String, &Value)| match write_literals(value).as_slice() {
        _ if value.is_null() => None,
        [] => None,
        [one] => Some(format!("{key} = {one}")),
        literals => Some(format!("{key} IN ({})", literals.join(","))),
    };
    let conditions: Option<Vec<String>> = keys.iter().zip(values).map(equals).collect();
    Some(format!("({})", conditions?.join(" AND ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_quotes() {
        let check = |text, expected: &str| assert_eq!(quote(text), expected);
        check("O'Brien", r"'O\'Brien'");
        check(r"back\slash", r"'back\\slash'");
        check(r"\' OR Name != '", r"'\\\' OR Name != \''");
        check("say \"x\"\n", r#"'say \"x\"\n'"#);
        check("株式会社\u{3000}山田", "'株式会社\u{3000}山田'");
        check("", "''");
    }

    #[test]
    fn values_become_literals() {
        let check = |value, expected: &str| assert_eq!(write_literals(&value).join("|"), expected);
        check(Value::Integer(-3), "-3");
        check(Value::Decimal("12.50".into()), "12.50");
        check(Value::Decimal("1 OR Id != null".into()), "'1 OR Id != null'");
        check(Value::Date("2026-05-01".into()), "2026-05-01");
        check(Value::Timestamp(0), "1970-01-01T00:00:00.000Z");
        check(Value::Choices(vec!["a".into(), "b".into()]), "'a;b'");
        check(Value::References(vec!["001A".into(), "001B".into()]), "'001A'|'001B'");
        check(Value::Null, "null");
    }

    #[test]
    fn text_that_is_no_api_name_is_refused() {
        for name in ["Id", "Renkei_Id__c", "Amount2"] {
            assert!(check_name("column", name).is_ok(), "{name}");
        }
        for name in ["", "Name, Id", "1a", "Name FROM Account", "名前"] {
            assert!(check_name("column", name).is_err(), "{name}");
        }
    }

    #[test]
    fn query_is_written_in_order() {
        let mut query = Query { select: vec!["Id", "Name"], from: "Account", ..Query::default() };
        assert_eq!(query.to_string(), "SELECT Id,Name FROM Account");
        query.conditions = vec!["Id > '001'".into(), "IsConverted = false".into()];
        query.order = "Id";
        query.limit = Some(5);
        assert_eq!(
            query.to_string(),
            "SELECT Id,Name FROM Account WHERE Id > '001' AND IsConverted = false ORDER BY Id \
             LIMIT 5"
        );
    }

    #[test]
    fn filters_become_conditions() {
        let check = |operator, values: &[Value], expected: Option<&str>| {
            assert_eq!(write_condition("City", operator, values).as_deref(), expected);
        };
        let (tokyo, osaka) = (Value::Text("東京".into()), Value::Text("大阪".into()));
        check("=", std::slice::from_ref(&tokyo), Some("City = '東京'"));
        check("!=", &[Value::Null], Some("City != null"));
        check("in", &[tokyo.clone(), osaka.clone()], Some("City IN ('東京','大阪')"));
        check("!=", &[tokyo, osaka], Some("City NOT IN ('東京','大阪')"));
        check("in", &[], None);
        check("~", &[Value::Null], None);
    }

    #[test]
    fn long_lists_are_cut_by_their_encoded_length() {
        let all = (0..10).map(|n| format!("'あ{n}'")).collect();
        let wanted = AnyOf::values("Name", all);
        // Three bytes of kana are nine characters, each quote and each comma are three.
        let lengths = |wanted: &AnyOf, room| -> Vec<usize> {
            wanted.split(room).iter().map(|part| part.len()).collect()
        };
        assert_eq!(lengths(&wanted, 3 * 19), [3, 3, 3, 1]);
        assert_eq!(lengths(&wanted, 1), [1; 10]);
        assert_eq!(wanted.write(wanted.split(38)[0]), "Name IN ('あ0','あ1')");
        assert!(AnyOf::values("Name", Vec::new()).split(100).is_empty());
    }

    #[test]
    fn columns_that_are_compared_together_are_a_condition_each() {
        let keys = ["Email".to_owned(), "AccountId".to_owned()];
        let ids = |ids: &[&str]| Value::References(ids.iter().map(|&id| id.to_owned()).collect());
        let lists = [
            vec!["a'@x.jp".into(), ids(&["001A"])],
            vec!["b@x.jp".into(), ids(&["001A", "001B"])],
            vec!["c@x.jp".into(), Value::Null],
            vec!["d@x.jp".into(), ids(&[])],
        ];
        let wanted = AnyOf::tuples(&keys, &lists);
        let parts = wanted.split(1_000);
        assert_eq!(
            parts.iter().map(|part| wanted.write(part)).collect::<Vec<_>>(),
            [concat!(
                r"((Email = 'a\'@x.jp' AND AccountId = '001A') OR ",
                "(Email = 'b@x.jp' AND AccountId IN ('001A','001B')))"
            )]
        );
        assert_eq!(wanted.split(1).len(), 2);
    }
}
