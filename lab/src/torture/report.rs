//! The result of a torture, for people and for programs, and the files from which it can be looked into.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

use super::checks::Checked;
use super::driver::LeftOut;
use super::evidence::Evidence;
use super::shortest::Line;

/// The version of the JSON form.
const SCHEMA: u32 = 1;

/// What the system was, and what was meant to be done.
#[derive(Debug, Clone)]
pub struct About {
    /// Seed of faults and load.
    pub seed: u64,
    /// How long it was meant to last, the quiet end included.
    pub seconds: u32,
    /// Whether it was interrupted.
    pub aborted: bool,
    /// `embedded` or `external`.
    pub kafka: &'static str,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// How many replicas there are.
    pub replicas: u8,
    /// What could not be done here.
    pub left_out: Vec<LeftOut>,
}

/// The result.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    schema: u32,
    verdict: &'static str,
    seed: u64,
    seconds: u32,
    kafka: &'static str,
    database: &'static str,
    replicas: u8,
    /// What was done, by kind.
    actions: BTreeMap<&'static str, u64>,
    /// What was tried and could not be done, by kind.
    not_done: BTreeMap<&'static str, u64>,
    left_out: Vec<LeftOut>,
    /// What clients were told, by request and answer.
    requests: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    log_records: usize,
    verdicts: usize,
    host: Host,
    checks: Vec<Checked>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// `CLOCK_MONOTONIC` at the beginning, in nanoseconds: what the times of the histories count from.
    began_ns: u64,
}

/// Whether this host had time for what was measured on it.
#[derive(Debug, Clone, Copy, Serialize)]
struct Host {
    /// How often it stood still for 75 ms or more.
    stalls: usize,
    /// For how long in all, in milliseconds.
    stalled_ms: u64,
    /// For how long somebody had to wait for a processor more than half of the time, in milliseconds.
    busy_ms: u64,
}

impl Report {
    /// The result of these checks.
    #[must_use]
    pub fn new(about: About, evidence: &Evidence, checks: Vec<Checked>) -> Self {
        let violated = checks.iter().any(|check| !check.holds());
        let (mut actions, mut not_done) = (BTreeMap::new(), BTreeMap::new());
        for window in &evidence.windows {
            let counts = if window.applied { &mut actions } else { &mut not_done };
            *counts.entry(window.kind.name()).or_default() += 1;
        }
        let stalled_ns: u64 = evidence.stalls.iter().map(|stall| stall.to_ns - stall.from_ns).sum();
        let busy_ns: u64 = evidence.busy.iter().map(|busy| busy.to_ns - busy.from_ns).sum();
        let mut notes = Vec::new();
        if evidence.history.full {
            notes.push(
                "clients stopped before the end: there was no room for more answers; choose fewer requests/s"
                    .to_owned(),
            );
        }
        Self {
            schema: SCHEMA,
            verdict: match (violated, about.aborted) {
                (true, _) => "fail",
                (false, true) => "aborted",
                (false, false) => "pass",
            },
            seed: about.seed,
            seconds: about.seconds,
            kafka: about.kafka,
            database: about.database,
            replicas: about.replicas,
            actions,
            not_done,
            left_out: about.left_out,
            requests: evidence.history.counts(),
            log_records: evidence.log.len(),
            verdicts: evidence.verdicts.len(),
            host: Host {
                stalls: evidence.stalls.len(),
                stalled_ms: stalled_ns / 1_000_000,
                busy_ms: busy_ns / 1_000_000,
            },
            checks,
            notes,
            began_ns: evidence.began_ns,
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(Checked::holds)
    }

    /// The result for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let Self {
            seed,
            seconds,
            replicas,
            kafka,
            database,
            ..
        } = self;
        for check in &self.checks {
            for violation in &check.violations {
                writeln!(text, "VIOLATION of {} (seed {seed}): {}", check.name, violation.what)?;
                for line in &violation.history {
                    writeln!(text, "    {}", self.line(line))?;
                }
                writeln!(text)?;
            }
        }
        writeln!(
            text,
            "torture with seed {seed}: {seconds} s, {replicas} replicas, Kafka {kafka}, database {database}"
        )?;
        writeln!(text, "done: {}", counted(&self.actions))?;
        if !self.not_done.is_empty() {
            writeln!(text, "could not be done: {}", counted(&self.not_done))?;
        }
        for out in &self.left_out {
            writeln!(text, "left out: {}: {}", out.kind, out.why)?;
        }
        for (request, answers) in &self.requests {
            writeln!(text, "{request}: {}", counted(answers))?;
        }
        let Host {
            stalls,
            stalled_ms,
            busy_ms,
        } = self.host;
        writeln!(
            text,
            "{} records in the log, {} verdicts; this host stood still {stalls} times, {stalled_ms} ms in all, and had too much to do for {busy_ms} ms",
            self.log_records, self.verdicts
        )?;
        for check in &self.checks {
            let found = check.violations.len() as u64 + check.more;
            let result = match (found, check.looked_at) {
                (0, 0) => "looked at nothing".to_owned(),
                (0, _) => "holds".to_owned(),
                (found, _) => format!("VIOLATED {found} times"),
            };
            writeln!(text, "{:<20} {:>7} looked at, {result}", check.name, check.looked_at)?;
            for note in &check.notes {
                writeln!(text, "{:<20} {note}", "")?;
            }
        }
        for note in &self.notes {
            writeln!(text, "{note}")?;
        }
        write!(
            text,
            "{}",
            match self.verdict {
                "pass" => "no violation".to_owned(),
                "aborted" => "interrupted; no violation until then".to_owned(),
                _ => format!("VIOLATED; again with: tolerancia torture --seconds {seconds} --seed {seed}"),
            }
        )
    }

    fn line(&self, line: &Line) -> String {
        if line.at_ns == 0 {
            return format!("{:>11}  {}", "at the end", line.text);
        }
        let s = (line.at_ns as f64 - self.began_ns as f64) / 1e9;
        format!("{s:>9.3} s  {}", line.text)
    }

    /// Writes `torture.json`, and everything that was judged, as JSON lines: `history.jsonl`, `log.jsonl`, `windows.jsonl`,
    /// `verdicts.jsonl`, `stalls.jsonl` and `busy.jsonl`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path, evidence: &Evidence) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let mut result = BufWriter::new(File::create(dir.join("torture.json"))?);
        serde_json::to_writer_pretty(&mut result, self)?;
        result.flush()?;
        lines(dir, "history.jsonl", &evidence.history.entries)?;
        lines(dir, "log.jsonl", &evidence.log)?;
        lines(dir, "windows.jsonl", &evidence.windows)?;
        lines(dir, "verdicts.jsonl", &evidence.verdicts)?;
        lines(dir, "stalls.jsonl", &evidence.stalls)?;
        lines(dir, "busy.jsonl", &evidence.busy)
    }
}

