//! One options struct for everything unpleasant a simulated vendor does.
//!
//! `Faults::default()` is the vendor on a normal day: lag, rate limits, token expiry, merges with
//! a new id. `Faults::none()` is a friendly vendor, for measuring speed. Each `*_every` field makes
//! every n-th such request misbehave; 0 turns it off. Facts of a vendor that nobody has verified
//! are switches here, so that a connector is tried both ways. `POST /_sim/faults` changes any of
//! them at run time with a partial JSON object; in process `System::set_faults` does. The README
//! of this crate lists them by what they try.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rules::{DuplicateRule, FieldRule, OptionChange};

/// What goes wrong and how much; times in virtual milliseconds unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Enforce the vendor's quota windows; off also keeps the ledger free of breaches.
    pub rate_limits: bool,
    /// HubSpot: requests per app in any 10 s (H-limit-1).
    pub rolling_limit: u32,
    /// HubSpot: searches per account in any second.
    pub search_limit: u32,
    /// Requests per day; HubSpot resets at midnight, Salesforce rolls over 24 h.
    pub daily_limit: u32,
    /// HubSpot: a 429 carries `Retry-After` (unverified, docs are silent).
    pub retry_after_on_429: bool,
    /// How long a write stays invisible to HubSpot's search index.
    pub search_lag_ms: i64,
    /// Salesforce: a write becomes visible this long after its `SystemModstamp`.
    pub late_commit_ms: i64,
    /// Life of an access token.
    pub token_lifetime_ms: i64,
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
    /// HubSpot: a merge makes a third record instead of keeping the winner's id.
    pub merge_makes_new_id: bool,
    /// HubSpot: archiving an id that never existed answers 404 instead of 204 (unverified).
    pub archive_unknown_is_404: bool,
    /// HubSpot: `propertiesWithHistory` lowers the page cap to 50 (unverified).
    pub history_lowers_page_cap: bool,
    /// HubSpot: `IN` compares the given text with the lower-cased value (unverified).
    pub in_needs_lower_case: bool,
    /// Salesforce: a token answer carries `expires_in`, which some clients count on.
    pub token_says_expiry: bool,
    /// Salesforce: how far back getDeleted reaches; less than 15 days as if the log was purged.
    pub deleted_log_ms: i64,
    /// Salesforce: how long an unused query locator lives.
    pub cursor_lifetime_ms: i64,
    /// Salesforce: an ingest job ends as aborted after so many rows, as when an admin stops it; 0
    /// turns it off.
    pub ingest_stops_after: u32,
    /// HubSpot: the account is moving to another data centre and every call answers 477.
    pub migrating: bool,
    /// All seeded records share one modified stamp, as after an import.
    pub seed_with_one_stamp: bool,
    /// Real milliseconds that each answer is held back.
    pub response_delay_ms: u64,

    /// `search_lag_ms` of single objects, such as `{"companies": 60000}`.
    pub search_lag_of: BTreeMap<String, i64>,
    /// How long a read by id, a list, or a SOQL query shows a record as it was before a write.
    pub read_lag_ms: i64,
    /// Up to so much is added to both lags, a fixed share for each record.
    pub lag_spread_ms: i64,
    /// HubSpot: so long after a write the vendor's own calculations restamp the record
    /// (H-record-8); 0 is off.
    pub recalculate_after_ms: i64,
    /// Every n-th later page of a search comes after a calculation restamped a row before it.
    pub drift_every: u32,
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
    /// Salesforce: duplicate rules.
    pub duplicate_rules: Vec<DuplicateRule>,
    /// Options that were renamed, made inactive or removed.
    pub options: Vec<OptionChange>,

    /// Salesforce: getDeleted lists what a deletion took along (unverified); queryAll always does.
    pub cascade_tells: bool,
    /// Salesforce: an account with won opportunities cannot be deleted.
    pub won_deals_block_deletion: bool,
    /// HubSpot: a write may move the life cycle stage back (sources differ).
    pub life_cycle_moves_back: bool,
    /// HubSpot: phone numbers are checked, and stored without blanks and signs between digits.
    pub phone_validation: bool,
    /// HubSpot: a new or removed association restamps both records (unverified; where derived
    /// counters stand in the way). Off, no read by time shows it.
    pub links_restamp: bool,
    /// HubSpot: removing the primary company makes another one primary (open, H-link-7).
    pub primary_is_inherited: bool,
    /// HubSpot: a contact with a mail domain gets a company of that domain, made if need be.
    pub companies_by_domain: bool,
    /// HubSpot: moving a deal to a closed stage sets its close date.
    pub closing_sets_date: bool,
    /// Salesforce: people who save at the screen store numbers rounded to their scale.
    pub screen_rounds_numbers: bool,
    /// Both: the custom object (`p_project`, `Project__c`) exists.
    pub custom_objects: bool,
    /// Salesforce: accounts, contacts, leads and opportunities have record types.
    pub record_types: bool,
    /// Salesforce: an account can be a person.
    pub person_accounts: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rate_limits: true,
            rolling_limit: 190,
            search_limit: 5,
            daily_limit: 625_000,
            retry_after_on_429: false,
            search_lag_ms: 20_000,
            late_commit_ms: 0,
            token_lifetime_ms: 1_800_000,
            rotate_refresh_token: true,
            lose_reply_after_write: 0,
            server_error_every: 0,
            lock_error_every: 0,
            short_pages_every: 0,
            merge_makes_new_id: true,
            archive_unknown_is_404: false,
            history_lowers_page_cap: true,
            in_needs_lower_case: true,
            token_says_expiry: false,
            deleted_log_ms: 15 * 86_400_000,
            cursor_lifetime_ms: 900_000,
            ingest_stops_after: 0,
            migrating: false,
            seed_with_one_stamp: false,
            response_delay_ms: 0,
            search_lag_of: BTreeMap::new(),
            read_lag_ms: 0,
            lag_spread_ms: 0,
            recalculate_after_ms: 0,
            drift_every: 0,
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
            duplicate_rules: Vec::new(),
            options: Vec::new(),
            cascade_tells: true,
            won_deals_block_deletion: true,
            life_cycle_moves_back: false,
            phone_validation: false,
            links_restamp: true,
            primary_is_inherited: false,
            companies_by_domain: false,
            closing_sets_date: false,
            screen_rounds_numbers: false,
            custom_objects: false,
            record_types: false,
            person_accounts: false,
        }
    }
}

impl Faults {
    /// A friendly vendor: no limits, no lag; merges still make a new id, as that is no fault.
    pub fn none() -> Self {
        Self { rate_limits: false, search_lag_ms: 0, ..Self::default() }
    }

    /// Whether one of an object's names is in a set.
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
            fields.extend(changes.clone());
        }
        serde_json::from_value(whole)
    }
}

/// Counts the requests of one sort, to hit every n-th.
#[derive(Clone, Copy, Debug, Default)]
pub struct Every(u32);

impl Every {
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
        let patched = Faults::default().patched(&json!({"search_lag_ms": 7})).unwrap();
        assert_eq!(patched, Faults { search_lag_ms: 7, ..Faults::default() });
        assert!(Faults::default().patched(&json!({"serch_lag_ms": 7})).is_err());
    }

    #[test]
    fn every_third_call_is_hit() {
        let mut every = Every::default();
        let hits: Vec<bool> = (0..6).map(|_| every.hits(3)).collect();
        assert_eq!(hits, [false, false, true, false, false, true]);
        assert!(!every.hits(0));
    }
}
