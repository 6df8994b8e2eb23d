//! An answer's body: decoded by the host while it comes, under three caps (TRUST.md 2.4, 2.5.6).
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

use super::refusal::Refusal;

/// The largest answer as it comes, bytes.
pub(crate) const WIRE_BYTES_MAX: usize = 10 << 20;
/// The largest answer when decoded, bytes.
pub(crate) const DECODED_BYTES_MAX: usize = 32 << 20;
/// How many bytes one byte may decode to.
pub(crate) const RATIO_MAX: usize = 100;
/// What may be decoded before the ratio counts.
const RATIO_FREE_BYTES: usize = 1 << 20;
/// What the host asks for.
pub(crate) const ACCEPTED: &str = "gzip, br, zstd";

/// A window of 8 MiB is the most that RFC 9659 lets a sender need.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const BUFFER_BYTES: usize = 32 << 10;

/// What undoes the encoding of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A cap.
    Refused(Refusal),
    /// The encoding is broken or ends early.
    Damaged,
}

/// Which encoding an answer says that it has.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let lines = headers.get_all(CONTENT_ENCODING).into_iter();
    let mut found = Encoding::Identity;
    for line in lines {
        let line = line.to_str().map_err(|_| Refusal::Encoding)?;
        for name in line.split(',').map(str::trim) {
            let next = match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Encoding::Gzip,
                "br" => Encoding::Brotli,
                "zstd" => Encoding::Zstd,
                _ => return Err(Refusal::Encoding),
            };
            if found != Encoding::Identity {
                return Err(Refusal::NestedEncoding);
            }
            found = next;
        }
    }
    Ok(found)
}

/// A body that is coming.
pub(crate) struct Body {
    decoder: Decoder,
    wire: usize,
}

enum Decoder {
    Identity(Sink),
    Gzip(MultiGzDecoder<Sink>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(ZstdDecoder<'static, Sink>),
}

impl Body {
    pub(crate) fn new(encoding: Encoding) -> Result<Self, Fault> {
        let sink = Sink::default();
        let decoder = match encoding {
            Encoding::Identity => Decoder::Identity(sink),
            Encoding::Gzip => Decoder::Gzip(MultiGzDecoder::new(sink)),
            Encoding::Brotli => {
                Decoder::Brotli(Box::new(DecompressorWriter::new(sink, BUFFER_BYTES)))
            }
            Encoding::Zstd => {
                let mut decoder = ZstdDecoder::new(sink).map_err(|_| Fault::Damaged)?;
                let limited = decoder.window_log_max(ZSTD_WINDOW_LOG_MAX);
                limited.map_err(|_| Fault::Damaged)?;
                Decoder::Zstd(decoder)
            }
        };
        Ok(Self { decoder, wire: 0 })
    }

    /// Takes what came next.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        self.wire = self.wire.saturating_add(chunk.len());
        if self.wire > WIRE_BYTES_MAX {
            return Err(Fault::Refused(Refusal::WireBytes));
        }
        let wire = self.wire;
        let written = match &mut self.decoder {
            Decoder::Identity(sink) => sink.at(wire).write_all(chunk),
            Decoder::Gzip(decoder) => {
                decoder.get_mut().at(wire);
                decoder.write_all(chunk)
            }
            Decoder::Brotli(decoder) => {
                decoder.get_mut().at(wire);
                decoder.write_all(chunk)
            }
            Decoder::Zstd(decoder) => {
                decoder.get_mut().at(wire);
                decoder.write_all(chunk)
            }
        };
        written.map_err(|error| fault(&error))
    }

    /// How many bytes came.
    pub(crate) fn wire(&self) -> usize {
        self.wire
    }

    /// The whole body, decoded. An answer without a body (to HEAD, 204, 304) may name an encoding.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Fault> {
        if self.wire == 0 {
            return Ok(Vec::new());
        }
        let sink = match self.decoder {
            Decoder::Identity(sink) => Ok(sink),
            Decoder::Gzip(decoder) => decoder.finish(),
            Decoder::Brotli(decoder) => decoder.into_inner().map_err(|_| damaged()),
            Decoder::Zstd(decoder) => decoder.finish(),
        };
        sink.map(|sink| sink.body).map_err(|error| fault(&error))
    }
}

fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

fn fault(error: &io::Error) -> Fault {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    refusal.map_or(Fault::Damaged, |refusal| Fault::Refused(refusal.clone()))
}

/// Where decoded bytes go, up to the caps.
#[derive(Default)]
struct Sink {
    body: Vec<u8>,
    wire: usize,
}

impl Sink {
    /// So much has come on the wire.
    fn at(&mut self, wire: usize) -> &mut Self {
        self.wire = wire;
        self
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.body.len().saturating_add(bytes.len());
        if size > DECODED_BYTES_MAX {
            return Err(io::Error::other(Refusal::DecodedBytes));
        }
        if size > RATIO_FREE_BYTES && size > self.wire.saturating_mul(RATIO_MAX) {
            return Err(io::Error::other(Refusal::Ratio));
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
