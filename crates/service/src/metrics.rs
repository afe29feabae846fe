//! Prometheus metrics: one recorder per process.

use std::sync::OnceLock;

use metrics_exporter_prometheus::PrometheusBuilder;
pub use metrics_exporter_prometheus::PrometheusHandle;

/// Upper bounds of the buckets of all histograms, in seconds.
const BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Starts recording, at the first call; every call returns a handle to the same metrics.
///
/// # Panics
/// When the process records its metrics in another way already.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets(&BUCKETS)
                .expect("there are buckets")
                .install_recorder()
                .expect("nothing else in this program installs a recorder")
        })
        .clone()
}
