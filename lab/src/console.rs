//! Lines for whoever reads along. Nobody need: `println!` panics when the other end of a pipe is gone, and a
//! panic would come before the clean-up.

use std::fmt::Display;
use std::io::Write;

/// A line on standard output.
pub fn out(line: impl Display) {
    put(std::io::stdout(), line);
}

/// A line on standard error.
pub fn err(line: impl Display) {
    put(std::io::stderr(), line);
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
