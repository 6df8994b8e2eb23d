//! The control socket: how `renkei decide` and `renkei plugin` reach the `renkei serve` that has
//! the database and the plugins.
//!
//! `control` in the data directory, for this user alone. A connection carries one line of JSON each
//! way, of bounded length; a few connections are served at once. A connection that cannot be taken
//! (no file descriptor is left) is tried again after a pause. Whoever serves takes decisions
//! between two cycles, so that none comes between a cycle's reading and writing, and notes them in
//! a long one; what is wanted of plugins does not touch the database and is done at once, also in a
//! long cycle. The socket is there as long as the lock of the database is held; what a killed
//! process left behind refuses connections and is replaced by the next.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use renkei_runtime::{AdminError, PluginAnswer, PluginReport, Runtime, StopCount};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::command::decide::{Decided, Decision};
use crate::failure::Failure;
use crate::plain;

/// The longest request, in bytes; a value of a field must fit in it.
const REQUEST_MAX: u64 = 256 * 1024;
/// The longest answer, in bytes: what is said of 10,000 plugin files fits many times.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;
/// The pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 8;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Asked<D, P> {
    Decide(D),
    Plugin(P),
}

type Wanted = Asked<Decision, renkei_runtime::PluginRequest>;
type Wish<'a> = Asked<&'a Decision, &'a renkei_runtime::PluginRequest>;

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Decided(Decided),
    Plugins(Told),
    Refused { exit: u8, error: String },
}

/// What is told of plugins by the process that has them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// What came of the request.
    #[serde(flatten)]
    pub(crate) answer: PluginAnswer,
    /// What was stopped or refused since that process began.
    #[serde(default)]
    pub(crate) stops: Vec<Stop>,
}

/// How often a plugin was stopped, or something of it refused, for one cause.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// Its id; empty for a file that does not say which plugin it is.
    pub(crate) plugin: String,
    /// The system that it worked on; empty for a transform and while a file is loaded.
    pub(crate) system: String,
    /// The file of the plugin folder that was refused; empty for what a plugin did.
    #[serde(default)]
    pub(crate) file: String,
    /// The cap's name, or another of [`renkei_runtime::CountedCause`].
    pub(crate) cause: String,
    /// How often, at least 1.
    pub(crate) times: u64,
}

impl From<StopCount> for Stop {
    fn from(count: StopCount) -> Self {
        let StopCount { plugin, system, file, cause, times } = count;
        Self { plugin, system, file, cause: cause.name().to_owned(), times }
    }
}

impl Reply {
    fn refused(failure: &Failure) -> Self {
        Self::Refused { exit: failure.code(), error: failure.to_string() }
    }
}

/// Who does what is wanted of plugins.
#[async_trait]
pub(crate) trait Plugins: Send + Sync + 'static {
    /// Does it.
    async fn admin(
        &self,
        request: renkei_runtime::PluginRequest,
    ) -> Result<PluginAnswer, AdminError>;

    /// What was stopped or refused so far.
    fn stops(&self) -> Vec<StopCount>;
}

#[async_trait]
impl Plugins for Runtime {
    async fn admin(
        &self,
        request: renkei_runtime::PluginRequest,
    ) -> Result<PluginAnswer, AdminError> {
        self.admin(request).await
    }

