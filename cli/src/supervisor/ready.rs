//! Seeing that a process is ready for work.

use std::time::Duration;

use tokio::sync::watch;
use tolerancia_bus::BusConfig;
use tolerancia_service::config::Ports;
use tolerancia_wire::status::SystemStatus;

use crate::http;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How to see that a process is ready.
#[derive(Debug, Clone)]
pub enum Probe {
    /// This address answers 200.
    Health(String),
    /// Kafka answers there and has the topics. Those that are missing are created.
    Kafka(BusConfig),
}

impl Probe {
    /// Comes back when the process is ready; until then tells `why` it is not.
    pub async fn ready(&self, http: &reqwest::Client, why: &watch::Sender<String>) {
        loop {
            let seen = match self {
                Self::Health(url) => health(http, url).await,
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
}

async fn health(http: &reqwest::Client, url: &str) -> Result<(), String> {
    let answer = http.get(url).send().await.map_err(|error| http::cause(&error))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    Err(format!("{status} {body}"))
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
