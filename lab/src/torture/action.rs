//! What can be done to the system, to which part of it, and what was done.

use std::fmt;

use serde::{Deserialize, Serialize};
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::{Fault, FaultSpec, Scope};

/// A part of the system that can be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One inventory replica.
    Replica(ReplicaId),
    /// The monitor.
    Monitor,
    /// The voter.
    Voter,
    /// The orders service.
    Orders,
    /// The embedded broker.
    Broker,
    /// The database of orders and monitor.
    Database,
}

impl Target {
    /// The replica, if it is one.
    #[must_use]
    pub const fn replica(self) -> Option<ReplicaId> {
        match self {
            Self::Replica(id) => Some(id),
            _ => None,
        }
    }
}

/// As the supervisor names its processes: `inventory-svc/2`, `voter-svc`, `broker`; and `database`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(id) => write!(f, "inventory-svc/{id}"),
            Self::Monitor => f.write_str("monitor-svc"),
            Self::Voter => f.write_str("voter-svc"),
            Self::Orders => f.write_str("orders-svc"),
            Self::Broker => f.write_str("broker"),
            Self::Database => f.write_str("database"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A kind of action, which is what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The injected fault `crash`: the process kills itself, and is started again.
    Crash,
    /// The injected fault `latency`.
    Latency,
    /// The injected fault `intermittent`.
    Intermittent,
    /// The injected fault `incorrect`: a lie.
    Incorrect,
    /// The injected fault `freeze`: the process stops itself.
    Freeze,
    /// The injected fault `stale`: it stops consuming, and keeps answering.
    Stale,
    /// SIGKILL from outside; the supervisor starts the process again.
    Kill,
    /// SIGSTOP from outside, and SIGCONT at the end.
    Stop,
    /// The database takes no writes (SQLite), or no connections at all (PostgreSQL).
    DatabaseOutage,
    /// No byte is left for a replica's data directory.
    DiskFull,
    /// The wall clock of one process is off; the monotonic clock is not.
    ClockStep,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Crash,
        Self::Latency,
        Self::Intermittent,
        Self::Incorrect,
        Self::Freeze,
        Self::Stale,
        Self::Kill,
        Self::Stop,
        Self::DatabaseOutage,
        Self::DiskFull,
        Self::ClockStep,
    ];

    /// The kind of an injected fault.
    #[must_use]
    pub const fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Crash => Self::Crash,
            Fault::Latency { .. } => Self::Latency,
            Fault::Intermittent { .. } => Self::Intermittent,
            Fault::Incorrect { .. } => Self::Incorrect,
            Fault::Freeze => Self::Freeze,
            Fault::Stale => Self::Stale,
        }
    }

    /// Its name, as in the result.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Latency => "latency",
            Self::Intermittent => "intermittent",
            Self::Incorrect => "incorrect",
            Self::Freeze => "freeze",
            Self::Stale => "stale",
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::DatabaseOutage => "database_outage",
            Self::DiskFull => "disk_full",
            Self::ClockStep => "clock_step",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Faults of the injection interface, active from the same instant on.
    Faults(Vec<FaultSpec>),
    /// SIGKILL. It lasts until the process is up again.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Stop,
    /// The database does not do its work.
    DatabaseOutage,
    /// The replica's disk is full.
    DiskFull,
    /// The process's wall clock is off by so many milliseconds, backwards if negative.
    ClockStep {
        /// Milliseconds, from seconds to hours.
        ms: i64,
    },
}

impl Action {
    /// Its kinds: of injected faults one each, in their order, else one.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        match self {
            Self::Faults(faults) => faults.iter().map(|spec| Kind::of(&spec.fault)).collect(),
            Self::Kill => vec![Kind::Kill],
            Self::Stop => vec![Kind::Stop],
            Self::DatabaseOutage => vec![Kind::DatabaseOutage],
            Self::DiskFull => vec![Kind::DiskFull],
            Self::ClockStep { .. } => vec![Kind::ClockStep],
        }
    }

    /// Whether the replica that has it tells what is not so, or is no longer so, of its own accord: what "wrong" means is
    /// only defined while a minority does.
    #[must_use]
    pub fn lies(&self) -> bool {
        let lie = |spec: &FaultSpec| matches!(spec.fault, Fault::Incorrect { .. } | Fault::Stale);
        matches!(self, Self::Faults(faults) if faults.iter().any(lie))
    }
}

impl Action {
    /// Whether the process dies of it.
    #[must_use]
    pub fn kills(&self) -> bool {
        let crash = |spec: &FaultSpec| spec.fault == Fault::Crash;
        match self {
            Self::Kill => true,
            Self::Faults(faults) => faults.iter().any(crash),
            _ => false,
        }
    }

    /// Whether one target cannot have both at a time. A full disk and a clock that is off go with everything but another of
    /// the kind: processes die and come back under them.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let around = |action: &Self| matches!(action, Self::DiskFull | Self::ClockStep { .. });
        if around(self) || around(other) {
            return self.kinds() == other.kinds();
        }
        true
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => {
                for (n, spec) in faults.iter().enumerate() {
                    f.write_str(if n > 0 { " + " } else { "" })?;
                    f.write_str(&described(spec))?;
                }
                Ok(())
            }
            Self::ClockStep { ms } => write!(f, "clock_step {:+.1} s", *ms as f64 / 1e3),
            Self::Kill => f.write_str(Kind::Kill.name()),
            Self::Stop => f.write_str(Kind::Stop.name()),
            Self::DatabaseOutage => f.write_str(Kind::DatabaseOutage.name()),
            Self::DiskFull => f.write_str(Kind::DiskFull.name()),
        }
    }
}

/// An injected fault with its parameters, for people.
fn described(spec: &FaultSpec) -> String {
    let what = match &spec.fault {
        Fault::Latency { latency_ms: Some(ms) } => format!("latency {ms} ms"),
        Fault::Intermittent { probability } => format!("intermittent {probability}"),
        Fault::Incorrect { product } => format!("incorrect {product}"),
        other => other.name().to_owned(),
    };
    match spec.scope {
        Scope::All => what,
        Scope::Queries => format!("{what} (queries only)"),
        Scope::Health => format!("{what} (health only)"),
    }
}

/// What was really done, and for how long: the truth that verdicts are judged by. Of injected faults each has its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// To whom.
    pub target: Target,
    /// What.
    pub kind: Kind,
    /// The injected fault with its scope and parameters; none for what is done from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultSpec>,
    /// Since when, `CLOCK_MONOTONIC` in nanoseconds: the replica's own `activated_at` for injected faults, else the instant
    /// before it was done.
    pub from_ns: u64,
    /// Until when, same clock: the instant after it was undone; for `crash` and `kill` the instant at which the process was
    /// seen to be up (its `/health` says `UP`, the broker's port accepts connections), or was no longer waited for.
    pub to_ns: u64,
    /// Whether it was done at all. If not, `from_ns` and `to_ns` are when it was tried.
    pub applied: bool,
    /// Details for people: the process, the size of a step, why it could not be done.
    pub note: String,
}
