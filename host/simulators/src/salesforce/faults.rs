//! Switches for the unpleasant facts of Salesforce alone; [`crate::faults`] has the common ones.

use serde::{Deserialize, Serialize};

use crate::rules::DuplicateRule;

/// Unpleasant facts of Salesforce; times in virtual milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SalesforceFaults {
    /// A write becomes visible this long after its `SystemModstamp`.
    pub late_commit_ms: i64,
    /// A token answer carries `expires_in`, which some clients count on.
    pub token_says_expiry: bool,
    /// Reach of `getDeleted` into the past; less than 15 days as if the log was purged.
    pub deleted_log_ms: i64,
    /// Life of an unused query locator.
    pub cursor_lifetime_ms: i64,
    /// An ingest job ends as aborted after so many rows, as when an admin stops it; 0
    /// turns it off.
    pub ingest_stops_after: u32,
    /// Duplicate rules.
    pub duplicate_rules: Vec<DuplicateRule>,
    /// `getDeleted` lists what a deletion took along (unverified); queryAll always does.
    pub cascade_tells: bool,
    /// An account with won opportunities cannot be deleted.
    pub won_deals_block_deletion: bool,
    /// People who save at the screen store numbers rounded to their scale.
    pub screen_rounds_numbers: bool,
    /// Accounts, contacts, leads and opportunities have record types.
    pub record_types: bool,
    /// An account can be a person.
    pub person_accounts: bool,
}

impl Default for SalesforceFaults {
    fn default() -> Self {
        Self {
            late_commit_ms: 0,
            token_says_expiry: false,
            deleted_log_ms: 15 * 86_400_000,
            cursor_lifetime_ms: 900_000,
            ingest_stops_after: 0,
            duplicate_rules: Vec::new(),
            cascade_tells: true,
            won_deals_block_deletion: true,
            screen_rounds_numbers: false,
            record_types: false,
            person_accounts: false,
        }
    }
}
