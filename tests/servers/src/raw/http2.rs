//! Just enough HTTP/2 (RFC 9113, RFC 7541) to answer with any block of headers, however large.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The header fields of one answer, after its status.
pub type Fields = Vec<(String, String)>;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_BYTES: usize = 16_384;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The first request of a connection gets the first answer, and so on: status 200, no body.
pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &[Fields],
) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    assert_eq!(&preface, PREFACE);
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    for fields in answers {
        let asked = request(&mut stream).await?;
        let block = block(fields);
        let pieces: Vec<&[u8]> = block.chunks(FRAME_BYTES).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let (kind, ends) = if index == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
            let whole = if index + 1 == pieces.len() { END_HEADERS } else { 0 };
            stream.write_all(&frame(kind, ends | whole, asked, piece)).await?;
        }
        stream.flush().await?;
    }
    // Until the client has read it all and goes.
    while request(&mut stream).await.is_ok() {}
    Ok(())
}

/// The stream of the next request; what else comes is left out.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, _flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        if kind == HEADERS {
            return Ok(u32::from_be_bytes(id));
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `:status` 200 of the static table, then literals without indexing.
fn block(fields: &Fields) -> Vec<u8> {
    let mut block = vec![0x88];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.extend(length(text.len()));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 5.1); the eighth says: not by Huffman.
fn length(number: usize) -> Vec<u8> {
    let Some(mut rest) = number.checked_sub(127) else {
        return vec![u8::try_from(number).unwrap()];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}
