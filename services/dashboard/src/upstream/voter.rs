//! What becomes of the voter's events.

use tolerancia_wire::live::VoterEvent;

use super::follow::Reader;
use crate::browser::BrowserEvent;
use crate::hub::Hub;

/// Reads the voter's stream.
#[derive(Debug)]
pub(super) struct Voter {
    hub: Hub,
}

impl Voter {
    /// Tells this hub.
    pub(super) const fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

impl Reader for Voter {
    type Event = VoterEvent;

    /// The stream tells all.
    async fn begin(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn take(&mut self, event: VoterEvent) {
        self.hub.publish(match event {
            VoterEvent::Hello(_) => return,
            VoterEvent::Votes(votes) => BrowserEvent::Votes(votes),
            VoterEvent::Disagreement(disagreement) => BrowserEvent::Disagreement(disagreement),
        });
    }
}
