//! What liars say. All of them say the same about the same: they collude.

use rand::Rng as _;
use tolerancia_core::ProductId;
use tolerancia_core::ledger::{HISTORY, Outcome, Refusal, Rejection, Stock, Versioned};
use tolerancia_wire::inventory::ReplicaProduct;

use crate::event::Said;
use crate::faults::Lie;
use crate::world::World;

impl World {
    /// What a replica answers to a question about a product.
    pub(crate) fn say(&mut self, r: usize, product: &ProductId) -> Said {
        let node = &self.replicas[r];
        let Some((replica, view)) = node.ready() else {
            return Said::Answer(503, b"{}".to_vec());
        };
        let lie = match node.lie {
            Some(Lie::Any) => {
                let all = [
                    Some(Lie::Stock),
                    Some(Lie::Future),
                    Some(Lie::Hidden),
                    Some(Lie::Garbled),
                    None,
                ];
                all[self.rng.random_range(0..all.len())]
            }
            lie => lie,
        };
        let honest = lie.is_none_or(|lie| lie == Lie::Outcome);
        let Some(known) = replica.product(product).filter(|_| !honest) else {
            let (known, body) = view.product(product);
            return Said::Answer(if known { 200 } else { 404 }, body.to_vec());
        };
        let partition = known.partition;
        let mut versions: Vec<Versioned> = known.history.iter().copied().collect();
        let mut applied = replica.positions()[&partition];
        match lie {
            Some(Lie::Stock) => versions.iter_mut().for_each(|v| v.stock = wrong(v.stock)),
            Some(Lie::Future) => {
                let version = applied + 1 + versions[0].version % 3 * 5;
                let stock = wrong(versions[0].stock);
                versions.insert(0, Versioned { version, stock });
                versions.truncate(HISTORY);
                if version.is_multiple_of(2) {
                    applied = version + 1;
                }
            }
            Some(Lie::Hidden) => {
                if versions.len() > 1 {
                    applied = versions[0].version;
                    versions.remove(0);
                }
            }
            Some(Lie::Garbled) => return Said::Garbled,
            Some(Lie::Outcome | Lie::Any) | None => unreachable!("chosen above"),
        }
        let answer = ReplicaProduct {
            product_id: product.clone(),
            instance: node.id,
            partition,
            applied,
            versions,
        };
        self.count("lies in answers");
        // What is hidden looks like lag: nobody can prove it.
        if lie != Some(Lie::Hidden) {
            self.lied_at[r] = Some(self.now);
        }
        Said::Answer(200, serde_json::to_vec(&answer).expect("has only text keys"))
    }
}

/// The stock that all liars claim instead of this one.
const fn wrong(stock: Stock) -> Stock {
    Stock {
        available: stock.available + 1,
        reserved: stock.reserved,
    }
}

/// The outcome that all liars claim instead of this one.
pub(crate) const fn other(outcome: Outcome, offset: u64) -> Outcome {
    match outcome {
        Outcome::Reserved { .. } | Outcome::Conflict => Outcome::Rejected {
            reason: Rejection::InsufficientStock,
        },
        Outcome::Rejected { .. } => Outcome::Reserved { version: offset },
        Outcome::Released { .. } | Outcome::Restocked { .. } => Outcome::Refused {
            reason: Refusal::UnknownOrder,
        },
        Outcome::Refused { .. } => Outcome::Released { version: offset },
    }
}
