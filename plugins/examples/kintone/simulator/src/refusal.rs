//! Refusals as the API words them (K-error-1).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// An answer that is no success.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// Messages by the place in the request.
    pub errors: BTreeMap<String, Vec<String>>,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), errors: BTreeMap::new() }
    }

    /// Faults of the input, by their places; nothing where there are none.
    pub fn invalid(errors: BTreeMap<String, Vec<String>>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Self {
            errors, ..Self::new(400, "CB_VA01", "入力内容が正しくありません。")
        })
    }

    /// One fault of the input.
    pub fn invalid_at(place: &str, message: &str) -> Self {
        let errors = BTreeMap::from([(place.to_owned(), vec![message.to_owned()])]);
        Self { errors, ..Self::new(400, "CB_VA01", "入力内容が正しくありません。") }
    }

    pub fn no_record(id: u64) -> Self {
        let message = format!("指定したレコード（id: {id}）が見つかりません。");
        Self::new(404, "GAIA_RE01", message)
    }

    pub fn no_app(id: &str) -> Self {
        let message =
            format!("指定したアプリ（id: {id}）が見つかりません。削除されている可能性があります。");
        Self::new(404, "GAIA_AP01", message)
    }

    pub fn old_revision() -> Self {
        let message = "指定したrevisionは最新ではありません。ほかのユーザーがレコードを更新した可能性があります。";
        Self::new(409, "GAIA_CO02", message)
    }

    pub fn to_json(&self, request: u64) -> Json {
        let mut body =
            json!({ "code": self.code, "id": format!("sim-{request}"), "message": self.message });
        if !self.errors.is_empty() {
            let errors = self.errors.iter();
            let errors: serde_json::Map<String, Json> =
                errors.map(|(at, all)| (at.clone(), json!({ "messages": all }))).collect();
            body["errors"] = errors.into();
        }
        body
    }
}
