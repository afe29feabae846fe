//! One trial: break one instance or several, wait for the verdict, mend them, wait for the other verdict.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep, sleep_until};
use tolerancia_client::inject::{self, InjectError};
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::FaultSpec;
use tolerancia_wire::Stamp;
use tolerancia_wire::status::Transition;

use super::hit::{DETECT, Hit, LINGER};
use super::order::Planned;
use super::record::Trial;
use super::runner::Lab;
use super::{ExperimentError, cleanup};
use crate::scenario::{Case, Phase};

/// The monitor's check cycle; a trial starts at a random moment of it, unless the scenario says otherwise.
const CYCLE: Duration = Duration::from_millis(200);
/// An instance that is not ON by then did not recover: the longest quarantine is 30 s, probation takes 2 s.
const RECOVER: Duration = Duration::from_secs(35);

impl Lab {
    /// Carries one trial out, up to the end of recovery; the steady state after it is the caller's. Returns its place.
    pub(super) async fn trial(
        &self,
        planned: &Planned,
        case: &Case,
        rng: &mut ChaCha8Rng,
    ) -> Result<usize, ExperimentError> {
        let instances = planned.instances.as_slice();
        sleep(match case.phase {
            Phase::Random => CYCLE.mul_f64(rng.random()),
            Phase::After(delay) => delay,
        })
        .await;

        self.about_to_inject();
        let injected = instances.iter().zip(&case.hits);
        let injected = join_all(injected.map(async |(instance, specs)| self.inject(*instance, specs).await)).await;
        let active = Instant::now();
        let (hits, failed): (Vec<_>, Vec<_>) = injected.into_iter().partition(Result::is_ok);
        let hits: Vec<Hit> = hits.into_iter().flatten().collect();
        // What was injected is entered even if the rest could not be: its OFF is no false alarm.
        let trial = if hits.is_empty() {
            None
        } else {
            Some(self.enter(Trial {
                case: planned.case,
                detector: planned.detector,
                hits,
                alarmed: false,
                over: None,
                told: false,
            }))
        };
        if let Some(trial) = trial {
            self.trace_beginning(trial).await;
        }
        if let Some(Err(error)) = failed.into_iter().next() {
            return Err(error.into());
        }
        let trial = trial.ok_or_else(|| ExperimentError::Internal("a fault hits no instance".to_owned()))?;

        self.hold(trial, case.duration.map(|duration| active + duration)).await;

        // The process that crashed took its fault with it, and nobody here starts processes.
        if !case.is_crash() {
            let clear = async |instance: &ReplicaId| {
                let state = cleanup::clear_one(&self.target, *instance, self.known_pid(*instance)).await?;
                Ok::<_, InjectError>((*instance, state.cleared_at.unwrap_or_else(Stamp::now)))
            };
            for (instance, at) in try_join_all(instances.iter().map(clear)).await? {
                self.update(trial, |trial| {
                    let hit = trial.hits.iter_mut().find(|hit| hit.instance == instance);
                    if let Some(hit) = hit {
                        hit.cleared = Some(at);
                    }
                });
            }
        }
        self.recovery(trial).await;
        Ok(trial)
    }

    /// Lets the fault act: until an instant, or else for as long after its detection as the pace says.
    async fn hold(&self, trial: usize, until: Option<Instant>) {
        if let Some(until) = until {
            sleep_until(until).await;
            self.learn(trial);
            return;
        }
        let is_detected = |all: &[Transition]| self.sketch(trial, all).is_some_and(|trial| trial.detected().is_some());
        let detected = self.watch().until(DETECT, is_detected).await;
        self.learn(trial);
        if detected {
            sleep(self.pace.hold).await;
        }
    }

    /// Breaks one instance.
    async fn inject(&self, instance: ReplicaId, specs: &[FaultSpec]) -> Result<Hit, InjectError> {
        let url = &self.target.inventory_urls[instance.index()];
        let token = self.target.fault_token.as_deref();
        let state = match specs {
            [spec] => inject::put_fault(url, token, spec.clone()).await?,
            several => inject::put_faults(url, token, several.to_vec()).await?,
        };
        self.pid(instance, state.pid);
        let since = state
            .active
            .iter()
            .chain(&state.faults)
            .map(|active| active.activated_at);
        let activated = since
            .min_by_key(|stamp| stamp.mono_ns)
            .ok_or_else(|| InjectError::Refused {
                url: url.clone(),
                status: 200,
                answer: "that no fault is active".to_owned(),
            })?;
        Ok(Hit::new(instance, specs.to_vec(), activated))
    }

    /// Waits until each instance that was turned OFF is ON.
    async fn recovery(&self, trial: usize) {
        self.learn(trial);
        let lingers = |trial: &Trial| trial.hits.iter().any(Hit::may_linger);
        if self.sketch(trial, &self.watch().all()).as_ref().is_some_and(lingers) {
            sleep(LINGER).await;
            self.learn(trial);
        }
        // What nothing turned OFF, nothing turns ON.
        let is_back = |hit: &Hit| hit.detected.is_none() || hit.recovered.is_some();
        self.watch()
            .until(RECOVER, |all| {
                self.sketch(trial, all)
                    .is_some_and(|trial| trial.hits.iter().all(is_back))
            })
            .await;
        self.learn(trial);
    }

    /// The trial as it would be, given these transitions.
    fn sketch(&self, trial: usize, transitions: &[Transition]) -> Option<Trial> {
        let mut trial = self.locked().trials.get(trial).cloned()?;
        trial.learn(transitions);
        Some(trial)
    }

    /// Takes what is known of a trial by now.
    pub(super) fn learn(&self, trial: usize) {
        let all = self.watch().all();
        self.update(trial, |trial| trial.learn(&all));
    }
}
