//! What crosses a process border: topics, the records on them, and the bodies of HTTP requests and
//! answers. Every service and the laboratory speak through these types only.
//!
//! Nothing here says whether a fault is injected, except [`fault`], which only the operator's commands
//! and the replica's own fault layer read, [`activation`], which only the monitor's audit reads, the lines of
//! [`trace`] that the experiment adds after a trial, and [`live`], which hands the audit's reports on to people.

pub mod activation;
pub mod denial;
pub mod evidence;
pub mod fault;
pub mod health;
pub mod inventory;
pub mod live;
pub mod metrics;
pub mod order;
pub mod partition;
pub mod problem;
pub mod record;
pub mod status;
pub mod time;
pub mod topic;
pub mod trace;

pub use problem::Problem;
pub use record::Record;
pub use time::Stamp;
pub use tolerancia_core as core;
