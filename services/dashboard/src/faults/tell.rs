//! Telling the monitor's audit what was done, so that it can say how long detection and recovery took.
//!
//! In a task of its own: the page does not wait for it. A fault is what it is whether that works or not.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_client::inject;
use tolerancia_wire::activation::Activation;

use super::Settings;

/// Reports that wait for the monitor at most.
const QUEUE: usize = 64;

/// Where reports go.
#[derive(Debug)]
pub(super) struct Audit(mpsc::Sender<Activation>);

impl Audit {
    /// Tells the monitor until `shutdown`; what waits then is told before the end.
    pub(super) fn start(settings: &Settings, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (reports, mut waiting) = mpsc::channel(QUEUE);
        let (monitor, token) = (settings.monitor.clone(), settings.token.clone());
        tasks.spawn(async move {
            while let Some(Some(report)) = shutdown.run_until_cancelled(waiting.recv()).await {
                tell(&monitor, token.as_deref(), &report).await;
            }
            while let Ok(report) = waiting.try_recv() {
                if !tell(&monitor, token.as_deref(), &report).await {
                    return;
                }
            }
        });
        Self(reports)
    }

    /// Hands a report over. Never waits.
    pub(super) fn tell(&self, report: Activation) {
        if self.0.try_send(report).is_err() {
            tracing::warn!("the audit will not know how long a fault took: the monitor takes no reports");
        }
    }
}

/// Says whether the audit has taken it.
async fn tell(monitor: &str, token: Option<&str>, report: &Activation) -> bool {
    let told = inject::report(monitor, token, report).await;
    if let Err(why) = &told {
        tracing::warn!(why, "the audit will not know how long a fault took");
    }
    told.is_ok()
}
