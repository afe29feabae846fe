//! How the experiment stands, from its progress lines.

use std::collections::VecDeque;

use jiff::Timestamp;
use rustix::process::Signal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many lines are kept.
const LINES: usize = 30;
/// So many bytes of each.
const LINE: usize = 2 << 10;

/// How an experiment stands, or how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ExperimentState {
    /// Whether its process runs.
    pub running: bool,
    /// Which scenario, by its name here.
    pub scenario: String,
    /// Whether `--quick` was asked for.
    pub quick: bool,
    /// Seed of everything that is random, once it is known.
    pub seed: Option<u64>,
    /// The name of its folder.
    pub folder: String,
    /// When it was started.
    #[serde(with = "tolerancia_wire::time::micros")]
    #[schemars(with = "tolerancia_wire::time::Rfc3339")]
    pub started_at: Timestamp,
    /// How far it is.
    pub step: Step,
    /// Trials that are over.
    pub done: u64,
    /// All trials; 0 as long as that is not known.
    pub of: u64,
    /// About how long the trials still take, seconds.
    pub left_s: Option<u64>,
    /// What it said last, oldest first; at most 30 lines of 2 KiB.
    pub lines: VecDeque<String>,
    /// Its exit code; 128 and the signal's number, if one ended it.
    pub exit_code: Option<i32>,
    /// Whether all objectives were met, if it was carried out.
    pub verdict: Option<Verdict>,
    /// Why it was not carried out.
    pub error: Option<String>,
    /// The last line is to be replaced by the next.
    #[serde(skip)]
    live: bool,
    /// What it said last that is no progress.
    #[serde(skip)]
    plain: VecDeque<String>,
}

/// A part of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Before anything is measured.
    Starting,
    /// The healthy system is measured.
    Baseline,
    /// It is broken.
    Trials,
    /// Clean-up, and the comparison of all answers with the log.
    Finishing,
    /// Its process has ended.
    Ended,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Every objective was met.
    Pass,
    /// At least one was missed.
    Fail,
}

impl Verdict {
    /// The verdict in a report, where it is one: an experiment that was interrupted or failed has none.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "pass" => Some(Self::Pass),
            "fail" => Some(Self::Fail),
            _ => None,
        }
    }
}

/// A progress line. What a later version adds is ignored.
#[derive(Debug, Deserialize)]
struct Progress {
    step: Step,
    seed: Option<u64>,
    done: Option<u64>,
    of: Option<u64>,
    left_s: Option<u64>,
    #[serde(default)]
    live: bool,
    text: String,
}

impl ExperimentState {
    /// An experiment that has just been started.
    pub(super) fn new(scenario: String, quick: bool, seed: Option<u64>, folder: String) -> Self {
        Self {
            running: true,
            scenario,
            quick,
            seed,
            folder,
            started_at: Timestamp::now(),
            step: Step::Starting,
            done: 0,
            of: 0,
            left_s: None,
            lines: VecDeque::new(),
            exit_code: None,
            verdict: None,
            error: None,
            live: false,
            plain: VecDeque::new(),
        }
    }

    /// Takes a line of its standard error: progress, or whatever else it says.
    pub(super) fn hear(&mut self, line: &str) {
        let Ok(progress) = serde_json::from_str::<Progress>(line) else {
            let text = cut(line.trim_end());
            push(&mut self.plain, text.clone());
            self.show(text, false);
            return;
        };
        self.step = progress.step;
        self.seed = progress.seed.or(self.seed);
        self.done = progress.done.unwrap_or(self.done);
        self.of = progress.of.unwrap_or(self.of);
        self.left_s = progress.left_s;
        self.show(cut(&progress.text), progress.live);
    }

    fn show(&mut self, text: String, live: bool) {
        if std::mem::replace(&mut self.live, live) {
            self.lines.pop_back();
        }
        push(&mut self.lines, text);
    }

    /// Its process has ended, with this verdict in its report.
    pub(super) fn end(&mut self, exit_code: Option<i32>, verdict: Option<Verdict>) {
        self.running = false;
        self.step = Step::Ended;
        self.left_s = None;
        self.exit_code = exit_code;
        self.verdict = verdict;
        self.error = match exit_code {
            Some(0 | 1) if verdict.is_some() => None,
            // Somebody wanted that.
            Some(INTERRUPTED) => None,
            _ => Some(cut_off(exit_code).unwrap_or_else(|| self.last_words())),
        };
    }

    /// What it said at its end: from the last error on, and otherwise the last line.
    fn last_words(&self) -> String {
        let error = |line: &String| line.starts_with("error: ");
        let last = self.plain.len().saturating_sub(1);
        let from = self.plain.iter().rposition(error).unwrap_or(last);
        let words: Vec<&str> = self.plain.range(from..).map(String::as_str).collect();
        let words = words.join("\n");
        let words = words.strip_prefix("error: ").unwrap_or(&words).trim();
        if words.is_empty() {
            "the experiment ended without saying why: start it again, or by hand with `tolerancia experiment`"
                .to_owned()
        } else {
            cut(words)
        }
    }
}

/// The exit code of an experiment that was interrupted.
const INTERRUPTED: i32 = 130;
/// The exit code of a program that panicked.
const PANICKED: i32 = 101;
/// A signal's number is added to this.
const SIGNALLED: i32 = 128;

