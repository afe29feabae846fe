//! One run of one seed.

use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep_until};
use tolerancia_wire::time::virtual_time;

use crate::event::Node;
use crate::queue::Ns;
use crate::world::{Counts, Violation, World};

/// The desk's clock goes on in steps of 10 ms: each costs as much as an event, and its shortest time-out is 250 ms.
const TIMER: Ns = 10_000_000;
/// How often the desk's tasks are let run after something was handed to them. In one turn tasks run that others wake too.
const TURNS: usize = 2;
/// Lines that tell of a violation at most.
const MOST_LINES: usize = 40;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Equal for equal runs.
    pub hash: u64,
    /// Virtual time that passed, in nanoseconds.
    pub virtual_ns: u64,
    /// Events that happened.
    pub events: u64,
    /// How often what happened.
    pub counts: Counts,
    /// What must not happen.
    pub violation: Option<Violation>,
    /// All that happened in words, or of a violation what matters; empty if nobody asked.
    pub lines: Vec<String>,
}

/// How much is told in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Nothing.
    None,
    /// What matters for a violation.
    OfViolation,
    /// All.
    All,
}

/// Runs a seed.
///
/// # Panics
/// When an assertion of the system or of the simulation fails; [`crate::hunt`] makes a violation of that.
#[must_use]
pub fn run(seed: u64, words: Words) -> Report {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    let (world, events) = runtime.block_on(live(seed, words != Words::None));
    virtual_time::set(None);
    let lines = match (&world.violation, words) {
        (_, Words::All) => world.trace.lines(),
        (Some(violation), Words::OfViolation) => {
            let mut subjects = violation.subjects.clone();
            subjects.push("VIOLATION".to_owned());
            subjects.push("FAULT".to_owned());
            world.trace.about(&subjects, MOST_LINES)
        }
        _ => Vec::new(),
    };
    Report {
        seed,
        hash: world.trace.hash(),
        virtual_ns: world.now,
        events,
        counts: world.counts,
        violation: world.violation,
        lines,
    }
}

async fn live(seed: u64, verbose: bool) -> (World, u64) {
    let mut world = World::new(seed, verbose);
    let start = Instant::now();
    // What the desk's clock shows: to ask it costs as much as an event.
    let mut shown: Ns = 0;
    let mut events = 0;
    while !world.over && world.violation.is_none() {
        let Some(at) = world.queue.next_at() else { break };
        let due = at / TIMER * TIMER;
        if due > shown {
            // The desk's own timers come first, if any are due before.
            world.set_clock(Node::Orders);
            sleep_until(start + Duration::from_nanos(due)).await;
            shown = due;
            world.now = world.now.max(shown);
            world.hear_desk();
            // What they did may come before what was next.
            continue;
        }
        let Some((at, event)) = world.queue.pop() else { break };
        world.now = world.now.max(at);
        events += 1;
        world.handle(event);
        if std::mem::take(&mut world.orders.poked) {
            world.set_clock(Node::Orders);
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            world.hear_desk();
        }
    }
    (world, events)
}
