//! What is done when: pure, from a seed. The same seed, length and number of replicas give the same schedule on every host;
//! what a host cannot do is left out when it is carried out.
//!
//! The time is cut into cycles of about 40 s. Each has a *gentle* part, in which one replica at a time has a fault for a few
//! seconds, so that its detection can be judged; a *rough* one, in which anything happens to anybody, several at a time, a
//! majority included; and a pause in which all heals. Before the first there are 3 s for the clients to get going, and the
//! last 20 s, or the last third of a run below 60 s, are free of faults.
//!
//! The cards of a deck say what is done: all kinds come up equally often, in random order.
//!
//! What "wrong" means is defined only while at most f of 2f+1 replicas lie: that many at most are `incorrect` or `stale` at a
//! time, and 2 s after. Everything else may hit everyone.

mod deck;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::ser::SerializeStruct as _;
use tolerancia_core::{ProductId, quorum};

use super::action::{Action, Target};
use deck::{Card, Deck};

/// Before the first fault, milliseconds: clients get going.
const HEAD_MS: u64 = 3_000;
/// Without faults at the end, milliseconds; a third of a run that is shorter than three times this.
const TAIL_MS: u64 = 20_000;
/// A cycle is about so long, milliseconds.
const CYCLE_MS: u64 = 40_000;
/// How much of a cycle is gentle, and how much rough, in percent. The rest is the pause.
const GENTLE_PERCENT: u64 = 40;
const ROUGH_PERCENT: u64 = 35;
/// Between two faults of the gentle part, milliseconds: what was seen of the first is judged by then.
const BETWEEN_MS: std::ops::Range<u64> = 1_200..2_500;
/// How long one of the gentle part lasts, milliseconds.
const GENTLE_MS: std::ops::Range<u64> = 3_000..6_000;
/// Between the beginnings of two actions of the rough part, milliseconds.
const APART_MS: std::ops::Range<u64> = 300..1_600;
/// Nothing lasts less, milliseconds.
const LEAST_MS: u64 = 400;
/// A process that was killed is left alone for so long, milliseconds: the supervisor waits longer before it starts one again
/// that dies often.
const AFTER_DEATH_MS: u64 = 6_000;
/// After a lie nobody else begins to lie for so long, milliseconds: whoever was stale has to catch up.
const AFTER_LIE_MS: u64 = 2_000;

/// What there is to hit.
#[derive(Debug, Clone)]
pub struct Topology {
    /// 3, 5 or 7.
    pub replicas: u8,
    /// What can be lied about; at least one.
    pub products: Vec<ProductId>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// When, after the beginning.
    pub at: Duration,
    /// To whom.
    pub target: Target,
    /// What.
    pub action: Action,
    /// For how long. A death lasts as long as it takes until the process is back.
    pub lasts: Duration,
}

/// All there is to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The seed that it came from.
    pub seed: u64,
    /// How long the run is, the quiet end included.
    pub length: Duration,
    /// In the order of their beginnings.
    pub planned: Vec<Planned>,
}

impl Schedule {
    /// The schedule of this seed, for a run of so many seconds.
    #[must_use]
    pub fn new(seed: u64, seconds: u32, topology: &Topology) -> Self {
        let length = u64::from(seconds) * 1_000;
        let tail = TAIL_MS.min(length / 3);
        let stretch = length.saturating_sub(HEAD_MS + tail);
        let cycles = (stretch / CYCLE_MS).max(1);
        let cycle = stretch / cycles;
        let mut plan = Plan {
            rng: ChaCha8Rng::seed_from_u64(seed),
            topology,
            most_liars: usize::from(topology.replicas) - quorum(usize::from(topology.replicas)),
            gentle: Deck::new(Card::OF_REPLICAS),
            rough: Deck::new(Card::ALL),
            planned: Vec::new(),
        };
        for number in 0..cycles {
            let from = HEAD_MS + number * cycle;
            let middle = from + cycle * GENTLE_PERCENT / 100;
            plan.gentle_part(from, middle.saturating_sub(BETWEEN_MS.start));
            plan.rough_part(middle, middle + cycle * ROUGH_PERCENT / 100);
        }
        let mut planned = plan.planned;
        planned.sort_by_key(|one| one.at);
        Self {
            seed,
            length: Duration::from_millis(length),
            planned,
        }
    }
}

