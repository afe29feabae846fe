//! Prometheus metrics: one recorder per process.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle as Handle};

/// Upper bounds of the buckets of all histograms, in seconds.
const BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of this process; clones are the same ones.
#[derive(Clone)]
pub struct PrometheusHandle(Handle);

impl std::fmt::Debug for PrometheusHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrometheusHandle").finish_non_exhaustive()
    }
}

impl PrometheusHandle {
    /// All metrics as Prometheus text, queues as they are now.
    #[must_use]
    pub fn render(&self) -> String {
        crate::queues::sample();
        self.0.render()
    }

    /// Sums up the samples of histograms, which take memory until then.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Starts recording, at the first call; every call returns a handle to the same metrics.
///
/// # Panics
/// When the process records its metrics in another way already.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .expect("there are buckets")
            .install_recorder()
            .expect("nothing else in this program installs a recorder")
    });
    PrometheusHandle(handle.clone())
}
