//! Decodes an answer's body while it comes, under three caps (`SECURITY.md` E8).
//!
//! Bytes on the wire, bytes decoded, and their ratio are each compared before the buffer grows, so
//! the memory that an answer costs is bounded by [`DECODED_BYTES_MAX`] and a decoder's window (16
//! MiB at most, for Brotli) whatever it claims to be. The ratio counts from [`RATIO_FREE_BYTES`]
//! on: a short answer that repeats itself is honest. One encoding is undone; an answer with several
//! is refused.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use zstd::stream::write::Decoder as ZstdDecoder;

use crate::limits::{DECODED_BYTES_MAX, RATIO_MAX, WIRE_BYTES_MAX};
use crate::refusal::EgressRefusal;

/// The bytes that may be decoded before the ratio counts.
const RATIO_FREE_BYTES: usize = 1 << 20;
/// The encodings that the host asks for.
pub(crate) const ACCEPTED: &str = "gzip, br, zstd";

/// A window of 8 MiB is the most that RFC 9659 lets a sender need.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const BUFFER_BYTES: usize = 32 << 10;

/// The encoding of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

/// The reason why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// A cap.
    Refused(EgressRefusal),
    /// The encoding is broken or ends early.
    Damaged,
}

/// The encoding that an answer says that it has.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<ContentEncoding, EgressRefusal> {
    let lines = headers.get_all(CONTENT_ENCODING).into_iter();
    let mut found = ContentEncoding::Identity;
    for line in lines {
        let line = line.to_str().map_err(|_| EgressRefusal::Encoding)?;
        for name in line.split(',').map(str::trim) {
            let next = match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => ContentEncoding::Gzip,
                "br" => ContentEncoding::Brotli,
                "zstd" => ContentEncoding::Zstd,
                _ => return Err(EgressRefusal::Encoding),
            };
            if found != ContentEncoding::Identity {
                return Err(EgressRefusal::NestedEncoding);
            }
            found = next;
        }
    }
    Ok(found)
}

/// A body that is coming.
pub(crate) struct BodyDecoder {
    decoder: StreamDecoder,
    wire: usize,
}

enum StreamDecoder {
    Identity(CappedBuffer),
    Gzip(MultiGzDecoder<CappedBuffer>),
    Brotli(Box<DecompressorWriter<CappedBuffer>>),
    Zstd(ZstdDecoder<'static, CappedBuffer>),
}

impl BodyDecoder {
    pub(crate) fn new(encoding: ContentEncoding) -> Result<Self, DecodeError> {
        let sink = CappedBuffer::default();
        let decoder = match encoding {
            ContentEncoding::Identity => StreamDecoder::Identity(sink),
            ContentEncoding::Gzip => StreamDecoder::Gzip(MultiGzDecoder::new(sink)),
            ContentEncoding::Brotli => {
                StreamDecoder::Brotli(Box::new(DecompressorWriter::new(sink, BUFFER_BYTES)))
            }
            ContentEncoding::Zstd => {
                let mut decoder = ZstdDecoder::new(sink).map_err(|_| DecodeError::Damaged)?;
                let limited = decoder.window_log_max(ZSTD_WINDOW_LOG_MAX);
                limited.map_err(|_| DecodeError::Damaged)?;
                StreamDecoder::Zstd(decoder)
            }
        };
        Ok(Self { decoder, wire: 0 })
    }

    /// Takes what came next.
    pub(crate) fn push_chunk(&mut self, chunk: &[u8]) -> Result<(), DecodeError> {
        self.wire = self.wire.saturating_add(chunk.len());
        if self.wire > WIRE_BYTES_MAX {
            return Err(DecodeError::Refused(EgressRefusal::WireBytes));
        }
        let wire = self.wire;
        let written = match &mut self.decoder {
            StreamDecoder::Identity(sink) => sink.at(wire).write_all(chunk),
            StreamDecoder::Gzip(decoder) => {
                decoder.get_mut().at(wire);
                decoder.write_all(chunk)
            }
            StreamDecoder::Brotli(decoder) => {
                decoder.get_mut().at(wire);
                decoder.write_all(chunk)
            }
            StreamDecoder::Zstd(decoder) => {
                decoder.get_mut().at(wire);
                decoder.write_all(chunk)
            }
        };
        written.map_err(|error| fault(&error))
    }

    /// The bytes that came on the wire.
    pub(crate) fn wire(&self) -> usize {
        self.wire
    }

    /// The whole body, decoded. An answer without a body (to HEAD, 204, 304) may name an encoding.
    pub(crate) fn finish(self) -> Result<Vec<u8>, DecodeError> {
        if self.wire == 0 {
            return Ok(Vec::new());
        }
        let sink = match self.decoder {
            StreamDecoder::Identity(sink) => Ok(sink),
            StreamDecoder::Gzip(decoder) => decoder.finish(),
            StreamDecoder::Brotli(decoder) => decoder.into_inner().map_err(|_| damaged()),
            StreamDecoder::Zstd(decoder) => decoder.finish(),
        };
        sink.map(|sink| sink.body).map_err(|error| fault(&error))
    }
}

fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

fn fault(error: &io::Error) -> DecodeError {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<EgressRefusal>());
    refusal.map_or(DecodeError::Damaged, |refusal| DecodeError::Refused(refusal.clone()))
}

/// Collects decoded bytes up to the caps.
#[derive(Default)]
struct CappedBuffer {
    body: Vec<u8>,
    wire: usize,
}

impl CappedBuffer {
    /// Sets the bytes that have come on the wire.
    fn at(&mut self, wire: usize) -> &mut Self {
        self.wire = wire;
        self
    }
}

impl Write for CappedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.body.len().saturating_add(bytes.len());
        if size > DECODED_BYTES_MAX {
            return Err(io::Error::other(EgressRefusal::DecodedBytes));
        }
        if size > RATIO_FREE_BYTES && size > self.wire.saturating_mul(RATIO_MAX) {
            return Err(io::Error::other(EgressRefusal::Ratio));
        }
        if size > self.body.capacity() {
            // Doubles as `Vec` does, but never beyond the cap.
            let wanted = self.body.capacity().saturating_mul(2).clamp(size, DECODED_BYTES_MAX);
            self.body.reserve_exact(wanted - self.body.len());
        }
        self.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
