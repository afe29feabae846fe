//! Evidence about replicas on `error-queue`.

use serde::{Deserialize, Serialize};
use tolerancia_core::ledger::{Outcome, Stock};
use tolerancia_core::{OrderId, ProductId, ReplicaId};

use crate::Record;
use crate::denial::Denial;

/// The body of a record on `error-queue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ErrorBody {
    /// How the answers of some replicas were since the reporter's last batch.
    Evidence {
        /// One entry per replica that was asked or that reported.
        batches: Vec<Batch>,
    },
    /// A record that could not be read. Skipped by all replicas alike.
    BadRecord {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: u16,
        /// Its offset.
        offset: u64,
        /// Why it could not be read.
        error: String,
    },
    /// Attempts to break something that were refused. No evidence about anybody.
    Denied(Denial),
}

/// A record on `error-queue`.
pub type ErrorRecord = Record<ErrorBody>;

/// What a reporter saw of one replica since its last batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Whom it is about.
    pub instance: ReplicaId,
    /// Answers that came in time and were right.
    #[serde(default)]
    pub good: u32,
    /// How many of those came before the first that was not; absent: not known, or all were good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_first: Option<u32>,
    /// Answers that came late or not within the voting timeout.
    #[serde(default)]
    pub late: u32,
    /// Microseconds before this report was made at which the last late answer was noticed; absent: not known, or none was late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_us_ago: Option<u32>,
    /// Answers that were errors, malformed or cut off.
    #[serde(default)]
    pub failed: u32,
    /// Answers that were only older than the quorum's: lag, not a lie.
    #[serde(default)]
    pub stale: u32,
    /// Products about which a shadow vote (the replica is OFF, its vote does not count) agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreed: Vec<ProductId>,
    /// Proven lies, each different one once, [`MOST_LIES`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dissents: Vec<Lie>,
    /// How many more lies were told that found no room there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u32,
}

/// Different lies that one batch spells out at most: with 20 batches a second, 5,000 a second about each replica,
/// which is more than orders are decided in that time. A batch that is full of them has some 50 KB.
pub const MOST_LIES: usize = 256;

impl Batch {
    /// An empty batch about `instance`.
    #[must_use]
    pub const fn new(instance: ReplicaId) -> Self {
        Self {
            instance,
            good: 0,
            good_first: None,
            late: 0,
            late_us_ago: None,
            failed: 0,
            stale: 0,
            agreed: Vec::new(),
            dissents: Vec::new(),
            unlisted: 0,
        }
    }

    /// What of it does not grow old: the proven lies, without what was only counted.
    #[must_use]
    pub fn proofs(&self) -> Self {
        Self {
            dissents: self.dissents.clone(),
            unlisted: self.unlisted,
            ..Self::new(self.instance)
        }
    }

    /// Adds a proven lie: to the count of the same lie, else to the list, else to those that are only counted.
    pub fn add_dissent(&mut self, dissent: Dissent) {
        // The newest first: a lie is repeated until the version changes.
        if let Some(lie) = self.dissents.iter_mut().rev().find(|lie| lie.dissent.is_same(&dissent)) {
            lie.count = lie.count.saturating_add(1);
        } else if self.dissents.len() < MOST_LIES {
            self.dissents.push(dissent.into());
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// How many lies were told.
    #[must_use]
    pub fn lies(&self) -> u64 {
        let listed = self.dissents.iter().map(|lie| u64::from(lie.count));
        listed.sum::<u64>() + u64::from(self.unlisted)
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.good == 0 && !self.is_bad() && self.agreed.is_empty()
    }

    /// Whether something was wrong.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.late > 0 || self.failed > 0 || self.stale > 0 || !self.dissents.is_empty()
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

const fn once() -> u32 {
    1
}

/// A proven lie and how often it was told. Once is proof: the count is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lie {
    /// What was said and what was agreed.
    #[serde(flatten)]
    pub dissent: Dissent,
    /// How often since the reporter's last batch; 1 where a reporter does not say.
    #[serde(default = "once")]
    pub count: u32,
}

impl From<Dissent> for Lie {
    fn from(dissent: Dissent) -> Self {
        Self { dissent, count: 1 }
    }
}

/// A proven lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Dissent {
    /// About a product's stock.
    Stock {
        /// The product.
        product: ProductId,
        /// The version at which a quorum contradicts the replica.
        version: u64,
        /// What the replica said there; absent: it denied that the version exists.
        said: Option<Stock>,
        /// What the quorum agreed on; absent: the version does not exist.
        agreed: Option<Stock>,
        /// Distance of what was said from the agreed value in robust standard deviations of all replies
        /// (median and MAD); absent when it is not defined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        robust_z: Option<f64>,
    },
    /// About an order's outcome.
    Outcome {
        /// The order; absent for a restock.
        order_id: Option<OrderId>,
        /// What the replica reported.
        said: Outcome,
        /// What the quorum reported.
        agreed: Outcome,
    },
}

impl Dissent {
    /// Whether it is the same lie: about the same thing, with the same words against the same agreement. The
    /// distance is not part of it, since it depends on who else had answered by then.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.stock(), other.stock()) {
            (Some(one), Some(two)) => one == two,
            (None, None) => self == other,
            _ => false,
        }
    }

    fn stock(&self) -> Option<(u64, &ProductId, Option<Stock>, Option<Stock>)> {
        match self {
            Self::Stock {
                product,
                version,
                said,
                agreed,
                robust_z: _,
            } => Some((*version, product, *said, *agreed)),
            Self::Outcome { .. } => None,
        }
    }
}

