//! The control socket: how `renkei decide` reaches the `renkei serve` that has the database.
//!
//! `control` in the data directory, for this user alone. A connection carries one line of JSON each
//! way, of bounded length, and one connection is served after the other by one task. Whoever serves
//! takes requests between two cycles, so a decision never comes between a cycle's reading and
//! writing. The socket is there as long as the lock of the database is held; what a killed process
//! left behind refuses connections and is replaced by the next.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::command::decide::{Decided, Decision};
use crate::failure::Failure;

/// The longest line, in bytes; a value of a field must fit in it.
const LINE_MAX: u64 = 256 * 1024;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Decided(Decided),
    Refused { exit: u8, error: String },
}

/// A decision that waits for whoever has the database.
pub(crate) struct Request {
    pub(crate) decision: Decision,
    reply: oneshot::Sender<Reply>,
}

impl Request {
    /// Whether the one who asked still waits; who has gone away wants nothing any more.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    /// Tells what came of it.
    pub(crate) fn answer(self, result: Result<Decided, Failure>) {
        let reply = match result {
            Ok(decided) => Reply::Decided(decided),
            Err(failure) => Reply::Refused { exit: failure.code(), error: failure.to_string() },
        };
        // Whoever asked may have gone away.
        drop(self.reply.send(reply));
    }
}

/// The open socket; it goes when this is dropped.
pub(crate) struct ControlSocket {
    path: PathBuf,
    requests: mpsc::Receiver<Request>,
    task: JoinHandle<()>,
}

impl ControlSocket {
    /// Opens the socket of the data directory. The caller has the lock of its database.
    pub(crate) fn open(data: &Path) -> std::io::Result<Self> {
        let (path, draft) = (path(data), data.join("control.new"));
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody knows the draft's name before only this user may connect.
        let listener = UnixListener::bind(&draft)?;
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&draft, &path)?;
        let (send, requests) = mpsc::channel(1);
        Ok(Self { path, requests, task: tokio::spawn(listen(listener, send)) })
    }

    /// The next decision that somebody asks for.
    pub(crate) async fn next(&mut self) -> Request {
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

async fn listen(listener: UnixListener, requests: mpsc::Sender<Request>) {
    loop {
        let talked = match listener.accept().await {
            Ok((stream, _)) => talk(stream, &requests).await,
            Err(error) => {
                tracing::warn!(%error, "the control socket failed; `renkei decide` will not work");
                return;
            }
        };
        if let Err(error) = talked {
            tracing::debug!(%error, "a connection to the control socket ended early");
        }
    }
}

async fn talk(stream: UnixStream, requests: &mpsc::Sender<Request>) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let decision = tokio::time::timeout(PATIENCE, receive(&mut reading)).await??;
    let (reply, answer) = oneshot::channel();
    let mut gone = [0];
    let reply = tokio::select! {
        answer = async {
            requests.send(Request { decision, reply }).await.ok();
            answer.await
        } => answer,
        _ = reading.read(&mut gone) => return Ok(()),
    };
    let reply = reply.unwrap_or_else(|_| stopped());
    tokio::time::timeout(PATIENCE, send(&mut writing, &reply)).await?
}

fn stopped() -> Reply {
    let failure = Failure::store(anyhow::anyhow!(
        "`renkei serve` stopped before it decided; run the command again"
    ));
    Reply::Refused { exit: failure.code(), error: failure.to_string() }
}

/// Asks the process that has the database in `data` to decide; `None` if nobody listens.
pub(crate) async fn ask(data: &Path, decision: &Decision) -> Result<Option<Decided>, Failure> {
    let stream = match UnixStream::connect(path(data)).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let path = path(data);
            return Err(Failure::store(anyhow::anyhow!(
                "{}: {error}; run the command as the user who runs `renkei serve`",
                path.display()
            )));
        }
        Err(_) => return Ok(None),
    };
    let (reading, mut writing) = stream.into_split();
    let talk = async {
        send(&mut writing, decision).await?;
        receive(&mut BufReader::new(reading)).await
    };
    match talk.await.unwrap_or_else(|_: std::io::Error| stopped()) {
        Reply::Decided(decided) => Ok(Some(decided)),
        Reply::Refused { exit, error } => Err(Failure::told(exit, error)),
    }
}

async fn send(
    writing: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writing.write_all(&line).await
}

async fn receive<T: DeserializeOwned>(
    reading: &mut BufReader<impl AsyncRead + Unpin>,
) -> std::io::Result<T> {
    let mut line = Vec::new();
    reading.take(LINE_MAX).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

fn path(data: &Path) -> PathBuf {
    data.join("control")
}

#[cfg(test)]
mod tests;
