//! The whole system as real processes, as its users run it.
//!
//! Every test has its own ports and its own data directory. Tests that run a system take turns: two systems on a
//! small machine would be late to each other, and lateness is what the system is about.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod audit;
mod dashboard;
mod detection;
mod disk_full;
mod faults;
mod folder;
mod guide;
mod harness;
mod input;
mod kills;
mod lag;
mod limits;
mod metrics;
mod outside;
mod parameters;
mod recovery;
mod security;
mod signals;
mod torture;
