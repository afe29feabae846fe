//! Settles claims of versions that nobody else has, with the end of the log.
//!
//! A version at or past the end of `order-events` was never written, so who claims it lies; one before it is
//! there, so the others lag. The end is only asked for while a claim is older than the lag budget. While Kafka
//! cannot be reached such claims stay open: they cost freshness, never truth.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, end_offsets};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::{partition, topic};

use crate::voter::Voter;

/// How often open claims are looked at.
const PACE: Duration = Duration::from_millis(250);
/// Between two questions to Kafka.
const PAUSE: Duration = Duration::from_secs(1);

/// Settles claims until `shutdown`.
pub async fn settle(voter: Arc<Voter>, bus: BusConfig, shutdown: CancellationToken) {
    loop {
        let due = voter.claims_are_due();
        if due {
            let asked_ns = mono_ns();
            let ends = match shutdown
                .run_until_cancelled(end_offsets(&bus, topic::ORDER_EVENTS))
                .await
            {
                None => return,
                Some(Ok(ends)) => ends,
                Some(Err(error)) => {
                    tracing::debug!(%error, "the end of the log is not known; claims stay open");
                    std::collections::BTreeMap::new()
                }
            };
            let count = u16::try_from(ends.len()).unwrap_or(u16::MAX);
            voter.settle_claims(asked_ns, |product| {
                ends.get(&partition::of_product(product, count)).copied()
            });
        }
        let pause = if due { PAUSE } else { PACE };
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}
