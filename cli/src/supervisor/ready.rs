//! Seeing that a process is ready for work.

use std::time::Duration;

use tokio::sync::watch;
use tolerancia_bus::BusConfig;
use tolerancia_service::config::Ports;
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::status::SystemStatus;

use crate::http;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long services that work, but lack something, may take to find it: right after a start, what they lack is
/// often just not there yet.
const COMPLETE: Duration = Duration::from_secs(2);

/// How to see that a process is ready.
#[derive(Debug, Clone)]
pub enum Probe {
    /// This address answers 200: the service works, if perhaps without something that it can do without.
    Health(String),
    /// Kafka answers there and has the topics. Those that are missing are created.
    Kafka(BusConfig),
}

impl Probe {
    /// Comes back when the process is ready; until then tells `why` it is not.
    pub async fn ready(&self, http: &reqwest::Client, why: &watch::Sender<String>) {
        loop {
            let seen = match self {
                Self::Health(url) => health(http, url).await.map(|_| ()),
                Self::Kafka(bus) => tolerancia_bus::ensure_topics(bus)
                    .await
                    .map_err(|error| error.to_string()),
            };
            match seen {
                Ok(()) => return,
                Err(reason) => why.send_replace(reason),
            };
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Comes back when the process lacks nothing, which may never be.
    async fn complete(&self, http: &reqwest::Client) {
        if let Self::Health(url) = self {
            while health(http, url).await != Ok(HealthState::Up) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The state of a service that works.
async fn health(http: &reqwest::Client, url: &str) -> Result<HealthState, String> {
    let answer = http.get(url).send().await.map_err(|error| http::cause(&error))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("{status} {}", answer.text().await.unwrap_or_default()));
    }
    let health: Health = answer.json().await.map_err(|error| http::cause(&error))?;
    Ok(health.status)
}

/// Comes back when nothing is missing anywhere. What still is after a short while will be for longer.
pub async fn complete(http: &reqwest::Client, probes: &[Probe]) {
    let all = async {
        for probe in probes {
            probe.complete(http).await;
        }
    };
    // What is missing is told by `/health`.
    let _ = tokio::time::timeout(COMPLETE, all).await;
}

/// Comes back when the monitor counts every replica's vote; until then tells `why` it does not.
pub async fn all_on(http: &reqwest::Client, ports: Ports, why: &watch::Sender<String>) {
    let url = format!("http://127.0.0.1:{}/status", ports.monitor());
    loop {
        match status(http, &url).await {
            Ok(status) if status.on == usize::from(ports.replicas) => return,
            Ok(status) => why.send_replace(format!("{} of {} are ON", status.on, status.replicas)),
            Err(reason) => why.send_replace(reason),
        };
        tokio::time::sleep(PAUSE).await;
    }
}

async fn status(http: &reqwest::Client, url: &str) -> Result<SystemStatus, String> {
    let answer = http.get(url).send().await.map_err(|error| http::cause(&error))?;
    answer.json().await.map_err(|error| http::cause(&error))
}
