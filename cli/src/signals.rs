//! Being asked to stop: the first signal asks, the second insists.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::outcome::Failure;

/// What the user wants.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Cancelled by the first SIGINT, SIGTERM or SIGHUP: stop in order.
    pub stop: CancellationToken,
    /// Cancelled by the second: stop at once.
    pub kill: CancellationToken,
}

/// Takes over the signals of this process. Call it before anything is started that would have to be stopped.
pub fn watch() -> Result<Signals, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::cannot(format!("signals cannot be handled ({error})")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let signals = Signals::default();
    let seen = signals.clone();
    tokio::spawn(async move {
        for token in [seen.stop, seen.kill] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            token.cancel();
        }
    });
    Ok(signals)
}
