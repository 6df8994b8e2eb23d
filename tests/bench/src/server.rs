//! A server on loopback that answers every GET with `{}` and counts how often each path came.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// Times by path.
type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// Serves until the program ends.
pub(crate) struct Server {
    address: SocketAddr,
    counts: Counts,
}

impl Server {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, counts) = (listener.local_addr()?, Counts::default());
        let shared = Arc::clone(&counts);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counts = Arc::clone(&shared);
                // A connection that breaks is its client's to notice.
                std::thread::spawn(move || serve(stream, &counts).ok());
            }
        });
        Ok(Self { address, counts })
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Number of paths that came more than once, and of those that did not come.
    pub(crate) fn count(&self, expected: u64) -> (u64, u64) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let twice = counts.values().filter(|times| **times > 1).count() as u64;
        (twice, expected.saturating_sub(counts.len() as u64))
    }
}

/// One connection, request after request.
fn serve(stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut path = None;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if path.is_none() {
            path = line.split_whitespace().nth(1).map(str::to_owned);
        }
        if line.is_empty()
            && let Some(path) = path.take()
        {
            *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_default() += 1;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2";
            out.write_all(format!("{head}\r\n\r\n{{}}").as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn request_that_comes_twice_is_counted() {
        let server = Server::start().unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        for path in ["/a", "/b", "/a"] {
            write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"{}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
        }
        assert_eq!(server.count(3), (1, 1));
    }
}
