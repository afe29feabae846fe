//! Whether a client has a broker: one judgement for producers and consumers.
//!
//! librdkafka says at once when the last broker is lost, but not when one is back; that comes from a
//! delivered record or from the statistics it makes every second. They also show a broker that is frozen:
//! its connection stays, and requests wait for an answer that does not come. Its own log repeats every failed
//! attempt to connect, so it goes to `debug` and an outage is told once, when it starts and when it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, error, info, warn};

use crate::BusConfig;

/// How long a request may wait for the first byte of its answer, beyond the time that the broker may hold it.
const SILENCE: Duration = Duration::from_secs(2);

/// What librdkafka says where it is certificates or passwords that keep it out.
const REFUSALS: [&str; 3] = ["SSL handshake failed", "SASL authentication error", "security.protocol"];

/// The state of one client's connections.
#[derive(Debug)]
pub(crate) struct Link {
    bootstrap: String,
    client: String,
    /// After this long without a byte a broker that owes an answer is not there, in microseconds.
    silence_us: u64,
    up: AtomicBool,
    /// An outage is only told by a client that was connected before: starting is not an outage.
    was_up: AtomicBool,
    /// Why a broker that is there does not let this client in.
    refused: Mutex<Option<String>>,
}

impl Link {
    /// The link of the client of this name with the brokers of `config`.
    pub(crate) fn new(config: &BusConfig, client: impl Into<String>) -> Arc<Self> {
        let silence = SILENCE + config.fetch_wait;
        Arc::new(Self {
            bootstrap: config.bootstrap.clone(),
            client: client.into(),
            silence_us: u64::try_from(silence.as_micros()).unwrap_or(u64::MAX),
            // Until librdkafka says otherwise, which for an unreachable broker it does at once.
            up: AtomicBool::new(true),
            was_up: AtomicBool::new(false),
            refused: Mutex::default(),
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Why a broker that is there does not let this client in, if one has said so since it was connected last.
    pub(crate) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Certificates and passwords: nothing that waiting mends, so it is told, once.
    fn set_refused(&self, why: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.is_none() {
            warn!(
                client = self.client,
                why, "Kafka at {} does not let this client in: check the variables KAFKA_PROP_…", self.bootstrap
            );
        }
        *refused = Some(why.to_owned());
    }

    pub(crate) fn set_up(&self) {
        let returned = !self.up.swap(true, Ordering::Relaxed);
        let first = !self.was_up.swap(true, Ordering::Relaxed);
        if returned || first {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        if returned && !first {
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

/// One connection. <https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md>
#[derive(serde::Deserialize)]
struct Broker {
    state: String,
    /// The broker's address: it may have several connections.
    #[serde(default)]
    nodename: String,
    /// Requests whose answer is due.
    #[serde(default)]
    waitresp_cnt: i64,
    /// Microseconds since a byte came; −1: none came yet.
    #[serde(default)]
    rxidle: i64,
    /// Microseconds since a byte was sent.
    #[serde(default)]
    txidle: i64,
    /// `logical` for the connection kept for a group coordinator, which is idle here and so proves nothing.
    #[serde(default)]
    source: String,
}

impl Broker {
    fn is_silent(&self, silence_us: u64) -> bool {
        // Both: after a quiet time the newest request may have left just now.
        let long = |idle: i64| u64::try_from(idle).is_ok_and(|idle| idle > silence_us);
        self.state == "UP" && self.waitresp_cnt > 0 && long(self.rxidle) && long(self.txidle)
    }
}

impl Statistics {
    /// Whether a broker is connected and owes no answer on any of its connections.
    fn shows_a_broker(&self, silence_us: u64) -> bool {
        let all = || self.brokers.values().filter(|one| one.source != "logical");
        let silent = |node: &str| all().any(|one| one.nodename == node && one.is_silent(silence_us));
        all().any(|one| one.state == "UP" && !silent(&one.nodename))
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        debug!(target: "librdkafka", client = self.0.client, ?level, fac, message);
        // A client that only administers hears of it here alone.
        if fac == "FAIL" && REFUSALS.iter().any(|part| message.contains(part)) {
            self.0
                .set_refused(message.split_once("]: ").map_or(message, |(_, why)| why));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.0.set_down(reason),
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => self.0.set_refused(reason),
            Some(RDKafkaErrorCode::Fatal) => error!(client = self.0.client, %error, reason, "Kafka client failed"),
            _ => debug!(client = self.0.client, %error, reason, "Kafka client error"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics) else {
            return;
        };
        let silence_us = self.0.silence_us;
        if statistics.shows_a_broker(silence_us) {
            self.0.set_up();
        } else {
            self.0.set_down("no broker is connected and answers");
        }
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_broker_that_owes_an_answer_for_too_long_is_not_there() {
        let config = BusConfig {
            bootstrap: String::new(),
            client_id: String::new(),
            fetch_wait: Duration::from_millis(100),
            partitions: 1,
            replication: 1,
            extra: Vec::new(),
        };
        let context = Context(Link::new(&config, "test"));
        for (up, state, waitresp_cnt, rxidle_ms) in [
            (true, "UP", 0, 60_000),
            (true, "UP", 1, 2_000),
            (false, "UP", 1, 2_200),
            (true, "UP", 1, 0),
            (false, "CONNECT", 0, 0),
        ] {
            let statistics = format!(
                r#"{{"name":"x","brokers":{{
                    "a:1/1":{{"nodename":"a:1","state":"{state}","waitresp_cnt":{waitresp_cnt},"rxidle":{},"txidle":{},"rtt":{{}}}},
                    "a:1/bootstrap":{{"nodename":"a:1","state":"{}","waitresp_cnt":0,"rxidle":90000000}},
                    "GroupCoordinator":{{"nodename":"a:1","source":"logical","state":"UP","waitresp_cnt":0,"rxidle":-1}}}}}}"#,
                rxidle_ms * 1000,
                rxidle_ms * 1000,
                if state == "UP" { "UP" } else { "DOWN" },
            );
            context.stats_raw(statistics.as_bytes());
            assert_eq!(context.0.is_up(), up, "{statistics}");
        }
        let just_asked =
            r#"{"brokers":{"a:1/1":{"nodename":"a:1","state":"UP","waitresp_cnt":1,"rxidle":9000000,"txidle":10}}}"#;
        context.stats_raw(just_asked.as_bytes());
        assert!(context.0.is_up());
        // Another broker is another matter.
        let two = r#"{"brokers":{"a:1/1":{"nodename":"a:1","state":"UP","waitresp_cnt":1,"rxidle":9000000,"txidle":9000000},
                      "a:2/2":{"nodename":"a:2","state":"UP","waitresp_cnt":1,"rxidle":10}}}"#;
        context.stats_raw(two.as_bytes());
        assert!(context.0.is_up());
    }

    #[test]
    fn a_broker_that_lets_nobody_in_says_why_until_it_does() {
        let config = BusConfig {
            bootstrap: String::new(),
            client_id: String::new(),
            fetch_wait: Duration::ZERO,
            partitions: 1,
            replication: 1,
            extra: Vec::new(),
        };
        let context = Context(Link::new(&config, "test"));
        let why =
            "sasl_ssl://a:1/bootstrap: SASL authentication error: Authentication failed: Invalid username or password";
        context.log(
            RDKafkaLogLevel::Error,
            "FAIL",
            "[thrd:a:1/1]: a:1/1: Connect to ipv4#127.0.0.1:1 failed",
        );
        assert_eq!(context.0.refused(), None);
        context.log(
            RDKafkaLogLevel::Error,
            "FAIL",
            &format!("[thrd:sasl_ssl://a:1/bootstrap]: {why}"),
        );
        assert_eq!(context.0.refused().as_deref(), Some(why));
        context.0.set_up();
        assert_eq!(context.0.refused(), None);
    }
}
