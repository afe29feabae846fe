//! Progress on standard error. For people: one live line on a terminal, plain lines elsewhere. For programs: JSON lines.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console;

mod lines;

use lines::Lines;
pub(crate) use lines::Step;

/// Without a terminal, the live line is printed this often.
const EVERY: Duration = Duration::from_secs(5);

/// In which form progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressForm {
    /// For people.
    #[default]
    Text,
    /// For programs: a JSON object on each line.
    Json,
}

/// One live line and the lines above it.
#[derive(Debug)]
pub(crate) struct Progress(Form);

#[derive(Debug)]
enum Form {
    Terminal(ProgressBar),
    /// When the live line was printed last.
    Plain(Mutex<Instant>),
    Json(Mutex<Lines>),
}

impl Progress {
    /// Starts the live line, for people.
    pub(crate) fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(Form::Plain(Mutex::new(Instant::now())));
        }
        // The live line goes to the terminal by another way.
        console::flush();
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid"));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Form::Terminal(bar))
    }

    /// Starts telling in this form; `step` is the first.
    pub(crate) fn start_as(form: ProgressForm, step: Step) -> Self {
        match form {
            ProgressForm::Text => Self::start(),
            ProgressForm::Json => Self(Form::Json(Mutex::new(Lines::new(step)))),
        }
    }

    /// What is told from here on belongs to this step. People see it from what is told.
    pub(crate) fn enter(&self, step: Step) {
        if let Form::Json(lines) = &self.0 {
            lines.lock().unwrap_or_else(PoisonError::into_inner).enter(step);
        }
    }

    /// Changes the live line.
    pub(crate) fn live(&self, text: String) {
        match &self.0 {
            Form::Terminal(bar) => bar.set_message(text),
            Form::Plain(printed) => {
                let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
                if printed.elapsed() >= EVERY {
                    *printed = Instant::now();
                    console::err(text);
                }
            }
            Form::Json(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(line) = lines.live(&text, Instant::now()) {
                    console::err(line);
                }
            }
        }
    }

    /// Prints a line that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.0 {
            Form::Terminal(bar) => bar.println(text),
            Form::Plain(_) => console::err(text),
            Form::Json(lines) => console::err(lines.lock().unwrap_or_else(PoisonError::into_inner).say(text)),
        }
    }

    /// Takes the live line away. What was told in the other forms is written by a thread: see [`console::flush`].
    pub(crate) fn finish(&self) {
        if let Form::Terminal(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
