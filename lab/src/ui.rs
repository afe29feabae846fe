//! Progress for people, on standard error: one live line on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console;

/// Without a terminal, the live line is printed this often.
const EVERY: Duration = Duration::from_secs(5);

/// One live line and the lines above it.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    printed: Mutex<Instant>,
}

impl Progress {
    /// Starts the live line.
    pub(crate) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            printed: Mutex::new(Instant::now()),
        }
    }

    /// Changes the live line.
    pub(crate) fn live(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            return;
        }
        let mut printed = self.printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if printed.elapsed() >= EVERY {
            *printed = Instant::now();
            console::err(text);
        }
    }

    /// Prints a line that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => console::err(text),
        }
    }

    /// Takes the live line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
