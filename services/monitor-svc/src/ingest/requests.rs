//! Request metrics: records of `request-metrics` and the monitor's own, as rows of the database; those of the topic are
//! told to those who look on, too.

use jiff::Timestamp;
use tolerancia_bus::Message;
use tolerancia_service::config::ServiceArgs;
use tolerancia_service::requests::Sink;
use tolerancia_store::{Buffer, RequestMetricsRow, Write};
use tolerancia_wire::metrics::{MOST_ROWS, MetricsBody, MetricsRecord, RequestRow};

use super::reader::Take;
use super::remember;
use crate::live::Live;

/// The longest name of a service, an instance or an endpoint, in bytes.
const LONGEST_NAME: usize = 256;
/// How far the second that a record is about may be from the present, in seconds. One that is far ahead would never
/// be pruned, and whoever made it may have a clock that is as wrong.
const FARTHEST: u64 = 3600;

/// Writes the rows of `request-metrics`.
pub(crate) struct Requests {
    /// Where to.
    pub store: Buffer,
    /// And who is told.
    pub live: Live,
}

impl Take for Requests {
    async fn take(&mut self, message: Message) {
        let record = MetricsRecord::from_bytes(&message.payload).map_err(|error| error.to_string());
        let now = Timestamp::now();
        match record.and_then(|record| rows(record, now)) {
            Ok(rows) => {
                self.live.requests(&rows, now.as_second());
                for row in rows {
                    remember(&self.store, Write::RequestMetrics(row));
                }
            }
            Err(error) => {
                metrics::counter!("monitor_unreadable_metrics_total").increment(1);
                tracing::debug!(error, offset = message.offset, "a record on request-metrics is skipped");
            }
        }
    }
}

/// Takes the monitor's own rows, which need no topic.
pub(crate) fn own(store: Buffer, service: &ServiceArgs) -> Sink {
    let (service, instance) = (service.name().to_owned(), service.instance().to_owned());
    Box::new(move |second, rows| {
        for one in rows {
            remember(&store, Write::RequestMetrics(row(&service, &instance, second, one)));
        }
    })
}

/// The rows of a record that is read at `now`.
///
/// # Errors
/// When it is not one that a service of this system makes, in words; then nothing of it is used.
fn rows(record: MetricsRecord, now: Timestamp) -> Result<Vec<RequestMetricsRow>, String> {
    let MetricsBody::RequestMetrics { instance, second, rows } = record.body;
    // `voter-svc`, or `inventory-svc/2` where there are several.
    let source = record.source.as_str();
    let service = source
        .strip_suffix(instance.as_str())
        .and_then(|rest| rest.strip_suffix('/'))
        .unwrap_or(source);
    if rows.len() > MOST_ROWS {
        return Err(format!("{} rows, {MOST_ROWS} are allowed", rows.len()));
    }
    if now.as_second().abs_diff(second) > FARTHEST {
        return Err(format!("read at {now}, it is about second {second}"));
    }
    let names = rows.iter().map(|row| row.endpoint.as_str());
    if let Some(name) = names.chain([service, &instance]).find(|name| name.len() > LONGEST_NAME) {
        return Err(format!("a name of {} bytes", name.len()));
    }
    if let Some(row) = rows.iter().find(|row| !is_sound(row)) {
        return Err(format!(
            "{} {}: the figures contradict one another",
            row.endpoint, row.status
        ));
    }
    Ok(rows
        .into_iter()
        .map(|one| row(service, &instance, second, one))
        .collect())
}

fn is_sound(row: &RequestRow) -> bool {
    let order = [row.p50_us, row.p95_us, row.p99_us, row.max_us];
    // The database has signed numbers, and one row that does not fit would cost its whole batch.
    let fits = i64::try_from(row.count).is_ok() && i64::try_from(row.max_us).is_ok();
    (100..1000).contains(&row.status) && row.count > 0 && order.is_sorted() && fits
}

