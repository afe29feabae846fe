//! The rules of tolerancia, as pure code.
//!
//! Nothing in this crate performs I/O, reads a clock or draws a random number: time and randomness
//! come in as arguments. The services, the simulator and the tests therefore run the very same rules.
//!
//! | module | rule |
//! | --- | --- |
//! | [`ledger`] | the replicated state machine that every inventory replica applies |
//! | [`ballot`] | the majority vote over versioned replies |
//! | [`ahead`] | claims of versions that nobody else has reached yet: lag or lie? |
//! | [`tally`] | the outcome that a quorum of replicas reported for one order |
//! | [`detector`] | evidence in, suspicion out |
//! | [`checks`] | when to check an instance's health, and when an unanswered check counts |
//! | [`clocks`] | when, by one's own clock, others made what they sent |
//! | [`lateness`] | how long an answer may take before it counts as late |
//! | [`pacing`] | when a reporter sends what it has found out |
//! | [`staleness`] | which replicas stay behind the quorum for too long |
//! | [`lifecycle`] | ON, OFF, quarantine, probation |
//! | [`panel`] | all evidence about all instances in, verdicts out |
//! | [`fault`] | what can be injected, and what it does |
//! | [`planted`] | bugs that are planted on purpose, to show that checks can fail |

pub mod ahead;
pub mod ballot;
pub mod checks;
pub mod clocks;
pub mod detector;
pub mod fault;
pub mod id;
pub mod lateness;
pub mod ledger;
pub mod lifecycle;
pub mod pacing;
pub mod panel;
pub mod planted;
pub mod staleness;
pub mod tally;
pub mod whole;

pub use id::{OrderId, ProductId, ReplicaId};
pub use ledger::Stock;

/// The smallest majority of `replicas` configured replicas (2 of 3, 3 of 5, 4 of 7).
#[must_use]
pub const fn quorum(replicas: usize) -> usize {
    replicas / 2 + 1
}
