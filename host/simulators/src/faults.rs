//! Switches for the unpleasant facts that every vendor may have; each vendor has further ones.
//!
//! `Faults::default()` is the vendor on a normal day: lag, rate limits, token expiry, merges with
//! a new id. `Faults::none()` is a friendly vendor, for measuring speed. Each `*_every` field makes
//! every n-th such request misbehave; 0 turns it off. Facts of a vendor that nobody has verified
//! are switches here, so that a connector is tried both ways. `POST /_sim/faults` changes any of
//! them at run time with a partial JSON object; in process `Vendor::set_faults` does. The README
//! of this crate lists them by what they try.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "hubspot")]
use crate::hubspot::faults::HubSpotFaults;
use crate::rules::{FieldRule, OptionChange};
#[cfg(feature = "salesforce")]
use crate::salesforce::faults::SalesforceFaults;

/// Switches of a simulated system; times in virtual milliseconds unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// Enforce the vendor's quota windows; off also keeps the ledger free of breaches.
    pub rate_limits: bool,
    /// Requests per day; HubSpot resets at midnight, Salesforce rolls over 24 h.
    pub daily_limit: u32,
    /// Every n-th request meets a window that the account's other clients have filled: HubSpot's
    /// 429 of the second or of ten seconds, Salesforce's concurrent requests.
    pub limit_shared_every: u32,
    /// The account's other clients have used up the day's requests.
    pub day_is_used_up: bool,
    /// Life of an access token.
    pub token_lifetime_ms: i64,
    /// Life of the code that a consent gives.
    pub code_lifetime_ms: i64,
    /// Each refresh answers a new refresh token and forgets the old one.
    pub rotate_refresh_token: bool,
    /// Every n-th write is done, then its answer is lost with the connection.
    pub lose_reply_after_write: u32,
    /// Every n-th request answers a server error and does nothing.
    pub server_error_every: u32,
    /// Every n-th write answers a lock error (HubSpot 423, Salesforce `UNABLE_TO_LOCK_ROW`).
    pub lock_error_every: u32,
    /// Every n-th page holds fewer rows than asked for although more follow.
    pub short_pages_every: u32,
    /// All seeded records share one modified stamp, as after an import.
    pub seed_with_one_stamp: bool,
    /// Real milliseconds that each answer is held back.
    pub response_delay_ms: u64,
    /// Time for which a read by id, a list or a SOQL query shows a record as before a write.
    pub read_lag_ms: i64,
    /// Up to so much is added to both lags, a fixed share for each record.
    pub lag_spread_ms: i64,
    /// Every n-th update by the API is answered as done and is not.
    pub ignore_update_every: u32,
    /// Every n-th write is done and answered with 404.
    pub not_found_after_write: u32,
    /// Every n-th request dies with its connection and does nothing.
    pub drop_request_every: u32,
    /// Objects whose every request answers a server error.
    pub failing_objects: BTreeSet<String>,
    /// Objects for which the client has no permission.
    pub forbidden_objects: BTreeSet<String>,
    /// The vendor's clock is ahead by so much; a change is a step.
    pub clock_offset_ms: i64,
    /// Only the `Date` header is ahead by so much.
    pub date_offset_ms: i64,
    /// The number of another account that answers at this address, with its own records under
    /// the same ids; 0 is the account of the seed.
    pub account_id: u64,
    /// The account's zone, an IANA name.
    pub time_zone: String,
    /// Ids of records that sharing hides from the client.
    pub hidden_records: BTreeSet<String>,
    /// Ids of records that the client may read but not write.
    pub read_only_records: BTreeSet<String>,
    /// Owners who have left: HubSpot's owner ids, Salesforce's user ids or user names.
    pub absent_owners: BTreeSet<String>,
    /// Rules of the administrator about single fields.
    pub rules: Vec<FieldRule>,
    /// Options that were renamed, made inactive or removed.
    pub options: Vec<OptionChange>,
    /// Both: the custom object (`p_project`, `Project__c`) exists.
    pub custom_objects: bool,
    #[cfg(feature = "hubspot")]
    #[serde(flatten)]
    pub hubspot: HubSpotFaults,
    #[cfg(feature = "salesforce")]
    #[serde(flatten)]
    pub salesforce: SalesforceFaults,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rate_limits: true,
            daily_limit: 625_000,
            limit_shared_every: 0,
            day_is_used_up: false,
            token_lifetime_ms: 1_800_000,
            code_lifetime_ms: 900_000,
            rotate_refresh_token: true,
            lose_reply_after_write: 0,
            server_error_every: 0,
            lock_error_every: 0,
            short_pages_every: 0,
            seed_with_one_stamp: false,
            response_delay_ms: 0,
            read_lag_ms: 0,
            lag_spread_ms: 0,
            ignore_update_every: 0,
            not_found_after_write: 0,
            drop_request_every: 0,
            failing_objects: BTreeSet::new(),
            forbidden_objects: BTreeSet::new(),
            clock_offset_ms: 0,
            date_offset_ms: 0,
            account_id: 0,
            time_zone: "Asia/Tokyo".to_owned(),
            hidden_records: BTreeSet::new(),
            read_only_records: BTreeSet::new(),
            absent_owners: BTreeSet::new(),
            rules: Vec::new(),
            options: Vec::new(),
            custom_objects: false,
            #[cfg(feature = "hubspot")]
            hubspot: HubSpotFaults::default(),
            #[cfg(feature = "salesforce")]
            salesforce: SalesforceFaults::default(),
        }
    }
}

