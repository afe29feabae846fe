//! Breaking and mending replicas from the page.
//!
//! What is asked for is carried to its end even if the browser is gone meanwhile: a fault that is active, but shown to
//! nobody and told to no audit, would be worse than none. The audit is told afterwards ([`tell`]), as by every injector,
//! and nobody else: what detects must not know.

mod poll;
mod routes;
mod tell;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_client::inject::{self, InjectError};
use tolerancia_client::process;
use tolerancia_core::ReplicaId;
use tolerancia_service::secret::Secret;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::Activation;
use tolerancia_wire::fault::{ActiveFault, FaultSpec, FaultState};

use crate::browser::{BrowserEvent, FaultWindow};
use crate::hub::Hub;
use crate::state::State;
use crate::state::faults::begun;
pub(crate) use routes::routes;
use tell::Audit;

/// Requests to replicas under way at a time; more wait.
const MOST_ACTIONS: usize = 8;

/// Where the replicas and the monitor are, and how to be admitted.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The replicas' addresses, in the order of their numbers.
    pub replicas: Vec<String>,
    /// The monitor's, whose audit is told.
    pub monitor: String,
    /// The token that all of them were started with.
    pub token: Option<Secret>,
    /// Where the supervisor's list of processes is, if they run on this host.
    pub data_dir: PathBuf,
}

/// Injects and clears; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Injector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hub: Hub,
    replicas: Vec<Replica>,
    token: Option<Secret>,
    data_dir: PathBuf,
    audit: Audit,
    actions: Arc<Semaphore>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Replica {
    instance: ReplicaId,
    url: String,
    /// Its process when it answered last; 0 if it never did.
    pid: AtomicU32,
    /// Rises when something was done to it from here: what it said before that is not how it is.
    actions: AtomicU64,
}

/// What could not be done to a replica.
#[derive(Debug)]
pub(crate) struct Failed {
    instance: ReplicaId,
    /// Whether a fault was to be injected; otherwise cleared.
    injects: bool,
    why: Why,
}

/// Who is to blame.
#[derive(Debug, thiserror::Error)]
enum Why {
    /// The replica, or what it was asked for.
    #[error(transparent)]
    Replica(#[from] InjectError),
    /// The dashboard.
    #[error("a defect in the dashboard: {0}")]
    Defect(String),
}

impl Injector {
    /// One whose tasks run until `shutdown`: it asks the replicas once a second which faults are active.
    pub(crate) fn start(settings: Settings, hub: Hub, tasks: &TaskTracker, shutdown: &CancellationToken) -> Self {
        let audit = Audit::start(&settings, tasks, shutdown.clone());
        let count = u8::try_from(settings.replicas.len()).unwrap_or(u8::MAX);
        let replicas = ReplicaId::all(count).zip(settings.replicas);
        let shared = Shared {
            hub,
            replicas: replicas.map(|(instance, url)| Replica::new(instance, url)).collect(),
            token: settings.token,
            data_dir: settings.data_dir,
            audit,
            actions: Arc::new(Semaphore::new(MOST_ACTIONS)),
            tasks: tasks.clone(),
        };
        let injector = Self {
            shared: Arc::new(shared),
        };
        tasks.spawn(poll::run(injector.clone(), shutdown.clone()));
        injector
    }

    fn replica(&self, instance: ReplicaId) -> Option<&Replica> {
        self.shared.replicas.get(instance.index())
    }

    /// Activates one more fault, and answers since when it is there.
    async fn inject(&self, instance: ReplicaId, spec: FaultSpec) -> Result<FaultWindow, Failed> {
        let this = self.clone();
        let failed = |why| Failed {
            instance,
            injects: true,
            why,
        };
        let done = self.whatever_happens(async move {
            let Some(replica) = this.replica(instance) else {
                return Err(InjectError::Invalid(format!("there is no instance {instance}")));
            };
            let state = inject::add_fault(&replica.url, this.shared.token.as_deref(), spec).await?;
            // The last is the one that was asked for.
            let Some(fault) = state.active.as_ref() else {
                let answer = "without the fault: somebody else has cleared it".to_owned();
                let url = replica.url.clone();
                let status = 200;
                return Err(InjectError::Refused { url, status, answer });
            };
            replica.seen(&state);
            this.publish(replica, |all| all.faults().injected(instance, fault, &state.ended));
            this.shared.audit.tell(Activation::new(instance, fault, None));
            Ok(begun(instance, fault))
        });
        done.await.map_err(failed)
    }

    /// Ends all faults of a replica, and says which they were.
    async fn clear(&self, instance: ReplicaId) -> Result<Vec<FaultWindow>, Failed> {
        let this = self.clone();
        let failed = |why| Failed {
            instance,
            injects: false,
            why,
        };
        let done = self.whatever_happens(async move {
            let Some(replica) = this.replica(instance) else {
                return Err(InjectError::Invalid(format!("there is no instance {instance}")));
            };
            let token = this.shared.token.as_deref();
            let pid = this.pid(replica);
            let mut answer = inject::clear(&replica.url, token, pid).await;
            if matches!(answer, Err(InjectError::NoAnswer { .. })) && pid.is_some() {
                // A freeze comes a moment after its answer, so the process may have stopped after it was looked at.
                answer = inject::clear(&replica.url, token, pid).await;
            }
            let state = answer?;
            replica.seen(&state);
            let ended = &state.ended;
            let windows = this.publish(replica, |all| all.faults().ended(instance, ended, state.cleared_at));
            for fault in ended {
                this.shared
                    .audit
                    .tell(Activation::new(instance, fault, state.cleared_at));
            }
            Ok(windows)
        });
        done.await.map_err(failed)
    }

