//! The account behind the credentials, and how many calls it has left.
//!
//! Granted scopes are not in it: HubSpot tells them only to the holder of the token (`API.md`,
//! H-auth-5), and that is the host. A missing scope shows as `forbidden` with its name.

use renkei_sdk::http::Request;
use renkei_sdk::{Account, Error};
use serde::Deserialize;

use crate::client::send;
use crate::client::wire::id;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AccountDetails {
    #[serde(deserialize_with = "id")]
    portal_id: String,
    account_type: String,
    time_zone: String,
    company_currency: String,
}

/// Reads the account's details.
///
/// # Errors
/// `unauthorized`, `forbidden`.
pub(crate) fn check_account() -> Result<Account, Error> {
    let response = send(&Request::get("/account-info/v3/details"))?;
    let details: AccountDetails = response.json()?;
    let name = format!("HubSpot {}", details.portal_id);
    let mut account = Account::new(details.portal_id, name)
        .fact("edition", details.account_type)
        .fact("time-zone", details.time_zone)
        .fact("currency", details.company_currency);
    // Only private apps and service keys are told of the daily limit (H-limit-3).
    let left = response.header("x-hubspot-ratelimit-daily-remaining");
    if let Some(left) = left.and_then(|left| left.parse::<i64>().ok()) {
        account = account.fact("daily-calls-left", left);
    }
    Ok(account)
}
