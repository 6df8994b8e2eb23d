//! Bytes that a guest prints, cut into lines. Pure.
//!
//! However much comes at once, no more than one line is held: lines are handed on as they end, and
//! what is beyond the length of a log line is not kept.

/// The longest line, bytes.
pub(super) const LINE_BYTES_MAX: usize = 8 << 10;

/// The line that is not at its end yet.
#[derive(Debug, Default)]
pub(super) struct PrintedLines {
    partial: Vec<u8>,
}

impl PrintedLines {
    /// Adds bytes and gives each line that ends in them to `take`; empty ones are left out.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        self.append(parts.next().unwrap_or_default());
        for part in parts {
            if !self.partial.is_empty() {
                take(String::from_utf8_lossy(&self.partial).trim_end_matches('\r'));
                self.partial.clear();
            }
            self.append(part);
        }
    }

    /// One byte more than a line may have is kept, so that the log sees that it was longer.
    fn append(&mut self, part: &[u8]) {
        let room = (LINE_BYTES_MAX + 1).saturating_sub(self.partial.len());
        self.partial.extend(part.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> (Vec<String>, usize) {
        let (mut lines, mut found) = (PrintedLines::default(), Vec::new());
        for part in parts {
            lines.push(part, |line| found.push(line.to_owned()));
        }
        (found, lines.partial.len())
    }

    #[test]
    fn a_line_ends_where_it_ends() {
        assert_eq!(lines(&[b"a", b"b\nc\r\n\n", b"d"]), (vec!["ab".into(), "c".into()], 1));
        assert_eq!(lines(&[b""]), (vec![], 0));
        // A letter may be cut in two writes.
        let (first, second) = "山\n".as_bytes().split_at(1);
        assert_eq!(lines(&[first, second]).0, ["山"]);
        assert_eq!(lines(&[b"\xff\n"]).0, ["\u{fffd}"]);
    }

    #[test]
    fn held_bytes_are_bounded() {
        let flood = vec![b'x'; 1 << 20];
        let (found, held) = lines(&[&flood, &flood]);
        assert_eq!((found.len(), held), (0, LINE_BYTES_MAX + 1));
    }
}
