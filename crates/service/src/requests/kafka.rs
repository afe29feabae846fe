//! Rows on their way to `request-metrics`.
//!
//! They travel on the producer that the service has for more important things, so they must not stand in their
//! way: one small record a second, none while no broker is connected.

use tolerancia_bus::Producer;
use tolerancia_wire::metrics::{MetricsBody, MetricsRecord, RequestRow};
use tolerancia_wire::topic::REQUEST_METRICS;

use super::Sink;
use crate::config::ServiceArgs;

/// Rows of one record: with the largest histograms, 13 KiB as 26 KiB of text, well below Kafka's 1 MB.
const ROWS: usize = 32;

/// Sends the rows of `service` with `producer`. What cannot leave at once is dropped and counted
/// (`request_metrics_lost_total`).
#[must_use]
pub fn to_kafka(producer: Producer, service: &ServiceArgs) -> Sink {
    let (source, instance) = (service.source(), service.instance().to_owned());
    Box::new(move |second, rows| {
        for record in records(&source, &instance, second, rows) {
            let MetricsBody::RequestMetrics { rows, .. } = &record.body;
            let sent = producer.is_connected()
                && producer
                    .send_forget(REQUEST_METRICS, Some(0), Some(source.as_bytes()), record.to_bytes())
                    .is_ok();
            if !sent {
                let lost = rows.iter().map(|row| row.count).sum();
                metrics::counter!("request_metrics_lost_total").increment(lost);
            }
        }
    })
}

fn records(source: &str, instance: &str, second: i64, mut rows: Vec<RequestRow>) -> Vec<MetricsRecord> {
    let mut records = Vec::new();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        let body = MetricsBody::RequestMetrics {
            instance: instance.to_owned(),
            second,
            rows,
        };
        records.push(MetricsRecord::new(source, body));
        rows = rest;
    }
    records
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_wire::metrics::MOST_ROWS;

    use super::*;

    #[test]
    fn records_fit_into_kafka_and_leave_no_row_out() {
        let row = |n: usize| RequestRow {
            endpoint: format!("/{n}"),
            status: 200,
            count: 1,
            p50_us: 1,
            p95_us: 1,
            p99_us: 1,
            max_us: 1,
            histogram: vec![0xff; 13 * 1024],
        };
        for count in [0, 1, ROWS, ROWS + 1, MOST_ROWS] {
            let rows: Vec<_> = (0..count).map(row).collect();
            let records = records("voter-svc", "1", 5, rows.clone());
            let mut all = Vec::new();
            for record in records {
                assert!(record.to_bytes().len() < 1_000_000);
                let MetricsBody::RequestMetrics { instance, second, rows } = record.body;
                assert_eq!((instance.as_str(), second), ("1", 5));
                all.extend(rows);
            }
            assert_eq!(all, rows);
        }
    }
}
