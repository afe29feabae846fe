//! Whether a client has a broker: one judgement for producers and consumers.
//!
//! librdkafka says at once when the last broker is lost, but not when one is back; that comes from a
//! delivered record or from the statistics it makes every second. Its own log repeats every failed
//! attempt to connect, so it goes to `debug` and an outage is told once, when it starts and when it ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, error, info, warn};

/// The state of one client's connections.
#[derive(Debug)]
pub(crate) struct Link {
    bootstrap: String,
    client: String,
    up: AtomicBool,
    /// An outage is only told by a client that was connected before: starting is not an outage.
    was_up: AtomicBool,
}

impl Link {
    pub(crate) fn new(bootstrap: &str, client: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            bootstrap: bootstrap.to_owned(),
            client: client.into(),
            // Until librdkafka says otherwise, which for an unreachable broker it does at once.
            up: AtomicBool::new(true),
            was_up: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn set_up(&self) {
        let returned = !self.up.swap(true, Ordering::Relaxed);
        if self.was_up.swap(true, Ordering::Relaxed) && returned {
            info!(client = self.client, "Kafka at {} is back", self.bootstrap);
        }
    }

    pub(crate) fn set_down(&self, why: &str) {
        if self.up.swap(false, Ordering::Relaxed) && self.was_up.load(Ordering::Relaxed) {
            metrics::counter!("bus_outages_total", "client" => self.client.clone()).increment(1);
            warn!(
                client = self.client,
                why, "Kafka at {} is lost, retrying", self.bootstrap
            );
        }
    }
}

/// The callbacks of one librdkafka client.
#[derive(Debug, Clone)]
pub(crate) struct Context(pub(crate) Arc<Link>);

/// The part of librdkafka's statistics that says whether a broker is connected.
#[derive(serde::Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(serde::Deserialize)]
struct Broker {
    state: String,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        debug!(target: "librdkafka", client = self.0.client, ?level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.0.set_down(reason),
            Some(RDKafkaErrorCode::Fatal) => error!(client = self.0.client, %error, reason, "Kafka client failed"),
            _ => debug!(client = self.0.client, %error, reason, "Kafka client error"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics) else {
            return;
        };
        if statistics.brokers.values().any(|broker| broker.state == "UP") {
            self.0.set_up();
        } else {
            self.0.set_down("no broker is connected");
        }
    }
}

impl ConsumerContext for Context {}
