//! The four topics.

/// The only source of state: reserve, release, restock. Key: the product.
pub const ORDER_EVENTS: &str = "order-events";
/// What each replica made of each event. Key: the order or the product.
pub const INVENTORY_RESULTS: &str = "inventory-results";
/// Evidence about replicas, and records that could not be read. Key: the reporter.
pub const ERROR_QUEUE: &str = "error-queue";
/// The monitor's verdict on each instance, compacted. Key: `service/instance`.
pub const INSTANCE_STATUS: &str = "instance-status";

/// How a topic is created when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether its partition count is the configured one; otherwise it has one partition.
    pub partitioned: bool,
    /// Whether only the newest record of each key is kept.
    pub compacted: bool,
    /// Whether nothing is ever deleted by age.
    pub forever: bool,
}

/// All topics.
pub const ALL: [TopicSpec; 4] = [
    TopicSpec {
        name: ORDER_EVENTS,
        partitioned: true,
        compacted: false,
        forever: true,
    },
    TopicSpec {
        name: INVENTORY_RESULTS,
        partitioned: true,
        compacted: false,
        forever: false,
    },
    TopicSpec {
        name: ERROR_QUEUE,
        partitioned: false,
        compacted: false,
        forever: false,
    },
    TopicSpec {
        name: INSTANCE_STATUS,
        partitioned: false,
        compacted: true,
        forever: true,
    },
];
