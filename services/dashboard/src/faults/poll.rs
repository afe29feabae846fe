//! Asking the replicas which faults are active: others inject, too, and a process takes its faults with it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tolerancia_client::http;
use tolerancia_client::inject::{self, InjectError};

use super::{Injector, Replica};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take. `/fault` is never slowed down by a fault, but a stopped process does not answer.
const TIMEOUT: Duration = Duration::from_millis(900);

/// Asks until `shutdown`. The connections are kept.
pub(super) async fn run(injector: Injector, shutdown: CancellationToken) {
    let client = http::client(TIMEOUT);
    let mut refused = vec![false; injector.shared.replicas.len()];
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asking = async {
        loop {
            every.tick().await;
            let all = injector.shared.replicas.iter().zip(&mut refused);
            join_all(all.map(|(replica, refused)| ask(&injector, &client, replica, refused))).await;
        }
    };
    shutdown.run_until_cancelled(asking).await;
}

async fn ask(injector: &Injector, client: &reqwest::Client, replica: &Replica, refused: &mut bool) {
    let (actions, before) = (replica.actions(), injector.active(replica));
    let answer = inject::status_by(client, &replica.url, injector.shared.token.as_deref()).await;
    match answer {
        Ok(state) => {
            *refused = false;
            injector.listed(replica, actions, &before, &state);
        }
        // Dead or stopped: what it had before is all that is known.
        Err(InjectError::NoAnswer { .. }) => {}
        Err(why) => {
            if !std::mem::replace(refused, true) {
                tracing::warn!(%why, "faults that others inject are not shown");
            }
        }
    }
}
