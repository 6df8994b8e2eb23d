//! Both ends of the socket in one process: rights, limits, and what a crash or an impatient person
//! leaves behind.

use std::path::Path;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use async_trait::async_trait;
use renkei_model::state::ReviewStatus;
use renkei_runtime::{AdminError, Cap, CountedCause, StopCount};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::server::{Accept, listen};
use super::wire::{ControlResponse, REQUEST_MAX, send, socket_path};
use super::*;
use crate::decisions::{Decided, ReviewAnswer, ReviewDecision};
use crate::error::RequestError;
use crate::plugins::{PluginControl, PluginReport, PluginStatus, StopReport};

/// Does nothing to plugins, and names what it was asked.
struct NoPlugins;

#[async_trait]
impl PluginControl for NoPlugins {
    async fn admin(
        &self,
        request: renkei_runtime::PluginRequest,
    ) -> Result<renkei_runtime::PluginAnswer, AdminError> {
        match request {
            renkei_runtime::PluginRequest::List => {
                Ok(renkei_runtime::PluginAnswer::Plugins(Vec::new()))
            }
            other => Err(AdminError::Unknown(format!("{other:?}"))),
        }
    }

    fn stops(&self) -> Vec<StopCount> {
        let (plugin, system, file) = ("names".to_owned(), String::new(), String::new());
        vec![StopCount { plugin, system, file, cause: CountedCause::from(Cap::Memory), times: 3 }]
    }
}

/// As a listener of a process that has no file descriptor left for a while.
struct Starved {
    refusals: u32,
    listener: UnixListener,
}

impl Accept for Starved {
    async fn accept(&mut self) -> std::io::Result<UnixStream> {
        match self.refusals.checked_sub(1) {
            Some(left) => {
                self.refusals = left;
                // EMFILE
                Err(std::io::Error::from_raw_os_error(24))
            }
            None => Accept::accept(&mut self.listener).await,
        }
    }
}

/// `RULES.md R5`.
#[tokio::test]
async fn control_socket_survives_a_lack_of_file_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("control")).unwrap();
    let (requests, _requests) = mpsc::channel(1);
    // More refusals than connections are served at once: none of them keeps a place.
    let starved = Starved { refusals: 12, listener };
    let task = tokio::spawn(listen(starved, requests, Arc::new(NoPlugins)));
    let told = request_plugins(dir.path(), &renkei_runtime::PluginRequest::List).await.unwrap();
    assert_eq!(told.unwrap().answer, renkei_runtime::PluginAnswer::Plugins(Vec::new()));
    task.abort();
}

/// Says a lot about many files.
struct ManyPlugins;

#[async_trait]
impl PluginControl for ManyPlugins {
    async fn admin(
        &self,
        _: renkei_runtime::PluginRequest,
    ) -> Result<renkei_runtime::PluginAnswer, AdminError> {
        let report = |number: usize| PluginReport {
            file: format!("{number}.wasm"),
            id: None,
            version: None,
            digest: None,
            kind: None,
            state: "refused".to_owned(),
            fault: Some("a reason of some length ".repeat(8)),
            hint: None,
            one_way: Default::default(),
            waiting: None,
            hold: false,
            quarantined_until_ms: None,
            paused_systems: vec![],
            versions: Vec::new(),
        };
        Ok(renkei_runtime::PluginAnswer::Plugins((0..10_000).map(report).collect()))
    }

    fn stops(&self) -> Vec<StopCount> {
        Vec::new()
    }
}

/// `RULES.md R7`.
#[tokio::test]
async fn report_of_ten_thousand_files_crosses_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = ControlSocket::open(dir.path(), Arc::new(ManyPlugins)).unwrap();
    let plugins = served_plugins(dir.path()).await.unwrap().unwrap();
    assert_eq!(plugins.len(), 10_000);
    drop(socket);
}

fn open(data: &Path) -> ControlSocket {
    ControlSocket::open(data, Arc::new(NoPlugins)).unwrap()
}

fn decision(review: &str) -> ReviewDecision {
    ReviewDecision {
        review: review.to_owned(),
        answer: ReviewAnswer::Value { text: "二\n".to_owned() },
    }
}

/// Serves one request as `renkei serve` would.
async fn serve_one(mut socket: ControlSocket, refuse: bool) -> ControlSocket {
    let request = socket.next().await;
    assert!(request.is_wanted());
    assert!(matches!(&request.decision.answer, ReviewAnswer::Value { text } if text == "二\n"));
    let review = request.decision.review.clone();
    request.respond(if refuse {
        Err(RequestError::UnknownReview(review))
    } else {
        Ok(Decided { review, status: ReviewStatus::Chosen, noted: false })
    });
    socket
}

