//! Lines that are written by a thread of their own.
//!
//! Whoever has something to say must never wait for a reader: one that stands still (a terminal after Ctrl-S, a stopped
//! program at the other end of a pipe) would stop an experiment in the middle of a fault. So lines wait in a bounded
//! queue, and what does not fit is counted and left out, with the number of lines where they would have stood.

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
    /// At most one more than [`MOST_LINES`].
    entries: VecDeque<Entry>,
    /// A line is being written.
    is_busy: bool,
    /// No more will come.
    is_closed: bool,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    /// As many lines in a row did not fit here.
    Gap(u64),
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
        if queue.entries.len() < MOST_LINES {
            queue.entries.push_back(Entry::Line(format!("{line}\n")));
        } else if let Some(Entry::Gap(lost)) = queue.entries.back_mut() {
            *lost += 1;
        } else {
            queue.entries.push_back(Entry::Gap(1));
        }
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, for `limit` at most, and says whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let is_open = |queue: &mut Queue| queue.is_busy || !queue.entries.is_empty();
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
            if let Some(entry) = queue.entries.pop_front() {
                queue.is_busy = true;
                return Some(match entry {
                    Entry::Line(line) => line,
                    Entry::Gap(lost) => format!("{lost} lines left out: the reader does not keep up\n"),
                });
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
        let seen = numbers(&text, &rest);
        assert_eq!(seen.next, all as u64);
        assert!(seen.told >= MOST_LINES && seen.told < all, "{}", seen.told);
    }

    #[test]
    fn lines_are_missing_where_the_text_says_so() {
        // The reader goes on while lines come, so that there is room again after some were lost.
        let (mut reader, writer) = io::pipe().unwrap();
        let printer = Printer::to(writer).unwrap();
        let rest = "x".repeat(1000);
        let mut text = Vec::new();
        let mut number = 0;
        for _ in 0..4 {
            for _ in 0..2 * MOST_LINES {
                printer.line(&format!("{number} {rest}"));
                number += 1;
            }
            let mut part = vec![0; MOST_LINES / 2 * rest.len()];
            reader.read_exact(&mut part).unwrap();
            text.extend(part);
        }
        drop(printer);
        reader.read_to_end(&mut text).unwrap();
        assert_eq!(numbers(&String::from_utf8(text).unwrap(), &rest).next, number);
    }

    struct Seen {
        /// Lines that were there.
        told: usize,
        /// The number that would come next.
        next: u64,
    }

    /// Follows the numbers of the lines over the gaps that are told.
    fn numbers(text: &str, rest: &str) -> Seen {
        let mut seen = Seen { told: 0, next: 0 };
        for line in text.lines() {
            if let Some((lost, _)) = line.split_once(" lines left out: the reader does not keep up") {
                seen.next += lost.parse::<u64>().unwrap();
            } else {
                assert_eq!(line, format!("{} {rest}", seen.next));
                seen.told += 1;
                seen.next += 1;
            }
        }
        seen
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
