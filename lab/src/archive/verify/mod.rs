//! The oracle once more, from the files of a folder alone.
//!
//! Nothing here trusts the report. The log is replayed, every answer is judged, and only then are the results compared
//! with what the report says. So a changed answer or a removed order contradicts the rest, and is named. What the folder
//! cannot show is whether the replicas were equal: they are gone.
//!
//! Whoever changes all files alike, the log and each answer that depends on it, makes another experiment of it that is
//! just as consistent; no check of a folder on its own can tell.

mod log;
mod times;

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::answers::{self, Answer};
use super::events::Events;
use super::{ANSWERS, ArchiveError, EVENTS, Files, SCENARIO};
use crate::oracle::{Finding, Truth};
use crate::report::{self, Report, Verdict};
use crate::scenario::{self, Case};

/// Contradictions that are spelt out.
pub(super) const MOST: usize = 100;
/// What contradictions of the report itself are about.
const REPORT: &str = "report.json";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The folder.
    pub folder: String,
    /// Whether everything agrees.
    pub agrees: bool,
    /// What was there to check.
    pub checked: Checked,
    /// How many contradictions there are.
    pub contradictions: usize,
    /// The first of them; at most 100.
    pub found: Vec<Contradiction>,
}

/// What the files have, counted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Checked {
    /// Requests in `answers.jsonl.zst`.
    pub requests: u64,
    /// Successful answers to queries.
    pub answers: u64,
    /// Those, and answers about orders, that contradict the log.
    pub wrong_answers: u64,
    /// Orders answered as confirmed or pending, and cancels answered as done.
    pub orders_acknowledged: u64,
    /// Those of them that are not in the log.
    pub orders_lost: u64,
    /// Orders that took stock more than once.
    pub orders_doubled: u64,
    /// Records of the log.
    pub records: u64,
    /// Records that nobody can read.
    pub unreadable_records: u64,
    /// The monitor's transitions.
    pub events: u64,
    /// Trials in the report.
    pub trials: u64,
}

/// Something that does not agree with the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// The file.
    pub file: &'static str,
    /// The line, from 1; null where there is no one line.
    pub line: Option<usize>,
    /// What contradicts what.
    pub what: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked {
            requests,
            answers,
            wrong_answers,
            orders_acknowledged,
            orders_lost,
            orders_doubled,
            records,
            unreadable_records,
            events,
            trials,
        } = self.checked;
        writeln!(f, "{}", self.folder)?;
        writeln!(
            f,
            "  log      {records} records replayed, {unreadable_records} of them unreadable"
        )?;
        writeln!(
            f,
            "  answers  {answers} to queries judged, of {requests} requests: {wrong_answers} wrong"
        )?;
        writeln!(
            f,
            "  orders   {orders_acknowledged} acknowledged, cancels included: {orders_lost} lost, {orders_doubled} doubled"
        )?;
        writeln!(f, "  events   {events} compared with {trials} trials")?;
        for contradiction in &self.found {
            writeln!(f, "{contradiction}")?;
        }
        match self.contradictions {
            0 => write!(f, "everything agrees"),
            1 => write!(f, "1 contradiction"),
            more if more > self.found.len() => write!(f, "{more} contradictions, the first {MOST} above"),
            some => write!(f, "{some} contradictions"),
        }
    }
}

/// Contradictions, as they are found.
#[derive(Debug, Default)]
struct Found {
    first: Vec<Contradiction>,
    count: usize,
}

impl Found {
    fn tell(&mut self, file: &'static str, line: Option<usize>, what: impl Into<String>) {
        self.count += 1;
        if self.first.len() < MOST {
            let what = what.into();
            self.first.push(Contradiction { file, line, what });
        }
    }
}

/// Checks the folder of an experiment. Changes nothing in it.
///
/// # Errors
/// When it cannot be checked at all: a file is missing, damaged or no such file, or the experiment was cut short. The
/// message says what to do.
pub fn verify(dir: &Path) -> Result<Verification, ArchiveError> {
    let report = report::read(dir).map_err(|error| ArchiveError::Report(error.to_string()))?;
    let files = whole(dir, &report)?;
    let mut found = Found::default();
    check_scenario(dir, &report, &mut found)?;
    let mut checked = Checked::default();

    let events = Events::read(dir)?;
    checked.events = events.count;
    for (line, what) in &events.misplaced {
        found.tell(EVENTS, Some(*line), what.clone());
    }
    checked.trials = times::check(&report, &events, &mut found);

    let truth = log::replay(dir, &mut checked, &mut found)?;
    for finding in truth.audited() {
        let what = count(finding, &mut checked);
        found.tell(super::LOG, None, what);
    }
    judge(dir, &truth, &mut checked, &mut found)?;
    compare(&report, files, &checked, &mut found);
    Ok(Verification {
        folder: dir.display().to_string(),
        agrees: found.count == 0,
        checked,
        contradictions: found.count,
        found: found.first,
    })
}

