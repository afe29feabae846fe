//! The five topics.

use std::time::Duration;

/// The only source of state: reserve, release, restock. Key: the product.
pub const ORDER_EVENTS: &str = "order-events";
/// What each replica made of each event. Key: the order or the product.
pub const INVENTORY_RESULTS: &str = "inventory-results";
/// Evidence about replicas, and records that could not be read. Key: the reporter.
pub const ERROR_QUEUE: &str = "error-queue";
/// The monitor's verdict on each instance, compacted. Key: `service/instance`.
pub const INSTANCE_STATUS: &str = "instance-status";
/// How each process answered its requests, second by second, on its way to the database. Key: the process.
pub const REQUEST_METRICS: &str = "request-metrics";

/// How long a topic's records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The newest one of each key, for ever.
    NewestOfKey,
    /// All of them, for ever.
    Forever,
    /// Each for this time at least.
    For(Duration),
}

/// How a topic is created when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether its partition count is the configured one; otherwise it has one partition.
    pub partitioned: bool,
    /// How long its records are kept.
    pub keep: Keep,
}

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Evidence and outcomes are of no use after a week.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// All topics.
pub const ALL: [TopicSpec; 5] = [
    TopicSpec {
        name: ORDER_EVENTS,
        partitioned: true,
        keep: Keep::Forever,
    },
    TopicSpec {
        name: INVENTORY_RESULTS,
        partitioned: true,
        keep: Keep::For(WEEK),
    },
    TopicSpec {
        name: ERROR_QUEUE,
        partitioned: false,
        keep: Keep::For(WEEK),
    },
    TopicSpec {
        name: INSTANCE_STATUS,
        partitioned: false,
        keep: Keep::NewestOfKey,
    },
    TopicSpec {
        name: REQUEST_METRICS,
        partitioned: false,
        // Read at once or never: the history is in the database.
        keep: Keep::For(HOUR),
    },
];
