//! Which faults are active, and what they do together.

use std::sync::Arc;

use rand::Rng as _;
use tolerancia_wire::Stamp;
use tolerancia_wire::fault::{ActiveFault, Fault, FaultSpec, MAX_FAULTS};

use super::plan::Plan;
use super::signal;

/// One activation.
#[derive(Debug)]
pub(super) struct Active {
    pub fault: ActiveFault,
    /// Drawn once, so that the replica tells the same lie each time; in [0, 1).
    pub chance: f64,
}

impl Active {
    /// Active from now on, or from the instant of its signal.
    pub(super) fn new(spec: FaultSpec, now: Stamp) -> Arc<Self> {
        let activated_at = match signal::of(&spec.fault) {
            Some(_) => signal::due(now),
            None => now,
        };
        Arc::new(Self {
            fault: ActiveFault { spec, activated_at },
            chance: rand::rng().random(),
        })
    }
}

/// All that is active, in the order in which it was injected. It is replaced as a whole, never changed, so what is
/// refused changes nothing.
#[derive(Debug, Default)]
pub(super) struct ActiveSet {
    faults: Vec<Arc<Active>>,
    health: Option<Arc<Plan>>,
    queries: Option<Arc<Plan>>,
}

impl ActiveSet {
    /// These, at most [`MAX_FAULTS`] that can be there at a time.
    pub(super) fn new(faults: Vec<Arc<Active>>) -> Self {
        Self {
            health: Plan::of(&faults, true),
            queries: Plan::of(&faults, false),
            faults,
        }
    }

    /// These and one more, which takes the place of the same fault.
    ///
    /// # Errors
    /// A message for the caller when there are too many then.
    pub(super) fn with(&self, new: Arc<Active>) -> Result<Self, String> {
        let stays = |old: &&Arc<Active>| !new.fault.spec.replaces(&old.fault.spec);
        let mut faults: Vec<_> = self.faults.iter().filter(stays).cloned().collect();
        if faults.len() >= MAX_FAULTS {
            return Err(format!(
                "{MAX_FAULTS} faults are active, and there can be no more at a time: end them with DELETE, or replace \
                 them with PUT"
            ));
        }
        faults.push(new);
        Ok(Self::new(faults))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether this very activation is there still.
    pub(super) fn has(&self, active: &Arc<Active>) -> bool {
        self.faults.iter().any(|now| Arc::ptr_eq(now, active))
    }

    /// Whether a replica with these faults reads its log.
    pub(super) fn consumes(&self) -> bool {
        !self.faults.iter().any(|active| active.fault.spec.fault == Fault::Stale)
    }

    /// What touches health answers (`true`) or query answers (`false`), if anything does.
    pub(super) fn plan(&self, health: bool) -> Option<Arc<Plan>> {
        let plan = if health { &self.health } else { &self.queries };
        plan.clone()
    }

    /// As the caller is told.
    pub(super) fn told(&self) -> Vec<ActiveFault> {
        self.faults.iter().map(|active| active.fault.clone()).collect()
    }

    /// What is here and not in `later`, as the caller is told.
    pub(super) fn gone_in(&self, later: &Self) -> Vec<ActiveFault> {
        let gone = self.faults.iter().filter(|active| !later.has(active));
        gone.map(|active| active.fault.clone()).collect()
    }
}
