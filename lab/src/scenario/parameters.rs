//! The services' parameters that a scenario may set: environment variables, by their documented names.
//!
//! The services read and judge their environment themselves, but only once they are started. This table lets a mistake
//! be told before, with its place in the file. It must not differ from what the services accept: a test of the command
//! line, which knows both, compares them.

use serde_json::{Map, Value, json};
use tolerancia_core::detector::DetectorKind;

/// A variable that services know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// The environment variable.
    pub name: &'static str,
    /// The values it takes.
    pub kind: Kind,
}

/// The values that a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Whole numbers, both ends included.
    Whole(i64, i64),
    /// Numbers, both ends included. What a service asks for besides, it says when it starts.
    Real(f64, f64),
    /// The name of a detector.
    Detector,
    /// Text that is not empty.
    Text,
}

/// Milliseconds.
const MS_PER_HOUR: i64 = 3_600_000;

/// All parameters that a scenario may set.
pub const PARAMETERS: &[Parameter] = &[
    // What all services have.
    of("KAFKA_FETCH_WAIT_MS", Kind::Whole(0, 300_000)),
    of("KAFKA_PARTITIONS", Kind::Whole(1, 1024)),
    of("MAX_CONNECTIONS", Kind::Whole(8, 1_000_000)),
    of("MAX_IN_FLIGHT", Kind::Whole(1, 100_000)),
    // The monitor's, some of which the voter shares.
    of("HEALTH_CHECK_INTERVAL_MS", Kind::Whole(10, 60_000)),
    of("HEALTH_CHECK_TIMEOUT_MS", Kind::Whole(10, 60_000)),
    of("LATE_FLOOR_MS", Kind::Whole(1, 60_000)),
    of("LATE_CAP_MS", Kind::Whole(1, 60_000)),
    of("RECOVERY_THRESHOLD", Kind::Whole(1, 1000)),
    of("SHADOW_VOTES", Kind::Whole(1, 1000)),
    of("QUARANTINE_MIN_MS", Kind::Whole(1, MS_PER_HOUR)),
    of("QUARANTINE_MAX_MS", Kind::Whole(1, MS_PER_HOUR)),
    of("QUARANTINE_DECAY_MS", Kind::Whole(1, MS_PER_HOUR)),
    of("PROBATION_CLEAN_MS", Kind::Whole(0, MS_PER_HOUR)),
    of("PROBATION_CLEAN_MAX_MS", Kind::Whole(0, MS_PER_HOUR)),
    of("LAG_BUDGET_MS", Kind::Whole(10, 600_000)),
    of("IDLE_BUDGET_MS", Kind::Whole(10, 600_000)),
    of("METRICS_RETENTION_HOURS", Kind::Whole(0, 1_000_000)),
    // Its detectors'.
    of("DETECTOR", Kind::Detector),
    of("CONSECUTIVE_FAILURES", Kind::Whole(1, 1000)),
    of("ACCRUAL_P0", Kind::Real(0.0, 1.0)),
    of("ACCRUAL_P1", Kind::Real(0.0, 1.0)),
    of("ACCRUAL_THRESHOLD", Kind::Real(0.0, 1e9)),
    of("ACCRUAL_FALSE_ALARMS_PER_YEAR", Kind::Real(0.0, 1e9)),
    of("ACCRUAL_MISS_RATE", Kind::Real(0.0, 1.0)),
    of("ACCRUAL_ANSWERS_PER_S", Kind::Real(0.0, 1e9)),
    of("PHI_THRESHOLD", Kind::Real(0.0, 1e9)),
    of("PHI_WINDOW", Kind::Whole(2, 10_000)),
    of("PHI_MIN_STD_MS", Kind::Whole(1, 60_000)),
    of("WINDOW_MS", Kind::Whole(1, MS_PER_HOUR)),
    of("WINDOW_MIN_VOLUME", Kind::Whole(1, 1_000_000)),
    of("WINDOW_FAILURE_SHARE", Kind::Real(0.0, 1.0)),
    // The voter's.
    of("VOTING_TIMEOUT_MS", Kind::Whole(10, 60_000)),
    of("SCRUB_RATE", Kind::Whole(1, 300)),
    of("SHADOW_RATE", Kind::Whole(1, 10_000)),
    // The orders service's.
    of("ORDER_TIMEOUT_MS", Kind::Whole(10, 60_000)),
    of("ORDER_DELIVERY_TIMEOUT_MS", Kind::Whole(10, 60_000)),
    of("ORDERS_IN_FLIGHT", Kind::Whole(1, 40_000)),
    of("CATALOGUE", Kind::Text),
    // The replicas'.
    of("SNAPSHOT_INTERVAL_MS", Kind::Whole(10, MS_PER_HOUR)),
];

/// Variables that services know and a scenario may not set, and what to do instead.
pub const OTHERS: &[(&str, &str)] = &[
    ("REPLICAS", "write replicas = 3, 5 or 7 at the top of the file"),
    ("BASE_PORT", ON_THE_COMMAND_LINE),
    ("KAFKA_BOOTSTRAP_SERVERS", ON_THE_COMMAND_LINE),
    ("POSTGRES_URL", ON_THE_COMMAND_LINE),
    ("FAULT_TOKEN", ON_THE_COMMAND_LINE),
    ("KAFKA_REPLICATION", IN_THE_ENVIRONMENT),
    ("LOG_FORMAT", IN_THE_ENVIRONMENT),
    ("BIND", NEVER),
    ("PORT", NEVER),
    ("DATA_DIR", NEVER),
    ("SERVICE_NAME", NEVER),
    ("INSTANCE_ID", NEVER),
    ("INVENTORY_URLS", NEVER),
    ("FAULT_INJECTION", NEVER),
];

