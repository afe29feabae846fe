//! Cards that say what is done, shuffled: chance decides on the order, not on how often.

use std::ops::Range;

use rand::Rng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::{Fault, FaultSpec, Scope};

use super::Topology;
use crate::torture::action::{Action, Target};

/// Latencies, milliseconds. Below 200 ms nobody calls an answer late; the others show.
const LATENCY_MS: [u64; 6] = [30, 250, 400, 700, 1_200, 2_500];
/// How often answers are errors.
const PROBABILITY: [f64; 4] = [0.3, 0.5, 0.8, 1.0];
/// How far a clock is off, milliseconds.
const STEP_MS: [i64; 8] = [1_500, 5_000, 30_000, 90_000, 600_000, 3_600_000, 7_200_000, 43_200_000];
/// Processes besides the replicas.
const OTHERS: [Target; 4] = [Target::Monitor, Target::Voter, Target::Orders, Target::Broker];

/// One kind of action, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Card {
    Crash,
    Freeze,
    Latency,
    Intermittent,
    /// One of the two, of queries or health answers only.
    Gray,
    Incorrect,
    Stale,
    Pair,
    KillReplica,
    KillOther(usize),
    StopReplica,
    StopOther(usize),
    DatabaseOutage,
    DiskFull,
    ClockOfReplica,
    ClockOfOther,
}

impl Card {
    /// What a single replica can have, and is detected by.
    pub(super) const OF_REPLICAS: &'static [Self] = &[
        Self::Crash,
        Self::Freeze,
        Self::Latency,
        Self::Intermittent,
        Self::Gray,
        Self::Incorrect,
        Self::Stale,
        Self::Pair,
        Self::StopReplica,
        Self::KillReplica,
    ];

    /// Everything.
    pub(super) const ALL: &'static [Self] = &[
        Self::Crash,
        Self::Freeze,
        Self::Latency,
        Self::Intermittent,
        Self::Gray,
        Self::Gray,
        Self::Incorrect,
        Self::Incorrect,
        Self::Stale,
        Self::Stale,
        Self::Pair,
        Self::Pair,
        Self::KillReplica,
        Self::KillReplica,
        Self::KillOther(0),
        Self::KillOther(1),
        Self::KillOther(2),
        Self::KillOther(3),
        Self::StopReplica,
        Self::StopReplica,
        Self::StopOther(0),
        Self::StopOther(1),
        Self::StopOther(2),
        Self::StopOther(3),
        Self::DatabaseOutage,
        Self::DiskFull,
        Self::ClockOfReplica,
        Self::ClockOfOther,
    ];

    /// How long it lasts in the rough part, milliseconds.
    pub(super) const fn lasts_ms(self) -> Range<u64> {
        match self {
            Self::Crash | Self::KillReplica | Self::KillOther(_) => 1_000..1_500,
            Self::StopOther(_) => 500..5_000,
            Self::DatabaseOutage | Self::DiskFull => 2_000..9_000,
            Self::ClockOfReplica | Self::ClockOfOther => 3_000..12_000,
            _ => 800..7_000,
        }
    }

    /// Whom it hits, and how.
    pub(super) fn play(self, rng: &mut ChaCha8Rng, topology: &Topology) -> (Target, Action) {
        let replica = pick(
            rng,
            &ReplicaId::all(topology.replicas)
                .map(Target::Replica)
                .collect::<Vec<_>>(),
        );
        let whole = |fault| one(fault, Scope::All);
        match self {
            Self::Crash => (replica, whole(Fault::Crash)),
            Self::Freeze => (replica, whole(Fault::Freeze)),
            Self::Latency => (replica, whole(latency(rng))),
            Self::Intermittent => (replica, whole(intermittent(rng))),
            Self::Gray => {
                let fault = if rng.random() { latency(rng) } else { intermittent(rng) };
                (replica, one(fault, pick(rng, &[Scope::Queries, Scope::Health])))
            }
            Self::Incorrect => (replica, whole(incorrect(rng, topology))),
            Self::Stale => (replica, whole(Fault::Stale)),
            Self::Pair => (replica, pair(rng, topology)),
            Self::KillReplica => (replica, Action::Kill),
            Self::KillOther(which) => (OTHERS[which], Action::Kill),
            Self::StopReplica => (replica, Action::Stop),
            Self::StopOther(which) => (OTHERS[which], Action::Stop),
            Self::DatabaseOutage => (Target::Database, Action::DatabaseOutage),
            Self::DiskFull => (replica, Action::DiskFull),
            Self::ClockOfReplica => (replica, step(rng)),
            Self::ClockOfOther => (pick(rng, &OTHERS), step(rng)),
        }
    }
}

fn one(fault: Fault, scope: Scope) -> Action {
    Action::Faults(vec![FaultSpec { fault, scope }])
}

/// Two different faults at once.
fn pair(rng: &mut ChaCha8Rng, topology: &Topology) -> Action {
    let mut faults = vec![latency(rng), intermittent(rng), incorrect(rng, topology), Fault::Stale];
    faults.shuffle(rng);
    faults.truncate(2);
    let spec = |fault| FaultSpec {
        fault,
        scope: Scope::All,
    };
    Action::Faults(faults.into_iter().map(spec).collect())
}

fn latency(rng: &mut ChaCha8Rng) -> Fault {
    let ms = pick(rng, &LATENCY_MS);
    Fault::Latency { latency_ms: Some(ms) }
}

fn intermittent(rng: &mut ChaCha8Rng) -> Fault {
    let probability = pick(rng, &PROBABILITY);
    Fault::Intermittent { probability }
}

fn incorrect(rng: &mut ChaCha8Rng, topology: &Topology) -> Fault {
    let product = pick(rng, &topology.products);
    Fault::Incorrect { product }
}

fn step(rng: &mut ChaCha8Rng) -> Action {
    let ms = pick(rng, &STEP_MS);
    let ms = if rng.random() { ms } else { -ms };
    Action::ClockStep { ms }
}

/// With fewer cards left than so many, a new set comes on top.
const FEW: usize = 4;

/// Any of them.
fn pick<T: Clone>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    from.choose(rng).cloned().expect("there is something to choose from")
}

/// Cards, set after set.
pub(super) struct Deck {
    all: &'static [Card],
    left: Vec<Card>,
}

impl Deck {
    pub(super) const fn new(all: &'static [Card]) -> Self {
        Self { all, left: Vec::new() }
    }

    pub(super) fn draw(&mut self, rng: &mut ChaCha8Rng) -> Card {
        // Some of the last may be there because they did not fit: others come before them.
        if self.left.len() < FEW {
            let mut fresh = self.all.to_vec();
            fresh.shuffle(rng);
            std::mem::swap(&mut self.left, &mut fresh);
            self.left.splice(0..0, fresh);
        }
        self.left.pop().expect("a deck has cards")
    }

    /// Below the others: it is drawn again after them.
    pub(super) fn put_back(&mut self, card: Card) {
        self.left.insert(0, card);
    }
}
