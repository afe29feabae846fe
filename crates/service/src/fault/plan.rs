//! What all active faults together do to an answer.
//!
//! The order is fixed, whatever the order in which they were injected:
//! 1. every latency sleeps, one after the other: their times add up;
//! 2. every intermittent may fail: then that error is the answer, and it comes as late as any other;
//! 3. otherwise the answer is made, and every incorrect rewrites it.
//!
//! So a replica that is slow and fails is slow in both, and one that lies and fails lies where it does not fail.
//! Crash, freeze and stale touch the process, not its answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tolerancia_core::ProductId;
use tolerancia_wire::fault::Fault;
use tower::Service;

use super::active::Active;
use super::{incorrect, intermittent, latency};

/// What is done to each answer of one kind: to health checks, or to queries.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Means in milliseconds, as in [`Fault::Latency`].
    latencies: Vec<Option<u64>>,
    /// Probabilities of an error.
    failures: Vec<f64>,
    /// Lies, each with the chance that picks it.
    lies: Vec<(ProductId, f64)>,
}

impl Plan {
    /// What these faults do to health answers (`true`) or to query answers (`false`); `None`: nothing.
    pub(super) fn of(faults: &[Arc<Active>], health: bool) -> Option<Arc<Self>> {
        let mut plan = Self::default();
        for active in faults.iter().filter(|active| active.fault.spec.scope.covers(health)) {
            match &active.fault.spec.fault {
                Fault::Latency { latency_ms } => plan.latencies.push(*latency_ms),
                Fault::Intermittent { probability } => plan.failures.push(*probability),
                // No health answer contains stock.
                Fault::Incorrect { product } if !health => plan.lies.push((product.clone(), active.chance)),
                Fault::Incorrect { .. } | Fault::Crash | Fault::Freeze | Fault::Stale => {}
            }
        }
        (plan != Self::default()).then(|| Arc::new(plan))
    }

    /// Answers the request so.
    pub(super) async fn answer<S>(&self, mut inner: S, request: Request) -> Result<Response, Infallible>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let sleep: Duration = self.latencies.iter().map(|mean| latency::delay(*mean)).sum();
        if !sleep.is_zero() {
            tokio::time::sleep(sleep).await;
        }
        if let Some(failure) = self.failures.iter().find_map(|p| intermittent::failure(*p)) {
            return Ok(failure);
        }
        let truth = inner.call(request).await?;
        if self.lies.is_empty() {
            return Ok(truth);
        }
        Ok(incorrect::rewrite(truth, &self.lies).await)
    }
}
