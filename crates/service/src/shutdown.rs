//! The one way to stop: a token that every task watches. SIGINT and SIGTERM cancel it; so does a service
//! that cannot go on.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGINT or SIGTERM cancels. Later ones change nothing: a terminal sends SIGINT to
/// the supervisor and to its children, and the supervisor then sends SIGTERM to them as well.
///
/// # Panics
/// Outside a tokio runtime, or when the process may not handle signals.
#[must_use]
pub fn signals() -> CancellationToken {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            () = cancelled.cancelled() => return,
        }
        cancelled.cancel();
    });
    token
}
