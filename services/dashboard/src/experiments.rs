//! Experiments, started from the page: each is a process of its own, `tolerancia experiment`, as a person would start it.
//!
//! So nothing of the laboratory is in this process, a report made here is like any other, and what an experiment promises
//! (its faults are cleared, however it ends) is kept by the same code. The child is tied to this process by its standard
//! input: when this process is gone, whatever killed it, the child sees the end of it, clears its faults and stops.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`state`] | how the experiment stands, from its progress lines |
//! | [`child`], [`lines`] | the process, and what it says |
//! | [`conductor`] | one at a time: start, follow, stop |
//! | [`request`] | what the page asks for |
//! | [`scenarios`] | what can be chosen |
//! | [`folders`] | what earlier experiments have left |

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tolerancia_service::openapi::Api;
use tolerancia_service::queues;
use tolerancia_service::secret::Secret;

use crate::browser::BrowserEvent;
use crate::hub::Hub;

mod child;
mod conductor;
mod folders;
mod lines;
mod request;
mod scenarios;
mod state;

use conductor::{Command, Conductor};
pub(crate) use folders::Folder;
pub(crate) use scenarios::ScenarioAbout;
pub(crate) use state::ExperimentState;

/// Requests that wait for their turn; more are refused.
const WAITING: usize = 8;

/// How long an experiment that clears its faults is waited for when the dashboard stops. The supervisor waits for longer.
const GRACE: Duration = Duration::from_secs(10);

/// What experiments need.
#[derive(Clone)]
pub(crate) struct ExperimentSettings {
    /// This program.
    pub program: PathBuf,
    /// Where results go.
    pub results_dir: PathBuf,
    /// Where scenarios are.
    pub scenarios_dir: PathBuf,
    /// First port of the system.
    pub base_port: u16,
    /// Number of replicas.
    pub replicas: u8,
    /// The token that the replicas and the monitor ask for.
    pub fault_token: Option<Secret>,
    /// Whether experiments may be started.
    pub enabled: bool,
}

/// The experiments of this dashboard. Clones are the same.
#[derive(Clone)]
pub(crate) struct Experiments(Arc<Inner>);

impl std::fmt::Debug for Experiments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Experiments").finish_non_exhaustive()
    }
}

/// Tells all browsers. Never waits.
type Tell = dyn Fn(BrowserEvent) + Send + Sync;

struct Inner {
    settings: ExperimentSettings,
    tell: Box<Tell>,
    grace: Duration,
    /// To the conductor.
    commands: mpsc::Sender<Command>,
    /// From it, until it runs.
    queue: Mutex<Option<mpsc::Receiver<Command>>>,
    /// As they were found last.
    scenarios: Mutex<Vec<ScenarioAbout>>,
}

impl Experiments {
    /// None runs yet.
    pub(crate) fn new(settings: ExperimentSettings, hub: Hub) -> Self {
        Self::telling(settings, GRACE, Box::new(move |event| hub.publish(event)))
    }

    fn telling(settings: ExperimentSettings, grace: Duration, tell: Box<Tell>) -> Self {
        let (commands, queue) = mpsc::channel(WAITING);
        queues::watch_channel("experiment_commands", &commands);
        let scenarios = about(&settings.scenarios_dir);
        Self(Arc::new(Inner {
            settings,
            tell,
            grace,
            commands,
            queue: Mutex::new(Some(queue)),
            scenarios: Mutex::new(scenarios),
        }))
    }

    /// Carries out what is asked for, and watches the folders, until `shutdown`. An experiment that runs then is
    /// interrupted, and waited for while it clears its faults, at most 10 s; after that it goes on alone. Runs once.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(queue) = queue else { return };
        let Inner { settings, tell, .. } = &*self.0;
        let (ended, look) = mpsc::channel(1);
        let conductor = Conductor {
            settings,
            tell,
            grace: self.0.grace,
            ended,
            shutdown: &shutdown,
        };
        tokio::join!(
            conductor.conduct(queue),
            folders::watch(settings.results_dir.clone(), tell, look, &shutdown),
            self.watch_scenarios(&shutdown),
        );
    }

    /// What can be chosen, as it was found at most 5 s ago. Never waits.
    pub(crate) fn scenarios(&self) -> Vec<ScenarioAbout> {
        let scenarios = self.0.scenarios.lock().unwrap_or_else(PoisonError::into_inner);
        scenarios.clone()
    }

    /// Looks for scenarios that are written meanwhile.
    async fn watch_scenarios(&self, shutdown: &CancellationToken) {
        let pause = || shutdown.run_until_cancelled(tokio::time::sleep(folders::EVERY));
        while pause().await.is_some() {
            let dir = self.0.settings.scenarios_dir.clone();
            if let Ok(found) = tokio::task::spawn_blocking(move || about(&dir)).await {
                *self.0.scenarios.lock().unwrap_or_else(PoisonError::into_inner) = found;
            }
        }
    }
}

fn about(scenarios_dir: &Path) -> Vec<ScenarioAbout> {
    let found = scenarios::list(scenarios_dir);
    found.into_iter().map(|scenario| scenario.about).collect()
}

/// This very program, even if its file was replaced or deleted since.
///
/// # Errors
/// When the system does not know.
pub(crate) fn program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

/// `POST /api/experiments` and `DELETE /api/experiments/current`.
pub(crate) fn routes(experiments: Experiments) -> Api {
    request::routes(experiments)
}

#[cfg(test)]
mod tests;
