//! The asking side of the control socket.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::wire::{
    ControlRequest, ControlResponse, RESPONSE_MAX, RequestRefusal, TURN_MAX, WORK_MAX, receive,
    send, socket_path,
};
use crate::decisions::{Decided, ReviewDecision};
use crate::error::{FailureKind, RequestError};
use crate::plugins::{PluginAnswer, PluginReport, PluginRequest, PluginStatus};

/// Asks the owner of the database in `data` to decide; `None` if nobody listens.
///
/// # Errors
/// The decision is refused, or the owner cannot be asked.
pub async fn request_decision(
    data: &Path,
    decision: &ReviewDecision,
) -> Result<Option<Decided>, RequestError> {
    match exchange(data, &ControlRequest::Decide(decision.clone()), WORK_MAX).await? {
        Some(ControlResponse::Decided(decided)) => Ok(Some(decided)),
        Some(other) => Err(unexpected(other)),
        None => Ok(None),
    }
}

/// Asks the owner of the plugins of `data` to do this; `None` if nobody listens.
///
/// # Errors
/// The request is refused, or the owner cannot be asked.
pub async fn request_plugins(
    data: &Path,
    request: &PluginRequest,
) -> Result<Option<PluginStatus>, RequestError> {
    // A list waits for new files to be compiled, too.
    match exchange(data, &ControlRequest::Plugin(request.clone()), WORK_MAX).await? {
        Some(ControlResponse::Plugins(status)) => Ok(Some(status)),
        Some(other) => Err(unexpected(other)),
        None => Ok(None),
    }
}

/// Lists the plugins of the process that serves them; `None` if nobody listens. It answers at once
/// unless it has a new file to compile, which is not waited for.
///
/// # Errors
/// The serving process is busy or cannot be asked.
pub async fn served_plugins(data: &Path) -> Result<Option<Vec<PluginReport>>, RequestError> {
    let asked = ControlRequest::Plugin(PluginRequest::List);
    match exchange(data, &asked, TURN_MAX).await? {
        Some(ControlResponse::Plugins(status)) => Ok(match status.answer {
            PluginAnswer::Plugins(plugins) => Some(plugins),
            _ => None,
        }),
        Some(other) => Err(unexpected(other)),
        None => Ok(None),
    }
}

fn unexpected(response: ControlResponse) -> RequestError {
    match response {
        ControlResponse::Refused(RequestRefusal { exit, report }) => {
            RequestError::Remote { kind: FailureKind::from_exit_code(exit), report }
        }
        _ => RequestError::OtherAnswer,
    }
}

async fn exchange(
    data: &Path,
    request: &ControlRequest,
    most: Duration,
) -> Result<Option<ControlResponse>, RequestError> {
    let path = socket_path(data);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(source) if source.kind() == ErrorKind::PermissionDenied => {
            return Err(RequestError::SocketDenied { path, source });
        }
        Err(_) => return Ok(None),
    };
    let (reading, mut writing) = stream.into_split();
    let talk = async {
        send(&mut writing, request).await?;
        receive(&mut BufReader::new(reading), RESPONSE_MAX).await
    };
    let Ok(told) = tokio::time::timeout(most, talk).await else {
        return Err(RequestError::ServeBusy);
    };
    match told {
        Ok(response) => Ok(Some(response)),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(RequestError::LongAnswer(error))
        }
        Err(_) => Err(RequestError::ServeStopped),
    }
}
