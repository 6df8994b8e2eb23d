//! The limits of one request and of its answer.

use std::time::Duration;

/// The longest time of a request, and its default.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest wait for a quota before the guest learns of it, ms. A longer wait that a guest
/// reports is a pause of the whole account; a shorter one may be about a single record.
pub(crate) const QUOTA_WAIT_MAX_MS: u64 = 60_000;

/// The longest time for which a server's `Retry-After` holds, ms; then the server is asked again.
pub(crate) const RETRY_AFTER_MAX_MS: u64 = 3_600_000;

/// The most requests in flight for one system, whatever its manifest says.
pub(crate) const IN_FLIGHT_MAX: u32 = 8;

/// The most redirects in a row.
pub(crate) const REDIRECTS_MAX: u32 = 5;

/// The largest answer as it comes, bytes.
pub const WIRE_BYTES_MAX: usize = 10 << 20;

/// The largest answer when decoded, bytes.
pub const DECODED_BYTES_MAX: usize = 32 << 20;

/// The most bytes that one byte may decode to.
pub(crate) const RATIO_MAX: usize = 100;

/// The most headers of an answer.
pub(crate) const ANSWER_HEADERS_MAX: usize = 200;

/// The most bytes in an answer's header names and values.
pub(crate) const ANSWER_HEADER_BYTES_MAX: usize = 64 << 10;
