//! Times of requests as histograms that can be added up.
//!
//! A histogram comes from a topic, so nothing in it is taken on trust: what could cost much memory, or trip the
//! decoder, counts as unreadable. Then the quantiles that came beside it stand for it.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

/// The longest time, microseconds; longer ones count as this. As the services count.
const LONGEST_US: u64 = 60_000_000;
/// Significant digits: a percentile is at most 1 % too large. As the services count.
const DIGITS: u8 = 2;

/// Bytes before the counts: cookie, length, offset, digits, lowest and highest value, ratio.
const HEADER: usize = 40;
/// The first bytes of a histogram V2 that is not compressed.
const COOKIE: u32 = 0x1c84_9313;
/// The most digits, the largest lowest and the largest highest value of a histogram that is read: some 100 KiB.
const MOST_DIGITS: u32 = 3;
const MOST_LOW: u64 = 1000;
const MOST_HIGH: u64 = 1 << 36;

/// Requests of one row that count at most. So no sum overflows: then a quantile would be found nowhere.
const MOST_REQUESTS: u64 = u32::MAX as u64;

/// Times in microseconds: 20 KiB.
pub(super) type Times = Histogram<u64>;

/// What a row says of its requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Requests.
    pub count: u64,
    /// Median, 95th and 99th percentile, and the longest time, in ascending order, microseconds.
    pub quantiles: [u64; 4],
}

/// No requests.
pub(super) fn empty() -> Times {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are valid")
}

/// Adds the requests of a row, by its encoded histogram if that can be read and is about as many requests.
pub(super) fn add(times: &mut Times, encoded: &[u8], figures: Figures) {
    let readable = decode(encoded).filter(|row| row.len() == figures.count.min(MOST_REQUESTS));
    if readable.is_none_or(|row| times.add(&row).is_err()) {
        approximate(times, figures);
    }
}

/// Adds as many requests as there are, at the times that are known of them.
pub(super) fn approximate(times: &mut Times, Figures { count, quantiles }: Figures) {
    let count = count.min(MOST_REQUESTS);
    let longest = (count / 100).max(1).min(count);
    let (to_p95, to_p99) = (count * 45 / 100, count * 4 / 100);
    let to_p50 = count - longest - to_p99 - to_p95;
    for (value, count) in quantiles.into_iter().zip([to_p50, to_p95, to_p99, longest]) {
        if count > 0 {
            times.saturating_record_n(value.clamp(1, LONGEST_US), count);
        }
    }
}

/// Median, 95th and 99th percentile, and the longest time, microseconds.
pub(super) fn quantiles(times: &Times) -> [u64; 4] {
    [0.5, 0.95, 0.99, 1.0].map(|q| times.value_at_quantile(q))
}

fn decode(encoded: &[u8]) -> Option<Times> {
    let (header, counts) = encoded.split_at_checked(HEADER)?;
    let u32_at = |at: usize| header[at..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    let u64_at = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let sound = u32_at(0)? == COOKIE
        // The decoder makes as much room as is announced.
        && u32_at(4)? as usize == counts.len()
        && u32_at(12)? <= MOST_DIGITS
        && u64_at(16)? <= MOST_LOW
        && u64_at(24)? <= MOST_HIGH
        // The one number that it cannot take: the lowest of all. No count comes near it.
        && !counts.windows(9).any(|number| number == [0xff; 9]);
    if !sound {
        return None;
    }
    Deserializer::new().deserialize(&mut &encoded[..]).ok()
}

#[cfg(test)]
pub(super) mod tests;
