//! What the monitor and the voter tell a live view: the events of `GET /live`, a stream of server-sent events.
//!
//! The stream of one service begins with its [`Hello`]; then comes what is known already, as events like those to come;
//! then what happens. Who connects again with `Last-Event-ID` gets the numbered events after it, and of the others the
//! newest. Nothing here takes part in detection: who reads the streams cannot change a verdict or a vote.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tolerancia_core::detector::DetectorKind;
use tolerancia_core::{ProductId, ReplicaId, Stock};

use crate::activation::Activation;
use crate::health::HealthState;
use crate::inventory::Said;
use crate::status::{SystemStatus, Transition};

/// Seconds that both services remember for those who come later: five minutes.
pub const KEPT_SECONDS: usize = 300;
/// Disagreements that the voter remembers.
pub const KEPT_DISAGREEMENTS: usize = 50;

/// The first event of both streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `monitor-svc` or `voter-svc`.
    pub service: String,
    /// Version of the program.
    pub version: String,
    /// Its process: another one has been started anew, and its counts begin at nothing.
    pub pid: u32,
}

/// An event of the monitor's stream. On the wire the variant's name is the event's `event`, the rest its `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum MonitorEvent {
    /// Who speaks; first of all.
    Hello(Hello),
    /// All verdicts; after [`Hello`], and when the detector was changed.
    Status(SystemStatus),
    /// A verdict or a phase changed. The only event with an `id`, its `seq`: what was missed is sent again.
    Transition(Transition),
    /// What the audit found out about an earlier transition.
    Times(Times),
    /// How suspicious the instances are; five times a second.
    Suspicion(Suspicion),
    /// What the health checks tell of the instances; once a second.
    Replicas(Vec<ReplicaView>),
    /// Requests that the services answered, by service and second; at most twice a second. A row takes the place of an
    /// earlier one about the same service and second.
    Requests(Vec<RequestsSecond>),
    /// A fault as an injector reported it. One with the same instance, fault and `activated_at` takes the place of an
    /// earlier one.
    Fault(Activation),
}

/// How long the detection and the recovery took that an entry of the audit is about. Both take the place of what was
/// known of that entry before; one that is absent is not known, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The transition to OFF.
    pub seq: u64,
    /// Milliseconds from the activation of the fault to OFF; absent: not known (any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttd_ms: Option<f64>,
    /// Milliseconds from the activation of the fault to ON again; absent: not known (any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttr_ms: Option<f64>,
}

/// How suspicious the instances are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspicion {
    /// When.
    #[serde(with = "crate::time::micros")]
    pub at: Timestamp,
    /// The detector in use.
    pub detector: DetectorKind,
    /// The level at which it turns an instance OFF, in its own unit: nats for `accrual`, misses for `consecutive`, ϕ for
    /// `phi`, the share of misses for `window`.
    pub threshold: f64,
    /// The level of each instance, in the order of their numbers, in the same unit; the highest since the last event.
    pub levels: Vec<f64>,
}

/// What the last health answer of an instance told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaView {
    /// The replica.
    pub instance: ReplicaId,
    /// What it said of itself; null while it does not answer.
    pub health: Option<HealthState>,
    /// Its process, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Events of `order-events` that it has applied in all, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
    /// How many events it was behind the position that a quorum was known to have reached when it was asked; while it
    /// does not answer, how many its last position is behind the newest such. When known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// How long its last check took, milliseconds; null while it does not answer.
    pub check_ms: Option<f64>,
}

/// The requests of clients that one service answered within one second, all its instances together. Only what clients
/// ask for counts: stock and orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsSecond {
    /// The second in which they were answered, Unix time.
    pub second: i64,
    /// `orders-svc`, `voter-svc`, `inventory-svc`.
    pub service: String,
    /// All of them.
    pub count: u64,
    /// Those answered with 5xx.
    pub failed: u64,
    /// Median time to the answer's head, microseconds. This and the following are exact to two digits.
    pub p50_us: u64,
    /// 95th percentile, microseconds.
    pub p95_us: u64,
    /// 99th percentile, microseconds.
    pub p99_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
}

/// An event of the voter's stream. On the wire the variant's name is the event's `event`, the rest its `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum VoterEvent {
    /// Who speaks; first of all.
    Hello(Hello),
    /// How the votes of one second ended; once a second. The only event with an `id`, its second: what was missed is
    /// sent again.
    Votes(VotesSecond),
    /// A vote in which not all replicas said the same. One with the same `id` takes the place of an earlier one.
    Disagreement(Disagreement),
}

/// How the votes of one second ended, those of clients and those of the scrub, by when all replies were judged. A vote may
/// be counted as dissenting, stale and missing at once: there are several replicas. A vote about all products is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VotesSecond {
    /// Unix time.
    pub second: i64,
    /// Votes of clients.
    pub clients: u64,
    /// Votes of the scrub.
    pub scrubs: u64,
    /// Votes in which all configured replicas agreed in the end.
    pub agreed: u64,
    /// Votes in which at least one replica was proven to lie.
    pub dissenting: u64,
    /// Votes in which at least one replica lagged until the end.
    pub stale: u64,
    /// Votes in which at least one replica gave no valid answer within the voting timeout, or was not asked because it is
    /// OFF; also those whose late replies nobody waited for because too many votes were waiting.
    pub missing: u64,
    /// Votes without a quorum.
    pub no_quorum: u64,
}

/// What a reply of one replica amounted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It confirms what was decided.
    Agrees,
    /// It says something newer that nobody else has reached yet.
    Ahead,
    /// It is older than what was decided: lag, not a lie.
    Stale,
    /// It contradicts what was decided: a proven lie.
    Dissents,
    /// There was no valid answer in time.
    Missing,
    /// It is OFF and was not asked.
    NotAsked,
    /// Nothing was decided, so nothing can be said.
    Undecided,
}

/// One replica's part in a [`Disagreement`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// What it said.
    #[serde(flatten)]
    pub said: Said,
    /// What that amounts to.
    pub standing: Standing,
}

/// A vote in which a replica lied or lagged, or which no quorum decided. Those that are alike, about the same product,
/// with the same standings and all with or all without a quorum, are told as one, at most once a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Strictly increases within one process; begins at 1.
    pub id: u64,
    /// When the first of them ended.
    #[serde(with = "crate::time::micros")]
    pub first: Timestamp,
    /// When the last of them ended.
    #[serde(with = "crate::time::micros")]
    pub last: Timestamp,
    /// How many votes.
    pub count: u64,
    /// The product; null for a vote about all of them, unless exactly one differs.
    pub product: Option<ProductId>,
    /// No quorum decided everything that was voted on: the client went without an answer, or, if it asked for all
    /// products, without one on some of them.
    pub no_quorum: bool,
    /// The version that was decided in the last of them, if one was and the product exists.
    pub version: Option<u64>,
    /// Its stock.
    pub stock: Option<Stock>,
    /// What each replica said in the last of them, in the order of their numbers.
    pub voices: Vec<Voice>,
}
