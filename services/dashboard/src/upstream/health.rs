//! Asking a service for its health, once a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_wire::health::Health;

use super::Service;
use super::source::Teller;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks `service`, at `url`, until `shutdown`. The connection is kept.
pub(super) async fn ask(service: Service, teller: Arc<Teller>, url: String, shutdown: CancellationToken) {
    let client = http::client(TIMEOUT);
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asking = async {
        loop {
            every.tick().await;
            let answer = health(&client, &url).await;
            teller.health(answer.and_then(|health| service.check(&url, &health.service).map(|()| health)));
        }
    };
    shutdown.run_until_cancelled(asking).await;
}

/// The answer of a service that works or does not, if it answers.
async fn health(client: &reqwest::Client, url: &str) -> Result<Health, String> {
    let url = &format!("{url}/health");
    let failed = |error: reqwest::Error| format!("{url}: {}", http::cause(&error));
    let response = client.get(url).send().await.map_err(failed)?;
    let status = response.status();
    let body = response.bytes().await.map_err(failed)?;
    // 503 with a health answer is one: the service says that it is down.
    serde_json::from_slice(&body).map_err(|_| format!("{url} answered {}", http::describe(status.as_u16(), &body)))
}
