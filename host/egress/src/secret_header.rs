//! A header whose value no log shows.

use reqwest::header::HeaderValue;

use crate::http::SendError;

/// A header value that is marked sensitive.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| unauthorized("the configured secret has characters that no header takes"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error that says why there are no credentials.
pub(crate) fn unauthorized(reason: &str) -> SendError {
    SendError::Unauthorized(reason.to_owned())
}