    fn stops(&self) -> Vec<StopCount> {
        self.stops()
    }
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
            Err(failure) => Reply::refused(&failure),
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
    pub(crate) fn open(data: &Path, plugins: Arc<impl Plugins>) -> std::io::Result<Self> {
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
        Ok(Self { path, requests, task: tokio::spawn(listen(listener, send, plugins)) })
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

/// Where connections come from.
trait Accept: Send {
    /// The next one.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<UnixStream>> + Send;
}

impl Accept for UnixListener {
    async fn accept(&mut self) -> std::io::Result<UnixStream> {
        Ok(Self::accept(self).await?.0)
    }
}

async fn listen(
    mut listener: impl Accept,
    requests: mpsc::Sender<Request>,
    plugins: Arc<impl Plugins>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // They end with this task.
    let mut talks = JoinSet::new();
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
        while talks.try_join_next().is_some() {}
        let (requests, plugins) = (requests.clone(), Arc::clone(&plugins));
        talks.spawn(async move {
            let _place = place;
            if let Err(error) = talk(stream, &requests, plugins.as_ref()).await {
                tracing::debug!(%error, "a connection to the control socket ended early");
            }
        });
    }
}

async fn talk(
    stream: UnixStream,
    requests: &mpsc::Sender<Request>,
    plugins: &impl Plugins,
) -> std::io::Result<()> {
    let actor = stream.peer_cred().ok().map(|peer| format!("uid {}", peer.uid()));
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let wanted = tokio::time::timeout(PATIENCE, receive(&mut reading, REQUEST_MAX)).await??;
    let mut gone = [0];
    let reply = match wanted {
        // Done to the end, whoever goes away.
        Wanted::Plugin(request) => {
            audit(actor, &request);
            match plugins.admin(request).await {
                Ok(answer) => {
                    let stops = plugins.stops().into_iter().map(Stop::from).collect();
                    Reply::Plugins(Told { answer, stops })
                }
                Err(error) => Reply::refused(&Failure::admin(error)),
            }
        }
        Wanted::Decide(decision) => {
            let (reply, answer) = oneshot::channel();
            tokio::select! {
                answer = async {
                    requests.send(Request { decision, reply }).await.ok();
                    answer.await
                } => answer.unwrap_or_else(|_| stopped()),
                _ = reading.read(&mut gone) => return Ok(()),
            }
        }
    };
    tokio::time::timeout(PATIENCE, send(&mut writing, &reply)).await?
}

/// One line on who wants a change. What comes of it has lines of its own, written by the runtime.
fn audit(actor: Option<String>, request: &renkei_runtime::PluginRequest) {
    use renkei_runtime::PluginRequest as Wanted;
    let (asked, plugin) = match request {
        Wanted::List => return,
        Wanted::Grants { allow, deny, .. } if allow.is_empty() && deny.is_empty() => return,
        Wanted::Grants { id, .. } => ("grants", id.as_ref()),
        Wanted::Reload(plugin) => ("reload", plugin.as_ref()),
        Wanted::RollBack(id) => ("rollback", Some(id)),
        Wanted::Hold { id, on: true } => ("hold", Some(id)),
        Wanted::Hold { id, on: false } => ("hold --off", Some(id)),
        _ => ("another", None),
    };
    let plugin = plugin.map(|plugin| plain::visible(&plain::echo(plugin)));
    tracing::info!(target: "renkei::audit", actor, asked, plugin, "an admin asks");
}

fn stopped() -> Reply {
    let failure = Failure::store(anyhow::anyhow!(
        "`renkei serve` stopped before it answered; run the command again"
    ));
    Reply::refused(&failure)
}

/// Asks the process that has the database in `data` to decide; `None` if nobody listens.
pub(crate) async fn ask(data: &Path, decision: &Decision) -> Result<Option<Decided>, Failure> {
    match exchange(data, &Wish::Decide(decision)).await? {
        Some(Reply::Decided(decided)) => Ok(Some(decided)),
        Some(other) => Err(unexpected(other)),
        None => Ok(None),
    }
}

/// Asks the process that has the plugins of `data` to do this; `None` if nobody listens.
pub(crate) async fn ask_plugins(
    data: &Path,
    request: &renkei_runtime::PluginRequest,
) -> Result<Option<Told>, Failure> {
    match exchange(data, &Wish::Plugin(request)).await? {
        Some(Reply::Plugins(told)) => Ok(Some(told)),
        Some(other) => Err(unexpected(other)),
        None => Ok(None),
    }
}

/// The plugins of the process that has them; `None` if nobody listens. It answers at once unless it
/// has a new file to compile, which is not waited for.
pub(crate) async fn served_plugins(data: &Path) -> Result<Option<Vec<PluginReport>>, Failure> {
    let asked = ask_plugins(data, &renkei_runtime::PluginRequest::List);
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(told) => Ok(told?.and_then(|told| match told.answer {
            PluginAnswer::Plugins(plugins) => Some(plugins),
            _ => None,
        })),
        Err(_) => Err(Failure::store(anyhow::anyhow!(
            "`renkei serve` is busy with a plugin file; run the command again"
        ))),
    }
}

fn unexpected(reply: Reply) -> Failure {
    match reply {
        Reply::Refused { exit, error } => Failure::told(exit, error),
        _ => Failure::usage("`renkei serve` answered another question; is it of this version?"),
    }
}

async fn exchange(data: &Path, wish: &Wish<'_>) -> Result<Option<Reply>, Failure> {
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
        send(&mut writing, wish).await?;
        receive(&mut BufReader::new(reading), ANSWER_MAX).await
    };
    Ok(Some(match talk.await {
        Ok(reply) => reply,
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err(Failure::store(anyhow::anyhow!("the answer of `renkei serve` {error}")));
        }
        Err(_) => stopped(),
    }))
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

fn path(data: &Path) -> PathBuf {
    data.join("control")
}

#[cfg(test)]
mod tests;
