//! Scans: contacts in the order of their changes.
//!
//! A cursor holds the last contact seen and the time that the server gave it. A scan of changes
//! looks back a little, because a contact may become visible later than its stamp says. Repeats
//! are fine, gaps are not.

use renkei_sdk::http::Request;
use renkei_sdk::{Error, Page, PageRequest, Scan, cursor};
use serde::{Deserialize, Serialize};

use crate::client::send;
use crate::client::wire::Listing;
use crate::config::Config;
use crate::value::make_page;

/// The most contacts that the API gives in one answer.
const PAGE_ROWS_MAX: u32 = 100;

/// The position of a scan: behind the contact `after`, which changed at `since`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    since: i64,
    after: String,
}

/// The next page of a scan.
///
/// # Errors
/// `cursor-lost` for bytes that are no cursor of this connector.
pub(crate) fn read_page(config: &Config, request: &PageRequest) -> Result<Page, Error> {
    if let Scan::Other(scan) = &request.scan {
        return Err(Error::unsupported(format!("scan {}", scan.code)));
    }
    let Cursor { since, after } = cursor::decode(request.cursor.as_deref())?;
    let get = Request::get("/contacts")
        .query("since", &since.to_string())
        .query("after", &after)
        .query("limit", &request.limit.min(PAGE_ROWS_MAX).to_string());
    let listing: Listing = send(&get)?.json()?;
    let next = next_cursor(config, &listing, &request.scan, Cursor { since, after });
    let (more, cursor) = (listing.more, cursor::encode(&next)?);
    Ok(Page { more, cursor, ..make_page(&request.columns, listing) })
}

/// Behind the last contact; at the end of a scan, a little before it, where `changes` begins.
fn next_cursor(config: &Config, listing: &Listing, scan: &Scan, here: Cursor) -> Cursor {
    let Some(last) = listing.items.last() else { return here };
    if listing.more || *scan == Scan::Sweep {
        return Cursor { since: last.changed, after: last.id.clone() };
    }
    Cursor { since: (last.changed - config.lookback_ms).max(0), after: String::new() }
}
