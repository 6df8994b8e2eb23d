//! A hostile server on loopback that writes raw bytes, over TLS under any names where that is
//! needed.

mod http2;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

pub use http2::Fields;

/// Bytes that are written after a request's head came; then the connection is closed.
pub enum RawAnswer {
    /// These bytes.
    Once(Vec<u8>),
    /// The first, then the second again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// The first, then the second again and again, slowly.
    Drip(Vec<u8>, Vec<u8>),
}

impl RawAnswer {
    /// A whole answer; `headers` are whole lines.
    pub fn answer(status: u16, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Self::Once([head.as_bytes(), body].concat())
    }

    /// A redirect.
    pub fn lead(status: u16, location: &str) -> Self {
        Self::answer(status, &format!("location: {location}\r\n"), b"")
    }
}

/// A server that breaks the rules of HTTP as a test says.
pub struct RawServer {
    /// Its URL, for plain HTTP.
    pub base: String,
    /// Its address, whatever the URL says.
    pub place: SocketAddr,
    root: Option<Vec<u8>>,
    heads: Arc<Mutex<Vec<String>>>,
    written: Arc<AtomicUsize>,
}

impl RawServer {
    /// Plain HTTP. `script` gets the head of each request.
    pub async fn start(script: impl Fn(&str) -> RawAnswer + Send + Sync + 'static) -> Self {
        Self::open(None, Speaks::Http1(Box::new(script))).await
    }

    /// With a certificate for `names`, which only those trust who have [`RawServer::roots`].
    pub async fn tls(
        names: &[&str],
        script: impl Fn(&str) -> RawAnswer + Send + Sync + 'static,
    ) -> Self {
        Self::open(Some(names), Speaks::Http1(Box::new(script))).await
    }

    /// The same in HTTP/2: the first request of a connection gets the first of these answers.
    pub async fn http2(names: &[&str], answers: Vec<Fields>) -> Self {
        Self::open(Some(names), Speaks::Http2(answers)).await
    }

    async fn open(names: Option<&[&str]>, speaks: Speaks) -> Self {
        let certificate = names.map(|names| {
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
            rcgen::generate_simple_self_signed(names).unwrap()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        let root = certificate.as_ref().map(|made| made.cert.der().to_vec());
        let acceptor = certificate.map(|made| acceptor(made, &speaks));
        let (heads, written) = (Arc::<Mutex<Vec<String>>>::default(), Arc::default());
        let visit = Visit {
            speaks: Arc::new(speaks),
            heads: Arc::clone(&heads),
            written: Arc::clone(&written),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (visit, acceptor) = (visit.clone(), acceptor.clone());
                // A client that goes away is no failure of the test.
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => visit.serve(acceptor.accept(stream).await?).await,
                        None => visit.serve(stream).await,
                    }
                });
            }
        });
        Self { base: format!("http://{place}"), place, root, heads, written }
    }

    /// The heads of the requests that came.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How many bytes of answers were taken off its hands.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// The certificates that a client must trust, DER.
    pub fn roots(&self) -> Vec<Vec<u8>> {
        self.root.iter().cloned().collect()
    }
}

fn acceptor(made: rcgen::CertifiedKey<rcgen::KeyPair>, speaks: &Speaks) -> TlsAcceptor {
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    if matches!(speaks, Speaks::Http2(_)) {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    TlsAcceptor::from(Arc::new(config))
}

/// The answer, by the version of HTTP that it is written in.
enum Speaks {
    Http1(Box<dyn Fn(&str) -> RawAnswer + Send + Sync>),
    Http2(Vec<Fields>),
}

#[derive(Clone)]
struct Visit {
    speaks: Arc<Speaks>,
    heads: Arc<Mutex<Vec<String>>>,
    written: Arc<AtomicUsize>,
}

impl Visit {
    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let script = match &*self.speaks {
            Speaks::Http1(script) => script,
            Speaks::Http2(answers) => return http2::serve(stream, answers).await,
        };
        let head = head(&mut stream).await?;
        self.heads.lock().unwrap().push(head.clone());
        match script(&head) {
            RawAnswer::Once(bytes) => self.write(&mut stream, &bytes).await?,
            RawAnswer::Endless(first, piece) => {
                self.write(&mut stream, &first).await?;
                loop {
                    self.write(&mut stream, &piece).await?;
                }
            }
            RawAnswer::Drip(first, piece) => {
                self.write(&mut stream, &first).await?;
                let mut tick = tokio::time::interval(Duration::from_millis(5));
                loop {
                    tick.tick().await;
                    self.write(&mut stream, &piece).await?;
                }
            }
        }
        stream.shutdown().await
    }

    async fn write(&self, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(64 << 10) {
            stream.write_all(piece).await?;
            self.written.fetch_add(piece.len(), Ordering::SeqCst);
        }
        stream.flush().await
    }
}

/// A request's head, and its body too, so that closing does not reset the connection.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut taken = Vec::new();
    while !taken.ends_with(b"\r\n\r\n") {
        taken.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&taken).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    Ok(head)
}
