//! What is broken in one trial: one fault, several on one instance, or the same on several instances.

use serde::Serialize;
use serde_json::{Value, json};
use tolerancia_core::fault::{Fault, FaultSpec, Scope};
use tolerancia_core::quorum;

use super::FaultObjectives;

/// What is broken in one trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// For each instance that is hit, all at the same time: its faults, at least one. Alike, but for the products that
    /// are lied about.
    pub hits: Vec<Vec<FaultSpec>>,
    /// What must hold.
    pub objectives: FaultObjectives,
}

impl From<FaultSpec> for Case {
    /// One fault of one instance.
    fn from(spec: FaultSpec) -> Self {
        Self {
            hits: vec![vec![spec]],
            objectives: FaultObjectives::default(),
        }
    }
}

impl Case {
    /// How many instances are hit at the same time.
    #[must_use]
    pub const fn instances(&self) -> usize {
        self.hits.len()
    }

    /// Whether fewer than a quorum of so many replicas stay healthy. Then no answer is the right answer.
    #[must_use]
    pub fn takes_quorum(&self, replicas: usize) -> bool {
        replicas.saturating_sub(self.instances()) < quorum(replicas)
    }

    /// Whether the process dies, and its faults with it.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        self.specs().any(|spec| spec.fault == Fault::Crash)
    }

    /// Its name without parameters, such as `latency (queries)`, `latency+incorrect` or `crash ×2`.
    #[must_use]
    pub fn name(&self) -> String {
        self.named(|spec| match spec.scope {
            Scope::All => Vec::new(),
            Scope::Queries => vec!["queries".to_owned()],
            Scope::Health => vec!["health".to_owned()],
        })
    }

    /// Its name with parameters, such as `intermittent (0.1, queries)`.
    pub(super) fn full_name(&self) -> String {
        self.named(|spec| {
            let parameter = match &spec.fault {
                Fault::Latency { latency_ms: Some(ms) } => Some(format!("{ms} ms")),
                Fault::Latency { latency_ms: None } => Some("500–1500 ms".to_owned()),
                Fault::Intermittent { probability } => Some(probability.to_string()),
                Fault::Incorrect { product } => Some(product.to_string()),
                Fault::Crash | Fault::Freeze | Fault::Stale => None,
            };
            let scope = match spec.scope {
                Scope::All => None,
                Scope::Queries => Some("queries".to_owned()),
                Scope::Health => Some("health".to_owned()),
            };
            parameter.into_iter().chain(scope).collect()
        })
    }

    fn named(&self, qualifiers: impl Fn(&FaultSpec) -> Vec<String>) -> String {
        let parts: Vec<String> = self
            .specs()
            .map(|spec| match qualifiers(spec).as_slice() {
                [] => spec.fault.name().to_owned(),
                some => format!("{} ({})", spec.fault.name(), some.join(", ")),
            })
            .collect();
        let times = match self.instances() {
            0 | 1 => String::new(),
            many => format!(" ×{many}"),
        };
        parts.join("+") + &times
    }

    /// All that it consists of, for the report: the first fault as it is injected, `with` the others, on so many
    /// `instances`; `each` instance's faults where they differ.
    #[must_use]
    pub fn parameters(&self) -> Value {
        let specs: Vec<&FaultSpec> = self.specs().collect();
        let Some((first, others)) = specs.split_first() else {
            return Value::Null;
        };
        let mut value = json!(first);
        value["instances"] = json!(self.instances());
        if !others.is_empty() {
            value["with"] = json!(others);
        }
        if self.hits.iter().any(|hit| Some(hit) != self.hits.first()) {
            value["each"] = json!(self.hits);
        }
        value
    }

    /// The faults of the first instance, which stand for all.
    fn specs(&self) -> impl Iterator<Item = &FaultSpec> {
        self.hits.iter().take(1).flatten()
    }
}
