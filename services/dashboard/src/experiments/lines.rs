//! The lines of a pipe, each bounded.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// What a line has beyond that is dropped: a text of 2 KiB fits, however it is escaped.
const MAX: usize = 16 << 10;

/// Lines as they come.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
        }
    }

    /// The next line without its end; none at the end, or where nothing more can be read. Nothing is lost when the
    /// future is dropped.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            // An error is an end: a pipe knows no other.
            let buffer = self.reader.fill_buf().await.unwrap_or_default();
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = MAX - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let (is_over, taken) = (buffer.is_empty(), end.map_or(part.len(), |end| end + 1));
            self.reader.consume(taken);
            if end.is_some() || (is_over && !self.line.is_empty()) {
                let line = std::mem::take(&mut self.line);
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if is_over {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(text);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_come_one_by_one_and_the_last_needs_no_end() {
        assert_eq!(all(b"a\n\nb").await, ["a", "", "b"]);
        assert_eq!(all(b"a\n").await, ["a"]);
        assert_eq!(all(b"").await, [""; 0]);
        assert_eq!(all(b"\xff\n").await, ["\u{fffd}"]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_little_memory() {
        let mut text = vec![b'x'; 1 << 20];
        text.extend_from_slice(b"\ny\n");
        let lines = all(&text).await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [MAX, 1]);
    }
}
