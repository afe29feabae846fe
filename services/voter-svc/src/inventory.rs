//! A vote about all products: one ballot per product that anybody lists.
//!
//! The names are the union of what the replicas list, because a majority cannot be known before all have
//! answered. A replica that does not list a product votes that there is none. So a name that only a liar
//! lists is decided *absent* and dropped, and a name that only a liar conceals is decided by the others.

use std::collections::BTreeMap;

use tolerancia_core::ballot::{Ballot, Reply};
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ProductId, ReplicaId, quorum};
use tolerancia_wire::inventory::VotedInventory;

use crate::reply::{self, Listed};
use crate::subject::{Opinion, Subject, Voice, voted};

/// One replica's list, kept for products that another replica names later.
#[derive(Debug)]
struct Answer {
    replica: ReplicaId,
    counts: bool,
    products: BTreeMap<ProductId, Listed>,
}

impl Answer {
    /// What this answer says about one product.
    fn about(&self, product: &ProductId) -> Reply {
        let Listed { applied, versions } = self.products.get(product).cloned().unwrap_or_default();
        Reply {
            replica: self.replica,
            versions,
            applied,
            counts: self.counts,
        }
    }
}

/// Where the replicas differ.
#[derive(Debug, Default)]
enum Disputed {
    /// Nowhere, as far as is known.
    #[default]
    Nowhere,
    /// On one product.
    On(ProductId),
    /// On several.
    Several,
}

impl Disputed {
    fn note(&mut self, product: &ProductId) {
        match self {
            Self::Nowhere => *self = Self::On(product.clone()),
            Self::On(known) if known != product => *self = Self::Several,
            Self::On(_) | Self::Several => {}
        }
    }
}

/// All products and their ballots.
#[derive(Debug)]
pub struct InventoryVote {
    replicas: usize,
    answers: Vec<Answer>,
    ballots: BTreeMap<ProductId, Ballot>,
    /// Noted whenever all ballots are gone through anyway: there may be many thousands.
    disputed: Disputed,
}

impl InventoryVote {
    /// A vote about all products among `replicas` configured replicas.
    #[must_use]
    pub const fn new(replicas: usize) -> Self {
        Self {
            replicas,
            answers: Vec::new(),
            ballots: BTreeMap::new(),
            disputed: Disputed::Nowhere,
        }
    }

    /// The result; `None` when fewer than a quorum of counted replicas answered. Products on which no
    /// quorum agrees are named apart, those that do not exist are left out.
    #[must_use]
    pub fn result(&self) -> Option<VotedInventory> {
        if !self.has_quorum() {
            return None;
        }
        let mut inventory = VotedInventory {
            products: Vec::with_capacity(self.ballots.len()),
            undecided: Vec::new(),
        };
        for (product, ballot) in &self.ballots {
            match voted(product, ballot) {
                Some(Some(voted)) => inventory.products.push(voted),
                Some(None) => {}
                None => inventory.undecided.push(product.clone()),
            }
        }
        Some(inventory)
    }

    fn has_quorum(&self) -> bool {
        let mut who: Vec<ReplicaId> = self.answers.iter().filter(|a| a.counts).map(|a| a.replica).collect();
        who.sort_unstable();
        who.dedup();
        who.len() >= quorum(self.replicas)
    }
}

impl Subject for InventoryVote {
    fn adapts(&self) -> bool {
        false
    }

    fn take(&mut self, voice: &Voice<'_>, status: u16, body: &[u8]) -> bool {
        let Some(products) = reply::inventory(status, body, voice.label) else {
            return false;
        };
        let answer = Answer {
            replica: voice.replica,
            counts: voice.counts,
            products,
        };
        for product in answer.products.keys() {
            if !self.ballots.contains_key(product) {
                let mut ballot = Ballot::new(self.replicas);
                for earlier in &self.answers {
                    ballot.add(earlier.about(product));
                }
                self.ballots.insert(product.clone(), ballot);
            }
        }
        for (product, ballot) in &mut self.ballots {
            ballot.add(answer.about(product));
        }
        self.answers.push(answer);
        true
    }

    fn is_decided(&self) -> bool {
        self.has_quorum() && self.ballots.values().all(|ballot| ballot.decision().is_some())
    }

    fn ask_again(&self) -> Vec<ReplicaId> {
        let mut ask: Vec<ReplicaId> = self.ballots.values().flat_map(Ballot::ask_again).collect();
        ask.sort_unstable();
        ask.dedup();
        ask
    }

    fn close(&mut self) {
        for (product, ballot) in &mut self.ballots {
            if ballot.close().is_none() {
                self.disputed.note(product);
            }
        }
    }

    fn opinion(&mut self, replica: ReplicaId) -> Option<Opinion> {
        let nothing_decided = self.ballots.values().all(|ballot| ballot.basis().is_none());
        if !self.has_quorum() || (nothing_decided && !self.ballots.is_empty()) {
            return None;
        }
        // An empty list that everybody confirms is a right answer too.
        let mut opinion = Opinion {
            current: self.ballots.is_empty(),
            ..Opinion::default()
        };
        for (product, ballot) in &self.ballots {
            if !opinion.add(product, ballot, replica) {
                self.disputed.note(product);
            }
        }
        Some(opinion)
    }

    fn unanimous(&self) -> u64 {
        let all = self
            .ballots
            .values()
            .filter(|ballot| ballot.supporters() == self.replicas);
        all.count() as u64
    }

    fn newest(&self, _: ReplicaId) -> Option<Versioned> {
        None
    }

    // A list does not say how far the replica is in the partitions of products that it does not list, so
    // it cannot clear or prove a claim. The scrub votes on each product do.
    fn claims(&self) -> Option<(&ProductId, &[Reply])> {
        None
    }

    fn disputed(&self) -> Option<(&ProductId, &Ballot)> {
        match &self.disputed {
            Disputed::On(product) => self.ballots.get_key_value(product),
            Disputed::Nowhere | Disputed::Several => None,
        }
    }
}
