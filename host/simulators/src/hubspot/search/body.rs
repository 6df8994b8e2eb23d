//! The body of a search as clients send it.

use serde::Deserialize;
use serde_json::Value;

use super::filter::FilterBody;
use crate::http::SimRequest;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SearchBody {
    #[serde(default)]
    pub(super) filter_groups: Vec<GroupBody>,
    /// One group more, as real clients send it.
    #[serde(default)]
    pub(super) filters: Vec<FilterBody>,
    #[serde(default)]
    pub(super) sorts: Vec<Value>,
    #[serde(default)]
    pub(super) query: Option<String>,
    #[serde(default)]
    pub(super) properties: Vec<String>,
    #[serde(default)]
    pub(super) limit: Option<Value>,
    #[serde(default)]
    pub(super) after: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupBody {
    pub(super) filters: Vec<FilterBody>,
}

/// True for a search that starts a scan: its body has no cursor.
pub(in crate::hubspot) fn is_first(request: &SimRequest) -> bool {
    let after = serde_json::from_slice::<SearchBody>(&request.body).ok().and_then(|b| b.after);
    after.is_none_or(|after| cursor(&after) == Some(0))
}

/// A cursor is an offset, written as a string or a number.
pub(super) fn cursor(after: &Value) -> Option<usize> {
    match after {
        Value::String(text) => text.parse().ok(),
        after => after.as_u64().and_then(|offset| usize::try_from(offset).ok()),
    }
}
