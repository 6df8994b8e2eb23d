//! Switches for the unpleasant facts of HubSpot alone; [`crate::faults`] has the common ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Unpleasant facts of HubSpot; times in virtual milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubSpotFaults {
    /// Requests per app in any 10 s (H-limit-1).
    pub rolling_limit: u32,
    /// Searches per account in any second.
    pub search_limit: u32,
    /// A 429 carries `Retry-After` (unverified, docs are silent).
    pub retry_after_on_429: bool,
    /// Time until HubSpot's search index shows a write.
    pub search_lag_ms: i64,
    /// A merge makes a third record instead of keeping the winner's id.
    pub merge_makes_new_id: bool,
    /// Archiving an id that never existed answers 404 instead of 204 (unverified).
    pub archive_unknown_is_404: bool,
    /// `propertiesWithHistory` lowers the page cap to 50 (unverified).
    pub history_lowers_page_cap: bool,
    /// `IN` compares the given text with the lower-cased value (unverified).
    pub in_needs_lower_case: bool,
    /// The account is moving to another data centre and every call answers 477.
    pub migrating: bool,
    /// `search_lag_ms` of single objects, such as `{"companies": 60000}`.
    pub search_lag_of: BTreeMap<String, i64>,
    /// So long after a write the vendor's own calculations restamp the record (H-record-8); 0 is
    /// off.
    pub recalculate_after_ms: i64,
    /// Every n-th later page of a search comes after a calculation restamped a row before it.
    pub drift_every: u32,
    /// A write may move the life cycle stage back (sources differ).
    pub life_cycle_moves_back: bool,
    /// Phone numbers are checked, and stored without blanks and signs between digits.
    pub phone_validation: bool,
    /// A new or removed association restamps both records (unverified; where derived
    /// counters stand in the way). Off, no read by time shows it.
    pub links_restamp: bool,
    /// Removing the primary company makes another one primary (open).
    pub primary_is_inherited: bool,
    /// A contact with a mail domain gets a company of that domain, made if need be.
    pub companies_by_domain: bool,
    /// Moving a deal to a closed stage sets its close date.
    pub closing_sets_date: bool,
}

impl Default for HubSpotFaults {
    fn default() -> Self {
        Self {
            rolling_limit: 190,
            search_limit: 5,
            retry_after_on_429: false,
            search_lag_ms: 20_000,
            merge_makes_new_id: true,
            archive_unknown_is_404: false,
            history_lowers_page_cap: true,
            in_needs_lower_case: true,
            migrating: false,
            search_lag_of: BTreeMap::new(),
            recalculate_after_ms: 0,
            drift_every: 0,
            life_cycle_moves_back: false,
            phone_validation: false,
            links_restamp: true,
            primary_is_inherited: false,
            companies_by_domain: false,
            closing_sets_date: false,
        }
    }
}

impl HubSpotFaults {
    /// A friendly HubSpot: its search index does not lag; merges still make a new id, as that is no
    /// fault.
    pub fn none() -> Self {
        Self { search_lag_ms: 0, ..Self::default() }
    }
}
