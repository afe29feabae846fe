//! A database of a test's own, and a line to it that can be cut.

#![allow(clippy::unwrap_used, dead_code, unused_imports)]

mod proxy;
mod scratch;

use std::time::Duration;

use tolerancia_store::StoreError;

pub use proxy::{Line, Proxy};
pub use scratch::Scratch;

/// Every call ends within this, whatever happens; with room for a busy host.
pub const BOUND: Duration = Duration::from_secs(8);

pub fn unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(message)) => message,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}
