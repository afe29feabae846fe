//! Lines for whoever reads along. Nobody need: `println!` panics when the other end of a pipe is gone, and a
//! panic would come before the clean-up. Nor must a reader that stands still keep an experiment from going on, so what
//! is told on standard error on the way is written by a thread (`printer`); what is printed on standard output is a
//! result, at the end.

use std::fmt::Display;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

mod printer;

use printer::Printer;

/// How long [`flush`] waits for a reader that stands still.
const LAST_LINES: Duration = Duration::from_secs(1);

/// None if there can be no thread for it.
static ERRORS: LazyLock<Option<Printer>> = LazyLock::new(|| Printer::to(std::io::stderr()).ok());

/// A line on standard output, after everything on standard error.
pub fn out(line: impl Display) {
    flush();
    put(std::io::stdout(), line);
}

/// A line on standard error. Never waits: what the reader is too slow for is left out, and it is told how much that was.
/// [`flush`] before the process ends.
pub fn err(line: impl Display) {
    match &*ERRORS {
        Some(printer) => printer.line(&line.to_string()),
        None => put(std::io::stderr(), line),
    }
}

/// Waits until the lines on standard error are written, at most 1 s.
pub fn flush() {
    if let Some(printer) = &*ERRORS {
        printer.flush(LAST_LINES);
    }
}

fn put(mut to: impl Write, line: impl Display) {
    let _ = writeln!(to, "{line}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        drop(reader);
        assert!(writeln!(writer, "x").is_err());
        put(writer, "x");
    }
}
