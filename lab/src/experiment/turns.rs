//! Which instance is hit when.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use tolerancia_core::ReplicaId;

/// The instances in a random order, again and again.
///
/// An instance that is hit again soon is not the same as a rested one: the monitor doubles its quarantine, the
/// supervisor its pause. So each rests for as long as it can, which is until all others have had their turn.
pub(super) fn turns(replicas: u8, rng: &mut ChaCha8Rng) -> impl Iterator<Item = ReplicaId> + use<> {
    let mut order: Vec<ReplicaId> = ReplicaId::all(replicas).collect();
    order.shuffle(rng);
    order.into_iter().cycle()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use rand::SeedableRng as _;

    use super::*;

    fn of(seed: u64, replicas: u8) -> Vec<u8> {
        let turns = turns(replicas, &mut ChaCha8Rng::seed_from_u64(seed));
        turns.take(40).map(ReplicaId::number).collect()
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
}
