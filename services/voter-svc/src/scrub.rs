//! Votes that nobody asked for, so that a silent lie is found without a query.
//!
//! Products take turns. While clients ask enough by themselves, only those products are scrubbed that
//! have not been voted on by all replicas for a second. The names come from a vote on the whole inventory,
//! which checks all products at the same time; the larger the inventory is, the rarer it is held.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tolerancia_wire::time::mono_ns;

use crate::inventory::InventoryVote;
use crate::vote::Vote;
use crate::voter::{Purpose, Voter};

/// Client votes per second from which on clients check enough by themselves.
const ENOUGH: u64 = 10;
/// How often the inventory is voted on at most.
const REFRESH: Duration = Duration::from_secs(1);
/// A vote on the inventory that took t is followed by a pause of at least this many t: 2 % of the time.
const REST: u32 = 50;
const SECOND_NS: u64 = 1_000_000_000;

/// Votes on `rate` products per second, from 1, until `shutdown`.
pub async fn products(voter: Arc<Voter>, rate: u32, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut since_ns, mut votes, mut busy) = (mono_ns(), voter.stats.votes(), false);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let now_ns = mono_ns();
        if now_ns - since_ns >= SECOND_NS {
            let now = voter.stats.votes();
            busy = now - votes >= ENOUGH;
            (since_ns, votes) = (now_ns, now);
        }
        let before_ns = if busy {
            now_ns.saturating_sub(SECOND_NS)
        } else {
            u64::MAX
        };
        if let Some(product) = voter.catalogue.next(before_ns) {
            Vote::on_product(&voter, product, Purpose::Scrub).collect();
            voter.stats.scrubbed(1);
        }
    }
}

/// Keeps the list of products, until `shutdown`.
pub async fn inventory(voter: Arc<Voter>, shutdown: CancellationToken) {
    let mut pause = Duration::ZERO;
    while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let subject = InventoryVote::new(voter.replicas().len());
        let mut vote = Vote::begin(&voter, subject, "/inventory".into(), Purpose::Scrub);
        let took = vote.decide().await;
        if let Some(inventory) = vote.subject().result() {
            let decided = inventory.products.into_iter().map(|product| product.product_id);
            voter.catalogue.replace(decided.chain(inventory.undecided));
        }
        vote.collect();
        pause = REFRESH.max((took * REST).min(REFRESH * REST));
    }
}
