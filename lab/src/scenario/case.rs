//! What is broken in one trial: one fault, several on one instance, or the same on several instances.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tolerancia_core::fault::{Fault, FaultSpec, Scope};
use tolerancia_core::{ReplicaId, quorum};

use super::{FaultObjectives, Pace};

/// What a trial takes beside the time that its fault is held and the system settles: detection, quarantine and
/// probation, on a calm machine.
const OVERHEAD: Duration = Duration::from_millis(1500);
/// The same at worst: a fault that is not detected is waited for for 10 s, the rest is recovery.
const OVERHEAD_AT_WORST: Duration = Duration::from_secs(15);

/// What is broken in one trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// For each instance that is hit, all at the same time: its faults, at least one. Alike, but for the products that
    /// are lied about.
    pub hits: Vec<Vec<FaultSpec>>,
    /// The one instance that is hit; `None`: those whose turn it is.
    pub instance: Option<ReplicaId>,
    /// When it begins.
    pub phase: Phase,
    /// How long the faults stay after they became active, 1 ms to 600 s; `None`: as long after their detection as the
    /// pace says. A crash lasts until its process is there again.
    pub duration: Option<Duration>,
    /// What must hold.
    pub objectives: FaultObjectives,
}

/// When a fault begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// At a random moment of a cycle of health checks.
    #[default]
    Random,
    /// So long after the system was seen to be steady, 0 to 60 s. When its instance is checked next is not known then:
    /// this repeats a delay, not a place in the cycle.
    After(Duration),
}

impl From<FaultSpec> for Case {
    /// One fault of one instance.
    fn from(spec: FaultSpec) -> Self {
        Self {
            hits: vec![vec![spec]],
            instance: None,
            phase: Phase::Random,
            duration: None,
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

    /// About how long a trial of it takes.
    pub(crate) fn expected(&self, pace: Pace) -> Duration {
        self.held(pace) + pace.settle + OVERHEAD
    }

    /// How long a trial of it takes at most, or about that.
    pub(super) fn at_worst(&self, pace: Pace) -> Duration {
        self.held(pace) + pace.settle + OVERHEAD_AT_WORST
    }

    fn held(&self, pace: Pace) -> Duration {
        let delay = match self.phase {
            Phase::Random => Duration::ZERO,
            Phase::After(delay) => delay,
        };
        delay + self.duration.unwrap_or(pace.hold)
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

    /// Its name with parameters, such as `intermittent (0.1, queries)` or `crash, instance 2`.
    pub(super) fn full_name(&self) -> String {
        let mut name = self.named_in_full();
        if let Some(instance) = self.instance {
            name += &format!(", instance {instance}");
        }
        if let Some(duration) = self.duration {
            name += &format!(", {} ms", duration.as_millis());
        }
        if let Phase::After(delay) = self.phase {
            name += &format!(", after {} ms", delay.as_millis());
        }
        name
    }

    fn named_in_full(&self) -> String {
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
        if let Some(instance) = self.instance {
            value["instance"] = json!(instance);
        }
        if let Some(duration) = self.duration {
            value["duration_ms"] = json!(millis(duration));
        }
        if let Phase::After(delay) = self.phase {
            value["phase"] = json!(millis(delay));
        }
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

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
