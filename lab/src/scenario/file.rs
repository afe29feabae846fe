//! The file's form: TOML in, a checked [`Scenario`] or a place in the file out.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use tolerancia_core::detector::DetectorKind;
use toml::Spanned;

use super::{MOST_REQUESTS, Pace, Scenario, ScenarioError, named_twice, parameters, too_many};

mod fault;
mod load;
mod objectives;
mod pace;
mod range;

use fault::FaultTable;
use load::LoadTable;
use objectives::ObjectivesTable;
use pace::QuickTable;
use range::Placed;

/// The most replicas that a system can have.
const MOST_REPLICAS: u8 = 7;

/// What an experiment of `tolerancia experiment --scenario FILE` does. Everything has a default but the name and the
/// faults.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A scenario of tolerancia")]
pub(super) struct File {
    /// Its name, for the report.
    #[schemars(with = "String", regex(pattern = r"\S"))]
    name: Spanned<String>,
    /// Inventory replicas: 3, 5 or 7. Without it as many as the system has that is up, or as --replicas says.
    #[schemars(with = "Option<i64>", extend("enum" = [3, 5, 7]))]
    replicas: Option<Spanned<i64>>,
    /// Environment variables of the services, for a system that the experiment starts itself: with one that is up
    /// already, an experiment that sets parameters is refused.
    #[serde(default)]
    #[schemars(schema_with = "parameters::schema")]
    parameters: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    /// Trials per fault (and per detector, where several are compared); without it 10.
    #[schemars(with = "Option<i64>", range(min = 1, max = 1000))]
    trials: Option<Spanned<i64>>,
    /// Seconds of measuring the healthy system; without it 20.
    #[schemars(with = "Option<f64>", range(min = 1.0, max = 86_400.0))]
    baseline_s: Option<Spanned<f64>>,
    /// Milliseconds that a fault stays after it was detected; without it 1000.
    #[schemars(with = "Option<i64>", range(min = 0, max = 600_000))]
    hold_ms: Option<Spanned<i64>>,
    /// Milliseconds that all instances are ON before the next trial; without it 500.
    #[schemars(with = "Option<i64>", range(min = 0, max = 600_000))]
    settle_ms: Option<Spanned<i64>>,
    /// The same for --quick.
    #[serde(default)]
    quick: QuickTable,
    /// Detectors to compare, each with the same trials; the first is judged. Without it, the one in force.
    #[schemars(with = "Option<Vec<String>>", length(min = 1), extend("uniqueItems" = true))]
    #[schemars(extend("items" = { "enum": DetectorKind::ALL.map(DetectorKind::name) }))]
    detectors: Option<Spanned<Vec<Spanned<String>>>>,
    /// What clients do meanwhile.
    #[serde(default)]
    load: LoadTable,
    /// What is broken: each of these in each of the trials, in a random order. Empty: nothing, and only baseline_s is
    /// measured.
    #[schemars(with = "Vec<FaultTable>")]
    faults: Spanned<Vec<Spanned<FaultTable>>>,
    /// What must hold.
    #[serde(default)]
    objectives: ObjectivesTable,
}

/// Reads the bytes of the scenario file `path`.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Scenario, ScenarioError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(path, text),
        Err(error) => {
            // As far as it is text.
            let valid = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let message = "here begins what is not UTF-8: a scenario is a text file in UTF-8".to_owned();
            Err(wrong(path, &valid, valid.len(), message))
        }
    }
}

/// Reads the text of the scenario file `path`.
pub(super) fn parse(path: &str, text: &str) -> Result<Scenario, ScenarioError> {
    if text.trim().is_empty() {
        let message = "the file is empty: a scenario has a name and faults, as in name = \"mine\" and \
                       faults = [{ fault = \"crash\" }]";
        return Err(wrong(path, "", 0, message.to_owned()));
    }
    toml::from_str::<File>(text)
        .map_err(|error| (error.span(), error.message().to_owned()))
        .and_then(File::check)
        .map_err(|(span, message)| wrong(path, text, span.map_or(0, |span| span.start), message))
}

/// What is wrong at a byte of the text.
fn wrong(path: &str, text: &str, byte: usize, message: String) -> ScenarioError {
    let (line, column) = place(text, byte);
    ScenarioError::Wrong {
        path: path.to_owned(),
        line,
        column,
        message,
    }
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
        let replicas = self.replicas.map(replicas).transpose()?;
        let parameters = self
            .parameters
            .into_iter()
            .map(|(name, value)| parameter(&name, &value))
            .collect::<Result<_, _>>()?;
        let (load, products) = self.load.check()?;
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
        let full = QuickTable {
            trials: self.trials,
            baseline_s: self.baseline_s,
            hold_ms: self.hold_ms,
            settle_ms: self.settle_ms,
        };
        if self.faults.get_ref().is_empty() {
            self.objectives.only_of_the_healthy()?;
        }
        let objectives = self.objectives.check()?;
        let places: Vec<Range<usize>> = self.faults.get_ref().iter().map(Spanned::span).collect();
        let faults = self.faults.into_inner().into_iter();
        let scenario = Scenario {
            name: self.name.into_inner(),
            replicas,
            parameters,
            pace: full.check(Pace::FULL)?,
            quick: self.quick.check(Pace::QUICK)?,
            load,
            products,
            detectors: self.detectors.map_or(Ok(Vec::new()), detectors)?,
            faults: faults
                .map(|fault| {
                    fault
                        .into_inner()
                        .check(objectives.each, replicas.unwrap_or(MOST_REPLICAS))
                })
                .collect::<Result<_, _>>()?,
            objectives,
        };
        let names = scenario.names();
        let twice = names.iter().enumerate().find(|(n, name)| names[..*n].contains(name));
        if let Some((n, name)) = twice {
            let message = format!("{name} is there twice: write each fault once, and set trials higher");
            return Err((places.get(n).cloned(), message));
        }
        for (pace, trials) in [scenario.pace, scenario.quick].into_iter().zip(trials) {
            let requests = scenario.requests(pace);
            if requests > MOST_REQUESTS {
                return Err((Some(trials.unwrap_or(all_faults)), too_many(requests)));
            }
        }
        Ok(scenario)
    }
}

/// The number of replicas.
fn replicas(given: Spanned<i64>) -> Result<u8, Placed> {
    match given.get_ref() {
        3 => Ok(3),
        5 => Ok(5),
        7 => Ok(7),
        other => Err((Some(given.span()), format!("replicas must be 3, 5 or 7, not {other}"))),
    }
}

/// A variable of the services and its text.
fn parameter(name: &Spanned<String>, value: &Spanned<toml::Value>) -> Result<(&'static str, String), Placed> {
    let found = parameters::find(name.get_ref()).map_err(|message| (Some(name.span()), message))?;
    let text = found.text(value.get_ref());
    text.map(|text| (found.name, text))
        .map_err(|message| (Some(value.span()), message))
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
