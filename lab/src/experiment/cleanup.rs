//! No fault outlives the experiment.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tolerancia_client::inject::{self, InjectError};
use tolerancia_core::ReplicaId;
use tolerancia_wire::Stamp;
use tolerancia_wire::fault::FaultState;

use super::Target;

/// How long a replica that does not answer is waited for: it may be about to be restarted. One that is gone when the
/// experiment was interrupted is not waited for: its fault went with it, and perhaps the whole system is being stopped.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Ends the faults of all replicas and says when, by replica. `pids` are their processes, where known from an
/// injection. Once `interrupted` is cancelled, a replica that is gone has no fault.
pub(crate) async fn clear_all(
    target: &Target,
    pids: &[Option<u32>],
    interrupted: &CancellationToken,
) -> Result<Vec<Option<Stamp>>, String> {
    let replicas = u8::try_from(target.inventory_urls.len()).unwrap_or(u8::MAX);
    let clear = async |instance: ReplicaId| {
        let known = pids.get(instance.index()).copied().flatten();
        let pid = match known {
            Some(pid) => Some(pid),
            None => inject::pid_of(&target.monitor_url, instance).await,
        };
        match clear(target, instance, pid, interrupted).await {
            Ok(state) => Ok(state.cleared_at),
            // Without fault injection there is no fault.
            Err(InjectError::Off { .. }) => Ok(None),
            Err(InjectError::NoAnswer { gone: true, .. }) if interrupted.is_cancelled() => Ok(None),
            Err(error) => Err(format!("instance {instance}: {error}")),
        }
    };
    let (mut cleared, mut failed) = (Vec::new(), Vec::new());
    for ended in join_all(ReplicaId::all(replicas).map(clear)).await {
        match ended {
            Ok(at) => cleared.push(at),
            Err(why) => failed.push(why),
        }
    }
    if failed.is_empty() {
        Ok(cleared)
    } else {
        Err(failed.join("; "))
    }
}

/// Ends the fault of one replica, waiting for a replica that does not answer.
pub(crate) async fn clear_one(
    target: &Target,
    instance: ReplicaId,
    pid: Option<u32>,
) -> Result<FaultState, InjectError> {
    clear(target, instance, pid, &CancellationToken::new()).await
}

async fn clear(
    target: &Target,
    instance: ReplicaId,
    pid: Option<u32>,
    interrupted: &CancellationToken,
) -> Result<FaultState, InjectError> {
    let url = &target.inventory_urls[instance.index()];
    let deadline = Instant::now() + PATIENCE;
    loop {
        match inject::clear(url, target.fault_token.as_deref(), pid).await {
            Err(InjectError::NoAnswer { gone, .. })
                if Instant::now() < deadline && !(gone && interrupted.is_cancelled()) =>
            {
                sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}
