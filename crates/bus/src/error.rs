//! What can go wrong, and what to do about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// `Result` with a [`BusError`].
pub type Result<T, E = BusError> = std::result::Result<T, E>;

/// A failure on the way to or from the brokers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// A property that librdkafka does not accept.
    #[error("the Kafka settings are not usable ({0}): correct the bootstrap servers or the extra properties")]
    Config(KafkaError),
    /// No broker answered in time.
    #[error(
        "no Kafka broker answers at {bootstrap} ({last}): start the broker, or point KAFKA_BOOTSTRAP_SERVERS at a running one; TLS and passwords are a matter of KAFKA_PROP_…"
    )]
    Unreachable {
        /// Where it was looked for.
        bootstrap: String,
        /// The last failure.
        last: String,
    },
    /// The topic does not exist.
    #[error("the topic {0} does not exist: create the topics first")]
    UnknownTopic(String),
    /// A topic could not be created.
    #[error("the topic {topic} cannot be created ({code}): create it by hand or allow this client to")]
    CreateTopic {
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
    },
    /// A topic that must keep everything is compacted.
    #[error(
        "the topic {0} is compacted, so events are missing in it: it must have cleanup.policy=delete, retention.ms=-1 and retention.bytes=-1; begin with new topics"
    )]
    Forgetful(String),
    /// Too many records wait for the brokers; this one was not taken.
    #[error("the producer's queue is full: the brokers do not keep up, try again later")]
    QueueFull,
    /// The record was not taken, for another reason than a full queue. It is not in the log.
    #[error("the record was not sent ({0})")]
    NotSent(KafkaError),
    /// The brokers did not acknowledge the record. It may be in the log all the same.
    #[error("the record was not acknowledged ({0}): it may or may not be in the log")]
    NotAcknowledged(KafkaError),
    /// The log does not have the position that was asked for.
    #[error(
        "{topic}/{partition} has no offset {position}, it ends at {end}: the log is not the one that this position comes from, start from its beginning"
    )]
    NoSuchPosition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u16,
        /// What was asked for.
        position: u64,
        /// The end of the log.
        end: u64,
    },
    /// The log has lost the position that was asked for.
    #[error(
        "{topic}/{partition} begins at offset {beginning}, offset {position} was deleted: nothing of it may be (retention.ms=-1, cleanup.policy=delete); begin with new topics, or restore the old one"
    )]
    Deleted {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u16,
        /// What was asked for.
        position: u64,
        /// The first offset that is left.
        beginning: u64,
    },
    /// The brokers refuse to serve this consumer for good.
    #[error("{topic} cannot be read any further ({cause}): restart from a position that the log has")]
    Unreadable {
        /// The topic.
        topic: String,
        /// Why.
        cause: KafkaError,
    },
    /// A partition stopped delivering before its end.
    #[error("{topic} stopped at {got} of {wanted} records: the broker stalled, try again")]
    Stalled {
        /// The topic.
        topic: String,
        /// Records that came.
        got: usize,
        /// Offsets up to the ends.
        wanted: u64,
    },
}
