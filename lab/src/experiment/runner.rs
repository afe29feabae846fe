//! The course of an experiment, and what happens when it is cut short.
//!
//! The part that breaks things runs in a task of its own, so that not even a panic gets past the clean-up.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::Fault;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::{Activation, FaultName};
use tolerancia_wire::time::mono_ns;

use super::log::Ends;
use super::record::{Record, Trial, Window};
use super::steady::Steady;
use super::traffic::Traffic;
use super::turns::turns;
use super::verify::{self, Verified};
use super::watch::Watch;
use super::{ExperimentArgs, ExperimentError, ExperimentOutcome, Target, announce, cleanup, log};
use crate::console;
use crate::inject;
use crate::load::api::{Api, raise_file_limit};
use crate::report::{self, Facts, Report, Verdict};
use crate::scenario::{Pace, Scenario};
use crate::ui::Progress;

/// The load runs for so long before the baseline: opening connections is not part of it.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long all instances must have been ON at the start.
const ON_AT_START: Duration = Duration::from_secs(1);

/// An experiment in progress.
pub(super) struct Lab {
    pub(super) target: Target,
    pub(super) scenario: Scenario,
    pub(super) pace: Pace,
    pub(super) progress: Progress,
    seed: u64,
    /// How the log is reached.
    ends: fn(BusConfig) -> Ends,
    steady: Steady,
    traffic: Traffic,
    watch: OnceLock<Watch>,
    record: Mutex<Record>,
    pids: Mutex<Vec<Option<u32>>>,
    /// Ends everything that runs beside.
    stop: CancellationToken,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) async fn run(
    mut args: ExperimentArgs,
    target: Target,
    shutdown: CancellationToken,
    ends: fn(BusConfig) -> Ends,
) -> Result<ExperimentOutcome, ExperimentError> {
    args.usable()?;
    let seed = args.seed();
    announce(&mut args, &target, None)?;
    raise_file_limit();
    let scenario = args.plan()?;
    let started = Stamp::now();
    let api = Api::new(&target.voter_url, &target.orders_url);
    let lab = Arc::new(Lab {
        pace: scenario.pace(args.quick),
        scenario,
        progress: Progress::start(),
        seed,
        ends,
        steady: Steady::new(api.clone(), target.clone()),
        traffic: Traffic::new(api, shutdown.clone()),
        watch: OnceLock::new(),
        record: Mutex::default(),
        pids: Mutex::new(vec![None; target.inventory_urls.len()]),
        stop: CancellationToken::new(),
        target,
    });
    lab.progress
        .say(&format!("experiment {}, seed {}", lab.scenario.name, lab.seed));

    let course = {
        let (lab, shutdown) = (Arc::clone(&lab), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => Ok(()),
                course = lab.course() => course,
            }
        })
    };
    let course = course
        .await
        .unwrap_or_else(|panic| Err(ExperimentError::Internal(panic.to_string())));
    lab.progress.live("clearing the faults".to_owned());
    let cleaned = lab.clean_up().await;
    lab.progress.live("collecting the last answers".to_owned());
    let observations = lab.traffic.finish().await;

    let mut failure = course.err().or(cleaned.err());
    let mut verified = Verified::default();
    if failure.is_none() && !shutdown.is_cancelled() {
        lab.progress.live("comparing every answer with the log".to_owned());
        tokio::select! {
            () = shutdown.cancelled() => {}
            found = verify::verify(&lab.target, &lab.steady, &observations) => match found {
                Ok(found) => verified = found,
                Err(error) => failure = Some(error),
            },
        }
    }
    // Whatever went wrong is the result; what was measured until then is reported all the same.
    let detector = lab
        .steady
        .status()
        .await
        .map(|status| status.detector)
        .unwrap_or_default();
    let report = report::build(&Facts {
        args: &args,
        scenario: &lab.scenario,
        pace: lab.pace,
        seed: lab.seed,
        started,
        ended: Stamp::now(),
        target: &lab.target,
        detector,
        record: &lab.record(),
        transitions: &lab.watch.get().map(Watch::all).unwrap_or_default(),
        observations: &observations,
        verified: &verified,
        aborted: shutdown.is_cancelled(),
        failure: failure.as_ref().map(ToString::to_string),
    });
    let written = report::write(&args.out, &report).map_err(|error| args.unwritable(&error));
    if let Some(failure) = failure {
        return Err(failure);
    }
    written?;
    // The live line must be gone before anything is printed over it.
    lab.progress.finish();
    show(&args, &report);
    Ok(match report.verdict {
        Verdict::Pass => ExperimentOutcome::Pass,
        Verdict::Aborted => ExperimentOutcome::Aborted,
        Verdict::Fail | Verdict::Error => ExperimentOutcome::Missed,
    })
}

fn show(args: &ExperimentArgs, report: &Report) {
    if args.json {
        console::out(report::json(report));
    } else {
        console::out(report::table(report, &args.out));
    }
}