#[tokio::test]
async fn decision_crosses_the_socket_and_its_outcome_returns() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        request_decision(dir.path(), &decision("ab")).await.unwrap().is_none(),
        "nobody listens"
    );
    let socket = open(dir.path());
    let asked = decision("ab");
    let (socket, decided) =
        tokio::join!(serve_one(socket, false), request_decision(dir.path(), &asked));
    assert_eq!(decided.unwrap().unwrap().review, "ab");
    let (socket, refused) =
        tokio::join!(serve_one(socket, true), request_decision(dir.path(), &asked));
    let refused = refused.err().unwrap();
    let said = (refused.kind().exit_code(), refused.to_string());
    assert_eq!(said, (2, "there is no review ab".to_owned()));
    assert_eq!(refused.hint().unwrap(), "`renkei status` lists open reviews");
    drop(socket);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the socket is left behind");
}

#[tokio::test]
async fn socket_admits_only_this_user_and_replaces_a_stale_one() {
    let dir = tempfile::tempdir().unwrap();
    // As a killed process leaves them.
    for name in ["control", "control.new"] {
        drop(std::os::unix::net::UnixListener::bind(dir.path().join(name)).unwrap());
    }
    assert!(request_decision(dir.path(), &decision("ab")).await.unwrap().is_none());
    let socket = open(dir.path());
    let mode = std::fs::metadata(dir.path().join("control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let asked = decision("ab");
    let (_socket, decided) =
        tokio::join!(serve_one(socket, false), request_decision(dir.path(), &asked));
    assert!(decided.unwrap().is_some());
}

async fn connect(dir: &Path) -> UnixStream {
    UnixStream::connect(socket_path(dir)).await.unwrap()
}

#[tokio::test]
async fn socket_hangs_up_on_nonsense_and_endless_lines() {
    let dir = tempfile::tempdir().unwrap();
    let socket = open(dir.path());
    let endless = vec![b'x'; 2 * REQUEST_MAX as usize];
    for said in [b"\n".as_slice(), b"{\"decide\":\n", &endless] {
        assert!(say(dir.path(), said).await.is_empty());
    }
    let asked = decision("ab");
    let (_socket, decided) =
        tokio::join!(serve_one(socket, false), request_decision(dir.path(), &asked));
    assert!(decided.unwrap().is_some());
}

/// The answer to a line.
async fn say(dir: &Path, line: &[u8]) -> Vec<u8> {
    let mut stream = connect(dir).await;
    // It may hang up before it has read all.
    stream.write_all(line).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    answer
}

/// A client of another version is told so, and not that `serve` has stopped.
#[tokio::test]
async fn request_that_is_not_known_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = open(dir.path());
    for line in [b"{\"links\":{}}\n".as_slice(), b"{\"decide\":{\"review\":1}}\n"] {
        let answer = say(dir.path(), line).await;
        let ControlResponse::Refused(refused) = serde_json::from_slice(&answer).unwrap() else {
            panic!("{}", String::from_utf8_lossy(&answer))
        };
        let hint = "run the same version of renkei as `renkei serve`";
        assert_eq!((refused.exit, refused.report.hint.as_deref()), (2, Some(hint)));
        assert_eq!(refused.report.error, "`renkei serve` does not know this request");
    }
}

#[tokio::test]
async fn client_that_left_wants_nothing_and_one_that_waits_learns_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut socket = open(dir.path());
    let mut stream = connect(dir.path()).await;
    send(&mut stream, &ControlRequest::Decide(decision("ab"))).await.unwrap();
    let request = socket.next().await;
    assert!(request.is_wanted());
    drop(stream);
    let mut gone = request;
    gone.response.closed().await;
    assert!(!gone.is_wanted());

    let asked = decision("ab");
    let ends = async { drop(socket.next().await) };
    let ((), told) = tokio::join!(ends, request_decision(dir.path(), &asked));
    let told = told.err().unwrap();
    assert_eq!(told.kind().exit_code(), 4);
    assert_eq!(told.hint().unwrap(), "run the command again");
}

#[tokio::test]
async fn plugin_request_is_answered_while_a_decision_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mut socket = open(dir.path());
    let asked = decision("ab");
    let deciding = request_decision(dir.path(), &asked);
    tokio::pin!(deciding);
    let waiting = tokio::select! {
        request = socket.next() => request,
        _ = &mut deciding => panic!("nobody decided"),
    };
    let list =
        request_plugins(dir.path(), &renkei_runtime::PluginRequest::List).await.unwrap().unwrap();
    let (plugin, system, cause) = ("names".to_owned(), String::new(), "memory".to_owned());
    let stops = vec![StopReport { plugin, system, file: String::new(), cause, times: 3 }];
    assert_eq!(
        list,
        PluginStatus { answer: renkei_runtime::PluginAnswer::Plugins(Vec::new()), stops }
    );
    let reload = renkei_runtime::PluginRequest::Reload(None);
    let refused = request_plugins(dir.path(), &reload).await.err().unwrap();
    assert_eq!(refused.kind().exit_code(), 2, "{refused}");
    let (review, status) = ("ab".to_owned(), ReviewStatus::Chosen);
    waiting.respond(Ok(Decided { review, status, noted: false }));
    assert_eq!(deciding.await.unwrap().unwrap().review, "ab");
}
