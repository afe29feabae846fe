//! Deterministic simulation of the whole system: orders, replicas, voter, monitor and clients over a simulated log and
//! network, in virtual time, from one seed.
//!
//! The rules are the real ones: everything of `tolerancia-core`, and of the services what works without I/O. Only the
//! I/O is modelled. What that leaves out is said in each module:
//!
//! | module | what it runs | what it models |
//! | --- | --- | --- |
//! | [`replica`] | inventory-svc's replica and view | engine, outbox, saver, disk |
//! | [`orders`] | orders-svc's desk, book, outcomes, witness, undo, archive | producer, consumer, restart |
//! | [`voter`] | voter-svc's round, book, late bounds; core's claims and pacing | connections, scrub, reporter |
//! | [`monitor`] | core's panel, checks, lifecycle | checker, judge, restart |
//! | [`clients`] | | requests, retries, cancels, reads of own writes |
//! | [`log`], [`net`], [`store`], [`faults`] | | the log, the network, the database, what goes wrong |
//! | [`model`], [`checks`] | | what is true, and what must hold |
//!
//! The same seed gives the same run, to the last event. A violation names its seed; the run is then told in words.

pub mod checks;
pub mod clients;
pub mod config;
mod disk;
pub mod event;
pub mod faults;
pub mod hunt;
mod lies;
pub mod log;
pub mod model;
pub mod monitor;
pub mod net;
pub mod orders;
mod producer;
pub mod queue;
pub mod replica;
pub mod run;
pub mod store;
pub mod trace;
pub mod voter;
pub mod world;
