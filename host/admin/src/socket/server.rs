//! The serving side of the control socket.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::wire::{
    ControlRequest, ControlResponse, REQUEST_MAX, TURN_MAX, receive, send, socket_path,
};
use crate::decisions::{Decided, ReviewDecision};
use crate::error::RequestError;
use crate::plugins::{PluginControl, PluginRequest, PluginStatus, StopReport, is_change};
use crate::text;

/// The pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 8;

/// A decision that waits for the owner of the database.
pub struct DecisionRequest {
    /// The decision.
    pub decision: ReviewDecision,
    pub(super) response: oneshot::Sender<ControlResponse>,
}

impl DecisionRequest {
    /// Returns whether the client still waits; one that has gone away wants nothing any more.
    pub fn is_wanted(&self) -> bool {
        !self.response.is_closed()
    }

    /// Sends the outcome to the client.
    pub fn respond(self, result: Result<Decided, RequestError>) {
        let response = match result {
            Ok(decided) => ControlResponse::Decided(decided),
            Err(error) => ControlResponse::refused(&error),
        };
        // The client may have gone away.
        drop(self.response.send(response));
    }
}

/// The open socket, which is removed when this is dropped.
pub struct ControlSocket {
    path: PathBuf,
    requests: mpsc::Receiver<DecisionRequest>,
    task: JoinHandle<()>,
}

impl ControlSocket {
    /// Opens the socket of the data directory. The caller has the lock of its database.
    pub fn open(data: &Path, plugins: Arc<impl PluginControl>) -> std::io::Result<Self> {
        let (path, draft) = (socket_path(data), data.join("control.new"));
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody knows the draft's name before only this user may connect.
        let listener = UnixListener::bind(&draft)?;
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&draft, &path)?;
        let (send, requests) = mpsc::channel(1);
        Ok(Self { path, requests, task: tokio::spawn(listen(listener, send, plugins)) })
    }

    /// Waits for the next decision that a client asks for.
    pub async fn next(&mut self) -> DecisionRequest {
        match self.requests.recv().await {
            Some(request) => request,
            // The task has ended, so nobody will ask.
            None => std::future::pending().await,
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.task.abort();
        drop(std::fs::remove_file(&self.path));
    }
}

/// A source of connections.
pub(super) trait Accept: Send {
    /// Waits for the next one.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<UnixStream>> + Send;
}

impl Accept for UnixListener {
    async fn accept(&mut self) -> std::io::Result<UnixStream> {
        Ok(Self::accept(self).await?.0)
    }
}

pub(super) async fn listen(
    mut listener: impl Accept,
    requests: mpsc::Sender<DecisionRequest>,
    plugins: Arc<impl PluginControl>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // They end with this task.
    let mut connections = JoinSet::new();
    let mut is_failing = false;
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    let what =
                        "no connection to the control socket can be taken; it is tried again";
                    tracing::warn!(%error, "{what}");
                }
                drop(place);
                // A pause: connections that end meanwhile give descriptors back.
                tokio::time::timeout(ACCEPT_PAUSE, std::future::pending::<()>()).await.ok();
                continue;
            }
        };
        is_failing = false;
        while connections.try_join_next().is_some() {}
        let (requests, plugins) = (requests.clone(), Arc::clone(&plugins));
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = serve_connection(stream, &requests, plugins.as_ref()).await {
                tracing::debug!(%error, "a connection to the control socket ended early");
            }
        });
    }
}

async fn serve_connection(
    stream: UnixStream,
    requests: &mpsc::Sender<DecisionRequest>,
    plugins: &impl PluginControl,
) -> std::io::Result<()> {
    let actor = stream.peer_cred().ok().map(|peer| format!("uid {}", peer.uid()));
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let request = tokio::time::timeout(TURN_MAX, receive(&mut reading, REQUEST_MAX)).await??;
    // Another version may have requests that this one does not know.
    let request = serde_json::from_value::<ControlRequest>(request);
    let Ok(request) = request else {
        let refused = ControlResponse::refused(&RequestError::UnknownRequest);
        return tokio::time::timeout(TURN_MAX, send(&mut writing, &refused)).await?;
    };
    let mut gone = [0];
    let response = match request {
        // Done to the end, whoever goes away.
        ControlRequest::Plugin(request) => {
            audit(actor, &request);
            match plugins.admin(request).await {
                Ok(answer) => {
                    let stops = plugins.stops().into_iter().map(StopReport::from).collect();
                    ControlResponse::Plugins(PluginStatus { answer, stops })
                }
                Err(error) => ControlResponse::refused(&error.into()),
            }
        }
        ControlRequest::Decide(decision) => {
            let (response, outcome) = oneshot::channel();
            let stopped = |_| ControlResponse::refused(&RequestError::ServeStopped);
            tokio::select! {
                outcome = async {
                    requests.send(DecisionRequest { decision, response }).await.ok();
                    outcome.await
                } => outcome.unwrap_or_else(stopped),
                _ = reading.read(&mut gone) => return Ok(()),
            }
        }
    };
    tokio::time::timeout(TURN_MAX, send(&mut writing, &response)).await?
}

/// Logs who wants a change. The runtime logs what comes of it.
fn audit(actor: Option<String>, request: &PluginRequest) {
    if !is_change(request) {
        return;
    }
    let (asked, plugin) = match request {
        PluginRequest::Grants { id, .. } => ("grants", id.as_ref()),
        PluginRequest::Reload(plugin) => ("reload", plugin.as_ref()),
        PluginRequest::RollBack(id) => ("rollback", Some(id)),
        PluginRequest::Hold { id, on: true } => ("hold", Some(id)),
        PluginRequest::Hold { id, on: false } => ("hold --off", Some(id)),
        _ => ("another", None),
    };
    let plugin = plugin.map(|plugin| text::visible(&text::echo(plugin)));
    tracing::info!(target: "renkei::audit", actor, asked, plugin, "an admin asks");
}
