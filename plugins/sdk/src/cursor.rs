//! Cursors as JSON, so that a later version of the plugin can read what an earlier one wrote.
//!
//! The host keeps cursors for months. Give new fields a serde default, and answer a cursor that is
//! too old to understand with `cursor-lost`, which costs a backfill and loses nothing.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::Facts as _;
use crate::{Attributes, Error};

/// The time by which a server's clock may be ahead of the host's and still be believed, ms.
const AHEAD_MS: i64 = 24 * 3_600_000;

/// The bytes that go into `page.cursor`.
///
/// # Errors
/// `bug` where the type has no JSON form (a map with keys that are not text).
pub fn encode<T: Serialize>(cursor: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(cursor).map_err(|_| Error::bug("a cursor has no JSON form"))
}

/// The cursor in `request.cursor`; the default where the scan begins.
///
/// # Errors
/// `cursor-lost` where the bytes are not such a cursor.
pub fn decode<T: DeserializeOwned + Default>(bytes: Option<&[u8]>) -> Result<T, Error> {
    let Some(bytes) = bytes else { return Ok(T::default()) };
    serde_json::from_slice(bytes).map_err(|fault| {
        Error::cursor_lost("cursor-unreadable", format!("column {}", fault.column()))
    })
}

/// The moment where the next changes begin, for a scan whose first answer has just come: everything
/// that changed before is shown by this scan.
///
/// `server` is the server's clock when it answered and `newest` the newest stamp on the page. A
/// wrong clock must not move a cursor past changes to come. So a server's clock that is a day ahead
/// of the host's (option `now-ms`) is not believed; the rows' own stamps stand for it. Nothing goes
/// past the host's clock. Too early a moment costs repeats and loses nothing. `None` where
/// nothing tells the time.
///
/// ```
/// use renkei_sdk::{Value, cursor};
/// let options = vec![("now-ms".to_owned(), Value::Integer(1_000))];
/// assert_eq!(cursor::begin_changes(&options, Some(990), None), Some(990));
/// assert_eq!(cursor::begin_changes(&options, Some(1_010), None), Some(1_000));
/// let year_2099 = 4_070_908_800_000;
/// assert_eq!(cursor::begin_changes(&options, Some(year_2099), Some(980)), Some(980));
/// assert_eq!(cursor::begin_changes(&options, Some(year_2099), None), None);
/// ```
pub fn begin_changes(
    options: &Attributes,
    server: Option<i64>,
    newest: Option<i64>,
) -> Option<i64> {
    let Some(now) = options.integer("now-ms") else { return server.or(newest) };
    let believed = |moment: &i64| *moment <= now.saturating_add(AHEAD_MS);
    let moment = server.filter(believed).or(newest.filter(believed))?;
    Some(moment.min(now))
}

/// Refuses a moment from a cursor that lies in the host's future: what came before it was skipped.
///
/// # Errors
/// `cursor-lost`, so that everything is read anew.
///
/// ```
/// use renkei_sdk::{Value, cursor};
/// let options = vec![("now-ms".to_owned(), Value::Integer(1_000))];
/// assert!(cursor::check_moment(&options, 5_000).is_ok());
/// assert!(cursor::check_moment(&options, 4_070_908_800_000).is_err());
/// ```
pub fn check_moment(options: &Attributes, moment: i64) -> Result<(), Error> {
    match options.integer("now-ms") {
        Some(now) if moment > now.saturating_add(AHEAD_MS) => {
            Err(Error::cursor_lost("cursor-in-the-future", "a wrong clock has made this cursor"))
        }
        _ => Ok(()),
    }
}
