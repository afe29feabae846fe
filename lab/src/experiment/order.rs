//! In which order the trials are made: a randomized complete block design.
//!
//! A system under test drifts: caches fill, the log grows, the host has other things to do. Were all trials of one fault
//! made before those of the next, as is simplest, whatever changed meanwhile would look like a difference between the
//! faults. So the trials come in blocks. Each block has each fault with each detector exactly once, in an order that
//! chance decides anew for every block: drift from block to block then touches all of them alike, drift within a block is
//! shared out by chance, and an experiment that is cut short has about as many trials of the one as of the other.
//! Fisher, "The Design of Experiments", 1935, chapter IV; Montgomery, "Design and Analysis of Experiments", chapter 4.
//!
//! Of all orders of all trials that is a part only. What is given up, that a fault may come many times in a row, is what
//! nobody wants.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::DetectorKind;

use super::turns::Turns;
use crate::scenario::Case;

/// A trial that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// Its block, from 0.
    pub block: usize,
    /// Its fault's place in the scenario.
    pub case: usize,
    /// The detector that it is made with.
    pub detector: DetectorKind,
    /// The instances that are hit.
    pub instances: Vec<ReplicaId>,
}

/// All trials in their order: so many blocks of each case with each detector, on a system of so many replicas.
pub(super) fn order(
    cases: &[Case],
    detectors: &[DetectorKind],
    blocks: usize,
    replicas: u8,
    rng: &mut ChaCha8Rng,
) -> Vec<Planned> {
    let mut turns = Turns::new(replicas, rng);
    let each: Vec<(usize, DetectorKind)> = (0..cases.len())
        .flat_map(|case| detectors.iter().map(move |detector| (case, *detector)))
        .collect();
    let mut order = Vec::with_capacity(blocks * each.len());
    for block in 0..blocks {
        let mut shuffled = each.clone();
        shuffled.shuffle(rng);
        for (case, detector) in shuffled {
            let instances = match cases[case].instance {
                Some(instance) => vec![turns.take_this(instance)],
                None => turns.take(cases[case].instances()),
            };
            order.push(Planned {
                block,
                case,
                detector,
                instances,
            });
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use tolerancia_core::fault::{Fault, FaultSpec, Scope};

    use super::*;
    use crate::scenario::Scenario;

    fn of(seed: u64, cases: &[Case], detectors: &[DetectorKind], blocks: usize, replicas: u8) -> Vec<Planned> {
        order(cases, detectors, blocks, replicas, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn every_block_has_each_fault_with_each_detector_once(
            seed: u64,
            faults in 1_usize..=6,
            detectors in 1_usize..=4,
            blocks in 1_usize..=12,
        ) {
            let (cases, detectors) = (&Scenario::classic().faults[..faults], &DetectorKind::ALL[..detectors]);
            let order = of(seed, cases, detectors, blocks, 3);
            let size = faults * detectors.len();
            prop_assert_eq!(order.len(), blocks * size);
            for (number, block) in order.chunks(size).enumerate() {
                prop_assert!(block.iter().all(|trial| trial.block == number));
                let each: HashSet<_> = block.iter().map(|trial| (trial.case, trial.detector)).collect();
                prop_assert_eq!(each.len(), size);
            }
            // The instances take turns across the borders of blocks.
            for round in order.windows(3) {
                let hit: BTreeSet<_> = round.iter().flat_map(|trial| &trial.instances).collect();
                prop_assert_eq!(hit.len(), 3);
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let cases = Scenario::classic().faults;
        let of = |seed| of(seed, &cases, &[DetectorKind::Accrual], 4, 3);
        assert_eq!(of(7), of(7));
        let orders: HashSet<Vec<usize>> = (0..100)
            .map(|seed| of(seed).iter().map(|trial| trial.case).collect())
            .collect();
        assert_eq!(orders.len(), 100);
    }

    /// Every fault comes at every place of a block about as often: 600 blocks of 6 give 100 each, and a deviation of 4.5
    /// standard deviations (9.1) once in 150,000.
    #[test]
    fn no_fault_has_a_place_of_its_own() {
        let cases = Scenario::classic().faults;
        let order = of(1, &cases, &[DetectorKind::Accrual], 600, 3);
        let mut at = [[0_u32; 6]; 6];
        for block in order.chunks(6) {
            for (place, trial) in block.iter().enumerate() {
                at[trial.case][place] += 1;
            }
        }
        for counts in at {
            assert!(counts.iter().all(|count| (59..=141).contains(count)), "{at:?}");
        }
    }

    #[test]
    fn a_fixed_instance_is_hit_by_its_fault_and_rests_from_the_others() {
        let mut cases = Scenario::classic().faults;
        cases.truncate(2);
        cases[0].instance = ReplicaId::all(3).nth(1);
        let order = of(3, &cases, &[DetectorKind::Accrual], 50, 3);
        for trial in order.iter().filter(|trial| trial.case == 0) {
            assert_eq!(trial.instances, [cases[0].instance.expect("set above")]);
        }
        for two in order.windows(2).filter(|two| two[0].case == 0 && two[1].case == 1) {
            assert_ne!(two[0].instances, two[1].instances);
        }
    }

    #[test]
    fn several_instances_are_hit_at_a_time() {
        let spec = FaultSpec {
            fault: Fault::Freeze,
            scope: Scope::All,
        };
        let mut case = Case::from(spec.clone());
        case.hits.push(vec![spec]);
        for trial in of(5, &[case], &[DetectorKind::Accrual], 20, 5) {
            let distinct: BTreeSet<_> = trial.instances.iter().collect();
            assert_eq!(distinct.len(), 2);
        }
    }
}