fn counted(counts: &BTreeMap<&'static str, u64>) -> String {
    let counts = counts.iter().map(|(what, count)| format!("{what} {count}"));
    let all: Vec<String> = counts.collect();
    if all.is_empty() {
        "nothing".to_owned()
    } else {
        all.join(", ")
    }
}

fn lines(dir: &Path, name: &str, items: &[impl Serialize]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(dir.join(name))?);
    for item in items {
        serde_json::to_writer(&mut file, item)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;
    use crate::torture::checks::{self, world::World};

    fn report(world: World, aborted: bool) -> (Report, Evidence) {
        let evidence = world.evidence();
        let about = About {
            seed: 7,
            seconds: 60,
            aborted,
            kafka: "embedded",
            database: "sqlite",
            replicas: 3,
            left_out: Vec::new(),
        };
        let checks = checks::all(&evidence);
        (Report::new(about, &evidence, checks), evidence)
    }

    fn broken() -> World {
        let mut world = World::new();
        let order = world.order(1);
        world.told_confirmed(1, 3, order);
        world
    }

    #[test]
    fn a_violation_is_told_with_its_seed_and_its_history() {
        let (report, _) = report(broken(), true);
        assert!(!report.passed());
        assert_eq!(report.verdict, "fail");
        let text = report.text();
        assert!(
            text.contains("VIOLATION of no_order_lost (seed 7)") && text.contains("client 0 orders 3"),
            "{text}"
        );
        assert!(text.contains("--seed 7"));
    }

    #[test]
    fn a_check_that_looked_at_nothing_says_so() {
        let (report, _) = report(World::new(), false);
        assert!(report.passed());
        assert!(report.text().contains("looked at nothing"), "{}", report.text());
        assert!(report.text().ends_with("no violation"));
    }

    #[test]
    fn the_files_are_json_lines() {
        let dir = tempfile::tempdir().unwrap();
        let (report, evidence) = report(broken(), false);
        report.write(dir.path(), &evidence).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let result: Value = serde_json::from_str(&read("torture.json")).unwrap();
        assert_eq!(result["schema"], 1);
        assert_eq!(result["verdict"], "fail");
        assert_eq!(result["requests"]["order"]["confirmed"], 1);
        for (name, count) in [("history.jsonl", 1), ("log.jsonl", 2), ("windows.jsonl", 0)] {
            let text = read(name);
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), count, "{name}");
        }
    }
}
