//! The services that the page is about: one connection to each stream, however many browsers look, and one question a
//! second about its health. Nobody there notices whether somebody looks here.

mod follow;
mod health;
mod monitor;
mod source;
mod voter;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_service::config::name;

use crate::hub::Hub;
use follow::Follower;
use monitor::Monitor;
use source::Teller;
use voter::Voter;

/// A stream on which nothing came for so long is lost. A comment comes every five seconds.
const SILENCE: Duration = Duration::from_secs(7);

/// Where the services are, `http://HOST:PORT`.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// monitor-svc.
    pub monitor: String,
    /// voter-svc.
    pub voter: String,
    /// orders-svc, which has no stream.
    pub orders: String,
}

/// Looks after them until `shutdown`.
pub(crate) fn watch(hub: &Hub, places: &Places, tasks: &TaskTracker, shutdown: &CancellationToken) {
    let teller = |name, has_stream| Arc::new(Teller::new(hub.clone(), name, has_stream));
    let monitor = teller(name::MONITOR, true);
    let voter = teller(name::VOTER, true);
    let orders = teller(name::ORDERS, false);
    let reader = Monitor::new(hub.clone(), &places.monitor);
    let follower = Follower::new(&places.monitor, SILENCE, Arc::clone(&monitor), reader);
    tasks.spawn(follower.run(shutdown.clone()));
    let follower = Follower::new(&places.voter, SILENCE, Arc::clone(&voter), Voter::new(hub.clone()));
    tasks.spawn(follower.run(shutdown.clone()));
    for (teller, url) in [
        (monitor, &places.monitor),
        (voter, &places.voter),
        (orders, &places.orders),
    ] {
        tasks.spawn(health::ask(teller, url.clone(), shutdown.clone()));
    }
}
