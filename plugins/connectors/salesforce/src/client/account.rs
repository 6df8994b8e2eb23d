//! The org behind the credentials, and how many calls it has left (`API.md`, S-auth-4).
//!
//! `/limits` comes first: a session that ended is a 401 there, which the host renews, and a 403 at
//! `/userinfo` (S-auth-3).

use renkei_sdk::http::Request;
use renkei_sdk::{Account, Error};
use serde::Deserialize;

use crate::client::{parse, send};
use crate::config::Config;

/// `/services/oauth2/userinfo`.
#[derive(Deserialize)]
struct UserInfo {
    organization_id: String,
    #[serde(default)]
    preferred_username: String,
    zoneinfo: Option<String>,
}

/// `/limits`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OrgLimits {
    daily_api_requests: Limit,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Limit {
    max: i64,
    remaining: i64,
}

/// Reads the org's limits and who the user is.
///
/// # Errors
/// `unauthorized`, `forbidden`.
pub(crate) fn check_account(config: &Config) -> Result<Account, Error> {
    let answer = send(&Request::get(format!("{}/limits", config.root)))?;
    let limits: OrgLimits = parse(&answer.body)?;
    let answer = send(&Request::get("/services/oauth2/userinfo"))?;
    let user: UserInfo = parse(&answer.body)?;
    let mut account = Account::new(user.organization_id, user.preferred_username)
        .fact("daily-calls-left", limits.daily_api_requests.remaining)
        .fact("daily-calls", limits.daily_api_requests.max);
    if let Some(zone) = user.zoneinfo {
        account = account.fact("time-zone", zone);
    }
    Ok(account)
}
