//! Votes that nobody asked for, so that a silent lie is found without a query.
//!
//! With n products and a rate of r per second, none shall go unvoted for longer than n / r. So the product whose last
//! vote is oldest is voted on once that is n / r ago: without clients they take turns, one that clients ask for
//! is left out, and where clients ask for all of them often enough there is nothing to do. Only votes in which all
//! replicas were asked count. A scrub vote asks those that are OFF too, so their way back never depends on
//! clients.
//!
//! Clients may ask for several products at the same moment, and then these are due together. As many as [`AT_ONCE`]
//! votes that were not needed before may therefore be held at once; in the long run there are never more than r
//! per second. At 50 that costs about 0.5 % of a core.
//!
//! The names come from a vote on the whole inventory, which checks all products at the same time; the larger the
//! inventory is, the rarer it is held.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tolerancia_wire::time::mono_ns;

use crate::catalogue::Oldest;
use crate::inventory::InventoryVote;
use crate::vote::Vote;
use crate::voter::{Purpose, Voter};

/// Votes that may be held at once after a time in which none was needed.
const AT_ONCE: u64 = 8;
/// How often it is looked whether there are new products, at least.
const LOOK: Duration = Duration::from_millis(100);
/// How often the inventory is voted on at most.
const REFRESH: Duration = Duration::from_secs(1);
/// A vote on the inventory that took t is followed by a pause of at least this many t: 2 % of the time.
const REST: u32 = 50;

/// When it is a product's turn. Times are of a monotonic clock, in nanoseconds.
#[derive(Debug)]
struct Turns {
    /// Time per vote.
    pace_ns: u64,
    /// The votes held so far take up the time until here.
    spent_ns: u64,
}

impl Turns {
    /// Turns for `rate` votes per second, from 1.
    fn new(rate: u32) -> Self {
        Self {
            pace_ns: 1_000_000_000 / u64::from(rate.max(1)),
            spent_ns: 0,
        }
    }

    /// When the oldest product is due.
    fn due_ns(&self, oldest: &Oldest) -> u64 {
        let needed_ns = match oldest.voted_ns {
            0 => 0,
            voted_ns => voted_ns.saturating_add(self.pace_ns.saturating_mul(oldest.count)),
        };
        needed_ns.max(self.spent_ns.saturating_add(self.pace_ns))
    }

    /// A vote is held at `now_ns`.
    fn taken(&mut self, now_ns: u64) {
        let saved_ns = self.pace_ns * AT_ONCE;
        self.spent_ns = self.spent_ns.max(now_ns.saturating_sub(saved_ns)) + self.pace_ns;
    }
}

