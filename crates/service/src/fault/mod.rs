//! The injected faults: a switch, the routes that turn it, and a layer around the answers.
//!
//! No service code knows about faults. The layer stands between the routes and the network, each fault is
//! one small function, and what a fault does to numbers is in `tolerancia_core::fault`. Nothing that an
//! injected fault makes a service say names the fault: whoever detects must see symptoms only.
//!
//! While no fault is active the layer costs one atomic load per answer.

mod incorrect;
mod intermittent;
mod latency;
mod layer;
mod routes;
mod signal;
mod token;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use rand::Rng as _;
use tokio::sync::watch;
use tolerancia_wire::Stamp;
use tolerancia_wire::fault::{ActiveFault, Fault, FaultSpec, FaultState, Scope};

pub use layer::{FaultLayer, FaultService};

/// The faults of one process; clones turn the same switch.
#[derive(Debug, Clone)]
pub struct FaultSwitch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    instance: String,
    enabled: bool,
    token: Option<token::Token>,
    /// Whether `active` holds something.
    armed: AtomicBool,
    active: Mutex<Option<Arc<Active>>>,
    consuming: watch::Sender<bool>,
}

/// One activation.
#[derive(Debug)]
struct Active {
    fault: ActiveFault,
    /// Drawn once, so that the replica tells the same lie each time; in [0, 1).
    chance: f64,
}

impl FaultSwitch {
    /// No fault, in the process of `instance`. Unless `enabled`, none can be injected; with a `token`, only by
    /// who knows it.
    #[must_use]
    pub fn new(instance: &str, enabled: bool, token: Option<&str>) -> Self {
        Self {
            shared: Arc::new(Shared {
                instance: instance.to_owned(),
                enabled,
                token: token.map(token::Token::new),
                armed: AtomicBool::new(false),
                active: Mutex::new(None),
                consuming: watch::Sender::new(true),
            }),
        }
    }

    /// Protects further routes as `/fault` is: 404 unless faults may be injected, 401 without the token.
    pub fn guarded(&self, routes: Router) -> Router {
        routes.layer(axum::middleware::from_fn_with_state(self.clone(), routes::guard))
    }

    /// `GET PUT DELETE /fault`.
    pub fn routes(&self) -> Router {
        routes::routes(self.clone())
    }

    /// The layer for `/health` and the queries.
    #[must_use]
    pub fn layer(&self) -> FaultLayer {
        FaultLayer::new(self.clone())
    }

    /// Whether the service should go on reading its log.
    #[must_use]
    pub fn consuming(&self) -> watch::Receiver<bool> {
        self.shared.consuming.subscribe()
    }

    /// Activates a fault in the place of whatever is active. Returns the state to answer with.
    ///
    /// # Errors
    /// A message for the caller when a value is out of range or the scope has no meaning for the fault;
    /// then nothing changes.
    fn activate(&self, spec: FaultSpec) -> Result<FaultState, String> {
        spec.fault.check()?;
        check_scope(&spec)?;
        check_process(&spec.fault, std::process::id())?;
        let state = {
            let mut active = self.lock();
            let activated_at = if signal::of(&spec.fault).is_some() {
                signal::due()
            } else {
                Stamp::now()
            };
            let fault = ActiveFault { spec, activated_at };
            let new = Arc::new(Active {
                fault,
                chance: rand::rng().random(),
            });
            *active = Some(Arc::clone(&new));
            self.shared.armed.store(true, Ordering::Release);
            self.shared.consuming.send_replace(new.fault.spec.fault != Fault::Stale);
            signal::schedule(self.clone(), new);
            self.state(active.as_deref(), None)
        };
        if let Some(ActiveFault { spec, .. }) = &state.active {
            tracing::info!(fault = %spec.fault, scope = ?spec.scope, "fault injected");
        }
        Ok(state)
    }

    /// Ends whatever is active.
    fn clear(&self) -> FaultState {
        let state = {
            let mut active = self.lock();
            *active = None;
            self.shared.armed.store(false, Ordering::Release);
            self.shared.consuming.send_replace(true);
            self.state(None, Some(Stamp::now()))
        };
        tracing::info!("fault cleared");
        state
    }

    fn current(&self) -> FaultState {
        self.state(self.lock().as_deref(), None)
    }

    fn state(&self, active: Option<&Active>, cleared_at: Option<Stamp>) -> FaultState {
        FaultState {
            instance: self.shared.instance.clone(),
            pid: std::process::id(),
            active: active.map(|active| active.fault.clone()),
            cleared_at,
        }
    }

    /// The fault that touches an answer now, if any.
    fn touching(&self, health: bool) -> Option<Arc<Active>> {
        if !self.shared.armed.load(Ordering::Acquire) {
            return None;
        }
        self.lock()
            .clone()
            .filter(|active| active.fault.spec.scope.covers(health))
    }

    fn is_still(&self, active: &Arc<Active>) -> bool {
        self.lock().as_ref().is_some_and(|now| Arc::ptr_eq(now, active))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Active>>> {
        self.shared.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kernel ignores SIGKILL and SIGSTOP that process 1 of a container sends to itself: the fault would be said to be
/// active and do nothing.
fn check_process(fault: &Fault, pid: u32) -> Result<(), String> {
    if pid == 1 && signal::of(fault).is_some() {
        return Err(format!(
            "{} cannot be injected into process 1 of a container: run the service under an init, as the image does (tini), \
             or with `docker run --init`",
            fault.name()
        ));
    }
    Ok(())
}

/// A fault that would do nothing, or more than its scope says, would falsify a measurement.
fn check_scope(spec: &FaultSpec) -> Result<(), String> {
    let name = spec.fault.name();
    match (&spec.fault, spec.scope) {
        (Fault::Crash | Fault::Freeze | Fault::Stale, Scope::Queries | Scope::Health) => {
            Err(format!("{name} hits the whole process: leave the scope out"))
        }
        (Fault::Incorrect { .. }, Scope::Health) => Err(format!(
            "{name} falsifies stock, which no health answer contains: leave the scope out"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
