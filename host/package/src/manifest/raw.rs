//! The manifest as it is written: the same keys in TOML and in JSON. Only names and types of keys
//! are checked here.
//!
//! Every struct refuses unknown keys. So a misspelt key is an error at its line and never a silent
//! default. Tables in a list have a singular name, as TOML writes them (`[[connection]]`).

use serde::{Deserialize, Serialize};

use super::{
    AuthMethod, CredentialPlace, FunctionShape, Method, ObjectAction, SettingKind, SettingValue,
    TokenStyle,
};

/// The one key that is read before all others: the contract decides what the others mean.
#[derive(Deserialize)]
pub(super) struct RawContract {
    pub(super) contract: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawKind {
    Connector,
    Transform,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManifest {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) publisher: String,
    pub(super) kind: RawKind,
    // It is compared before this struct is read, and kept to be written again.
    pub(super) contract: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) connection: Vec<RawConnection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) quota: Vec<RawQuota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limits: Option<RawLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry: Option<RawRetry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) object: Vec<RawObject>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) setting: Vec<RawSetting>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) secret: Vec<RawSecret>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) function: Vec<RawFunction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) simulator: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConnection {
    pub(super) slot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url_field: Option<String>,
    pub(super) allow: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) methods: Option<Vec<Method>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) paths: Option<Vec<String>>,
    pub(super) auth: Vec<AuthMethod>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) credential: Vec<RawCredential>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login_url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) login_scopes: Vec<String>,
    #[serde(default)]
    pub(super) token_style: TokenStyle,
    #[serde(default = "refused_status")]
    pub(super) refused_status: Vec<u16>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    pub(super) name: String,
    pub(super) place: CredentialPlace,
    pub(super) field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    #[serde(default)]
    pub(super) help: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuota {
    pub(super) name: String,
    pub(super) calls: u32,
    pub(super) per_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) concurrent_requests: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetry {
    pub(super) quota_status: Option<Vec<u16>>,
    pub(super) transient_status: Option<Vec<u16>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawObject {
    pub(super) name: String,
    #[serde(default)]
    pub(super) actions: Vec<ObjectAction>,
    #[serde(default = "rows")]
    pub(super) read_rows: u32,
    #[serde(default = "rows")]
    pub(super) write_rows: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSetting {
    pub(super) name: String,
    pub(super) kind: SettingKind,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<SettingValue>,
    #[serde(default)]
    pub(super) help: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSecret {
    pub(super) name: String,
    #[serde(default)]
    pub(super) help: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFunction {
    pub(super) name: String,
    pub(super) shape: FunctionShape,
    #[serde(default)]
    pub(super) input: Vec<String>,
    #[serde(default)]
    pub(super) output: Vec<String>,
    #[serde(default, alias = "parameters")]
    pub(super) parameter: Vec<RawSetting>,
    #[serde(default)]
    pub(super) help: String,
}

fn refused_status() -> Vec<u16> {
    vec![401]
}

fn rows() -> u32 {
    100
}