const ON_THE_COMMAND_LINE: &str = "it says where an experiment runs, not what it does: give it on the command line";
const IN_THE_ENVIRONMENT: &str = "it says where an experiment runs, not what it does: set it in the environment";
const NEVER: &str = "the experiment sets it for each process: leave it out";

const fn of(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}

/// The parameter of this name.
///
/// # Errors
/// A message that says why there is none to set.
pub(super) fn find(name: &str) -> Result<&'static Parameter, String> {
    if let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == name) {
        return Ok(parameter);
    }
    Err(match OTHERS.iter().find(|(other, _)| *other == name) {
        Some((_, instead)) => format!("{name} cannot be set here; {instead}"),
        None => format!("no service knows the parameter {name:?}; `tolerancia scenario schema` lists them"),
    })
}

impl Parameter {
    /// The text of the environment variable for a value of the file.
    ///
    /// # Errors
    /// A message that says what is expected.
    pub(super) fn text(&self, given: &toml::Value) -> Result<String, String> {
        let fits = match (self.kind, given) {
            (Kind::Whole(low, high), toml::Value::Integer(number)) => (low..=high).contains(number),
            (Kind::Real(low, high), toml::Value::Integer(number)) => (low..=high).contains(&(*number as f64)),
            (Kind::Real(low, high), toml::Value::Float(number)) => (low..=high).contains(number),
            (Kind::Detector, toml::Value::String(name)) => name.parse::<DetectorKind>().is_ok(),
            (Kind::Text, toml::Value::String(text)) => !text.trim().is_empty() && !text.contains('\0'),
            _ => false,
        };
        if !fits {
            return Err(format!("{} must be {}, not {given}", self.name, self.kind.expected()));
        }
        Ok(match given {
            toml::Value::String(text) => text.clone(),
            number => number.to_string(),
        })
    }
}

impl Kind {
    fn expected(self) -> String {
        match self {
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Real(low, high) => format!("a number from {low} to {high}"),
            Self::Detector => format!("one of {}", DetectorKind::ALL.map(DetectorKind::name).join(", ")),
            Self::Text => "text".to_owned(),
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Whole(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
            Self::Real(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
            Self::Detector => json!({ "enum": DetectorKind::ALL.map(DetectorKind::name) }),
            Self::Text => json!({ "type": "string", "pattern": "\\S" }),
        }
    }
}

/// What the file has for the text of an environment variable.
pub(super) fn value(name: &str, text: &str) -> toml::Value {
    let as_text = || toml::Value::from(text);
    match find(name).map(|parameter| parameter.kind) {
        Ok(Kind::Whole(..)) => text.parse::<i64>().map_or_else(|_| as_text(), Into::into),
        Ok(Kind::Real(..)) => text.parse::<f64>().map_or_else(|_| as_text(), Into::into),
        Ok(Kind::Detector | Kind::Text) | Err(_) => as_text(),
    }
}

/// The table `[parameters]` as a schema.
pub(super) fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let properties: Map<String, Value> = PARAMETERS
        .iter()
        .map(|parameter| (parameter.name.to_owned(), parameter.kind.schema()))
        .collect();
    schemars::json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(name: &str, value: impl Into<toml::Value>) -> Result<String, String> {
        find(name).and_then(|parameter| parameter.text(&value.into()))
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
        let all: std::collections::HashSet<&str> = names
            .iter()
            .copied()
            .chain(OTHERS.iter().map(|(name, _)| *name))
            .collect();
        assert_eq!(all.len(), names.len() + OTHERS.len());
    }

    #[test]
    fn values_are_as_the_environment_has_them() {
        assert_eq!(text("LATE_CAP_MS", 150).unwrap(), "150");
        assert_eq!(text("ACCRUAL_P1", 0.25).unwrap(), "0.25");
        assert_eq!(text("ACCRUAL_THRESHOLD", 14).unwrap(), "14");
        assert_eq!(text("DETECTOR", "phi").unwrap(), "phi");
        assert_eq!(text("CATALOGUE", "A=1,B=2").unwrap(), "A=1,B=2");
    }

    #[test]
    fn what_no_service_would_take_is_refused() {
        for (name, value, part) in [
            ("LATE_CAP_MS", toml::Value::Integer(0), "1 to 60000"),
            ("LATE_CAP_MS", toml::Value::Float(1.5), "whole number"),
            ("LATE_CAP_MS", toml::Value::String("150".to_owned()), "not \"150\""),
            ("LATE_CAP_MS", toml::Value::Boolean(true), "not true"),
            ("ACCRUAL_P0", toml::Value::Float(f64::NAN), "0 to 1"),
            (
                "DETECTOR",
                toml::Value::String("psychic".to_owned()),
                "accrual, consecutive",
            ),
            ("CATALOGUE", toml::Value::String(" ".to_owned()), "text"),
            ("late_cap_ms", toml::Value::Integer(5), "no service knows"),
            ("REPLICAS", toml::Value::Integer(5), "replicas = 3, 5 or 7"),
            ("INSTANCE_ID", toml::Value::Integer(5), "leave it out"),
            ("POSTGRES_URL", toml::Value::String("x".to_owned()), "command line"),
        ] {
            let error = text(name, value).unwrap_err();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