fn row(service: &str, instance: &str, second: i64, row: RequestRow) -> RequestMetricsRow {
    RequestMetricsRow {
        service: service.to_owned(),
        instance: instance.to_owned(),
        endpoint: row.endpoint,
        status: row.status,
        second,
        count: row.count,
        p50_us: row.p50_us,
        p95_us: row.p95_us,
        p99_us: row.p99_us,
        max_us: row.max_us,
        histogram: row.histogram,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request(endpoint: &str) -> RequestRow {
        RequestRow {
            endpoint: endpoint.to_owned(),
            status: 200,
            count: 3,
            p50_us: 10,
            p95_us: 20,
            p99_us: 20,
            max_us: 30,
            histogram: vec![1, 2, 3],
        }
    }

    /// A record about the second in which it is made.
    fn record(source: &str, instance: &str, rows: Vec<RequestRow>) -> MetricsRecord {
        let mut record = MetricsRecord::new(
            source,
            MetricsBody::RequestMetrics {
                instance: instance.to_owned(),
                second: 0,
                rows,
            },
        );
        let MetricsBody::RequestMetrics { second, .. } = &mut record.body;
        *second = record.at.as_second();
        record
    }

    #[test]
    fn a_record_becomes_rows_of_its_service_and_instance() {
        for (source, instance, service) in [
            ("voter-svc", "1", "voter-svc"),
            ("inventory-svc/2", "2", "inventory-svc"),
            ("named/like/this/2", "2", "named/like/this"),
            ("ends-with-1", "1", "ends-with-1"),
        ] {
            let record = record(source, instance, vec![request("/a"), request("/b")]);
            let second = record.at.as_second();
            let now = record.at;
            let all = rows(record, now).unwrap();
            assert_eq!(
                all[1],
                RequestMetricsRow {
                    service: service.to_owned(),
                    instance: instance.to_owned(),
                    endpoint: "/b".to_owned(),
                    status: 200,
                    second,
                    count: 3,
                    p50_us: 10,
                    p95_us: 20,
                    p99_us: 20,
                    max_us: 30,
                    histogram: vec![1, 2, 3],
                }
            );
            assert_eq!((all.len(), all[0].endpoint.as_str()), (2, "/a"));
        }
    }

    #[test]
    fn absurd_records_are_refused() {
        let now = Timestamp::now();
        let fits = |record| rows(record, now).is_ok();
        let with = |change: fn(&mut RequestRow)| {
            let mut row = request("/a");
            change(&mut row);
            record("voter-svc", "1", vec![request("/b"), row])
        };
        assert!(fits(with(|_| {})));
        assert!(fits(record("voter-svc", "1", vec![request("/a"); MOST_ROWS])));
        assert!(!fits(record("voter-svc", "1", vec![request("/a"); MOST_ROWS + 1])));
        assert!(!fits(with(|row| row.count = 0)));
        assert!(!fits(with(|row| row.status = 0)));
        assert!(!fits(with(|row| row.status = 1000)));
        assert!(!fits(with(|row| row.p50_us = 25)));
        assert!(!fits(with(|row| row.max_us = 1)));
        assert!(!fits(with(|row| row.max_us = 1 << 63)));
        assert!(fits(with(|row| row.count = (1 << 63) - 1)));
        assert!(!fits(with(|row| row.count = 1 << 63)));
        assert!(!fits(with(|row| row.endpoint = "/".repeat(LONGEST_NAME + 1))));
        assert!(!fits(record(&"s".repeat(LONGEST_NAME + 1), "1", vec![])));
        assert!(!fits(record("s", &"1".repeat(LONGEST_NAME + 1), vec![])));
        for (off, expected) in [(0, true), (3600, true), (-3600, true), (3601, false), (-3601, false)] {
            let mut record = record("voter-svc", "1", vec![request("/a")]);
            let MetricsBody::RequestMetrics { second, .. } = &mut record.body;
            *second = now.as_second() + off;
            // Whatever its own clock says.
            record.at = Timestamp::from_second(*second).unwrap();
            assert_eq!(fits(record), expected, "{off}");
        }
        let mut record = record("voter-svc", "1", vec![]);
        let MetricsBody::RequestMetrics { second, .. } = &mut record.body;
        *second = i64::MIN;
        assert!(!fits(record));
    }
}
