//! The load over time.

use tolerancia_wire::Stamp;

use super::model::Series;
use super::rounded;
use super::seen::{Seen, failed, latencies_ms};
use crate::experiment::record::Window;
use crate::statistics::quantile;

/// More points than that are not told apart on a screen.
const MOST_BUCKETS: u64 = 1200;
const SECOND_NS: u64 = 1_000_000_000;

/// Cuts the run into equal buckets; `None` if there was no load.
pub(super) fn series(seen: &Seen<'_>, started: Stamp) -> Option<Series> {
    let Window { from_ns, to_ns } = seen.span()?;
    let span_ns = to_ns - from_ns + 1;
    let bucket_ns = span_ns.div_ceil(MOST_BUCKETS).next_multiple_of(SECOND_NS);
    let mut series = Series {
        bucket_s: (bucket_ns / SECOND_NS) as f64,
        ..Series::default()
    };
    for begin_ns in (from_ns..=to_ns).step_by(usize::try_from(bucket_ns).unwrap_or(usize::MAX)) {
        let requests = seen.within(Window {
            from_ns: begin_ns,
            to_ns: begin_ns + (bucket_ns - 1),
        });
        let latencies = latencies_ms(requests);
        let ms = |q: f64| quantile(&latencies, q).map(|ms| rounded(ms, 2));
        let start_ms = (begin_ns as f64 - started.mono_ns as f64) / 1e6;
        series.start_s.push(rounded(start_ms / 1000.0, 3));
        series.requests.push(requests.len() as u64);
        series.failed.push(failed(requests));
        series.p50_ms.push(ms(0.5));
        series.p95_ms.push(ms(0.95));
        series.p99_ms.push(ms(0.99));
        series.max_ms.push(ms(1.0));
    }
    Some(series)
}