impl Faults {
    /// A friendly vendor: no limits, no lag; merges still make a new id, as that is no fault.
    pub fn none() -> Self {
        Self {
            rate_limits: false,
            #[cfg(feature = "hubspot")]
            hubspot: HubSpotFaults::none(),
            ..Self::default()
        }
    }

    /// True if one of an object's names is in a set.
    pub(crate) fn names(set: &BTreeSet<String>, names: &[&str]) -> bool {
        set.iter().any(|one| names.iter().any(|name| name.eq_ignore_ascii_case(one)))
    }

    /// Milliseconds that the account's zone is ahead of UTC at an instant.
    pub(crate) fn utc_offset_ms(&self, at_ms: i64) -> i64 {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let zone = jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        i64::from(zone.to_offset(at).seconds()) * 1_000
    }

    /// These faults with the fields named in `patch` replaced.
    ///
    /// # Errors
    /// `patch` names an unknown field or has a value of the wrong type.
    pub fn patched(&self, patch: &Value) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::to_value(self)?;
        if let (Some(fields), Some(changes)) = (whole.as_object_mut(), patch.as_object()) {
            // Flattened structs let unknown names pass.
            if let Some(unknown) = changes.keys().find(|name| !fields.contains_key(*name)) {
                return Err(serde::de::Error::custom(format!("unknown field `{unknown}`")));
            }
            fields.extend(changes.clone());
        }
        serde_json::from_value(whole)
    }
}

/// Counts the requests of one sort, to hit every n-th.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryNth(u32);

impl EveryNth {
    /// True on each n-th call, never when `n` is 0.
    pub fn hits(&mut self, n: u32) -> bool {
        if n == 0 {
            return false;
        }
        self.0 = (self.0 + 1) % n;
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let patched = Faults::default().patched(&json!({"read_lag_ms": 7})).unwrap();
        assert_eq!(patched, Faults { read_lag_ms: 7, ..Faults::default() });
        assert!(Faults::default().patched(&json!({"raed_lag_ms": 7})).is_err());
    }

    #[test]
    fn every_third_call_is_hit() {
        let mut every = EveryNth::default();
        let hits: Vec<bool> = (0..6).map(|_| every.hits(3)).collect();
        assert_eq!(hits, [false, false, true, false, false, true]);
        assert!(!every.hits(0));
    }
}
