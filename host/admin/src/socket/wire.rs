//! The messages of the control socket: one line of JSON each way, of bounded length.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use crate::decisions::{Decided, ReviewDecision};
use crate::error::{ErrorReport, RequestError};
use crate::plugins::{PluginRequest, PluginStatus};

/// The longest request, in bytes; a value of a field must fit in it.
pub(super) const REQUEST_MAX: u64 = 256 * 1024;
/// The longest response, in bytes: a report of 10,000 plugin files fits many times.
pub(super) const RESPONSE_MAX: u64 = 64 * 1024 * 1024;
/// The longest time that one side may take to write its line.
pub(super) const TURN_MAX: Duration = Duration::from_secs(5);

/// The longest time that a request may take which may have a plugin file compiled or wait for the
/// writes of a cycle.
pub(super) const WORK_MAX: Duration = Duration::from_secs(600);

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlRequest {
    /// Decide a review.
    Decide(ReviewDecision),
    /// Show or change plugins and permissions.
    Plugin(PluginRequest),
}

/// A response.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlResponse {
    /// The decision was accepted.
    Decided(Decided),
    /// The outcome of a request about plugins.
    Plugins(PluginStatus),
    /// The request failed.
    Refused(RequestRefusal),
}

/// The failure of a request.
#[derive(Debug, Serialize, Deserialize)]
pub struct RequestRefusal {
    /// The exit code of the command.
    pub exit: u8,
    /// The error, its place, and a hint.
    #[serde(flatten)]
    pub report: ErrorReport,
}

impl ControlResponse {
    /// The response to a request that failed.
    pub(super) fn refused(error: &RequestError) -> Self {
        Self::Refused(RequestRefusal { exit: error.kind().exit_code(), report: error.report() })
    }
}

/// The socket of a data directory.
pub(super) fn socket_path(data: &Path) -> PathBuf {
    data.join("control")
}

/// Writes a message as a line.
pub(super) async fn send(
    writing: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writing.write_all(&line).await
}

/// Reads a line and parses it.
pub(super) async fn receive<T: DeserializeOwned>(
    reading: &mut BufReader<impl AsyncRead + Unpin>,
    bytes_max: u64,
) -> std::io::Result<T> {
    let mut line = Vec::new();
    reading.take(bytes_max).read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") && u64::try_from(line.len()) == Ok(bytes_max) {
        let error = format!("is longer than {bytes_max} bytes");
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, error));
    }
    Ok(serde_json::from_slice(&line)?)
}
