//! Which instance is hit when.

use std::collections::VecDeque;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use tolerancia_core::ReplicaId;

/// The instances, the one that has rested longest first; at the beginning in a random order.
///
/// An instance that is hit again soon is not the same as a rested one: the monitor doubles its quarantine, the
/// supervisor its pause. So each rests for as long as it can, which is until all others have had their turn.
#[derive(Debug, Clone)]
pub(super) struct Turns(VecDeque<ReplicaId>);

impl Turns {
    pub(super) fn new(replicas: u8, rng: &mut ChaCha8Rng) -> Self {
        let mut order: Vec<ReplicaId> = ReplicaId::all(replicas).collect();
        order.shuffle(rng);
        Self(order.into())
    }

    /// The instances, at most all of them, whose turn it is.
    pub(super) fn take(&mut self, count: usize) -> Vec<ReplicaId> {
        let taken: Vec<ReplicaId> = self.0.iter().take(count).copied().collect();
        self.0.rotate_left(taken.len());
        taken
    }

    /// This instance, whether it is its turn or not.
    pub(super) fn take_this(&mut self, instance: ReplicaId) -> ReplicaId {
        self.0.retain(|other| *other != instance);
        self.0.push_back(instance);
        instance
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::*;

    fn of(seed: u64, replicas: u8) -> Vec<u8> {
        let mut turns = Turns::new(replicas, &mut ChaCha8Rng::seed_from_u64(seed));
        (0..40).flat_map(|_| turns.take(1)).map(ReplicaId::number).collect()
    }

    #[test]
    fn every_instance_rests_until_all_others_were_hit() {
        for (seed, replicas) in (0..50).zip([3, 5, 7].into_iter().cycle()) {
            for round in of(seed, replicas).windows(replicas.into()) {
                let hit: BTreeSet<_> = round.iter().copied().collect();
                assert_eq!(hit, (1..=replicas).collect(), "seed {seed}: {round:?}");
            }
        }
    }

    #[test]
    fn the_seed_decides_the_order() {
        assert_eq!(of(7, 3), of(7, 3));
        let orders: HashSet<_> = (0..100).map(|seed| of(seed, 3)).collect();
        assert_eq!(orders.len(), 6, "all orders of three come up");
    }

    proptest! {
        /// Whoever is hit, and how many at a time: no instance whose turn it is was hit later than one that is not.
        #[test]
        fn those_that_rested_longest_are_hit(
            seed: u64,
            replicas in prop::sample::select(vec![3_u8, 5, 7]),
            trials in prop::collection::vec((0_u8..8, 1_usize..=7), 1..40),
        ) {
            let mut turns = Turns::new(replicas, &mut ChaCha8Rng::seed_from_u64(seed));
            let mut last = vec![None; replicas.into()];
            for (number, (fixed, count)) in trials.into_iter().enumerate() {
                // One in a few hits an instance that is always the same.
                let taken = if (1..=replicas.min(2)).contains(&fixed) {
                    vec![turns.take_this(ReplicaId::new(fixed).unwrap())]
                } else {
                    let taken = turns.take(count);
                    prop_assert_eq!(taken.len(), count.min(replicas.into()));
                    let rested = taken.iter().map(|id| last[id.index()]).max().unwrap();
                    for id in ReplicaId::all(replicas).filter(|id| !taken.contains(id)) {
                        prop_assert!(last[id.index()] >= rested, "{} rested longer", id);
                    }
                    taken
                };
                let distinct: BTreeSet<ReplicaId> = taken.iter().copied().collect();
                prop_assert_eq!(distinct.len(), taken.len());
                for id in taken {
                    last[id.index()] = Some(number);
                }
            }
        }
    }
}
