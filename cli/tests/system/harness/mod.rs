//! What the tests share.

mod outside;
mod process;
mod system;
mod traffic;
mod truth;

use std::time::{Duration, Instant};

pub use outside::{Kafka, Postgres};
pub use process::{Run, leftovers, signal, tolerancia};
pub use system::{System, free_base, turn};
pub use traffic::{Told, Traffic};
pub use truth::Truth;

/// Generous: a debug build on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(25);

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(LIMIT, what, &mut look).await
}

/// Waits until `look` finds something, for at most `limit`.
pub async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
