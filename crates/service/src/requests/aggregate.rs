//! The sums: per second, endpoint and status one histogram. Pure: the second is an argument.

use std::collections::VecDeque;
use std::sync::Arc;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2Serializer};
use tolerancia_wire::metrics::{MOST_ROWS, RequestRow};

/// The longest time, microseconds; longer ones count as this.
const LONGEST_US: u64 = 60_000_000;
/// Significant digits: a percentile is at most 1 % too large.
const DIGITS: u8 = 2;
/// Ended seconds that wait to be taken at most; the task that takes them comes once a second.
const MOST_SECONDS: usize = 8;

/// Times in microseconds: 10 KiB.
pub(super) type Times = Histogram<u32>;

/// An endpoint and a status.
pub(super) type Name = (Arc<str>, u16);

/// One second's histograms, by number of the series.
#[derive(Debug)]
pub(super) struct Second {
    second: i64,
    times: Vec<Option<Times>>,
}

/// The series with their histograms of the current second, and what ended and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    names: Vec<Name>,
    current: Option<Second>,
    ended: VecDeque<Second>,
    /// Empty histograms that are used again.
    spare: Vec<Times>,
    lost: u64,
}

impl Aggregate {
    /// The number of a new series; `None` when there are as many as a record has rows.
    pub(super) fn series(&mut self, endpoint: &str, status: u16) -> Option<usize> {
        let number = self.names.len();
        (number < MOST_ROWS).then(|| {
            self.names.push((endpoint.into(), status));
            number
        })
    }

    /// Counts one request of a series that took `us` microseconds.
    ///
    /// Another second than the current one ends that, a later one as well as an earlier one: the clock was set
    /// back then, and what is counted for a second that was taken before leaves as another row of it. The database
    /// keeps one row of a second, the one with the larger count.
    pub(super) fn record(&mut self, series: usize, second: i64, us: u64) {
        if self.current.as_ref().is_none_or(|current| current.second != second) {
            self.end();
        }
        let current = self.current.get_or_insert_with(|| Second {
            second,
            times: Vec::new(),
        });
        if current.times.len() <= series {
            current.times.resize_with(series + 1, || None);
        }
        let times = current.times[series].get_or_insert_with(|| self.spare.pop().unwrap_or_else(times));
        times.saturating_record(us.clamp(1, LONGEST_US));
    }

    /// The seconds that ended, the current one among them unless it is `now`.
    pub(super) fn take(&mut self, now: Option<i64>) -> Vec<Second> {
        if self.current.as_ref().is_some_and(|current| Some(current.second) != now) {
            self.end();
        }
        self.ended.drain(..).collect()
    }

    /// The names of all series, by number.
    pub(super) fn names(&self) -> Vec<Name> {
        self.names.clone()
    }

    /// Requests that were counted and never taken.
    pub(super) fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Takes back empty histograms.
    pub(super) fn reuse(&mut self, times: Vec<Times>) {
        self.spare.extend(times);
        self.spare.truncate(MOST_ROWS);
    }

    fn end(&mut self) {
        let Some(ended) = self.current.take() else { return };
        if self.ended.len() == MOST_SECONDS
            && let Some(oldest) = self.ended.pop_front()
        {
            self.lost += oldest.times.iter().flatten().map(Times::len).sum::<u64>();
        }
        self.ended.push_back(ended);
    }
}

impl Second {
    /// The second and its rows, and its histograms, which are empty then.
    pub(super) fn into_rows(self, names: &[Name], encoder: &mut V2Serializer) -> (i64, Vec<RequestRow>, Vec<Times>) {
        let (mut rows, mut used) = (Vec::new(), Vec::new());
        for ((endpoint, status), times) in names.iter().zip(self.times) {
            let Some(mut times) = times else { continue };
            rows.push(row(endpoint, *status, &times, encoder));
            times.reset();
            used.push(times);
        }
        (self.second, rows, used)
    }
}

fn times() -> Times {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are valid")
}

fn row(endpoint: &str, status: u16, times: &Times, encoder: &mut V2Serializer) -> RequestRow {
    let mut histogram = Vec::new();
    // Not compressed: runs of empty slots are one number already, deflate would need 300 KB of working memory to
    // save some hundred bytes, and a reader need not guard against what unpacks to a gigabyte.
    encoder
        .serialize(times, &mut histogram)
        .expect("counts of 32 bits can be written, and to memory");
    RequestRow {
        endpoint: endpoint.to_owned(),
        status,
        count: times.len(),
        p50_us: times.value_at_quantile(0.50),
        p95_us: times.value_at_quantile(0.95),
        p99_us: times.value_at_quantile(0.99),
        max_us: times.max(),
        histogram,
    }
}

#[cfg(test)]
mod tests;
