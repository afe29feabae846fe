//! Where the brokers are and how to talk to them.
//!
//! librdkafka's defaults are made for throughput over a network. Here a client waits for each record, the
//! brokers are near, and they are killed on purpose: so batches leave after half a millisecond, and a lost
//! broker is looked for again many times per second instead of every ten.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// How to reach the brokers, and how missing topics are created.
#[derive(Clone)]
pub struct BusConfig {
    /// `HOST:PORT`, several separated by commas.
    pub bootstrap: String,
    /// Name of this client in the brokers' logs: the service and its instance.
    pub client_id: String,
    /// How long a broker may hold a fetch that finds nothing; 0 to 5 minutes, whole milliseconds. Brokers,
    /// the embedded one included, answer as soon as there is a record, so a long wait costs no latency.
    pub fetch_wait: Duration,
    /// Partitions of the topics that are partitioned, from 1.
    pub partitions: u16,
    /// Copies of each partition, from 1 to the number of brokers.
    pub replication: i32,
    /// Further librdkafka properties, applied last.
    pub extra: Vec<(String, String)>,
}

/// Records that may wait in a producer; they take no more than 32 MiB either. Beyond it a record is refused at once.
pub const MOST_QUEUED: usize = 50_000;

/// Without the values of the further properties: passwords are among them.
impl fmt::Debug for BusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra: Vec<_> = self.extra.iter().map(|(name, _)| name).collect();
        f.debug_struct("BusConfig")
            .field("bootstrap", &self.bootstrap)
            .field("client_id", &self.client_id)
            .field("fetch_wait", &self.fetch_wait)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("extra", &extra)
            .finish()
    }
}

impl BusConfig {
    /// The same configuration with another wait.
    #[must_use]
    pub fn with_fetch_wait(mut self, fetch_wait: Duration) -> Self {
        self.fetch_wait = fetch_wait;
        self
    }

    /// What all clients have in common.
    pub(crate) fn client(&self) -> ClientConfig {
        self.with(&[])
    }

    /// A producer that gives up on a record after `delivery_timeout`.
    pub(crate) fn producer(&self, delivery_timeout: Duration) -> ClientConfig {
        self.with(&[
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "0.5"),
            ("message.timeout.ms", &delivery_timeout.as_millis().max(1).to_string()),
            ("queue.buffering.max.messages", &MOST_QUEUED.to_string()),
            ("queue.buffering.max.kbytes", "32768"),
            ("retry.backoff.ms", "50"),
            ("retry.backoff.max.ms", "500"),
            // As Java clients and Kafka's own tools place keys.
            ("partitioner", "murmur2_random"),
        ])
    }

    /// A consumer that keeps its own position.
    pub(crate) fn consumer(&self) -> ClientConfig {
        self.with(&[
            // Asked for by librdkafka, never joined and never committed to.
            ("group.id", &self.client_id),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // A position that the log does not have is an error, not a reason to start elsewhere.
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "false"),
            ("fetch.wait.max.ms", &self.fetch_wait.as_millis().to_string()),
            ("fetch.error.backoff.ms", "50"),
            ("fetch.queue.backoff.ms", "5"),
            ("queued.min.messages", "10000"),
            ("queued.max.messages.kbytes", "16384"),
        ])
    }

    fn with(&self, properties: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", &self.client_id)
            .set("allow.auto.create.topics", "false")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", "10000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("statistics.interval.ms", "1000")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in properties {
            config.set(*name, *value);
        }
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let config = BusConfig {
            bootstrap: "kafka:9092".to_owned(),
            client_id: "voter-svc".to_owned(),
            fetch_wait: Duration::from_millis(100),
            partitions: 1,
            replication: 1,
            extra: vec![("sasl.password".to_owned(), "swordfish".to_owned())],
        };
        let shown = format!("{config:?}");
        assert!(
            shown.contains("sasl.password") && !shown.contains("swordfish"),
            "{shown}"
        );
    }
}
