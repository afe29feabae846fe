//! One trial: break one instance, wait for the verdict, mend it, wait for the other verdict.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::{Fault, FaultSpec};
use tolerancia_wire::Stamp;

use super::record::{Trial, is_off, is_on};
use super::runner::Lab;
use super::{ExperimentError, cleanup};
use crate::inject;

/// The monitor's check cycle; a trial starts at a random moment of it.
const CYCLE: Duration = Duration::from_millis(200);
/// A fault that was not detected by then was not detected.
const DETECT: Duration = Duration::from_secs(10);
/// An instance that is not ON by then did not recover: the longest quarantine is 30 s, probation takes 1 s.
const RECOVER: Duration = Duration::from_secs(35);

impl Lab {
    /// Carries one trial out, up to the end of recovery; the steady state after it is the caller's.
    pub(super) async fn trial(
        &self,
        fault: usize,
        spec: &FaultSpec,
        instance: ReplicaId,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), ExperimentError> {
        sleep(CYCLE.mul_f64(rng.random())).await;

        let url = &self.target.inventory_urls[instance.index()];
        let token = self.target.fault_token.as_deref();
        self.about_to_inject();
        let state = inject::put_fault(url, token, spec.clone()).await?;
        let Some(active) = state.active else {
            let answer = "that no fault is active".to_owned();
            return Err(inject::InjectError::Refused {
                url: url.clone(),
                answer,
            }
            .into());
        };
        let activated = active.activated_at;
        self.pid(instance, state.pid);
        let trial = self.enter(Trial {
            fault,
            instance,
            activated,
            detected: None,
            cleared: None,
            recovered: None,
            over: None,
            told: false,
        });

        let detected = self
            .watch()
            .wait(DETECT, |t| {
                t.instance == instance && is_off(t) && t.stamp.mono_ns >= activated.mono_ns
            })
            .await;
        self.update(trial, |trial| trial.detected.clone_from(&detected));
        if detected.is_some() {
            sleep(self.pace.hold).await;
        }

        // The process that crashed took its fault with it, and nobody here starts processes.
        let cleared = match spec.fault {
            Fault::Crash => None,
            _ => {
                let state = cleanup::clear_one(&self.target, instance, Some(state.pid)).await?;
                Some(state.cleared_at.unwrap_or_else(Stamp::now))
            }
        };
        self.update(trial, |trial| trial.cleared = cleared);
        // Nothing turned it OFF, so nothing turns it ON.
        let Some(detected) = detected else { return Ok(()) };

        let recovered = self.recovery(instance, cleared.unwrap_or(detected.stamp)).await;
        self.update(trial, |trial| trial.recovered = recovered);
        Ok(())
    }

    /// When the instance was ON after `since`: at once, if it was ON by then (a fault that shows itself only now
    /// and then may let an instance return while it is still active).
    async fn recovery(&self, instance: ReplicaId, since: Stamp) -> Option<Stamp> {
        let before = |stamp: Stamp| stamp.mono_ns <= since.mono_ns;
        let verdict = self
            .watch()
            .newest(|t| t.instance == instance && before(t.stamp) && (is_on(t) || is_off(t)));
        if verdict.as_ref().is_some_and(is_on) {
            return Some(since);
        }
        let on = self
            .watch()
            .wait(RECOVER, |t| t.instance == instance && !before(t.stamp) && is_on(t))
            .await;
        on.map(|on| on.stamp)
    }
}