impl Lab {
    /// Everything from the steady state to the last recovery.
    async fn course(&self) -> Result<(), ExperimentError> {
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
        let products = self.steady.products().await.map_err(ExperimentError::NotSteady)?;
        self.traffic.begin(self.scenario.load, products, self.seed);

        sleep(WARM_UP).await;
        self.progress
            .say(&format!("baseline: {} s", self.pace.baseline.as_secs_f64()));
        let from_ns = mono_ns();
        self.baseline(Window {
            from_ns,
            to_ns: from_ns,
        });
        sleep(self.pace.baseline).await;
        self.baseline(Window {
            from_ns,
            to_ns: mono_ns(),
        });

        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let replicas = u8::try_from(self.target.replicas).unwrap_or(u8::MAX);
        let mut turns = turns(replicas, &mut rng);
        for (fault, spec) in self.scenario.faults.iter().enumerate() {
            for number in 1..=self.pace.trials {
                let of = self.pace.trials;
                self.progress.live(format!("{}: trial {number} of {of}", spec.fault));
                let instance = turns.next().expect("there are replicas, and turns have no end");
                self.trial(fault, spec, instance, &mut rng).await?;
                self.tell_audit(&[]).await;
                self.tell(spec.fault.name(), number);
                if let Err(missing) = self.steady.wait(self.pace.settle, &self.progress).await {
                    // The system did not come back: that is a result, and no ground for further trials.
                    let note = format!("stopped after trial {number} of {}: {missing}", spec.fault);
                    self.progress.say(&note);
                    self.locked().notes.push(note);
                    return Ok(());
                }
                let last = self.locked().trials.len() - 1;
                self.update(last, |trial| trial.over = Some(Stamp::now()));
            }
        }
        Ok(())
    }

    /// Ends all faults. Where none was injected from here, none is touched: it would be somebody else's.
    async fn clean_up(&self) -> Result<(), ExperimentError> {
        if !self.record().injected {
            return Ok(());
        }
        let pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cleared = cleanup::clear_all(&self.target, &pids).await;
        // A trial that was cut short ends here.
        self.tell_audit(cleared.as_deref().unwrap_or_default()).await;
        cleared.map(drop).map_err(ExperimentError::Cleanup)
    }

    /// Tells the monitor's audit of the trials that it was not told of yet, so that its entries get the times of
    /// this report. Only now: nothing in the monitor may know of a fault while it is to be detected. `cleared` says,
    /// by replica, when the clean-up ended their faults. Without an audit that listens the experiment is as good.
    async fn tell_audit(&self, cleared: &[Option<Stamp>]) {
        let token = self.target.fault_token.as_deref();
        for (place, trial) in self
            .record()
            .trials
            .into_iter()
            .enumerate()
            .filter(|(_, trial)| !trial.told)
        {
            let fault = &self.scenario.faults[trial.fault].fault;
            let ended = || cleared.get(trial.instance.index()).copied().flatten();
            let activation = Activation {
                instance: trial.instance,
                fault: FaultName::from(fault),
                activated_at: trial.activated,
                cleared_at: trial.cleared.or_else(|| ended().filter(|_| *fault != Fault::Crash)),
            };
            if let Err(why) = inject::report(&self.target.monitor_url, token, &activation).await {
                self.note_once(format!("the monitor's audit lacks times: {why}"));
            }
            self.update(place, |trial| trial.told = true);
        }
    }

    /// Prints a note and puts it into the report, unless it is there already.
    fn note_once(&self, note: String) {
        if !self.record().notes.contains(&note) {
            self.progress.say(&note);
            self.locked().notes.push(note);
        }
    }

    /// Prints what became of the last trial.
    fn tell(&self, fault: &str, number: usize) {
        let ms = |ms: Option<f64>| ms.map_or_else(|| "never".to_owned(), |ms| format!("after {ms:.0} ms"));
        let line = self.locked().trials.last().map(|trial| {
            format!(
                "{fault} {number}: instance {}, OFF {}, ON {}",
                trial.instance,
                ms(trial.ttd_ms()),
                ms(trial.ttr_ms())
            )
        });
        self.progress.say(&line.unwrap_or_default());
    }

    pub(super) fn watch(&self) -> &Watch {
        self.watch.get().expect("trials begin after the watch was opened")
    }

    /// Enters a trial and gives its place.
    pub(super) fn enter(&self, trial: Trial) -> usize {
        let mut record = self.locked();
        record.trials.push(trial);
        record.trials.len() - 1
    }

    pub(super) fn update(&self, trial: usize, change: impl FnOnce(&mut Trial)) {
        if let Some(trial) = self.locked().trials.get_mut(trial) {
            change(trial);
        }
    }

    /// From here on there is something to clean up.
    pub(super) fn about_to_inject(&self) {
        self.locked().injected = true;
    }

    /// Remembers an instance's process, in case it must be continued.
    pub(super) fn pid(&self, instance: ReplicaId, pid: u32) {
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = pids.get_mut(instance.index()) {
            *slot = Some(pid);
        }
    }

    fn baseline(&self, window: Window) {
        self.locked().baseline = Some(window);
    }

    fn record(&self) -> Record {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
