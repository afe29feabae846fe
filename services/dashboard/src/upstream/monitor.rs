//! What becomes of the monitor's events.

use std::time::Duration;

use tolerancia_client::http;
use tolerancia_wire::activation::Audit;
use tolerancia_wire::live::MonitorEvent;

use super::follow::Reader;
use crate::browser::BrowserEvent;
use crate::hub::Hub;
use crate::state::State;
use crate::state::failures::MOST_FAILURES;

/// How long the list of failures may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the monitor's stream.
#[derive(Debug)]
pub(super) struct Monitor {
    hub: Hub,
    client: reqwest::Client,
    failures: String,
}

impl Monitor {
    /// Of the monitor at `url`.
    pub(super) fn new(hub: Hub, url: &str) -> Self {
        Self {
            hub,
            client: http::client(TIMEOUT),
            failures: format!("{url}/failures?limit={MOST_FAILURES}"),
        }
    }
}

impl Reader for Monitor {
    type Event = MonitorEvent;

    /// The history, with its times. The stream tells of what comes, and repeats no times.
    async fn begin(&mut self) -> Result<(), String> {
        let audit: Audit = http::get_json(&self.client, &self.failures).await?;
        self.hub.audit(audit.failures);
        Ok(())
    }

    fn take(&mut self, event: MonitorEvent) {
        self.hub.publish(match event {
            MonitorEvent::Hello(_) => return,
            MonitorEvent::Status(status) => BrowserEvent::Status(status),
            MonitorEvent::Transition(transition) => BrowserEvent::Transition(transition),
            MonitorEvent::Times(times) => BrowserEvent::Times(times),
            MonitorEvent::Suspicion(suspicion) => BrowserEvent::Suspicion(suspicion),
            MonitorEvent::Replicas(replicas) => BrowserEvent::Replicas(replicas),
            MonitorEvent::Requests(rows) => BrowserEvent::Requests(rows),
            MonitorEvent::Fault(report) => {
                let window = |state: &State| [BrowserEvent::Fault(state.faults().reported(&report))];
                return self.hub.publish_with(window);
            }
        });
    }
}
