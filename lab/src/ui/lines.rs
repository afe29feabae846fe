//! Progress for programs: a JSON object on each line.

use std::time::{Duration, Instant};

use serde::Serialize;

/// The live line is printed this often, and when the step changes.
const EVERY: Duration = Duration::from_secs(1);

/// How far an experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(crate) enum Step {
    /// Before anything is measured.
    Starting {
        /// Seed of everything that is random.
        seed: u64,
    },
    /// The healthy system is measured.
    Baseline,
    /// It is broken.
    Trials {
        /// Trials that are over, the system steady again.
        done: usize,
        /// All trials.
        of: usize,
        /// About how long the rest takes, seconds.
        left_s: u64,
    },
    /// Clean-up, and the comparison of all answers with the log. Tells too how many trials are over.
    Finishing,
}

/// How many trials are over when no more follow.
#[derive(Debug, Clone, Copy, Serialize)]
struct Over {
    done: usize,
    of: usize,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    step: Step,
    #[serde(flatten)]
    over: Option<Over>,
    /// The next line takes its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    live: bool,
    text: &'a str,
}

/// Lines in the making.
#[derive(Debug)]
pub(super) struct Lines {
    step: Step,
    /// Once there were trials and there are no more.
    over: Option<Over>,
    /// When the live line was printed last, and of which step.
    live: Option<(Instant, Step)>,
}

impl Lines {
    pub(super) const fn new(step: Step) -> Self {
        Self {
            step,
            over: None,
            live: None,
        }
    }

    pub(super) const fn enter(&mut self, step: Step) {
        if let (Step::Trials { done, of, .. }, Step::Finishing) = (self.step, step) {
            self.over = Some(Over { done, of });
        }
        self.step = step;
    }

    /// A line that stays.
    pub(super) fn say(&self, text: &str) -> String {
        self.line(text, false)
    }

    /// A line that the next one replaces, if it is time for one.
    pub(super) fn live(&mut self, text: &str, now: Instant) -> Option<String> {
        let is_early = |(at, step): (Instant, Step)| step == self.step && now.saturating_duration_since(at) < EVERY;
        if self.live.is_some_and(is_early) {
            return None;
        }
        self.live = Some((now, self.step));
        Some(self.line(text, true))
    }

    fn line(&self, text: &str, live: bool) -> String {
        let Self { step, over, .. } = *self;
        let line = Line { step, over, live, text };
        serde_json::to_string(&line).expect("a line has only text keys")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_line_is_an_object_with_the_step_and_the_text() {
        let mut lines = Lines::new(Step::Starting { seed: 7 });
        assert_eq!(lines.say("a\nb"), r#"{"step":"starting","seed":7,"text":"a\nb"}"#);
        lines.enter(Step::Baseline);
        assert_eq!(
            lines.live("6 s", Instant::now()).unwrap(),
            r#"{"step":"baseline","live":true,"text":"6 s"}"#
        );
        lines.enter(Step::Trials {
            done: 15,
            of: 60,
            left_s: 120,
        });
        assert_eq!(
            lines.say("x"),
            r#"{"step":"trials","done":15,"of":60,"left_s":120,"text":"x"}"#
        );
        lines.enter(Step::Finishing);
        assert_eq!(lines.say("x"), r#"{"step":"finishing","done":15,"of":60,"text":"x"}"#);
        let mut early = Lines::new(Step::Baseline);
        early.enter(Step::Finishing);
        assert_eq!(early.say("x"), r#"{"step":"finishing","text":"x"}"#);
    }

    #[test]
    fn the_live_line_is_printed_once_a_second_and_for_each_step() {
        let (mut lines, begun) = (Lines::new(Step::Baseline), Instant::now());
        let printed = |lines: &mut Lines, ms| lines.live("x", begun + Duration::from_millis(ms)).is_some();
        assert!(printed(&mut lines, 0));
        assert!(!printed(&mut lines, 999));
        assert!(printed(&mut lines, 1000));
        lines.enter(Step::Finishing);
        assert!(printed(&mut lines, 1001));
        assert!(!printed(&mut lines, 1002));
        assert!(printed(&mut lines, 2001));
    }
}