/// What to say of one that ended in the middle of something: what it said last was said before, and need not have to do
/// with it.
fn cut_off(exit_code: Option<i32>) -> Option<String> {
    let how = match exit_code {
        None => "how the experiment ended is not known".to_owned(),
        Some(PANICKED) => format!("the experiment ended on a defect of its own (exit code {PANICKED})"),
        Some(code) if code > SIGNALLED => {
            let signal = code - SIGNALLED;
            match Signal::from_named_raw(signal) {
                Some(Signal::KILL) => "the experiment was killed (SIGKILL)".to_owned(),
                Some(Signal::ABORT) => "the experiment broke down (SIGABRT)".to_owned(),
                Some(Signal::SEGV) => "the experiment broke down (SIGSEGV)".to_owned(),
                _ => format!("the experiment was ended by signal {signal}"),
            }
        }
        Some(_) => return None,
    };
    Some(format!(
        "{how}, and a fault may still be active: clear all faults here, or run `tolerancia inject clear --instance N`"
    ))
}

fn push(lines: &mut VecDeque<String>, text: String) {
    if lines.len() == LINES {
        lines.pop_front();
    }
    lines.push_back(text);
}

/// The beginning of a text, as much as is kept.
fn cut(text: &str) -> String {
    let mut end = text.len().min(LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ExperimentState {
        ExperimentState::new("classic".to_owned(), true, None, "f".to_owned())
    }

    fn lines(state: &ExperimentState) -> Vec<&str> {
        state.lines.iter().map(String::as_str).collect()
    }

    #[test]
    fn progress_lines_say_how_far_it_is() {
        let mut state = state();
        state.hear(r#"{"step":"starting","seed":7,"text":"experiment classic, seed 7"}"#);
        state.hear(r#"{"step":"baseline","text":"baseline: 5 s"}"#);
        assert_eq!((state.step, state.seed, state.of), (Step::Baseline, Some(7), 0));
        state.hear(r#"{"step":"trials","done":15,"of":60,"left_s":120,"text":"trial 16","new":[1]}"#);
        assert_eq!(
            (state.step, state.done, state.of, state.left_s),
            (Step::Trials, 15, 60, Some(120))
        );
        state.hear(r#"{"step":"finishing","text":"clearing the faults"}"#);
        assert_eq!(
            (state.step, state.done, state.of, state.left_s),
            (Step::Finishing, 15, 60, None)
        );
        assert_eq!(
            lines(&state),
            [
                "experiment classic, seed 7",
                "baseline: 5 s",
                "trial 16",
                "clearing the faults"
            ]
        );
    }

    #[test]
    fn a_live_line_gives_way_to_the_next() {
        let mut state = state();
        for (live, text) in [(true, "1 of 9"), (true, "2 of 9"), (false, "done"), (true, "3 of 9")] {
            state.hear(&format!(r#"{{"step":"baseline","live":{live},"text":"{text}"}}"#));
        }
        assert_eq!(lines(&state), ["done", "3 of 9"]);
        state.hear("other");
        assert_eq!(lines(&state), ["done", "other"]);
    }

    #[test]
    fn what_is_no_progress_is_text() {
        let mut state = state();
        for line in [
            "hello",
            "{",
            r#"{"step":"dance","text":"x"}"#,
            "[]",
            r#"{"step":"trials"}"#,
        ] {
            state.hear(line);
        }
        assert_eq!((state.step, state.lines.len()), (Step::Starting, 5));
    }

    #[test]
    fn little_is_kept_however_much_is_said() {
        let mut state = state();
        let text = "é".repeat(5000);
        for number in 0..100 {
            state.hear(&format!("{number}{text}"));
        }
        assert_eq!((state.lines.len(), state.plain.len()), (LINES, LINES));
        assert!(state.lines.iter().all(|line| line.len() <= LINE));
        assert!(state.lines[0].starts_with("70é"));
    }

    #[test]
    fn the_end_is_a_verdict_or_the_reason_why_there_is_none() {
        let end = |said: &[&str], code, verdict| {
            let mut state = state();
            said.iter().for_each(|line| state.hear(line));
            state.end(code, verdict);
            assert!(!state.running && state.step == Step::Ended);
            state.error
        };
        let words = Some("the load does not fit\nuse less".to_owned());
        assert_eq!(end(&[], Some(0), Some(Verdict::Pass)), None);
        assert_eq!(end(&["using x"], Some(1), Some(Verdict::Fail)), None);
        assert_eq!(end(&["stopping"], Some(130), None), None);
        let said = ["using x", "error: the load does not fit", "use less"];
        assert_eq!(end(&said, Some(2), None), words);
        assert_eq!(end(&["a", "b"], Some(1), None).as_deref(), Some("b"));
        assert!(end(&[], Some(2), None).is_some_and(|error| error.contains("without saying why")));
    }

    #[test]
    fn one_that_could_not_clean_up_says_so_whatever_it_said_before() {
        for (code, how) in [
            (Some(137), "was killed (SIGKILL)"),
            (Some(139), "SIGSEGV"),
            (Some(128 + 50), "by signal 50"),
            (Some(101), "exit code 101"),
            (None, "is not known"),
        ] {
            let mut state = state();
            state.hear("using the system that is up on port 5001 and following");
            state.end(code, None);
            let error = state.error.unwrap_or_default();
            for part in [
                how,
                "a fault may still be active",
                "clear all faults here, or run `tolerancia inject clear --instance N`",
            ] {
                assert!(error.contains(part), "{code:?}: {error}");
            }
            assert!(!error.contains("using the system"), "{code:?}: {error}");
        }
    }
}
