//! The bytes of a plugin file on their way to the compiler and to the private copy
//! (`host/sync/RULES.md` R22).
//!
//! A folder full of large files would fill the memory of a host that holds each file that waits.
//! So the bytes of a file are read when it is their turn, in pieces of [`PIECE_BYTES`], hashed as
//! they are read, and given on piece by piece. Whoever takes them believes what became of them
//! only if the digest at the end is the one that was found in the folder.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use renkei_package::FILE_BYTES_MAX;
use sha2::{Digest as _, Sha256};

/// [`FILE_BYTES_MAX`] as the length of a file.
pub(crate) const BYTES_MAX: u64 = FILE_BYTES_MAX as u64;

/// So much of a file is in memory at once.
const PIECE_BYTES: usize = 128 << 10;

/// The bytes of one file, for when they are needed.
pub(crate) trait PluginBytes: Send + Sync {
    /// Opens them at their beginning; an error says that they are not there any more.
    fn open(self: Arc<Self>) -> io::Result<Box<dyn Read + Send>>;
}

impl PluginBytes for Vec<u8> {
    fn open(self: Arc<Self>) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(BytesInMemory { bytes: self, read: 0 }))
    }
}

/// Bytes that somebody holds anyway.
struct BytesInMemory {
    bytes: Arc<Vec<u8>>,
    read: usize,
}

impl Read for BytesInMemory {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.get(self.read..).unwrap_or_default().read(piece)?;
        self.read = self.read.saturating_add(read);
        Ok(read)
    }
}

/// Reads to the end in pieces, gives each to `each`, and returns the SHA-256 in hex and the number
/// of bytes.
pub(crate) fn hash_pieces(
    mut bytes: impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(String, u64)> {
    let (mut hasher, mut length, mut piece) = (Sha256::new(), 0u64, vec![0; PIECE_BYTES]);
    while let Some(part) = next_piece(&mut bytes, &mut piece)? {
        hasher.update(part);
        length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        each(part)?;
    }
    Ok((hex::encode(hasher.finalize()), length))
}

/// The next bytes; none at the end.
fn next_piece<'a>(bytes: &mut impl Read, piece: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    loop {
        match bytes.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(read) => return Ok(piece.get(..read).filter(|part| !part.is_empty())),
        }
    }
}

/// Reads the bytes of one file on threads that may wait, for a task that may not.
pub(crate) struct HashedReader(Arc<Mutex<HashedState>>);

struct HashedState {
    bytes: Box<dyn Read + Send>,
    hasher: Sha256,
    is_failed: bool,
}

impl HashedReader {
    /// Opens the bytes; none where they are not there any more.
    pub(crate) async fn open(bytes: Arc<dyn PluginBytes>) -> Option<Self> {
        let bytes = tokio::task::spawn_blocking(move || bytes.open()).await.ok()?.ok()?;
        let state = HashedState { bytes, hasher: Sha256::new(), is_failed: false };
        Some(Self(Arc::new(Mutex::new(state))))
    }

    /// The next piece; none at the end and where nothing more can be read. May be dropped at any
    /// time: the piece counts as read then.
    pub(crate) async fn next_piece(&self) -> Option<Vec<u8>> {
        self.on_thread(HashedState::next_piece).await.flatten()
    }

    /// All that is left.
    pub(crate) async fn rest(&self) -> Vec<u8> {
        let rest = |state: &mut HashedState| {
            let mut rest = Vec::new();
            while let Some(piece) = state.next_piece() {
                rest.extend_from_slice(&piece);
            }
            rest
        };
        self.on_thread(rest).await.unwrap_or_default()
    }

    /// Reads what is left, and says whether all that was read has this digest.
    pub(crate) async fn has_digest(&self, digest: &str) -> bool {
        let finish = |state: &mut HashedState| {
            while state.next_piece().is_some() {}
            let found = hex::encode(state.hasher.clone().finalize());
            (!state.is_failed).then_some(found)
        };
        self.on_thread(finish).await.flatten().is_some_and(|found| found == digest)
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut HashedState) -> T + Send + 'static,
    ) -> Option<T> {
        let state = Arc::clone(&self.0);
        let work = move || work(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.ok()
    }
}

impl HashedState {
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        let mut piece = vec![0; PIECE_BYTES];
        let read = match next_piece(&mut self.bytes, &mut piece) {
            Ok(part) => part.map_or(0, <[u8]>::len),
            Err(_) => {
                self.is_failed = true;
                0
            }
        };
        piece.truncate(read);
        self.hasher.update(&piece);
        (read > 0).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails after so many bytes.
    struct Failing(usize);

    impl PluginBytes for Failing {
        fn open(self: Arc<Self>) -> io::Result<Box<dyn Read + Send>> {
            struct Broken;
            impl Read for Broken {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    Err(io::ErrorKind::ConnectionReset.into())
                }
            }
            Ok(Box::new(io::repeat(7).take(u64::try_from(self.0).unwrap()).chain(Broken)))
        }
    }

    fn digest(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    async fn open(bytes: impl PluginBytes + 'static) -> HashedReader {
        HashedReader::open(Arc::new(bytes)).await.unwrap()
    }

    #[tokio::test]
    async fn bytes_come_in_pieces_and_have_one_digest_however_far_they_were_read() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let whole = digest(&bytes);
        let mut pieces = Vec::new();
        let reader = open(bytes.clone()).await;
        while let Some(piece) = reader.next_piece().await {
            assert!(piece.len() <= PIECE_BYTES);
            pieces.push(piece);
        }
        assert!(pieces.len() > 2 && pieces.concat() == bytes);
        assert!(reader.has_digest(&whole).await);
        let reader = open(bytes.clone()).await;
        let first = reader.next_piece().await.unwrap();
        assert_eq!(reader.rest().await, bytes[first.len()..]);
        assert!(reader.has_digest(&whole).await);
        // A turn that was given up counts as read.
        let reader = open(bytes.clone()).await;
        drop(tokio::time::timeout(std::time::Duration::ZERO, reader.next_piece()).await);
        assert!(reader.has_digest(&whole).await);
        assert!(!open(bytes).await.has_digest(&digest(b"others")).await);
        let mut told = 0;
        let hashed = hash_pieces(&b"abc"[..], |piece| {
            told += piece.len();
            Ok(())
        });
        assert_eq!((hashed.unwrap(), told), ((digest(b"abc"), 3), 3));
    }

    #[tokio::test]
    async fn bytes_that_cannot_be_read_to_the_end_have_no_digest() {
        let reader = open(Failing(3)).await;
        assert_eq!(reader.rest().await, [7, 7, 7]);
        assert!(!reader.has_digest(&digest(&[7, 7, 7])).await);
    }
}