/// What the report says about the files, unless they are not all there.
fn whole(dir: &Path, report: &Report) -> Result<Files, ArchiveError> {
    let why = match report.files {
        Some(files) if files.records.is_some() && report.oracle.complete => return Ok(files),
        _ if report.verdict == Verdict::Aborted => "the experiment was interrupted before the log was read",
        _ if report.verdict == Verdict::Error => "the experiment could not be carried out to its end",
        Some(_) => "the log was not read",
        None => "its report knows of no files beside it: a version that did not write them made it",
    };
    Err(ArchiveError::Partial {
        dir: dir.display().to_string(),
        why: why.to_owned(),
        repeat: report.repeat.clone(),
    })
}

fn check_scenario(dir: &Path, report: &Report, found: &mut Found) -> Result<(), ArchiveError> {
    let path = dir.join(SCENARIO);
    if !path.exists() {
        let path = path.display().to_string();
        return Err(ArchiveError::Missing { path });
    }
    let scenario = match scenario::load(&path) {
        Ok(scenario) => scenario,
        Err(error) => {
            found.tell(
                SCENARIO,
                None,
                format!("this is not the scenario as it was run: {error}"),
            );
            return Ok(());
        }
    };
    if scenario.name != report.scenario {
        let what = format!("this is {:?}, the report is about {:?}", scenario.name, report.scenario);
        found.tell(SCENARIO, None, what);
    }
    // The report has each fault once for each detector.
    let faults = report.faults.iter();
    let mut reported: Vec<(String, Value)> = faults
        .map(|fault| (fault.fault.clone(), fault.parameters.clone()))
        .collect();
    // As text once, as the report was: that is what a number may lose its last digit in.
    let as_read = |case: &Case| serde_json::from_str(&case.parameters().to_string()).unwrap_or_default();
    let mut planned: Vec<(String, Value)> = scenario
        .names()
        .into_iter()
        .zip(scenario.faults.iter().map(as_read))
        .collect();
    reported.dedup();
    planned.dedup();
    if planned != reported {
        found.tell(SCENARIO, None, "its faults are not those of the report");
    }
    Ok(())
}

/// Counts a finding, and says what it is.
fn count(finding: &Finding, checked: &mut Checked) -> String {
    let (counter, text) = match finding {
        Finding::Wrong(text) => (&mut checked.wrong_answers, text),
        Finding::Lost(text) => (&mut checked.orders_lost, text),
        Finding::Doubled(text) => (&mut checked.orders_doubled, text),
    };
    *counter += 1;
    text.clone()
}

/// Judges every answer.
fn judge(dir: &Path, truth: &Truth, checked: &mut Checked, found: &mut Found) -> Result<(), ArchiveError> {
    let (header, mut reader) = answers::open(dir)?;
    while let Some(answer) = reader.next::<Answer>()? {
        checked.requests += 1;
        let Some(told) = &answer.told else { continue };
        checked.answers += u64::from(told.is_stock());
        checked.orders_acknowledged += u64::from(told.is_acknowledgement());
        if let Some(finding) = truth.judge(told) {
            let what = count(&finding, checked);
            found.tell(ANSWERS, Some(reader.number()), what);
        }
    }
    if header.answers != checked.requests {
        let what = format!("{} answers are to follow, {} do", header.answers, checked.requests);
        found.tell(ANSWERS, Some(1), what);
    }
    if header.events != checked.events {
        let what = format!(
            "{} events belong to these answers, {EVENTS} has {}",
            header.events, checked.events
        );
        found.tell(ANSWERS, Some(1), what);
    }
    Ok(())
}

/// Compares what was counted with what the report says.
fn compare(report: &Report, files: Files, checked: &Checked, found: &mut Found) {
    let oracle = &report.oracle;
    let counts = [
        ("requests", files.answers, checked.requests),
        ("answers to queries", oracle.answers_checked, checked.answers),
        (
            "answers that contradict the log",
            oracle.wrong_answers,
            checked.wrong_answers,
        ),
        (
            "acknowledged orders and cancels",
            oracle.orders_acknowledged,
            checked.orders_acknowledged,
        ),
        ("lost orders and cancels", oracle.orders_lost, checked.orders_lost),
        ("doubled orders", oracle.orders_doubled, checked.orders_doubled),
        ("records of the log", oracle.records as u64, checked.records),
        ("records in the file", files.records.unwrap_or(0), checked.records),
        (
            "unreadable records",
            oracle.unreadable_records,
            checked.unreadable_records,
        ),
        ("events", files.events, checked.events),
    ];
    for (what, said, counted) in counts {
        if said != counted {
            found.tell(
                REPORT,
                None,
                format!("{what}: the report says {said}, the files have {counted}"),
            );
        }
    }
}
