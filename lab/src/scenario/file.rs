//! The file's form: TOML in, a checked [`Scenario`] or a place in the file out.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde::Deserialize;
use tolerancia_core::fault::{Fault, FaultSpec, Scope};
use toml::Spanned;

use super::{Load, Objectives, Pace, Scenario};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultTable {
    fault: Spanned<String>,
    latency_ms: Option<Spanned<i64>>,
    probability: Option<Spanned<f64>>,
    product: Option<Spanned<String>>,
    #[serde(default)]
    scope: Scope,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ObjectivesTable {
    ttd_max_ms: Option<Spanned<f64>>,
    p95_ms: Option<Spanned<f64>>,
    success_rate: Option<Spanned<f64>>,
    quorum_rate: Option<Spanned<f64>>,
    wrong_answers: Option<Spanned<i64>>,
    false_alarms: Option<Spanned<i64>>,
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
        if self.faults.get_ref().is_empty() {
            let message = "at least one fault is needed".to_owned();
            return Err((Some(self.faults.span()), message));
        }
        let full = PaceTable {
            trials: self.trials,
            baseline_s: self.baseline_s,
            hold_ms: self.hold_ms,
            settle_ms: self.settle_ms,
        };
        let load = Load::default();
        let rps = 0.1..=100_000.0;
        Ok(Scenario {
            name: self.name.into_inner(),
            pace: full.check(Pace::FULL)?,
            quick: self.quick.check(Pace::QUICK)?,
            load: Load {
                queries_rps: within("queries_rps", self.load.queries_rps, load.queries_rps, rps.clone())?,
                orders_rps: within("orders_rps", self.load.orders_rps, load.orders_rps, rps)?,
            },
            faults: self
                .faults
                .into_inner()
                .into_iter()
                .map(|fault| fault.into_inner().check())
                .collect::<Result<_, _>>()?,
            objectives: self.objectives.check()?,
        })
    }
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
            1.0..=3600.0,
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
    fn check(self) -> Result<Objectives, Placed> {
        let default = Objectives::default();
        let ms = 0.0..=600_000.0;
        let share = 0.0..=1.0;
        let count = 0..=i64::MAX;
        Ok(Objectives {
            ttd_max_ms: within("ttd_max_ms", self.ttd_max_ms, default.ttd_max_ms, ms.clone())?,
            p95_ms: within("p95_ms", self.p95_ms, default.p95_ms, ms)?,
            success_rate: within("success_rate", self.success_rate, default.success_rate, share.clone())?,
            quorum_rate: within("quorum_rate", self.quorum_rate, default.quorum_rate, share)?,
            wrong_answers: within("wrong_answers", self.wrong_answers, 0, count.clone())?.unsigned_abs(),
            false_alarms: within("false_alarms", self.false_alarms, 0, count)?.unsigned_abs(),
        })
    }
}

impl FaultTable {
    fn check(self) -> Result<FaultSpec, Placed> {
        let span = self.fault.span();
        let latency_ms = match self.latency_ms {
            None => None,
            given => Some(within("latency_ms", given, 1, 1..=60_000)?.unsigned_abs()),
        };
        let name = self.fault.get_ref().as_str();
        // A parameter of another fault would be ignored; that is never what was meant.
        let stray = [
            (name != "latency").then_some(()).and(latency_ms.map(|_| "latency_ms")),
            self.probability
                .as_ref()
                .filter(|_| name != "intermittent")
                .map(|_| "probability"),
            self.product.as_ref().filter(|_| name != "incorrect").map(|_| "product"),
        ];
        if let Some(stray) = stray.into_iter().flatten().next() {
            return Err((Some(span), format!("the fault {name} has no {stray}")));
        }
        let fault = match name {
            "crash" => Fault::Crash,
            "latency" => Fault::Latency { latency_ms },
            "intermittent" => Fault::Intermittent {
                probability: within("probability", self.probability, 0.5, 0.000_001..=1.0)?,
            },
            "incorrect" => {
                let Some(product) = self.product else {
                    let message = "the fault incorrect needs a product, for example product = \"PROD-001\"".to_owned();
                    return Err((Some(span), message));
                };
                let place = product.span();
                let product = product.get_ref().parse();
                Fault::Incorrect {
                    product: product
                        .map_err(|error: tolerancia_core::id::InvalidId| (Some(place), error.to_string()))?,
                }
            }
            "freeze" => Fault::Freeze,
            "stale" => Fault::Stale,
            _ => {
                let known = "crash, latency, intermittent, incorrect, freeze or stale";
                return Err((Some(span), format!("there is no fault {name:?}; write {known}")));
            }
        };
        Ok(FaultSpec {
            fault,
            scope: self.scope,
        })
    }
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
