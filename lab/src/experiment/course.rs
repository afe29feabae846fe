//! What is done, in order: the steady state, the baseline, the trials.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;
use tolerancia_wire::time::mono_ns;

use super::detectors::round;
use super::record::Window;
use super::recorder::Recorder;
use super::runner::Lab;
use super::turns::turns;
use super::watch::Watch;
use super::{ExperimentError, log};

/// The load runs for so long before the baseline: opening connections is not part of it.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long all instances must have been ON at the start.
const ON_AT_START: Duration = Duration::from_secs(1);
/// How often a long baseline says how far it is.
const EVERY: Duration = Duration::from_secs(30);

impl Lab {
    /// Everything from the steady state to the last recovery.
    pub(super) async fn course(&self) -> Result<(), ExperimentError> {
        self.steady.no_fault_is_active().await?;
        self.steady
            .wait(ON_AT_START, &self.progress)
            .await
            .map_err(ExperimentError::NotSteady)?;
        self.steady.no_fault_is_active().await?;
        // The replicas first: the log only grows.
        let replicas = self.steady.replicas().await;
        let bus = &self.target.bus;
        log::check(replicas, &bus.bootstrap, (self.ends)(bus.clone())).await?;
        let watch = Watch::open(&self.target.monitor_url, self.stop.clone()).await?;
        self.watch.set(watch).expect("the course runs once");
        let detectors = self.choose_detectors().await?;
        if let Some(dir) = &self.record_to {
            let recorder = Recorder::open(&self.target.monitor_url, dir, self.scenario.load).await;
            let recorder = recorder.map_err(ExperimentError::NoTrace)?;
            self.recorder.set(recorder).expect("the course runs once");
        }
        let products = self.steady.products().await.map_err(ExperimentError::NotSteady)?;
        self.traffic.begin(self.scenario.load, products, self.seed);

        sleep(WARM_UP).await;
        self.baseline().await;
        // A system that has stopped working was not healthy, whatever was measured.
        if let Err(missing) = self.steady.wait(self.pace.settle, &self.progress).await {
            self.note_once(format!("stopped after the baseline: {missing}"));
            return Ok(());
        }
        self.locked().steady = true;
        self.trials(&detectors).await
    }

    /// Measures the healthy system.
    async fn baseline(&self) {
        let seconds = self.pace.baseline.as_secs_f64();
        self.progress.say(&format!("baseline: {seconds} s"));
        let (from_ns, begun) = (mono_ns(), Instant::now());
        let until_now = || {
            let to_ns = mono_ns();
            self.locked().baseline = Some(Window { from_ns, to_ns });
        };
        until_now();
        loop {
            let passed = begun.elapsed();
            let Some(rest) = self.pace.baseline.checked_sub(passed).filter(|rest| !rest.is_zero()) else {
                break;
            };
            sleep(rest.min(EVERY)).await;
            until_now();
            self.progress
                .live(format!("baseline: {:.0} of {seconds} s", begun.elapsed().as_secs_f64()));
        }
    }

    /// Breaks one thing after another, with one detector after another.
    async fn trials(&self, detectors: &[DetectorKind]) -> Result<(), ExperimentError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let replicas = u8::try_from(self.target.replicas).unwrap_or(u8::MAX);
        let mut turns = turns(replicas, &mut rng);
        let cases = self.scenario.faults.iter().zip(&self.names);
        for (place, (case, name)) in cases.enumerate() {
            for number in 0..self.pace.trials {
                for detector in round(detectors, number) {
                    let with = if detectors.len() > 1 {
                        format!(" ({detector})")
                    } else {
                        String::new()
                    };
                    let title = format!("{name}{with}, trial {} of {}", number + 1, self.pace.trials);
                    self.progress.live(title.clone());
                    self.use_detector(detector).await?;
                    let instances: Vec<ReplicaId> = turns.by_ref().take(case.instances()).collect();
                    let trial = self.trial((place, case), detector, &instances, &mut rng).await?;
                    self.tell_of_trials(&[]).await;
                    self.say(trial, &title);
                    if let Err(missing) = self.steady.wait(self.pace.settle, &self.progress).await {
                        // The system did not come back: that is a result, and no ground for further trials.
                        self.note_once(format!("stopped after {title}: {missing}"));
                        return Ok(());
                    }
                    self.update(trial, |trial| trial.over = Some(Stamp::now()));
                    self.learn(trial);
                }
            }
        }
        Ok(())
    }

    /// Prints what became of a trial.
    fn say(&self, trial: usize, title: &str) {
        let ms = |ms: Option<f64>| ms.map_or_else(|| "never".to_owned(), |ms| format!("after {ms:.0} ms"));
        let Some(trial) = self.locked().trials.get(trial).cloned() else {
            return;
        };
        let instances: Vec<String> = trial.hits.iter().map(|hit| hit.instance.to_string()).collect();
        self.progress.say(&format!(
            "{title}: instance {}, OFF {}, ON {}",
            instances.join(" and "),
            ms(trial.ttd_ms()),
            ms(trial.ttr_ms())
        ));
    }
}
