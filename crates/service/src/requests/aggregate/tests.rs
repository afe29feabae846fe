#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use hdrhistogram::serialization::Deserializer;
use proptest::prelude::*;

use super::*;

/// All rows of what is taken now, by second, and the histograms back where they belong.
fn rows(aggregate: &mut Aggregate, now: Option<i64>) -> Vec<(i64, RequestRow)> {
    let names = aggregate.names();
    let mut all = Vec::new();
    for second in aggregate.take(now) {
        let (second, rows, used) = second.into_rows(&names, &mut V2Serializer::new());
        assert!(used.iter().all(|times| times.is_empty()));
        aggregate.reuse(used);
        all.extend(rows.into_iter().map(|row| (second, row)));
    }
    all
}

fn decode(row: &RequestRow) -> Histogram<u64> {
    Deserializer::new().deserialize(&mut &row.histogram[..]).unwrap()
}

/// The value below which a share `q` of the sorted values lies, as an HDR histogram defines it.
fn exact(sorted: &[u64], q: f64) -> u64 {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted[rank - 1]
}

/// Two digits: at most 1 % too large, never too small.
fn close(said: u64, truth: u64) -> bool {
    let truth = truth.max(1);
    said >= truth && said as f64 <= truth as f64 * 1.01
}

#[test]
fn a_second_is_one_row_per_endpoint_and_status() {
    let mut aggregate = Aggregate::default();
    let ok = aggregate.series("/inventory/{product}", 200).unwrap();
    let bad = aggregate.series("/inventory/{product}", 503).unwrap();
    for us in 1..=100 {
        aggregate.record(ok, 7, us * 10);
    }
    aggregate.record(bad, 7, 300_000);
    assert!(aggregate.take(Some(7)).is_empty(), "it has not ended");
    let all = rows(&mut aggregate, Some(8));
    let brief: Vec<_> = all.iter().map(|(s, row)| (*s, row.status, row.count)).collect();
    assert_eq!(brief, [(7, 200, 100), (7, 503, 1)]);
    let row = &all[0].1;
    assert!(close(row.p50_us, 500) && close(row.p95_us, 950) && close(row.p99_us, 990) && close(row.max_us, 1000));
    assert!(rows(&mut aggregate, None).is_empty(), "nothing is told twice");
}

#[test]
fn times_out_of_range_are_counted_at_its_ends() {
    let mut aggregate = Aggregate::default();
    let series = aggregate.series("/", 200).unwrap();
    for us in [0, 1, LONGEST_US, u64::MAX] {
        aggregate.record(series, 7, us);
    }
    let (_, row) = rows(&mut aggregate, None).remove(0);
    assert_eq!(row.count, 4);
    assert!(close(row.p50_us, 1) && close(row.max_us, LONGEST_US), "{row:?}");
}

#[test]
fn a_clock_that_is_set_back_makes_more_rows_and_loses_nothing() {
    let mut aggregate = Aggregate::default();
    let series = aggregate.series("/", 200).unwrap();
    for second in [1000, 1000, 400, 401, 1000] {
        aggregate.record(series, second, 5);
    }
    let brief: Vec<_> = rows(&mut aggregate, None)
        .iter()
        .map(|(s, row)| (*s, row.count))
        .collect();
    assert_eq!(brief, [(1000, 2), (400, 1), (401, 1), (1000, 1)]);
}

#[test]
fn memory_is_bounded_when_nobody_takes_the_rows_and_the_loss_is_counted() {
    let mut aggregate = Aggregate::default();
    let series = aggregate.series("/", 200).unwrap();
    for second in 0..100 {
        aggregate.record(series, second, 5);
        aggregate.record(series, second, 6);
    }
    let kept: Vec<_> = rows(&mut aggregate, None).iter().map(|(second, _)| *second).collect();
    assert_eq!(kept, (100 - MOST_SECONDS as i64..100).collect::<Vec<_>>());
    assert_eq!(aggregate.lost(), 2 * (100 - MOST_SECONDS as u64));
    assert_eq!(aggregate.lost(), 0);
    assert!(aggregate.spare.len() <= MOST_ROWS);
}

#[test]
fn there_are_no_more_series_than_a_record_has_rows() {
    let mut aggregate = Aggregate::default();
    let given = (0..1000).filter(|n| aggregate.series("/", *n).is_some()).count();
    assert_eq!(given, MOST_ROWS);
}

#[test]
fn the_largest_histogram_is_far_below_what_readers_refuse() {
    let mut aggregate = Aggregate::default();
    let series = aggregate.series("/", 200).unwrap();
    // Every slot a different large count: the worst for the encoding.
    let mut times = times();
    let slots: Vec<_> = times.iter_all().map(|slot| slot.value_iterated_to()).collect();
    for (slot, n) in slots.iter().zip(0..) {
        times.record_n(*slot, u32::MAX - n).unwrap();
    }
    aggregate.record(series, 7, 1);
    aggregate.current.as_mut().unwrap().times[series] = Some(times);
    let (_, row) = rows(&mut aggregate, None).remove(0);
    assert!(row.histogram.len() < 13 * 1024, "{}", row.histogram.len());
    assert!(row.histogram.len() < tolerancia_wire::metrics::MOST_HISTOGRAM);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is recorded in whatever order and however often rows are taken: every request is in exactly one
    /// row of its second, and the rows of a second, merged, have the percentiles of its requests.
    #[test]
    fn rows_add_up_and_their_histograms_merge(
        requests in prop::collection::vec((0usize..4, 0u8..3, prop_oneof![0u64..300, 0u64..=LONGEST_US], any::<bool>()), 1..400),
    ) {
        let mut aggregate = Aggregate::default();
        let series: Vec<_> = [("/a", 200), ("/a", 503), ("/b", 200), ("unmatched", 404)]
            .map(|(endpoint, status)| aggregate.series(endpoint, status).unwrap())
            .to_vec();
        let mut truth: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        let (mut second, mut taken, mut told) = (100, 100, Vec::new());
        for (which, step, us, take) in requests {
            second += i64::from(step);
            aggregate.record(series[which], second, us);
            truth.entry(second).or_default().push(us);
            // As the task does: within a few seconds.
            if take || second - taken >= MOST_SECONDS as i64 {
                told.extend(rows(&mut aggregate, Some(second)));
                taken = second;
            }
        }
        told.extend(rows(&mut aggregate, None));
        prop_assert_eq!(aggregate.lost(), 0);

        let mut keys: Vec<_> = told.iter().map(|(s, row)| (*s, row.endpoint.clone(), row.status)).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), count, "one row per second, endpoint and status");

        for (second, mut values) in truth {
            values.sort_unstable();
            let mut merged = Histogram::<u64>::new_with_bounds(1, LONGEST_US, DIGITS).unwrap();
            for (_, row) in told.iter().filter(|(s, _)| *s == second) {
                let times = decode(row);
                prop_assert_eq!(times.len(), row.count);
                prop_assert_eq!(times.value_at_quantile(0.5), row.p50_us);
                prop_assert_eq!(times.max(), row.max_us);
                prop_assert!(row.p50_us <= row.p95_us && row.p95_us <= row.p99_us && row.p99_us <= row.max_us);
                merged.add(&times).unwrap();
            }
            prop_assert_eq!(merged.len(), values.len() as u64);
            for q in [0.5, 0.95, 0.99, 1.0] {
                let (said, truth) = (merged.value_at_quantile(q), exact(&values, q));
                prop_assert!(close(said, truth), "{} of {}: {} for {}", q, second, said, truth);
            }
        }
    }
}
