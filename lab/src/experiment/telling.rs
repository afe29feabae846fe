//! Who is told of a trial once it is over: the trace, and the monitor's audit. And the end of everything.

use tokio_util::sync::CancellationToken;
use tolerancia_client::inject;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::{Activation, FaultName};
use tolerancia_wire::trace::TraceLine;

use super::hit::Hit;
use super::record::Trial;
use super::runner::Lab;
use super::{ExperimentError, cleanup};

impl Lab {
    /// Ends all faults and restores the detector. Where no fault was injected from here, none is touched: it would be
    /// somebody else's. Once `interrupted` is cancelled, who is gone is hardly waited for.
    pub(super) async fn clean_up(&self, interrupted: &CancellationToken) -> Result<(), ExperimentError> {
        let mut failed = Vec::new();
        if self.record().injected {
            let cleared = cleanup::clear_all(&self.target, &self.pids(), interrupted).await;
            // A trial that was cut short ends here.
            self.tell_of_trials(cleared.as_deref().unwrap_or_default()).await;
            failed.extend(
                cleared
                    .err()
                    .map(|why| format!("{why}; end it with `tolerancia inject clear --instance N`")),
            );
        }
        failed.extend(self.restore_detector(interrupted).await.err());
        if let Some(recorder) = self.recorder.get() {
            for note in recorder.finish().await {
                self.note_once(note);
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(ExperimentError::Cleanup(failed.join("; ")))
        }
    }

    /// Tells the trace and the monitor's audit of the trials that they were not told of yet, so that the audit's
    /// entries get the times of this report. Only now: nothing in the monitor may know of a fault while it is to be
    /// detected. `cleared` says, by replica, when the clean-up ended their faults. Without an audit that listens the
    /// experiment is as good.
    pub(super) async fn tell_of_trials(&self, cleared: &[Option<Stamp>]) {
        let token = self.target.fault_token.as_deref();
        let untold = |(place, trial): (usize, &Trial)| (!trial.told).then_some(place);
        let places: Vec<usize> = self.locked().trials.iter().enumerate().filter_map(untold).collect();
        for place in places {
            self.learn(place);
            let Some(trial) = self.locked().trials.get(place).cloned() else {
                continue;
            };
            // Before the first word: being interrupted in the middle, it would be told of twice.
            self.update(place, |trial| trial.told = true);
            let case = &self.scenario.faults[trial.case];
            let ended = |hit: &Hit| {
                let cleared = cleared.get(hit.instance.index()).copied().flatten();
                hit.cleared.or(cleared.filter(|_| !case.is_crash()))
            };
            self.trace(&trial, ended).await;
            for hit in &trial.hits {
                // One OFF is the detection of all faults of the instance: the first stands for them.
                let Some(first) = hit.faults.first() else { continue };
                let activation = Activation {
                    instance: hit.instance,
                    fault: FaultName::from(&first.fault),
                    activated_at: hit.activated,
                    cleared_at: ended(hit),
                };
                if let Err(why) = inject::report(&self.target.monitor_url, token, &activation).await {
                    self.note_once(format!("the monitor's audit lacks times: {why}"));
                }
            }
        }
    }

    /// Writes into the trace that a trial begins: should the recording end with it, its fault is not health. The
    /// monitor learns nothing of it.
    pub(super) async fn trace_beginning(&self, place: usize) {
        let trial = self.locked().trials.get(place).cloned();
        if let Some(trial) = trial {
            self.trace(&trial, |_| None).await;
        }
    }

    /// Writes what is known of a trial into the trace. The last line about a fault holds.
    async fn trace(&self, trial: &Trial, cleared: impl Fn(&Hit) -> Option<Stamp>) {
        let Some(recorder) = self.recorder.get() else { return };
        for hit in &trial.hits {
            recorder
                .write(TraceLine::Fault {
                    activated_ns: hit.activated.mono_ns,
                    cleared_ns: cleared(hit).map(|at| at.mono_ns),
                    detected_ns: hit.detected.as_ref().map(|off| off.stamp.mono_ns),
                    instance: hit.instance,
                    faults: hit.faults.clone(),
                    detector: trial.detector,
                })
                .await;
        }
    }
}
