//! The faults that injectors have reported, as the audit knows them: the newest of each instance.

use std::collections::VecDeque;

use tolerancia_wire::activation::Activation;

use crate::audit::MOST_ACTIVATIONS;

/// In the order in which they were reported first.
#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<Activation>);

impl Faults {
    /// Takes a fault in, in the place of what was known of it.
    pub(super) fn put(&mut self, fault: Activation) {
        let is_same = |known: &&mut Activation| {
            (known.instance, known.fault, known.activated_at) == (fault.instance, fault.fault, fault.activated_at)
        };
        if let Some(known) = self.0.iter_mut().find(is_same) {
            *known = fault;
            return;
        }
        let of_instance = |known: &Activation| known.instance == fault.instance;
        if self.0.iter().filter(|known| of_instance(known)).count() >= MOST_ACTIVATIONS
            && let Some(oldest) = self.0.iter().position(of_instance)
        {
            self.0.remove(oldest);
        }
        self.0.push_back(fault);
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Activation> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_core::ReplicaId;
    use tolerancia_wire::Stamp;
    use tolerancia_wire::activation::FaultName;

    use super::*;

    fn fault(instance: u8, mono_ns: u64) -> Activation {
        Activation {
            instance: ReplicaId::new(instance).unwrap(),
            fault: FaultName::Latency,
            activated_at: Stamp {
                at: jiff::Timestamp::UNIX_EPOCH,
                mono_ns,
            },
            cleared_at: None,
        }
    }

    #[test]
    fn what_is_told_again_of_a_fault_takes_the_place_of_it() {
        let mut faults = Faults::default();
        let cleared = Activation {
            cleared_at: Some(fault(1, 9).activated_at),
            ..fault(1, 1)
        };
        let another = Activation {
            fault: FaultName::Stale,
            ..fault(1, 1)
        };
        for one in [fault(1, 1), fault(2, 1), cleared.clone(), another.clone()] {
            faults.put(one);
        }
        let all: Vec<_> = faults.all().cloned().collect();
        assert_eq!(all, [cleared, fault(2, 1), another]);
    }

    #[test]
    fn the_newest_of_each_instance_are_kept() {
        let mut faults = Faults::default();
        faults.put(fault(2, 0));
        let many = MOST_ACTIVATIONS as u64 + 10;
        (0..many).for_each(|n| faults.put(fault(1, n)));
        let of = |instance| {
            let mine = faults.all().filter(move |fault| fault.instance.number() == instance);
            mine.map(|fault| fault.activated_at.mono_ns).collect::<Vec<_>>()
        };
        assert_eq!(of(1), (10..many).collect::<Vec<_>>());
        assert_eq!(of(2), [0]);
    }
}
