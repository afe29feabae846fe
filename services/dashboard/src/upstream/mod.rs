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

/// One of the services.
#[derive(Debug, Clone, Copy)]
struct Service {
    /// As it calls itself.
    name: &'static str,
    /// What says where it is.
    variable: &'static str,
}

const MONITOR: Service = Service {
    name: name::MONITOR,
    variable: "MONITOR_URL",
};
const VOTER: Service = Service {
    name: name::VOTER,
    variable: "VOTER_URL",
};
const ORDERS: Service = Service {
    name: name::ORDERS,
    variable: "ORDERS_URL",
};

impl Service {
    /// Checks that it is this one that answers at `url`: another one understands the same requests, and would be shown in
    /// its place.
    ///
    /// # Errors
    /// When it is another one.
    fn check(self, url: &str, answers: &str) -> Result<(), String> {
        let Self { name, variable } = self;
        if answers == name {
            return Ok(());
        }
        Err(format!("{url} is {answers}, not {name}: check {variable}"))
    }
}

/// Looks after them until `shutdown`.
pub(crate) fn watch(hub: &Hub, places: &Places, tasks: &TaskTracker, shutdown: &CancellationToken) {
    let teller = |service: Service, has_stream| Arc::new(Teller::new(hub.clone(), service.name, has_stream));
    let monitor = teller(MONITOR, true);
    let voter = teller(VOTER, true);
    let orders = teller(ORDERS, false);
    let reader = Monitor::new(hub.clone(), &places.monitor);
    let follower = Follower::new(MONITOR, &places.monitor, SILENCE, Arc::clone(&monitor), reader);
    tasks.spawn(follower.run(shutdown.clone()));
    let reader = Voter::new(hub.clone());
    let follower = Follower::new(VOTER, &places.voter, SILENCE, Arc::clone(&voter), reader);
    tasks.spawn(follower.run(shutdown.clone()));
    for (service, teller, url) in [
        (MONITOR, monitor, &places.monitor),
        (VOTER, voter, &places.voter),
        (ORDERS, orders, &places.orders),
    ] {
        tasks.spawn(health::ask(service, teller, url.clone(), shutdown.clone()));
    }
}
