//! The course of an experiment, and what happens when it is cut short.
//!
//! The part that breaks things runs in a task of its own, so that not even a panic gets past the clean-up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;
use tolerancia_bus::BusConfig;
use tolerancia_core::ReplicaId;
use tolerancia_wire::Stamp;

use super::log::Ends;
use super::record::{Record, Trial};
use super::recorder::Recorder;
use super::steady::Steady;
use super::traffic::Traffic;
use super::verify::{self, Verified};
use super::watch::Watch;
use super::{ExperimentArgs, ExperimentError, ExperimentOutcome, Target, announce, written};
use crate::archive::{self, Contents};
use crate::console;
use crate::load::api::{Api, raise_file_limit};
use crate::report::{self, Facts, Report, Verdict};
use crate::scenario::{Pace, Scenario};
use crate::ui::{Progress, Step};

/// An experiment in progress.
pub(super) struct Lab {
    pub(super) target: Target,
    pub(super) scenario: Scenario,
    pub(super) pace: Pace,
    pub(super) progress: Progress,
    pub(super) seed: u64,
    /// The names of the faults.
    pub(super) names: Vec<String>,
    /// Where the trace goes, if it is to be recorded.
    pub(super) record_to: Option<PathBuf>,
    /// How the log is reached.
    pub(super) ends: fn(BusConfig) -> Ends,
    pub(super) steady: Steady,
    pub(super) traffic: Traffic,
    pub(super) watch: OnceLock<Watch>,
    pub(super) recorder: OnceLock<Recorder>,
    record: Mutex<Record>,
    pids: Mutex<Vec<Option<u32>>>,
    /// Ends everything that runs beside.
    pub(super) stop: CancellationToken,
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
    scenario.fits(target.replicas)?;
    let started = Stamp::now();
    let api = Api::new(&target.voter_url, &target.orders_url);
    let lab = Arc::new(Lab {
        pace: scenario.pace(args.quick),
        names: scenario.names(),
        record_to: args.record.then(|| args.out.clone()),
        scenario,
        progress: Progress::start_as(args.progress, Step::Starting { seed }),
        seed,
        ends,
        steady: Steady::new(api.clone(), target.clone()),
        traffic: Traffic::new(api, shutdown.clone()),
        watch: OnceLock::new(),
        recorder: OnceLock::new(),
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
    lab.progress.enter(Step::Finishing);
    lab.progress.live("clearing the faults".to_owned());
    let cleaned = lab.clean_up(&shutdown).await;
    lab.progress.live("collecting the last answers".to_owned());
    let observations = lab.traffic.finish().await;

    let mut failure = course.err();
    match cleaned {
        // The first failure is the result, but what is left behind must be told too.
        Err(error) if failure.is_some() => lab.note_once(error.to_string()),
        cleaned => failure = failure.or(cleaned.err()),
    }
    let (mut verified, mut log) = (Verified::default(), None);
    if failure.is_none() && !shutdown.is_cancelled() {
        lab.progress.live("comparing every answer with the log".to_owned());
        tokio::select! {
            () = shutdown.cancelled() => {}
            found = verify::verify(&lab.target, &lab.steady, &observations) => match found {
                Ok((found, read)) => (verified, log) = (found, Some(read)),
                Err(error) => failure = Some(error),
            },
        }
    }
    let mut record = lab.record();
    record.deaf = lab.watch.get().and_then(Watch::deaf);
    let transitions = lab.watch.get().map(Watch::all).unwrap_or_default();
    // Whatever went wrong is the result; what was measured until then is reported all the same.
    let mut report = report::build(&Facts {
        args: &args,
        scenario: &lab.scenario,
        pace: lab.pace,
        seed: lab.seed,
        started,
        ended: Stamp::now(),
        target: &lab.target,
        record: &record,
        transitions: &transitions,
        observations: &observations,
        verified: &verified,
        aborted: shutdown.is_cancelled(),
        failure: failure.as_ref().map(ToString::to_string),
    });
    let repeat = report.repeat.clone();
    let contents = Contents {
        scenario: &lab.scenario,
        repeat: &repeat,
        transitions: &transitions,
        observations: &observations,
        log: log.as_ref(),
    };
    let kept = keep(&args, &contents, &mut report);
    let written = written::write(&args, &report, true);
    failure = failure.or(kept.err());
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

/// Writes the files beside the report, and tells in the report what became of that.
fn keep(args: &ExperimentArgs, contents: &Contents<'_>, report: &mut Report) -> Result<(), ExperimentError> {
    let files = archive::write(&args.out, contents).map_err(|error| args.unwritable(&error));
    match files {
        Ok(files) => {
            report.files = Some(files);
            if files.records.is_none() {
                let note = "the folder is partial: the log was not read, so `tolerancia verify` has nothing to go by";
                report.notes.push(note.to_owned());
            }
            Ok(())
        }
        Err(error) => {
            report.verdict = Verdict::Error;
            report.notes.push(format!("the folder is partial: {error}"));
            Err(error)
        }
    }
}

fn show(args: &ExperimentArgs, report: &Report) {
    if args.json {
        console::out(report::json(report));
    } else {
        console::out(report::table(report, &args.out));
    }
}

impl Lab {
    /// Prints a note and puts it into the report, unless it is there already.
    pub(super) fn note_once(&self, note: String) {
        if !self.record().notes.contains(&note) {
            self.progress.say(&note);
            self.locked().notes.push(note);
        }
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

    /// An instance's process, where known from an injection.
    pub(super) fn known_pid(&self, instance: ReplicaId) -> Option<u32> {
        let pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        pids.get(instance.index()).copied().flatten()
    }

    pub(super) fn pids(&self) -> Vec<Option<u32>> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn record(&self) -> Record {
        self.locked().clone()
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
