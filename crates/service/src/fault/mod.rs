//! The injected faults: a switch, the routes that turn it, and a layer around the answers.
//!
//! No service code knows about faults. The layer stands between the routes and the network, each fault is
//! one small function, and what a fault does to numbers is in `tolerancia_core::fault`. Nothing that an
//! injected fault makes a service say names the fault: whoever detects must see symptoms only.
//!
//! Several faults can be active at a time; `plan` says in which order they touch an answer.
//! While no fault is active the layer costs one atomic load per answer.

mod active;
mod audit;
mod check;
mod denials;
mod describe;
mod incorrect;
mod intermittent;
mod latency;
mod layer;
mod plan;
mod routes;
mod signal;
mod token;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::sync::watch;
use tolerancia_wire::Stamp;
use tolerancia_wire::denial::{MOST_TRIED, Why};
use tolerancia_wire::fault::{ActiveFault, FaultSpec, FaultState};

use active::{Active, ActiveSet};
use audit::Refused;
pub use audit::{DenialAudit, DenialSink, denials_to_kafka, denials_to_log};
use check::check;
use denials::Attempt;
pub use layer::{FaultLayer, FaultService};
use plan::Plan;
pub use routes::read as read_fault;

use crate::openapi::Api;
pub use token::MOST_TOKEN;

use crate::shell::Peer;

/// The faults of one process; clones turn the same switch.
#[derive(Debug, Clone)]
pub struct FaultSwitch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    instance: String,
    enabled: bool,
    /// Whether a token is asked for; if not, `token` is one that nobody knows.
    locked: bool,
    token: token::Token,
    refused: Arc<Refused>,
    /// Whether `active` holds something.
    armed: AtomicBool,
    active: Mutex<ActiveSet>,
    consuming: watch::Sender<bool>,
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
                locked: token.is_some(),
                token: token.map_or_else(token::Token::unknown, token::Token::new),
                refused: Arc::default(),
                armed: AtomicBool::new(false),
                active: Mutex::default(),
                consuming: watch::Sender::new(true),
            }),
        }
    }

    /// Protects further routes as `/fault` is: 404 unless faults may be injected, 401 without the token, 403 for pages in
    /// a browser.
    pub fn guarded(&self, routes: Router) -> Router {
        routes.layer(axum::middleware::from_fn_with_state(self.clone(), routes::guard))
    }

    /// What to answer to a request that is about faults, if it may not be made: 404 unless faults may be injected, 401
    /// without the token. Whoever is refused is audited.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> Option<Response> {
        self.why_not(request).map(|why| self.refuse(request, why))
    }

    /// Why a request may not be made. The same work whatever it is.
    fn why_not(&self, request: &Request) -> Option<Why> {
        let Shared {
            enabled, locked, token, ..
        } = &*self.shared;
        let admitted = token.admits(request.headers());
        match (enabled, locked, admitted) {
            (false, ..) => Some(Why::InjectionOff),
            (true, false, _) | (true, true, Some(true)) => None,
            (true, true, Some(false)) => Some(Why::WrongToken),
            (true, true, None) => Some(Why::NoToken),
        }
    }

    fn refuse(&self, request: &Request, why: Why) -> Response {
        let peer = request
            .extensions()
            .get::<Peer>()
            .map(|Peer(peer)| peer.ip().to_canonical());
        let mut tried = format!("{} {}", request.method(), request.uri().path());
        if tried.len() > MOST_TRIED {
            tried.truncate(tried.floor_char_boundary(MOST_TRIED));
        }
        self.shared.refused.note(Attempt { peer, tried, why });
        routes::refused(why)
    }

    fn refused(&self) -> &Arc<Refused> {
        &self.shared.refused
    }

    /// `GET PUT POST DELETE /fault`.
    pub fn routes(&self) -> Router {
        self.api().into_router()
    }

    /// The same, with what the service's document says of it.
    pub(crate) fn api(&self) -> Api {
        routes::routes(self)
    }

    /// Whether faults can be injected.
    pub(crate) fn is_enabled(&self) -> bool {
        self.shared.enabled
    }

    /// Whether that takes a token.
    pub(crate) fn asks_for_token(&self) -> bool {
        self.shared.locked
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

    /// Activates faults in the place of whatever is active. Returns the state to answer with.
    ///
    /// # Errors
    /// A message for the caller when the faults cannot be there at a time, a value is out of range, or a scope has
    /// no meaning for its fault; then nothing changes.
    fn put(&self, specs: Vec<FaultSpec>) -> Result<FaultState, String> {
        check(&specs, std::process::id())?;
        let mut active = self.lock();
        let now = Stamp::now();
        let new: Vec<_> = specs.into_iter().map(|spec| Active::new(spec, now)).collect();
        let state = self.switch(&mut active, ActiveSet::new(new.clone()), None);
        drop(active);
        new.into_iter().for_each(|new| self.begin(new));
        Ok(state)
    }

    /// Activates one more fault. The same kind of fault with the same scope makes room for it.
    ///
    /// # Errors
    /// As for [`put`](Self::put), and when there are too many then.
    fn add(&self, spec: FaultSpec) -> Result<FaultState, String> {
        check(std::slice::from_ref(&spec), std::process::id())?;
        let mut active = self.lock();
        let new = Active::new(spec, Stamp::now());
        let next = active.with(Arc::clone(&new))?;
        let state = self.switch(&mut active, next, None);
        drop(active);
        self.begin(new);
        Ok(state)
    }

    /// Ends whatever is active.
    fn clear(&self) -> FaultState {
        let state = self.switch(&mut self.lock(), ActiveSet::default(), Some(Stamp::now()));
        tracing::info!(count = state.ended.len(), "faults cleared");
        state
    }

    fn current(&self) -> FaultState {
        self.state(self.lock().told(), Vec::new(), None)
    }

    /// Puts `next` in the place of what is active.
    fn switch(&self, active: &mut ActiveSet, next: ActiveSet, cleared_at: Option<Stamp>) -> FaultState {
        let ended = active.gone_in(&next);
        self.shared.armed.store(!next.is_empty(), Ordering::Release);
        self.shared.consuming.send_if_modified(|consuming| {
            let before = std::mem::replace(consuming, next.consumes());
            before != *consuming
        });
        *active = next;
        self.state(active.told(), ended, cleared_at)
    }

    fn begin(&self, new: Arc<Active>) {
        let FaultSpec { fault, scope } = &new.fault.spec;
        tracing::info!(%fault, ?scope, "fault injected");
        signal::schedule(self.clone(), new);
    }

    fn state(&self, faults: Vec<ActiveFault>, ended: Vec<ActiveFault>, cleared_at: Option<Stamp>) -> FaultState {
        FaultState {
            instance: self.shared.instance.clone(),
            pid: std::process::id(),
            active: faults.last().cloned(),
            faults,
            ended,
            cleared_at,
        }
    }

    /// What touches an answer now, if anything does.
    fn touching(&self, health: bool) -> Option<Arc<Plan>> {
        if !self.shared.armed.load(Ordering::Acquire) {
            return None;
        }
        self.lock().plan(health)
    }

    /// Does something that must not come after the fault's end, if it has not ended.
    fn if_still<R>(&self, active: &Arc<Active>, f: impl FnOnce() -> R) -> Option<R> {
        let set = self.lock();
        set.has(active).then(f)
    }

    fn lock(&self) -> MutexGuard<'_, ActiveSet> {
        self.shared.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
