//! Whoever is refused is told of: in the log, and to whoever keeps an audit.
//!
//! What is told and how often is the affair of [`Tally`]; here is the task that tells.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tolerancia_bus::Producer;
use tolerancia_wire::denial::{Denial, Why};
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};
use tolerancia_wire::topic::ERROR_QUEUE;

use super::FaultSwitch;
use super::denials::{Attempt, Tally};

/// Takes what was refused, without waiting.
pub type DenialSink = Box<dyn FnMut(Denial) + Send>;

/// The attempts that were not told of yet; clones share them.
#[derive(Debug, Default)]
pub(super) struct Refused {
    tally: Mutex<Tally>,
    some: Notify,
}

impl Refused {
    /// Counts an attempt. The same few steps whatever it was.
    pub(super) fn note(&self, attempt: Attempt) {
        metrics::counter!("fault_denials_total", "why" => attempt.why.name()).increment(1);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).note(attempt);
        self.some.notify_one();
    }
}

/// The task that tells of refused attempts. It ends with [`DenialAudit::close`], or when this is dropped.
#[derive(Debug)]
pub struct DenialAudit {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl DenialAudit {
    /// Starts telling of what `switch` and its clones refuse: one line in the log for each entry, and `sink`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(switch: &FaultSwitch, sink: DenialSink) -> Self {
        // From the first one on they can be seen, at 0.
        for why in Why::ALL {
            metrics::counter!("fault_denials_total", "why" => why.name()).increment(0);
        }
        let stop = CancellationToken::new();
        let task = tokio::spawn(tell(Arc::clone(switch.refused()), sink, stop.clone()));
        Self {
            stop: stop.drop_guard(),
            task,
        }
    }

    /// Tells of what was refused until now, and ends. Called when the server has ended, before the sink's own flush.
    pub async fn close(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the last refused attempts are not told of");
        }
    }
}

async fn tell(refused: Arc<Refused>, mut sink: DenialSink, stop: CancellationToken) {
    let began = Instant::now();
    loop {
        let goes_on = stop.run_until_cancelled(refused.some.notified()).await.is_some();
        let (denials, pause) = {
            let mut tally = refused.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.take(began.elapsed())
        };
        for denial in denials {
            let Denial {
                peer,
                tried,
                why,
                count,
            } = &denial;
            let peer = peer.map_or_else(|| "several".to_owned(), |peer| peer.to_string());
            tracing::warn!(peer, tried, why = why.name(), count, "refused to be broken");
            sink(denial);
        }
        if !goes_on {
            return;
        }
        let _: Option<()> = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Sends what was refused to `error-queue`, from where the monitor takes it into the audit. What cannot leave at once is
/// counted (`fault_denials_untold_total`); it is in the log.
#[must_use]
pub fn denials_to_kafka(producer: Producer, source: String) -> DenialSink {
    Box::new(move |denial| {
        let record = ErrorRecord::new(source.as_str(), ErrorBody::Denied(denial));
        let sent = producer.is_connected()
            && producer
                .send_forget(ERROR_QUEUE, Some(0), Some(source.as_bytes()), record.to_bytes())
                .is_ok();
        if !sent {
            metrics::counter!("fault_denials_untold_total").increment(1);
        }
    })
}

/// For a process whose log is the audit.
#[must_use]
pub fn denials_to_log() -> DenialSink {
    Box::new(drop)
}
