//! Faults by the replicas' own injection interface.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tolerancia_client::inject::{self, InjectError};
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::FaultSpec;
use tolerancia_wire::fault::FaultState;
use tolerancia_wire::time::mono_ns;

use super::{Done, Driver, Note, wait, window};
use crate::torture::action::{Action, Kind, Target, Window};

/// How long a replica that does not answer is asked to end its faults.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

impl Driver {
    /// Injects the faults, waits, and clears them.
    pub(super) async fn inject(
        &self,
        target: Target,
        faults: &[FaultSpec],
        lasts: Duration,
        stop: &CancellationToken,
    ) -> Vec<Window> {
        let tried = mono_ns();
        let not_done = |why: Note| {
            let none = |spec: &FaultSpec| {
                window(
                    target,
                    Kind::of(&spec.fault),
                    Some(spec.clone()),
                    tried,
                    &Err(why.clone()),
                )
            };
            faults.iter().map(none).collect()
        };
        let Some(replica) = target.replica() else {
            return not_done("only replicas have such faults".to_owned());
        };
        let action = Action::Faults(faults.to_vec());
        // A lie that could not be ended in time must not make a majority of liars with the next.
        let _lie = match action.lies().then(|| Arc::clone(&self.lies).try_acquire_owned()) {
            Some(Err(_)) => return not_done("as many as may still lie".to_owned()),
            Some(Ok(permit)) => Some(permit),
            None => None,
        };
        let state = match self.put(replica, faults, lasts, stop).await {
            Ok(state) => state,
            Err(error) => return not_done(error.to_string()),
        };
        let (to_ns, note) = if action.kills() {
            let note = self.processes.back(target, state.pid, stop).await;
            (mono_ns(), note)
        } else {
            wait(lasts, stop).await;
            self.clear(replica, state.pid).await
        };
        let windows = state.faults.iter().map(|active| {
            let done = Done {
                from_ns: active.activated_at.mono_ns,
                to_ns,
                note: format!("process {}; {note}", state.pid),
            };
            window(
                target,
                Kind::of(&active.spec.fault),
                Some(active.spec.clone()),
                tried,
                &Ok(done),
            )
        });
        windows.collect()
    }

    /// A replica that is just being started is asked again, for as long as the fault would last.
    async fn put(
        &self,
        replica: ReplicaId,
        faults: &[FaultSpec],
        lasts: Duration,
        stop: &CancellationToken,
    ) -> Result<FaultState, InjectError> {
        let (url, token) = (self.system.inventory_url(replica), self.system.fault_token.as_deref());
        let deadline = Instant::now() + lasts;
        loop {
            match inject::put_faults(url, token, faults.to_vec()).await {
                Err(InjectError::NoAnswer { .. }) if Instant::now() < deadline && !stop.is_cancelled() => {
                    sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    /// Ends the faults of the process `pid`, which may be stopped. Its end is their end as well. When, and what was seen.
    async fn clear(&self, replica: ReplicaId, pid: u32) -> (u64, Note) {
        let (url, token) = (self.system.inventory_url(replica), self.system.fault_token.as_deref());
        let deadline = Instant::now() + PATIENCE;
        loop {
            match inject::clear(url, token, Some(pid)).await {
                Ok(state) => {
                    let at = state.cleared_at.map_or_else(mono_ns, |at| at.mono_ns);
                    let note = if state.pid == pid {
                        String::new()
                    } else {
                        format!("they had ended with it; process {} is in its place", state.pid)
                    };
                    return (at, note);
                }
                Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(error) => return (mono_ns(), format!("they could not be cleared: {error}")),
            }
        }
    }
}
