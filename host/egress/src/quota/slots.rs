//! A small file that several processes change under a lock, and that no crash leaves half-written.
//!
//! Four slots, each with a sequence number and a checksum of its content. The two live ones are
//! written in turn, so that whoever is killed while writing leaves the other as it was. That costs
//! no disk access, so a power cut may take both; therefore the two lasting ones are written, in
//! turn too, with the disk's word for it, whenever the owner asks.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The most that a slot holds, its head included, bytes.
pub(super) const SLOT_BYTES: usize = 128 << 10;

/// Names the format; another one is another file.
const MAGIC: [u8; 8] = *b"rkcalls1";
const SUM_BYTES: usize = 8;
const HEAD_BYTES: usize = MAGIC.len() + 8 + 4 + SUM_BYTES;

const LIVE: [u64; 2] = [0, 1];
const LASTING: [u64; 2] = [2, 3];

/// The file of one account, open.
pub(super) struct SlotFile {
    file: File,
    /// The head and the place of what was last read or written.
    known: Option<(SlotHead, u64)>,
}

/// The content of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SlotContent {
    /// The content that was last read or written.
    Known,
    /// Something newer.
    Newer(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// Only what was made to last: the live slots are damaged.
    Older(Vec<u8>),
    /// Nothing that can be trusted.
    Damaged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SlotHead {
    sequence: u64,
    length: u32,
    sum: [u8; SUM_BYTES],
}

impl SlotFile {
    /// Opens or makes the file, for this user alone.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Ok(Self { file: renkei_files::open(&options, path)?, known: None })
    }

    /// Waits for the lock; it is held until [`SlotFile::unlock`] or the end of the process.
    pub(super) fn lock(&self) -> io::Result<()> {
        self.file.lock()
    }

    pub(super) fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    /// Reads the newest content, under the lock.
    pub(super) fn read(&mut self) -> io::Result<SlotContent> {
        let mut live = Vec::new();
        for slot in LIVE {
            live.extend(self.head(slot)?.map(|head| (head, slot)));
        }
        live.sort_unstable_by_key(|(head, _)| std::cmp::Reverse(head.sequence));
        for (head, slot) in live {
            if self.known == Some((head, slot)) {
                return Ok(SlotContent::Known);
            }
            if let Some(body) = self.body(head, slot)? {
                self.known = Some((head, slot));
                return Ok(SlotContent::Newer(body));
            }
        }
        self.known = None;
        if let Some((_, _, body)) = self.newest_lasting()? {
            return Ok(SlotContent::Older(body));
        }
        let empty = self.file.metadata()?.len() == 0;
        Ok(if empty { SlotContent::Nothing } else { SlotContent::Damaged })
    }

    /// Replaces the content, under the lock and after [`SlotFile::read`]; `lasting`: so that it
    /// outlasts a power cut.
    pub(super) fn write(&mut self, body: &[u8], lasting: bool) -> io::Result<()> {
        let length =
            u32::try_from(body.len()).ok().filter(|_| body.len() <= SLOT_BYTES - HEAD_BYTES);
        let length = length.ok_or_else(|| io::Error::other("too much to keep in one slot"))?;
        let newest = if lasting { self.newest_lasting()? } else { None };
        let saved = newest.as_ref().map_or(0, |(head, ..)| head.sequence);
        let (sequence, old) =
            self.known.take().map_or((0, 1), |(head, slot)| (head.sequence, slot));
        let head = SlotHead { sequence: sequence.max(saved) + 1, length, sum: sum(body) };
        let slot = LIVE.into_iter().find(|slot| *slot != old).unwrap_or_default();
        self.write_slot(head, body, slot)?;
        if lasting {
            let old = newest.map(|(_, slot, _)| slot);
            let slot = LASTING.into_iter().find(|slot| Some(*slot) != old).unwrap_or(2);
            self.write_slot(head, body, slot)?;
            self.file.sync_data()?;
        }
        self.known = Some((head, slot));
        Ok(())
    }

    fn newest_lasting(&mut self) -> io::Result<Option<(SlotHead, u64, Vec<u8>)>> {
        let mut found = None::<(SlotHead, u64, Vec<u8>)>;
        for slot in LASTING {
            let Some(head) = self.head(slot)? else { continue };
            if found.as_ref().is_some_and(|(newest, ..)| newest.sequence > head.sequence) {
                continue;
            }
            if let Some(body) = self.body(head, slot)? {
                found = Some((head, slot, body));
            }
        }
        Ok(found)
    }

    fn head(&mut self, slot: u64) -> io::Result<Option<SlotHead>> {
        let bytes = self.bytes(slot, 0, HEAD_BYTES)?;
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
        let Some((sequence, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some((sum, _)) = rest.split_first_chunk::<SUM_BYTES>() else { return Ok(None) };
        Ok((*magic == MAGIC).then(|| SlotHead {
            sequence: u64::from_le_bytes(*sequence),
            length: u32::from_le_bytes(*length),
            sum: *sum,
        }))
    }

    /// The content under a head, if it is whole.
    fn body(&mut self, head: SlotHead, slot: u64) -> io::Result<Option<Vec<u8>>> {
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if length > SLOT_BYTES - HEAD_BYTES {
            return Ok(None);
        }
        let body = self.bytes(slot, HEAD_BYTES, length)?;
        Ok((body.len() == length && sum(&body) == head.sum).then_some(body))
    }

    /// So many bytes, or fewer where the file ends.
    fn bytes(&mut self, slot: u64, skip: usize, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(most);
        self.file.seek(SeekFrom::Start(place(slot) + skip as u64))?;
        io::Read::by_ref(&mut self.file).take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write_slot(&mut self, head: SlotHead, body: &[u8], slot: u64) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&head.sequence.to_le_bytes());
        bytes.extend_from_slice(&head.length.to_le_bytes());
        bytes.extend_from_slice(&head.sum);
        bytes.extend_from_slice(body);
        self.file.seek(SeekFrom::Start(place(slot)))?;
        self.file.write_all(&bytes)
    }
}

fn place(slot: u64) -> u64 {
    slot * SLOT_BYTES as u64
}

fn sum(body: &[u8]) -> [u8; SUM_BYTES] {
    let digest = Sha256::digest(body);
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(folder: &tempfile::TempDir) -> SlotFile {
        SlotFile::open(&folder.path().join("calls")).unwrap()
    }

    fn spoil(folder: &tempfile::TempDir, slots: impl IntoIterator<Item = u64>) {
        let path = folder.path().join("calls");
        let mut bytes = std::fs::read(&path).unwrap();
        for slot in slots {
            let at = usize::try_from(place(slot)).unwrap() + HEAD_BYTES;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = b'?';
            }
        }
        std::fs::write(&path, bytes).unwrap();
    }

    #[test]
    fn process_reads_what_another_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (slots(&folder), slots(&folder));
        assert_eq!(one.read().unwrap(), SlotContent::Nothing);
        for round in 0..5u8 {
            one.write(&[round], round == 0).unwrap();
            assert_eq!(one.read().unwrap(), SlotContent::Known);
            assert_eq!(other.read().unwrap(), SlotContent::Newer(vec![round]));
            assert_eq!(other.read().unwrap(), SlotContent::Known);
            other.write(&[round, round], round == 3).unwrap();
            assert_eq!(one.read().unwrap(), SlotContent::Newer(vec![round, round]));
        }
    }

    #[test]
    fn a_write_that_was_cut_off_never_happened() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = slots(&folder);
        writer.read().unwrap();
        writer.write(b"first", true).unwrap();
        writer.write(b"second", false).unwrap();
        let (_, torn) = writer.known.unwrap();
        spoil(&folder, [torn]);
        assert_eq!(slots(&folder).read().unwrap(), SlotContent::Newer(b"first".to_vec()));
        let mut next = slots(&folder);
        next.read().unwrap();
        next.write(b"third", false).unwrap();
        assert_eq!(slots(&folder).read().unwrap(), SlotContent::Newer(b"third".to_vec()));
    }

    #[test]
    fn lasting_slot_survives_the_loss_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = slots(&folder);
        writer.read().unwrap();
        for (body, lasting) in [(&b"a"[..], true), (b"b", true), (b"c", false), (b"d", false)] {
            writer.write(body, lasting).unwrap();
        }
        spoil(&folder, LIVE);
        let mut reader = slots(&folder);
        assert_eq!(reader.read().unwrap(), SlotContent::Older(b"b".to_vec()));
        reader.write(b"e", true).unwrap();
        assert_eq!(slots(&folder).read().unwrap(), SlotContent::Newer(b"e".to_vec()));
        spoil(&folder, LIVE.into_iter().chain(LASTING));
        assert_eq!(slots(&folder).read().unwrap(), SlotContent::Damaged);
    }
}
