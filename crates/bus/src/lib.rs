//! Kafka, through one client path for the embedded broker and for Apache Kafka.
//!
//! A record counts as written once [`Producer::send`] returned its offset, and never before. A consumer
//! keeps its own position and never commits one: the reader stores the offset beside what it made of the
//! records, so the two cannot disagree.

mod config;
mod consumer;
mod error;
mod link;
mod producer;
mod topics;

pub use config::{BusConfig, MOST_QUEUED};
pub use consumer::{Consumer, Message, Start, read_all, records_at};
pub use error::{BusError, Result};
pub use producer::Producer;
pub use topics::{end_offsets, ensure_topics, partition_count};
