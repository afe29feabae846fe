//! Lines that are written by a thread of their own.
//!
//! Whoever has something to say must never wait for a reader: one that stands still (a terminal after Ctrl-S, a stopped
//! program at the other end of a pipe) would stop an experiment in the middle of a fault. So lines wait in a bounded
//! queue, and what does not fit is counted and left out.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait for the reader.
const MOST_LINES: usize = 1024;

/// Writes lines. What waits when it is dropped is written still.
#[derive(Debug)]
pub(super) struct Printer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<String>,
    /// Lines that did not fit, and of which nobody was told yet.
    lost: u64,
    /// A line is being written.
    is_busy: bool,
    /// No more will come.
    is_closed: bool,
}

impl Printer {
    /// Writes to `out`. Errors are ignored: nobody need read.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub(super) fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let printer = Self(Arc::clone(&shared));
        std::thread::Builder::new().spawn(move || {
            while let Some(line) = shared.next() {
                // At once, so that lines of several processes do not get mixed up.
                let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
            }
        })?;
        Ok(printer)
    }

    /// Hands a line over. Never waits.
    pub(super) fn line(&self, line: &str) {
        let mut queue = self.0.lock();
        if queue.lines.len() < MOST_LINES {
            queue.lines.push_back(format!("{line}\n"));
        } else {
            queue.lost += 1;
        }
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, for `limit` at most, and says whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let is_open = |queue: &mut Queue| queue.is_busy || queue.lost > 0 || !queue.lines.is_empty();
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), limit, is_open);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Waits for the next line to write; none at the end.
    fn next(&self) -> Option<String> {
        let mut queue = self.lock();
        queue.is_busy = false;
        self.changed.notify_all();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.is_busy = true;
                return Some(line);
            }
            match std::mem::take(&mut queue.lost) {
                0 => {}
                lost => {
                    queue.is_busy = true;
                    return Some(format!("{lost} lines left out: the reader does not keep up\n"));
                }
            }
            if queue.is_closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_reader_that_stands_still_stops_nobody_and_is_told_how_much_is_missing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let printer = Printer::to(writer).unwrap();
        // More than a pipe and the queue hold.
        let rest = "x".repeat(1000);
        let all = 2 * MOST_LINES;
        for number in 0..all {
            printer.line(&format!("{number} {rest}"));
        }
        assert!(!printer.flush(Duration::ZERO), "nobody has read anything");
        drop(printer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (last, told) = lines.split_last().unwrap();
        assert!(told.len() >= MOST_LINES && told.len() < all, "{}", told.len());
        for (number, line) in told.iter().enumerate() {
            assert!(line.starts_with(&format!("{number} x")), "{line}");
        }
        assert_eq!(
            *last,
            format!("{} lines left out: the reader does not keep up", all - told.len())
        );
    }

    #[test]
    fn everything_is_there_after_a_flush() {
        let (mut reader, writer) = io::pipe().unwrap();
        let printer = Printer::to(writer).unwrap();
        printer.line("one");
        printer.line("two");
        assert!(printer.flush(LONG));
        let mut text = [0; 8];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"one\ntwo\n");
        assert!(printer.flush(Duration::ZERO), "nothing waits");
    }

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let printer = Printer::to(writer).unwrap();
        printer.line("x");
        assert!(printer.flush(LONG));
    }
}
