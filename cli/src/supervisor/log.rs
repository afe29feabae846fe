//! One log out of many: each line with the name of the process that wrote it.
//!
//! Processes must never wait for a reader: a terminal that stands still (Ctrl-S) would stop the services one by
//! one and look like a fault. So lines go through a bounded queue to a thread of their own, and what does not fit
//! is counted and left out.

use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Lines that may wait for the writer.
const QUEUE: usize = 4096;
/// Longer lines are broken; bytes.
const LONGEST_LINE: usize = 16 * 1024;
/// How long the end waits for a reader that stands still.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The supervisor's own name in the log.
const SUPERVISOR: &str = "supervisor";
/// ANSI colours that are readable on dark and on light ground.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// The merged log.
#[derive(Debug, Clone)]
pub struct Log {
    lines: SyncSender<String>,
    dropped: Arc<AtomicU64>,
    colour: bool,
    width: usize,
}

/// The line that tells best why a process ended: its `error:`, or else its last.
#[derive(Debug, Clone, Default)]
pub struct LastWords(Arc<Mutex<String>>);

impl LastWords {
    fn heard(&self, line: String) {
        const ERROR: &str = "error: ";
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.starts_with(ERROR) || line.starts_with(ERROR) {
            *last = line;
        }
    }

    /// The line, without its `error:`; empty if nothing was said.
    pub fn get(&self) -> String {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.trim_start_matches("error: ").to_owned()
    }
}

/// Comes back from [`Writer::finish`] once everything is written.
#[derive(Debug)]
pub struct Writer {
    done: Receiver<()>,
}

impl Writer {
    /// Waits for the last lines, after the last [`Log`] is gone, but not for long.
    pub fn finish(self) {
        // An error means the thread is gone: then everything is written as well.
        let _ = self.done.recv_timeout(LAST_LINES);
    }
}

impl Log {
    /// A log that is written to `out`, its names padded to `width` characters.
    pub fn to(out: impl Write + Send + 'static, colour: bool, width: usize) -> (Self, Writer) {
        let (lines, queue) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::spawn(move || {
            write_all(out, &queue, &lost);
            // Nobody may be waiting.
            let _ = finished.send(());
        });
        let log = Self {
            lines,
            dropped,
            colour,
            width: width.max(SUPERVISOR.len()),
        };
        (log, Writer { done })
    }

    /// A line of the supervisor's own.
    pub fn say(&self, text: &str) {
        self.line(SUPERVISOR, None, text);
    }

    /// A line of `name`, which has its own colour.
    fn line(&self, name: &str, colour: Option<usize>, text: &str) {
        let width = self.width;
        let line = if self.colour {
            let code = colour.map_or(1, |n| COLOURS[n % COLOURS.len()]);
            format!("\x1b[{code}m{name:width$} |\x1b[0m {text}\n")
        } else {
            format!("{name:width$} | {text}\n")
        };
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Copies what a process writes, line by line, until it closes the pipe. What it may die of is kept in `last`.
    pub async fn copy(self, name: String, colour: usize, mut from: impl AsyncRead + Unpin, last: LastWords) {
        let mut splitter = Splitter::default();
        let mut buffer = vec![0; 8 * 1024];
        loop {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            let lines = if read == 0 {
                splitter.rest()
            } else {
                splitter.split(&buffer[..read])
            };
            for line in lines {
                self.line(&name, Some(colour), &line);
                last.heard(line);
            }
            if read == 0 {
                return;
            }
        }
    }
}

/// Writes until the last sender is gone. A reader that went away does not stop it: the senders must not wait.
fn write_all(out: impl Write, queue: &Receiver<String>, dropped: &AtomicU64) {
    let mut out = BufWriter::new(out);
    while let Ok(line) = queue.recv() {
        let mut next = Some(line);
        while let Some(line) = next {
            let _ = out.write_all(line.as_bytes());
            next = queue.try_recv().ok();
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{SUPERVISOR} | {lost} lines left out: the reader does not keep up");
        }
        let _ = out.flush();
    }
}

/// Lines out of chunks, with bounded memory.
#[derive(Debug, Default)]
struct Splitter {
    open: Vec<u8>,
}

impl Splitter {
    /// The lines that `chunk` completes.
    fn split(&mut self, chunk: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in chunk.split_inclusive(|&byte| byte == b'\n') {
            self.open.extend_from_slice(part);
            if part.ends_with(b"\n") || self.open.len() >= LONGEST_LINE {
                lines.extend(self.rest());
            }
        }
        lines
    }

    /// What is left.
    fn rest(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        let line = String::from_utf8_lossy(&open);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            Vec::new()
        } else {
            vec![line.to_owned()]
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_found_whatever_the_chunks() {
        let text = "one\ntwo\r\n\nthree";
        for size in 1..=text.len() {
            let mut splitter = Splitter::default();
            let mut lines: Vec<_> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| splitter.split(chunk))
                .collect();
            lines.extend(splitter.rest());
            assert_eq!(lines, ["one", "two", "three"], "chunks of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_broken() {
        let mut splitter = Splitter::default();
        let lines: Vec<_> = (0..100).flat_map(|_| splitter.split(&[b'x'; 1024])).collect();
        assert!(lines.len() >= 5, "{}", lines.len());
        assert!(splitter.open.len() < LONGEST_LINE);
    }

    #[test]
    fn the_error_outlives_the_advice_after_it() {
        let last = LastWords::default();
        for line in [
            "starting",
            "error: invalid value 'often'",
            "For more information, try '--help'.",
        ] {
            last.heard(line.to_owned());
        }
        assert_eq!(last.get(), "invalid value 'often'");
    }

    /// A writer that hands everything to a channel, and first waits for permission.
    struct Slow {
        go: Receiver<()>,
        seen: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.go.recv();
            self.seen.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_stops_nobody() {
        let (permit, go) = sync_channel(1);
        let (seen, text) = std::sync::mpsc::channel();
        let (log, writer) = Log::to(Slow { go, seen }, false, 4);
        for n in 0..3 * QUEUE {
            log.say(&format!("line {n}"));
        }
        drop(permit);
        drop(log);
        writer.finish();
        let text = text.into_iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("supervisor | line 0\n"));
        assert!(text.contains("lines left out"), "nothing was left out");
        assert!(text.lines().count() < 3 * QUEUE);
    }
}
