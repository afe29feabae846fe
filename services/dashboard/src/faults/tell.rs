//! Telling the monitor's audit what was done, so that it can say how long detection and recovery took.
//!
//! In a task of its own: the page does not wait for it. A fault is what it is whether that works or not.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tolerancia_client::inject;
use tolerancia_service::queues;
use tolerancia_wire::activation::Activation;

use super::Settings;

/// Reports that wait for the monitor at most.
const QUEUE: usize = 64;

/// Where reports go.
#[derive(Debug)]
pub(super) struct Audit(mpsc::Sender<Activation>);

impl Audit {
    /// Tells the monitor until nobody is left who could have done something, which is a moment after `shutdown`: what is
    /// under way then is told too. From then on the first report that the monitor does not take is the last.
    pub(super) fn start(settings: &Settings, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (reports, mut waiting) = mpsc::channel(QUEUE);
        queues::watch_channel("fault_reports", &reports);
        let (monitor, token) = (settings.monitor.clone(), settings.token.clone());
        tasks.spawn(async move {
            while let Some(report) = waiting.recv().await {
                let told = tell(&monitor, token.as_deref(), &report).await;
                if !told && shutdown.is_cancelled() {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use tolerancia_core::ReplicaId;
    use tolerancia_wire::Stamp;
    use tolerancia_wire::activation::FaultName;

    use super::*;

    /// How many of three reports a monitor hears that takes none of them.
    async fn heard(shutdown: CancellationToken) -> usize {
        let heard = Arc::new(AtomicUsize::new(0));
        let hearing = Arc::clone(&heard);
        let refuse = async move || {
            hearing.fetch_add(1, Ordering::Relaxed);
            StatusCode::SERVICE_UNAVAILABLE
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Settings {
            replicas: Vec::new(),
            monitor: format!("http://{}", listener.local_addr().unwrap()),
            token: None,
            data_dir: std::path::PathBuf::new(),
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/faults", post(refuse))).await });
        let tasks = TaskTracker::new();
        let audit = Audit::start(&settings, &tasks, shutdown);
        for _ in 0..3 {
            audit.tell(Activation {
                instance: ReplicaId::new(1).unwrap(),
                fault: FaultName::Stale,
                activated_at: Stamp::now(),
                cleared_at: None,
            });
        }
        drop(audit);
        tasks.close();
        tasks.wait().await;
        heard.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_monitor_that_takes_no_reports_is_not_waited_for_at_the_end() {
        let shutdown = CancellationToken::new();
        assert_eq!(heard(shutdown.clone()).await, 3, "it may take the next one");
        shutdown.cancel();
        assert_eq!(heard(shutdown).await, 1);
    }
}
