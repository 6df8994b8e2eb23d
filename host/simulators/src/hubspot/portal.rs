//! The number of a HubSpot account, which its vendor calls portal.

use crate::faults::Faults;

/// The account number of every simulated HubSpot, unless `Faults::account_id` names another.
pub const PORTAL_ID: u64 = 62_515;

/// The account number under these knobs.
pub(super) fn portal_id(faults: &Faults) -> u64 {
    if faults.account_id == 0 { PORTAL_ID } else { faults.account_id }
}
