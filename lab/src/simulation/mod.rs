//! `tolerancia simulate`: ten thousand trials of a fault in the time of one.
//!
//! A discrete-event simulation (Law, "Simulation Modeling and Analysis", 5th edition, 2015, chapter 1) of the monitor,
//! the voter and the replicas on a virtual clock. It runs the live rules (`tolerancia_core`: panel, checks, late
//! bound, pacing of reports, detectors) and models only what is around them: how long answers and reports take, when
//! clients ask, and what a fault does. With a recorded trace the model is compared with the live system, and the
//! recorded health is judged by every detector.
//!
//! | module | job |
//! | --- | --- |
//! | `args`, `run` | the command |
//! | `model` | what is simulated, in numbers |
//! | `world`, `voter`, `replica`, `queue`, `dice` | one trial |
//! | `trials` | many of them, and what they look like |
//! | `healthy`, `count` | false alarms in years of health |
//! | `curve` | what a threshold costs |
//! | `trace` | comparison with the live system |
//! | `table`, `files`, `plot` | output |
//!
//! Left out of the model, on purpose: orders, the voter's votes on the whole inventory (one a second), the replica's
//! restart after a crash, the time that a verdict takes to reach the voter, and stalls of the monitor and the voter
//! themselves.

mod args;
mod count;
mod curve;
mod dice;
mod files;
mod healthy;
mod model;
mod plot;
mod queue;
mod replica;
mod run;
mod table;
mod trace;
mod trials;
mod voter;
mod world;

pub use args::SimulateArgs;
pub use run::{SimulateError, run};
