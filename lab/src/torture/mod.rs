//! `torture`: random faults of every kind on every process under random load, and then the judgement.
//!
//! | module | job |
//! | --- | --- |
//! | [`action`] | what can be done to whom, and what was done |
//! | [`schedule`] | what is done when: pure, from a seed |
//! | [`driver`] | does it, and writes down what really happened |
//! | [`clients`] | random requests, and what was answered: the [`history`] |
//! | [`gather`] | everything that is judged by, in the end: the [`evidence`] |
//! | [`model`] | what the log means, said once more |
//! | [`checks`] | what must hold, one rule each |
//! | [`shortest`] | the few lines that show a violation |
//! | [`report`] | the result, for people and for programs |

pub mod action;
mod args;
pub mod checks;
pub mod clients;
pub mod driver;
pub mod evidence;
pub mod gather;
pub mod history;
pub mod model;
pub mod report;
mod run;
pub mod schedule;
pub mod shortest;
mod stall;

pub use action::{Action, Kind, Target, Window};
pub use args::TortureArgs;
pub use driver::{Clocks, Database, Driver, Hands, LeftOut, Proxy};
pub use run::{TortureOutcome, run};
pub use schedule::{Planned, Schedule, Topology};

use std::path::PathBuf;

use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;

/// The catalogue of the system under torture, as `CATALOGUE` says it. The schedule knows its products.
const CATALOGUE: [(&str, u32); 3] = [("PROD-001", 1000), ("PROD-002", 500), ("PROD-003", 750)];

/// The value of `CATALOGUE` that a system under torture has to be started with.
#[must_use]
pub fn catalogue() -> String {
    CATALOGUE.map(|(product, units)| format!("{product}={units}")).join(",")
}

/// The system under torture: where it is, not what it does.
#[derive(Debug, Clone)]
pub struct System {
    /// The voter's address.
    pub voter_url: String,
    /// The address of orders.
    pub orders_url: String,
    /// The monitor's address.
    pub monitor_url: String,
    /// The replicas' addresses, in the order of their ids.
    pub inventory_urls: Vec<String>,
    /// How to reach Kafka.
    pub bus: BusConfig,
    /// `external` or `embedded`.
    pub kafka: &'static str,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// What `/fault` asks for.
    pub fault_token: Option<String>,
    /// The data directory, in which the supervisor keeps the list of its processes.
    pub data_dir: PathBuf,
}

impl System {
    /// How many replicas it has.
    #[must_use]
    pub fn replicas(&self) -> u8 {
        u8::try_from(self.inventory_urls.len()).unwrap_or(u8::MAX)
    }

    /// The address of a replica.
    ///
    /// # Panics
    /// If the system has no such replica.
    #[must_use]
    pub fn inventory_url(&self, id: ReplicaId) -> &str {
        &self.inventory_urls[id.index()]
    }
}
