//! The network: how long a message takes, and whether it arrives.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::config::MS;
use crate::event::Node;
use crate::queue::Ns;

/// What is wrong with the network now, and the processes behind it.
#[derive(Debug, Default)]
pub struct Net {
    /// Pairs between which nothing passes.
    pub cuts: Vec<(Node, Node)>,
    /// Share of messages that get lost.
    pub loss: f64,
    /// What messages take longer at most.
    pub delay: Ns,
    /// Share of messages that take up to 15 ms, fault or no fault.
    pub tail: f64,
    /// The log answers nobody.
    pub outage: bool,
}

impl Net {
    /// Whether anything can pass between the two.
    #[must_use]
    pub fn reaches(&self, a: Node, b: Node) -> bool {
        if self.outage && (a == Node::Log || b == Node::Log) {
            return false;
        }
        !self.cuts.iter().any(|cut| *cut == (a, b) || *cut == (b, a))
    }

    /// How long a message takes that nobody loses: between processes and the log, which repeat it.
    pub fn latency(&self, rng: &mut ChaCha8Rng) -> Ns {
        let base = rng.random_range(100_000..1_500_000);
        let tail = if self.tail > 0.0 && rng.random_bool(self.tail) {
            rng.random_range(0..14 * MS)
        } else {
            0
        };
        let delay = if self.delay > 0 {
            rng.random_range(0..self.delay)
        } else {
            0
        };
        base + tail + delay
    }

    /// How long a message from one to the other takes; none if it gets lost.
    pub fn send(&self, rng: &mut ChaCha8Rng, from: Node, to: Node) -> Option<Ns> {
        if !self.reaches(from, to) || (self.loss > 0.0 && rng.random_bool(self.loss)) {
            return None;
        }
        Some(self.latency(rng))
    }
}
