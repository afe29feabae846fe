//! What is done, in order: the steady state, the baseline, the trials.

use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};
use tolerancia_core::detector::DetectorKind;
use tolerancia_wire::Stamp;
use tolerancia_wire::time::mono_ns;

use super::order::{Planned, order};
use super::record::Window;
use super::recorder::Recorder;
use super::remaining::{Remaining, roughly};
use super::runner::Lab;
use super::steady::When;
use super::watch::Watch;
use super::{ExperimentError, log};
use crate::ui::Step;

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
        let catalogue = self.steady.products().await.map_err(ExperimentError::NotSteady)?;
        let products = self.scenario.products.of(catalogue).map_err(ExperimentError::Load)?;
        self.traffic.begin(self.scenario.load, products, self.seed);

        self.warm_up().await;
        self.baseline().await;
        // A system that has stopped working was not healthy, whatever was measured.
        if let Err(missing) = self.check_steady(When::AfterBaseline).await {
            self.note_once(format!("stopped after the baseline: {missing}"));
            return Ok(());
        }
        self.locked().steady = true;
        self.trials(&detectors).await
    }

    /// Lets the load run before anything is measured: connections are opened, and the load rises, meanwhile.
    async fn warm_up(&self) {
        let warm_up = self.scenario.load.warm_up;
        if warm_up > Duration::from_secs(5) {
            self.progress.say(&format!("warm-up: {} s", warm_up.as_secs_f64()));
        }
        sleep(warm_up).await;
    }

    /// Measures the healthy system.
    async fn baseline(&self) {
        let seconds = self.pace.baseline.as_secs_f64();
        self.progress.enter(Step::Baseline);
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

    /// Breaks one thing after another, with one detector after another, in the order that the design says.
    async fn trials(&self, detectors: &[DetectorKind]) -> Result<(), ExperimentError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let replicas = u8::try_from(self.target.replicas).unwrap_or(u8::MAX);
        let order = order(&self.scenario.faults, detectors, self.pace.trials, replicas, &mut rng);
        let expected = |planned: &Planned| self.scenario.faults[planned.case].expected(self.pace);
        let mut remaining = Remaining::new(order.iter().map(expected).sum());
        for (number, planned) in order.iter().enumerate() {
            let begun = Instant::now();
            self.progress.enter(step(number, order.len(), remaining));
            let with = match detectors {
                [_] => String::new(),
                _ => format!(" ({})", planned.detector),
            };
            let title = format!(
                "trial {} of {}: {}{with}",
                number + 1,
                order.len(),
                self.names[planned.case]
            );
            self.progress
                .live(format!("{title}; about {} left", roughly(remaining.left())));
            self.use_detector(planned.detector).await?;
            // The detector that was put in force may have found something, or somebody else broken something.
            if let Err(missing) = self.check_steady(When::BeforeTrial(number)).await {
                self.note_once(format!("stopped before {title}: {missing}"));
                return Ok(());
            }
            let case = &self.scenario.faults[planned.case];
            let trial = self.trial(planned, case, &mut rng).await?;
            self.tell_of_trials(&[]).await;
            self.say(trial, &title);
            if let Err(missing) = self.check_steady(When::AfterTrial(number)).await {
                // The system did not come back: that is a result, and no ground for further trials.
                self.note_once(format!("stopped after {title}: {missing}"));
                return Ok(());
            }
            self.update(trial, |trial| trial.over = Some(Stamp::now()));
            self.learn(trial);
            remaining.over(expected(planned), begun.elapsed());
        }
        self.progress.enter(step(order.len(), order.len(), remaining));
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

/// So many trials are over.
fn step(done: usize, of: usize, remaining: Remaining) -> Step {
    let left_s = remaining.left().as_secs_f64().round() as u64;
    Step::Trials { done, of, left_s }
}