/// Votes on at most `rate` products per second, from 1, until `shutdown`.
pub async fn products(voter: Arc<Voter>, rate: u32, shutdown: CancellationToken) {
    let mut turns = Turns::new(rate);
    let mut pause = Duration::ZERO;
    while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = LOOK;
        while let Some(oldest) = voter.catalogue.oldest() {
            let (now_ns, due_ns) = (mono_ns(), turns.due_ns(&oldest));
            if due_ns > now_ns {
                pause = LOOK.min(Duration::from_nanos(due_ns - now_ns));
                break;
            }
            turns.taken(now_ns);
            Vote::on_product(&voter, oldest.product, Purpose::Scrub).collect();
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
        let result = vote.subject().result();
        // Without an answer there was nothing to do, so no rest is due: those who return wait to be asked.
        let rest = if result.is_some() { took * REST } else { REFRESH };
        if let Some(inventory) = result {
            let decided = inventory.products.into_iter().map(|product| product.product_id);
            voter.catalogue.replace(decided.chain(inventory.undecided));
        }
        vote.collect();
        pause = REFRESH.max(rest.min(REFRESH * REST));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use tolerancia_core::ProductId;

    use super::*;
    use crate::catalogue::Catalogue;

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1000 * MS;
    const START: u64 = 1_000_000 * SECOND;

    /// All votes until `until` nanoseconds after the start, those of clients too: (when, which product, scrubbed).
    fn run(rate: u32, products: usize, clients: &[(u64, usize)], until: u64) -> Vec<(u64, usize, bool)> {
        let names: Vec<ProductId> = (0..products).map(|n| format!("P{n:04}").parse().unwrap()).collect();
        let catalogue = Catalogue::default();
        catalogue.replace(names.iter().cloned());
        let mut turns = Turns::new(rate);
        let mut votes = Vec::new();
        let mut clients = clients.iter().copied().filter(|(at, _)| *at < until).peekable();
        let mut now = 0;
        loop {
            let oldest = catalogue.oldest().unwrap();
            let due = turns.due_ns(&oldest).saturating_sub(START).max(now);
            let (at, product, scrubbed) = match clients.next_if(|(at, _)| *at < due) {
                Some((at, product)) => (at, product, false),
                None if due < until => (due, names.binary_search(&oldest.product).unwrap(), true),
                None => return votes,
            };
            if scrubbed {
                turns.taken(START + at);
            }
            now = at;
            catalogue.voted(&names[product], START + at);
            votes.push((at, product, scrubbed));
        }
    }

    /// The longest time that any product went unvoted.
    fn longest(votes: &[(u64, usize, bool)], products: usize, until: u64) -> u64 {
        let gaps = (0..products).flat_map(|product| {
            let own = votes.iter().filter(move |(_, voted, _)| *voted == product);
            let times: Vec<u64> = own.map(|(at, ..)| *at).chain([until]).collect();
            std::iter::once(times[0])
                .chain(times.windows(2).map(|pair| pair[1] - pair[0]))
                .collect::<Vec<_>>()
        });
        gaps.max().unwrap()
    }

    #[test]
    fn without_clients_products_take_turns_at_the_rate() {
        let votes = run(50, 3, &[], 10 * SECOND);
        assert!((500..=500 + AT_ONCE as usize).contains(&votes.len()), "{}", votes.len());
        assert_eq!(longest(&votes, 3, 10 * SECOND), 60 * MS);
    }

    #[test]
    fn clients_who_ask_enough_leave_nothing_to_do() {
        let clients: Vec<_> = (0..5000).map(|n| (n * 2 * MS, n as usize % 3)).collect();
        let votes = run(50, 3, &clients, 10 * SECOND);
        let scrubbed = votes.iter().filter(|(.., scrubbed)| *scrubbed).count();
        assert!(scrubbed <= 3, "none but at the start: {scrubbed}");
        // One product that they never ask for is still looked at.
        let clients: Vec<_> = (0..5000).map(|n| (n * 2 * MS, n as usize % 2)).collect();
        assert_eq!(longest(&run(50, 3, &clients, 10 * SECOND), 3, 10 * SECOND), 60 * MS);
    }

    #[test]
    fn what_clients_asked_for_together_is_due_together() {
        let clients: Vec<_> = (0..30).map(|n| (n / 3 * 100 * MS, n as usize % 3)).collect();
        let votes = run(50, 3, &clients, SECOND);
        assert_eq!(longest(&votes, 3, SECOND), 60 * MS);
    }

    #[test]
    fn a_large_catalogue_is_gone_through_at_the_rate() {
        let votes = run(300, 3000, &[], 30 * SECOND);
        let most = 300 * 30 + AT_ONCE as usize;
        assert!((most - 20..=most).contains(&votes.len()), "{}", votes.len());
        assert!(longest(&votes, 3000, 30 * SECOND) <= 10 * SECOND + 100 * MS);
    }

    proptest! {
        /// Whatever clients ask for and whenever: no product goes unvoted for longer than products/rate, and the
        /// scrub never holds more votes than its rate and what it has saved.
        #[test]
        fn no_product_goes_unvoted_for_long(
            products in 1usize..=8,
            rate in 1u32..=300,
            asked in prop::collection::vec((prop_oneof![2 => Just(0u64), 3 => 0..20 * MS, 1 => 0..500 * MS], any::<u8>()), 0..300),
        ) {
            let mut at = 0;
            let mut clients = Vec::new();
            for (pause, product) in asked {
                at += pause;
                clients.push((at, usize::from(product) % products));
            }
            let pace = SECOND / u64::from(rate);
            let until = at + 20 * pace * products as u64;
            let votes = run(rate, products, &clients, until);
            prop_assert!(longest(&votes, products, until) <= pace * products as u64);
            let scrubbed: Vec<u64> = votes.iter().filter(|(.., scrubbed)| *scrubbed).map(|(at, ..)| *at).collect();
            for (n, first) in scrubbed.iter().enumerate() {
                for (more, later) in scrubbed[n..].iter().enumerate() {
                    prop_assert!(more as u64 <= (later - first) / pace + AT_ONCE);
                }
            }
        }
    }
}
