//! A vote about one product.

use tolerancia_core::ballot::{Ballot, Reply};
use tolerancia_core::ledger::Versioned;
use tolerancia_core::{ProductId, ReplicaId};
use tolerancia_wire::inventory::VotedProduct;

use crate::reply;
use crate::subject::{self, Opinion, Subject, Voice, voted};

/// One product and its ballot.
#[derive(Debug)]
pub struct ProductVote {
    product: ProductId,
    replicas: usize,
    ballot: Ballot,
}

impl ProductVote {
    /// A vote about `product` among `replicas` configured replicas.
    #[must_use]
    pub fn new(product: ProductId, replicas: usize) -> Self {
        Self {
            product,
            replicas,
            ballot: Ballot::new(replicas),
        }
    }

    /// The product.
    #[must_use]
    pub const fn product(&self) -> &ProductId {
        &self.product
    }

    /// `Some(None)`: a quorum knows no such product; `None`: no quorum agrees (yet).
    #[must_use]
    pub fn result(&self) -> Option<Option<VotedProduct>> {
        voted(&self.product, &self.ballot)
    }

    /// Whether the decision is as new as anything the first quorum claimed.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.ballot.decision().is_some_and(|decision| decision.fresh)
    }
}

impl Subject for ProductVote {
    fn adapts(&self) -> bool {
        true
    }

    fn take(&mut self, voice: &Voice<'_>, status: u16, body: &[u8]) -> bool {
        let Some(listed) = reply::product(status, body, voice.label, &self.product) else {
            return false;
        };
        self.ballot.add(Reply {
            replica: voice.replica,
            versions: listed.versions,
            applied: listed.applied,
            counts: voice.counts,
        });
        true
    }

    fn is_decided(&self) -> bool {
        self.ballot.decision().is_some()
    }

    fn ask_again(&self) -> Vec<ReplicaId> {
        self.ballot.ask_again()
    }

    fn close(&mut self) {
        self.ballot.close();
    }

    fn opinion(&mut self, replica: ReplicaId) -> Option<Opinion> {
        self.ballot.basis()?;
        let mut opinion = Opinion::default();
        opinion.add(&self.product, &self.ballot, replica);
        Some(opinion)
    }

    fn unanimous(&self) -> u64 {
        u64::from(self.ballot.supporters() == self.replicas)
    }

    fn newest(&self, replica: ReplicaId) -> Option<Versioned> {
        subject::newest(&self.ballot, replica)
    }

    fn claims(&self) -> Option<(&ProductId, &[Reply])> {
        Some((&self.product, self.ballot.replies()))
    }

    fn disputed(&self) -> Option<(&ProductId, &Ballot)> {
        Some((&self.product, &self.ballot))
    }
}
