//! The supervisor: the whole system as processes of this binary on one host.
//!
//! Processes start stage by stage, each stage once the one before is ready, and stop in the reverse order. One
//! that ends is started again. None outlives the supervisor, however that ends (see [`crate::guard`]).

mod child;
pub mod log;
pub mod own;
pub mod place;
mod process;
pub mod ready;
pub mod spec;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http;
use crate::outcome::Failure;
use crate::signals::Signals;
use log::Log;
use place::DataDir;
use process::{Context, Keeper, Pids, Spawner, State};
use spec::{Spec, System};

/// How often the user is told what is still waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running system.
#[derive(Debug)]
pub struct Supervisor {
    context: Arc<Context>,
    stages: BTreeMap<u8, Stage>,
    /// Held, so that no other system uses the directory.
    _data_dir: DataDir,
}

/// Processes that start and stop together.
#[derive(Debug, Default)]
struct Stage {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    state: watch::Receiver<State>,
    why: watch::Receiver<String>,
}

/// How a start ended.
pub enum Start {
    /// Every process is ready and every replica's vote counts.
    Ready(Supervisor),
    /// The user changed their mind; nothing is left running.
    Interrupted,
}

impl Supervisor {
    /// Starts `system` and comes back when it is ready.
    ///
    /// # Errors
    /// When the data directory or a port cannot be had, or a process cannot be started as it is configured. Nothing
    /// is left running then.
    pub async fn start(mut system: System, log: Log, signals: &Signals) -> Result<Start, Failure> {
        let data_dir = DataDir::take(&system.data_dir)?;
        system.data_dir = data_dir.path().to_owned();
        let specs = system.specs();
        place::ports_are_free(&specs).await?;
        let context = Context {
            log,
            http: http::client(),
            spawner: Spawner::new(),
            pids: Pids::new(data_dir.path()),
            kill: signals.kill.clone(),
        };
        let mut supervisor = Self {
            context: Arc::new(context),
            stages: BTreeMap::new(),
            _data_dir: data_dir,
        };
        let outcome = tokio::select! {
            started = supervisor.start_all(&system, specs) => Some(started),
            () = signals.stop.cancelled() => None,
        };
        match outcome {
            Some(Ok(())) => Ok(Start::Ready(supervisor)),
            Some(Err(failure)) => {
                supervisor.stop().await;
                Err(failure)
            }
            None => {
                supervisor.stop().await;
                Ok(Start::Interrupted)
            }
        }
    }

    async fn start_all(&mut self, system: &System, specs: Vec<Spec>) -> Result<(), Failure> {
        if !system.embedded {
            // A Kafka that is not there is better said once, here, than by every service.
            tolerancia_bus::ensure_topics(&system.bus)
                .await
                .map_err(|error| Failure::cannot(error.to_string()))?;
        }
        let probes: Vec<_> = specs.iter().map(|spec| spec.probe.clone()).collect();
        let mut stages = BTreeMap::<u8, Vec<(usize, Spec)>>::new();
        for (colour, spec) in specs.into_iter().enumerate() {
            stages.entry(spec.stage).or_default().push((colour, spec));
        }
        for (number, specs) in stages {
            let stage = self.stages.entry(number).or_default();
            for (colour, spec) in specs {
                stage.launch(spec, colour, &self.context);
            }
            for watched in &mut stage.watched {
                watched.ready(&self.context.log).await?;
            }
        }
        let (why, because) = watch::channel(String::new());
        let all_on = ready::all_on(&self.context.http, system.ports, &why);
        patiently(
            all_on,
            "the monitor's verdict on the replicas",
            &because,
            &self.context.log,
        )
        .await;
        ready::complete(&self.context.http, &probes).await;
        Ok(())
    }

    /// Stops every process, the last started first, and comes back when none is left.
    pub async fn stop(self) {
        for stage in self.stages.into_values().rev() {
            stage.stop.cancel();
            for task in stage.tasks {
                // A panic of the task has dropped the child, which killed it.
                let _ = task.await;
            }
        }
        self.context.pids.remove();
    }
}

impl Stage {
    fn launch(&mut self, spec: Spec, colour: usize, context: &Arc<Context>) {
        let (state, watched_state) = watch::channel(State::Starting);
        let (why, watched_why) = watch::channel(String::new());
        self.watched.push(Watched {
            name: spec.name.clone(),
            state: watched_state,
            why: watched_why,
        });
        let keeper = Keeper {
            spec,
            colour,
            context: Arc::clone(context),
            stop: self.stop.clone(),
            state,
            why,
        };
        self.tasks.push(tokio::spawn(keeper.keep()));
    }
}

impl Watched {
    /// Comes back when the process is ready, or cannot become so.
    async fn ready(&mut self, log: &Log) -> Result<(), Failure> {
        let settled = self
            .state
            .wait_for(|state| matches!(state, State::Ready | State::GaveUp(_)));
        match patiently(settled, &self.name, &self.why, log).await.as_deref() {
            Ok(State::GaveUp(end)) => Err(Failure::cannot(format!("{} {end}", self.name))),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::cannot(format!("{} is no longer watched", self.name))),
        }
    }
}

/// Waits for `event`, and tells from time to time that it does.
async fn patiently<T>(event: impl Future<Output = T>, name: &str, why: &watch::Receiver<String>, log: &Log) -> T {
    let mut event = std::pin::pin!(event);
    loop {
        match tokio::time::timeout(PATIENCE, &mut event).await {
            Ok(value) => return value,
            Err(_) => log.say(&format!("still waiting for {name}: {}", why.borrow().as_str())),
        }
    }
}