    /// Ends all faults of all replicas, as far as that is possible.
    async fn clear_all(&self) -> (Vec<FaultWindow>, Vec<Failed>) {
        let all = self.shared.replicas.iter().map(|replica| self.clear(replica.instance));
        let (mut ended, mut failed) = (Vec::new(), Vec::new());
        for done in join_all(all).await {
            match done {
                Ok(windows) => ended.extend(windows),
                // Without fault injection there is no fault.
                Err(Failed {
                    why: Why::Replica(InjectError::Off { .. }),
                    ..
                }) => {}
                Err(why) => failed.push(why),
            }
        }
        (ended, failed)
    }

    /// Carries an action to its end, even if nobody waits for it any more.
    async fn whatever_happens<T: Send + 'static>(
        &self,
        action: impl Future<Output = Result<T, InjectError>> + Send + 'static,
    ) -> Result<T, Why> {
        let turn = Arc::clone(&self.shared.actions).acquire_owned().await;
        let action = self.shared.tasks.spawn(async move {
            let _turn = turn;
            action.await
        });
        let done = action.await.map_err(|panic| Why::Defect(panic.to_string()))?;
        Ok(done?)
    }

    /// Makes known what was done to a replica, so that what it said before does not come after.
    fn publish(&self, replica: &Replica, windows: impl FnOnce(&State) -> Vec<FaultWindow>) -> Vec<FaultWindow> {
        let mut published = Vec::new();
        self.shared.hub.publish_with(|state| {
            replica.actions.fetch_add(1, Ordering::Relaxed);
            published = windows(state);
            published.clone().into_iter().map(BrowserEvent::Fault)
        });
        published
    }

    /// A replica's process, as it said itself, as the monitor saw it, or as the supervisor on this host wrote it down: the one
    /// that is stopped, if one is. Where both the dashboard and the monitor are younger than the fault, only the list knows it.
    fn pid(&self, replica: &Replica) -> Option<u32> {
        let told = Some(replica.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0);
        let (checked, judged) = self.shared.hub.read(|state| {
            let mut checked = state.replicas().iter();
            let mut judged = state.status().into_iter().flat_map(|status| &status.instances);
            (
                checked
                    .find(|seen| seen.instance == replica.instance)
                    .and_then(|seen| seen.pid),
                judged
                    .find(|seen| seen.instance == replica.instance)
                    .and_then(|seen| seen.pid),
            )
        });
        let listed = process::replica(&self.shared.data_dir, replica.instance);
        let known = || [told, checked, judged, listed].into_iter().flatten();
        known()
            .find(|pid| inject::is_stopped_replica(*pid))
            .or_else(|| known().next())
    }
}

impl Replica {
    fn new(instance: ReplicaId, url: String) -> Self {
        Self {
            instance,
            url,
            pid: AtomicU32::new(0),
            actions: AtomicU64::new(0),
        }
    }

    /// It has answered.
    fn seen(&self, state: &FaultState) {
        self.pid.store(state.pid, Ordering::Relaxed);
    }

    /// How often something was done to it from here.
    fn actions(&self) -> u64 {
        self.actions.load(Ordering::Relaxed)
    }
}

impl Injector {
    /// What is known to be active in a replica.
    fn active(&self, replica: &Replica) -> Vec<FaultWindow> {
        let active = |state: &State| state.faults().active(replica.instance).cloned().collect();
        self.shared.hub.read(active)
    }

    /// A replica says that these are active; how often something had been done to it, and what was known to be active in it,
    /// when it was asked.
    fn listed(&self, replica: &Replica, actions: u64, before: &[FaultWindow], state: &FaultState) {
        replica.seen(state);
        let active: &[ActiveFault] = &state.faults;
        let now = Stamp::now();
        self.shared.hub.publish_with(|all| {
            // Under the hub's lock, as an action is made known: so either this is seen to be old, or it comes before.
            if replica.actions() == actions {
                let windows = all.faults().listed(replica.instance, before, active, now);
                windows.into_iter().map(BrowserEvent::Fault).collect()
            } else {
                Vec::new()
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::StatusCode;
    use tolerancia_service::problem::ApiProblem;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_defect_of_the_dashboard() {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let settings = Settings {
            replicas: vec!["http://127.0.0.1:0".to_owned()],
            monitor: "http://127.0.0.1:0".to_owned(),
            token: None,
            data_dir: PathBuf::new(),
        };
        let injector = Injector::start(settings, Hub::new(), &tasks, &shutdown);
        let action = async { panic!("a test's own") };
        let why = injector.whatever_happens::<()>(action).await.unwrap_err();
        let failed = Failed {
            instance: ReplicaId::new(1).unwrap(),
            injects: true,
            why,
        };
        let ApiProblem(problem) = failed.into();
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(problem.detail.contains("a defect in the dashboard"), "{problem:?}");
        shutdown.cancel();
    }
}
