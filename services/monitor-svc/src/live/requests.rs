//! The requests of clients of the last five minutes, by service and second.
//!
//! The instances of a service report on their own, and several records may be about one second; here they are one row.
//! The newest seconds keep their histograms, so that what is added is exact. Of an older one only the row is left: what
//! comes so late, because an instance was stopped meanwhile, is added by its quantiles.

use std::collections::BTreeMap;

use tolerancia_store::RequestMetricsRow;
use tolerancia_wire::live::{KEPT_SECONDS, RequestsSecond};

use super::histogram::{self, Figures, Times};

/// Services that are told of at most; there are three.
pub(super) const MOST_SERVICES: usize = 16;
/// Seconds that keep their histograms.
const OPEN: i64 = 30;
/// How far the clock of a service may be ahead, in seconds.
pub(super) const AHEAD: i64 = 10;
const KEPT: i64 = KEPT_SECONDS as i64;
/// Routes that clients ask for; those below them are, too.
const ROUTES: [&str; 3] = ["/inventory", "/voter/inventory", "/orders"];

/// The requests of clients that one record tells of.
#[derive(Debug)]
pub(super) struct Batch {
    service: String,
    second: i64,
    count: u64,
    failed: u64,
    times: Times,
}

impl Batch {
    /// The sum of the rows of one record, which are about one service and second; none if no client asked for anything.
    pub(super) fn of(rows: &[RequestMetricsRow]) -> Option<Self> {
        let mut rows = rows.iter().filter(|row| is_for_clients(&row.endpoint)).peekable();
        let first = *rows.peek()?;
        let mut batch = Self {
            service: first.service.clone(),
            second: first.second,
            count: 0,
            failed: 0,
            times: histogram::empty(),
        };
        for row in rows {
            batch.count = batch.count.saturating_add(row.count);
            if row.status >= 500 {
                batch.failed = batch.failed.saturating_add(row.count);
            }
            let figures = Figures {
                count: row.count,
                quantiles: [row.p50_us, row.p95_us, row.p99_us, row.max_us],
            };
            histogram::add(&mut batch.times, &row.histogram, figures);
        }
        Some(batch)
    }
}

fn is_for_clients(endpoint: &str) -> bool {
    ROUTES.iter().any(|route| {
        let below = endpoint.strip_prefix(route);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    })
}

/// One service's second.
#[derive(Debug)]
struct Cell {
    row: RequestsSecond,
    /// None once it is old.
    times: Option<Times>,
    /// Since it was told last.
    changed: bool,
}

impl Cell {
    fn new(service: &str, second: i64) -> Self {
        let row = RequestsSecond {
            second,
            service: service.to_owned(),
            count: 0,
            failed: 0,
            p50_us: 0,
            p95_us: 0,
            p99_us: 0,
            max_us: 0,
        };
        Self {
            row,
            times: None,
            changed: false,
        }
    }

    fn add(&mut self, batch: Batch) {
        let row = &mut self.row;
        let times = match &mut self.times {
            Some(times) => {
                times.add(&batch.times).expect("all have the same bounds");
                times
            }
            None => {
                let mut times = batch.times;
                let figures = Figures {
                    count: row.count,
                    quantiles: [row.p50_us, row.p95_us, row.p99_us, row.max_us],
                };
                histogram::approximate(&mut times, figures);
                self.times.insert(times)
            }
        };
        row.count = row.count.saturating_add(batch.count);
        row.failed = row.failed.saturating_add(batch.failed);
        [row.p50_us, row.p95_us, row.p99_us, row.max_us] = histogram::quantiles(times);
        self.changed = true;
    }
}

/// The rows that are kept.
#[derive(Debug, Default)]
pub(super) struct Ring {
    services: BTreeMap<String, BTreeMap<i64, Cell>>,
}

impl Ring {
    /// Adds what a record told at `now` (Unix seconds); `false`, and nothing is added, if it is about a second too far
    /// away, or about one service too many.
    pub(super) fn add(&mut self, now: i64, batch: Batch) -> bool {
        if !is_kept(now, batch.second) {
            return false;
        }
        if self.services.len() >= MOST_SERVICES && !self.services.contains_key(&batch.service) {
            return false;
        }
        let seconds = self.services.entry(batch.service.clone()).or_default();
        let cell = seconds
            .entry(batch.second)
            .or_insert_with(|| Cell::new(&batch.service, batch.second));
        cell.add(batch);
        true
    }

    /// The rows that changed since this was last asked, oldest first. Forgets what is too old at `now`.
    pub(super) fn changed(&mut self, now: i64) -> Vec<RequestsSecond> {
        for seconds in self.services.values_mut() {
            seconds.retain(|second, _| is_kept(now, *second));
            for cell in seconds.range_mut(..=now.saturating_sub(OPEN)).map(|(_, cell)| cell) {
                cell.times = None;
            }
        }
        self.services.retain(|_, seconds| !seconds.is_empty());
        let cells = self.services.values_mut().flat_map(BTreeMap::values_mut);
        let changed = cells.filter_map(|cell| std::mem::take(&mut cell.changed).then(|| cell.row.clone()));
        by_second(changed.collect())
    }

    /// All rows, oldest first.
    pub(super) fn all(&self) -> Vec<RequestsSecond> {
        let cells = self.services.values().flat_map(BTreeMap::values);
        by_second(cells.map(|cell| cell.row.clone()).collect())
    }
}

/// Whether a second is among those that are kept at `now`.
fn is_kept(now: i64, second: i64) -> bool {
    second > now.saturating_sub(KEPT) && second <= now.saturating_add(AHEAD)
}

fn by_second(mut rows: Vec<RequestsSecond>) -> Vec<RequestsSecond> {
    rows.sort_by_key(|row| row.second);
    rows
}

#[cfg(test)]
mod tests;