impl std::fmt::Display for Dissent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stock = |s: &Option<Stock>| s.map_or_else(|| "no such version".to_owned(), |s| s.to_string());
        match self {
            Self::Stock {
                product,
                version,
                said,
                agreed,
                ..
            } => {
                write!(
                    f,
                    "dissent: {product} at version {version}: said {}, agreed {}",
                    stock(said),
                    stock(agreed)
                )
            }
            Self::Outcome { order_id, said, agreed } => {
                let order = order_id.map_or_else(|| "restock".to_owned(), |id| format!("order {id}"));
                write!(f, "dissent: {order}: said {said:?}, agreed {agreed:?}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lie(version: u64, robust_z: Option<f64>) -> Dissent {
        Dissent::Stock {
            product: "PROD-001".parse().unwrap(),
            version,
            said: Some(Stock {
                available: u64::MAX,
                reserved: 0,
            }),
            agreed: None,
            robust_z,
        }
    }

    fn batch() -> Batch {
        Batch::new(ReplicaId::new(2).unwrap())
    }

    fn back(batch: &Batch) -> Batch {
        let batches = vec![batch.clone()];
        let record = ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches });
        match ErrorRecord::from_bytes(&record.to_bytes()).unwrap().body {
            ErrorBody::Evidence { mut batches } => batches.remove(0),
            ErrorBody::BadRecord { .. } | ErrorBody::Denied(_) => panic!("evidence was sent"),
        }
    }

    #[test]
    fn the_same_lie_is_listed_once_with_its_count() {
        let mut batch = batch();
        for z in [None, Some(3.5), Some(700.0)] {
            batch.add_dissent(lie(7, z));
        }
        batch.add_dissent(lie(8, None));
        batch.add_dissent(Dissent::Outcome {
            order_id: Some(OrderId::from_random(1, [9; 14])),
            said: Outcome::Conflict,
            agreed: Outcome::Reserved { version: 3 },
        });
        let counts: Vec<_> = batch.dissents.iter().map(|lie| lie.count).collect();
        assert_eq!((counts, batch.unlisted, batch.lies()), (vec![3, 1, 1], 0, 5));
        assert_eq!(back(&batch), batch);
    }

    #[test]
    fn no_lie_is_lost_when_there_is_no_room_to_list_it() {
        let mut batch = batch();
        let told = 3 * MOST_LIES as u64;
        (0..told).for_each(|version| batch.add_dissent(lie(version, None)));
        assert_eq!((batch.dissents.len(), batch.lies()), (MOST_LIES, told));
        batch.add_dissent(lie(0, None));
        assert_eq!((batch.dissents[0].count, batch.lies()), (2, told + 1));
        assert_eq!(back(&batch), batch);
    }

    #[test]
    fn a_dissent_without_a_count_was_told_once() {
        let text =
            r#"{"instance":"2","dissents":[{"about":"stock","product":"P","version":7,"said":null,"agreed":null}]}"#;
        let batch: Batch = serde_json::from_str(text).unwrap();
        assert_eq!((batch.dissents[0].count, batch.lies()), (1, 1));
    }
}
