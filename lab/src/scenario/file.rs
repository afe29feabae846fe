//! The file's form: TOML in, a checked [`Scenario`] or a place in the file out.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde::Deserialize;
use tolerancia_core::detector::DetectorKind;
use toml::Spanned;

use super::{FaultObjectives, Load, MOST_REQUESTS, Objectives, Pace, Scenario, named_twice, too_many};

mod fault;

use fault::FaultTable;

/// Why a scenario cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("the scenario {path} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is in the way.
        cause: String,
    },
    /// Something in the file is not right.
    #[error("{path}:{line}:{column}: {message}")]
    Wrong {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what is expected.
        message: String,
    },
    /// A fault is to hit more instances than there are.
    #[error("{fault} hits {wanted} instances at the same time, the system has {replicas}: start it with more replicas")]
    TooFew {
        /// Which.
        fault: String,
        /// How many it hits.
        wanted: usize,
        /// How many there are.
        replicas: usize,
    },
    /// The detectors to compare are not usable.
    #[error("--detectors names {0} twice: write each once, the one that is judged first")]
    Detectors(DetectorKind),
    /// More requests than can be remembered.
    #[error("{0}")]
    TooLong(String),
}

/// An error and the bytes of the file that it is about.
type Placed = (Option<Range<usize>>, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    trials: Option<Spanned<i64>>,
    baseline_s: Option<Spanned<f64>>,
    hold_ms: Option<Spanned<i64>>,
    settle_ms: Option<Spanned<i64>>,
    detectors: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    quick: PaceTable,
    #[serde(default)]
    load: LoadTable,
    faults: Spanned<Vec<Spanned<FaultTable>>>,
    #[serde(default)]
    objectives: ObjectivesTable,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PaceTable {
    trials: Option<Spanned<i64>>,
    baseline_s: Option<Spanned<f64>>,
    hold_ms: Option<Spanned<i64>>,
    settle_ms: Option<Spanned<i64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LoadTable {
    queries_rps: Option<Spanned<f64>>,
    orders_rps: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ObjectivesTable {
    ttd_max_ms: Option<Spanned<f64>>,
    p95_ms: Option<Spanned<f64>>,
    success_rate: Option<Spanned<f64>>,
    quorum_rate: Option<Spanned<f64>>,
    transitions_max: Option<Spanned<i64>>,
    readmissions_max: Option<Spanned<i64>>,
    repair_over_quarantine_ms: Option<Spanned<f64>>,
    wrong_answers: Option<Spanned<i64>>,
    false_alarms: Option<Spanned<i64>>,
}

/// What a fault asks for instead.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FaultObjectivesTable {
    ttd_max_ms: Option<Spanned<f64>>,
    p95_ms: Option<Spanned<f64>>,
    success_rate: Option<Spanned<f64>>,
    quorum_rate: Option<Spanned<f64>>,
    transitions_max: Option<Spanned<i64>>,
    readmissions_max: Option<Spanned<i64>>,
    repair_over_quarantine_ms: Option<Spanned<f64>>,
}

/// Reads the text of the scenario file `path`.
pub(super) fn parse(path: &str, text: &str) -> Result<Scenario, ScenarioError> {
    toml::from_str::<File>(text)
        .map_err(|error| (error.span(), error.message().to_owned()))
        .and_then(File::check)
        .map_err(|(span, message)| {
            let (line, column) = place(text, span.map_or(0, |span| span.start));
            ScenarioError::Wrong {
                path: path.to_owned(),
                line,
                column,
                message,
            }
        })
}

/// Line and column of a byte, both from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

impl File {
    fn check(self) -> Result<Scenario, Placed> {
        if self.name.get_ref().trim().is_empty() {
            return Err((Some(self.name.span()), "a scenario needs a name".to_owned()));
        }
        if self.faults.get_ref().is_empty() && self.baseline_s.is_none() {
            let message = "at least one fault is needed, or baseline_s to measure the healthy system alone".to_owned();
            return Err((Some(self.faults.span()), message));
        }
        let default = Load::default();
        let load = Load {
            queries_rps: rate("queries_rps", self.load.queries_rps, default.queries_rps)?,
            orders_rps: rate("orders_rps", self.load.orders_rps, default.orders_rps)?,
        };
        for baseline in [&self.baseline_s, &self.quick.baseline_s].into_iter().flatten() {
            let requests = baseline.get_ref() * (load.queries_rps + load.orders_rps);
            if requests > MOST_REQUESTS {
                let message = format!(
                    "that is a baseline of {requests:.0} requests, each of which is remembered: make it shorter or the \
                     load smaller, at most {MOST_REQUESTS:.0}"
                );
                return Err((Some(baseline.span()), message));
            }
        }
        let span = |trials: &Option<Spanned<i64>>| trials.as_ref().map(Spanned::span);
        let trials = [span(&self.trials), span(&self.quick.trials)];
        let all_faults = self.faults.span();
        let full = PaceTable {
            trials: self.trials,
            baseline_s: self.baseline_s,
            hold_ms: self.hold_ms,
            settle_ms: self.settle_ms,
        };
        if self.faults.get_ref().is_empty() {
            self.objectives.only_of_the_healthy()?;
        }
        let objectives = self.objectives.check()?;
        let faults = self.faults.into_inner().into_iter();
        let scenario = Scenario {
            name: self.name.into_inner(),
            pace: full.check(Pace::FULL)?,
            quick: self.quick.check(Pace::QUICK)?,
            load,
            detectors: self.detectors.map_or(Ok(Vec::new()), detectors)?,
            faults: faults
                .map(|fault| fault.into_inner().check(objectives.each))
                .collect::<Result<_, _>>()?,
            objectives,
        };
        for (pace, trials) in [scenario.pace, scenario.quick].into_iter().zip(trials) {
            let requests = scenario.requests(pace);
            if requests > MOST_REQUESTS {
                return Err((Some(trials.unwrap_or(all_faults)), too_many(requests)));
            }
        }
        Ok(scenario)
    }
}

/// The detectors to compare.
fn detectors(names: Spanned<Vec<Spanned<String>>>) -> Result<Vec<DetectorKind>, Placed> {
    let span = names.span();
    let kind = |name: Spanned<String>| {
        let span = name.span();
        name.get_ref().parse().map_err(|message: String| (Some(span), message))
    };
    let kinds = names
        .into_inner()
        .into_iter()
        .map(kind)
        .collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        let message = "name at least one detector, or leave detectors out for the one in force".to_owned();
        return Err((Some(span), message));
    }
    named_twice(&kinds).map_or(Ok(kinds), |kind| {
        Err((Some(span), format!("{kind} is there twice: write each detector once")))
    })
}

impl PaceTable {
    fn check(self, default: Pace) -> Result<Pace, Placed> {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let millis = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        let trials = within(
            "trials",
            self.trials,
            i64::try_from(default.trials).unwrap_or(1),
            1..=1000,
        )?;
        let baseline = within(
            "baseline_s",
            self.baseline_s,
            default.baseline.as_secs_f64(),
            1.0..=86_400.0,
        )?;
        Ok(Pace {
            trials: usize::try_from(trials).unwrap_or(1),
            baseline: Duration::from_secs_f64(baseline),
            hold: millis(within("hold_ms", self.hold_ms, ms(default.hold), 0..=600_000)?),
            settle: millis(within("settle_ms", self.settle_ms, ms(default.settle), 0..=600_000)?),
        })
    }
}

impl ObjectivesTable {
    /// Refuses what is asked of trials: where there is none, it would be met or missed by nothing.
    fn only_of_the_healthy(&self) -> Result<(), Placed> {
        let span = |name, given: Option<Range<usize>>| given.map(|span| (name, span));
        let of_trials = [
            span("ttd_max_ms", self.ttd_max_ms.as_ref().map(Spanned::span)),
            span("transitions_max", self.transitions_max.as_ref().map(Spanned::span)),
            span("readmissions_max", self.readmissions_max.as_ref().map(Spanned::span)),
            span(
                "repair_over_quarantine_ms",
                self.repair_over_quarantine_ms.as_ref().map(Spanned::span),
            ),
        ];
        match of_trials.into_iter().flatten().next() {
            Some((name, span)) => Err((
                Some(span),
                format!("{name} is about faults, and there is none: leave it out"),
            )),
            None => Ok(()),
        }
    }

    fn check(self) -> Result<Objectives, Placed> {
        let each = FaultObjectivesTable {
            ttd_max_ms: self.ttd_max_ms,
            p95_ms: self.p95_ms,
            success_rate: self.success_rate,
            quorum_rate: self.quorum_rate,
            transitions_max: self.transitions_max,
            readmissions_max: self.readmissions_max,
            repair_over_quarantine_ms: self.repair_over_quarantine_ms,
        };
        Ok(Objectives {
            each: each.check(FaultObjectives::default())?,
            wrong_answers: count("wrong_answers", self.wrong_answers)?.unwrap_or_default(),
            false_alarms: count("false_alarms", self.false_alarms)?.unwrap_or_default(),
        })
    }
}

impl FaultObjectivesTable {
    /// What is not there is as in `default`.
    fn check(self, default: FaultObjectives) -> Result<FaultObjectives, Placed> {
        let ms = || 0.0..=600_000.0;
        let share = || 0.0..=1.0;
        let over = self
            .repair_over_quarantine_ms
            .map(|given| within("repair_over_quarantine_ms", Some(given), 0.0, ms()))
            .transpose()?;
        Ok(FaultObjectives {
            ttd_max_ms: within("ttd_max_ms", self.ttd_max_ms, default.ttd_max_ms, ms())?,
            p95_ms: within("p95_ms", self.p95_ms, default.p95_ms, ms())?,
            success_rate: within("success_rate", self.success_rate, default.success_rate, share())?,
            quorum_rate: within("quorum_rate", self.quorum_rate, default.quorum_rate, share())?,
            transitions_max: count("transitions_max", self.transitions_max)?.or(default.transitions_max),
            readmissions_max: count("readmissions_max", self.readmissions_max)?.or(default.readmissions_max),
            repair_over_quarantine_ms: over.or(default.repair_over_quarantine_ms),
        })
    }
}

/// A number of requests per second: none, or as many as the generator can make.
fn rate(name: &str, given: Option<Spanned<f64>>, default: f64) -> Result<f64, Placed> {
    match given {
        Some(given) if *given.get_ref() != 0.0 => within(name, Some(given), default, 0.1..=100_000.0)
            .map_err(|(span, message)| (span, format!("{message}; 0 means none"))),
        Some(_) => Ok(0.0),
        None => Ok(default),
    }
}

/// A number that is counted up to.
fn count(name: &str, given: Option<Spanned<i64>>) -> Result<Option<u64>, Placed> {
    given
        .map(|given| within(name, Some(given), 0, 0..=i64::MAX).map(i64::unsigned_abs))
        .transpose()
}

/// The value given, if it is in the range (which a value that is not a number never is), or the default.
fn within<T>(name: &str, given: Option<Spanned<T>>, default: T, range: RangeInclusive<T>) -> Result<T, Placed>
where
    T: PartialOrd + Copy + std::fmt::Display,
{
    let Some(given) = given else { return Ok(default) };
    let value = *given.get_ref();
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start(), range.end());
    Err((
        Some(given.span()),
        format!("{name} must be {low} to {high}, not {value}"),
    ))
}