/// A schedule in the making.
struct Plan<'a> {
    rng: ChaCha8Rng,
    topology: &'a Topology,
    most_liars: usize,
    gentle: Deck,
    rough: Deck,
    planned: Vec<Planned>,
}

impl Plan<'_> {
    /// One replica after the other.
    fn gentle_part(&mut self, from: u64, to: u64) {
        let mut at = from;
        loop {
            let lasts = self.rng.random_range(GENTLE_MS);
            if at + lasts > to {
                return;
            }
            let card = self.gentle.draw(&mut self.rng);
            let (target, action) = card.play(&mut self.rng, self.topology);
            self.add(at, target, action, lasts);
            at += lasts + self.rng.random_range(BETWEEN_MS);
        }
    }

    /// Anything.
    fn rough_part(&mut self, from: u64, to: u64) {
        let mut at = from + self.rng.random_range(APART_MS);
        while at + LEAST_MS <= to {
            // What does not fit now comes later.
            for _ in 0..Card::ALL.len() {
                let card = self.rough.draw(&mut self.rng);
                let (target, action) = card.play(&mut self.rng, self.topology);
                let lasts = self.rng.random_range(card.lasts_ms()).min(to - at).max(LEAST_MS);
                if self.fits(at, lasts, target, &action) {
                    self.add(at, target, action, lasts);
                    break;
                }
                self.rough.put_back(card);
            }
            at += self.rng.random_range(APART_MS);
        }
    }

    fn add(&mut self, at: u64, target: Target, action: Action, lasts: u64) {
        self.planned.push(Planned {
            at: Duration::from_millis(at),
            target,
            action,
            lasts: Duration::from_millis(lasts),
        });
    }

    /// Whether nothing of the sort goes on with the same target, and no more lie than may.
    fn fits(&self, at: u64, lasts: u64, target: Target, action: &Action) -> bool {
        let meets = |one: &Planned, grace: u64| {
            let (from, to) = one.span_ms();
            at < to + grace && from < at + lasts + grace
        };
        let free = |one: &Planned| {
            let grace = if one.is_death() { AFTER_DEATH_MS } else { LEAST_MS };
            one.target != target || !one.action.excludes(action) || !meets(one, grace)
        };
        let liars = self
            .planned
            .iter()
            .filter(|one| one.action.lies() && meets(one, AFTER_LIE_MS));
        self.planned.iter().all(free) && (!action.lies() || liars.count() < self.most_liars)
    }
}

impl Planned {
    /// From when to when, milliseconds.
    fn span_ms(&self) -> (u64, u64) {
        let from = u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX);
        (
            from,
            from.saturating_add(u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    fn is_death(&self) -> bool {
        self.action.kills()
    }
}

/// A line for people.
impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_secs_f64(), self.lasts.as_secs_f64());
        write!(
            f,
            "{at:8.3} s  {:<16} {} for {lasts:.3} s",
            self.target.to_string(),
            self.action
        )
    }
}

impl serde::Serialize for Planned {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut planned = serializer.serialize_struct("Planned", 5)?;
        planned.serialize_field("at_s", &self.at.as_secs_f64())?;
        planned.serialize_field("target", &self.target)?;
        planned.serialize_field("kinds", &self.action.kinds())?;
        planned.serialize_field("action", &self.action.to_string())?;
        planned.serialize_field("lasts_s", &self.lasts.as_secs_f64())?;
        planned.end()
    }
}
