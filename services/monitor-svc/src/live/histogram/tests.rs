#![allow(clippy::unwrap_used)]

use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer, V2Serializer};
use proptest::prelude::*;

use super::*;

/// As a service encodes them.
pub(in crate::live) fn encode(times: &Times) -> Vec<u8> {
    let mut encoded = Vec::new();
    V2Serializer::new().serialize(times, &mut encoded).unwrap();
    encoded
}

pub(in crate::live) fn of(values: impl IntoIterator<Item = u64>) -> Times {
    let mut times = empty();
    values.into_iter().for_each(|us| times.saturating_record(us));
    times
}

fn figures(count: u64) -> Figures {
    Figures {
        count,
        quantiles: [100, 200, 300, 400],
    }
}

/// What becomes of requests that come as `encoded` and with the figures of [`figures`].
fn added(encoded: &[u8], count: u64) -> (u64, [u64; 4]) {
    let mut times = empty();
    add(&mut times, encoded, figures(count));
    (times.len(), quantiles(&times))
}

/// Two digits: at most 1 % too large.
fn close(said: [u64; 4], truth: [u64; 4]) -> bool {
    let close = |(said, truth): (u64, u64)| said >= truth && said as f64 <= truth as f64 * 1.01;
    said.into_iter().zip(truth).all(close)
}

#[test]
fn histograms_add_up_to_that_of_all_requests() {
    let (a, b) = (of((1..=900).map(|us| us * 7)), of((1..=100).map(|us| us * 70_000)));
    let mut both = a.clone();
    add(&mut both, &encode(&b), figures(100));
    let exact = of((1..=900).map(|us| us * 7).chain((1..=100).map(|us| us * 70_000)));
    assert_eq!(both, exact);
}

#[test]
fn one_with_other_bounds_is_added_where_it_fits() {
    let mut other = Histogram::<u64>::new_with_bounds(1, 1 << 36, 3).unwrap();
    other.record_n(123_456, 10).unwrap();
    let mut encoded = Vec::new();
    V2Serializer::new().serialize(&other, &mut encoded).unwrap();
    let (count, quantiles) = added(&encoded, 10);
    assert!(count == 10 && close(quantiles, [123_456; 4]), "{quantiles:?}");
    // Longer than anything that is counted here.
    other.record_n(1 << 35, 1).unwrap();
    encoded.clear();
    V2Serializer::new().serialize(&other, &mut encoded).unwrap();
    let (count, quantiles) = added(&encoded, 11);
    assert!(count == 11 && close(quantiles, [100, 400, 400, 400]), "{quantiles:?}");
}

#[test]
fn the_figures_stand_for_a_histogram_that_cannot_be_read() {
    let good = encode(&of([100; 100]));
    let changed = |at: usize, bytes: &[u8]| {
        let mut encoded = good.clone();
        encoded[at..at + bytes.len()].copy_from_slice(bytes);
        encoded
    };
    let mut deflated = Vec::new();
    V2DeflateSerializer::new()
        .serialize(&of([100; 100]), &mut deflated)
        .unwrap();
    // The lowest of all numbers, which cannot be negated.
    let mut lowest = good[..HEADER].to_vec();
    lowest[4..8].copy_from_slice(&9_u32.to_be_bytes());
    lowest.extend([0xff; 9]);
    let mut endless = good[..HEADER].to_vec();
    endless[4..8].copy_from_slice(&20_u32.to_be_bytes());
    endless.extend([0x7f; 20]);
    for broken in [
        vec![],
        vec![1, 2, 3],
        good[..HEADER].to_vec(),
        good[..good.len() - 1].to_vec(),
        deflated,
        lowest,
        endless,
        changed(0, &[0]),
        changed(4, &u32::MAX.to_be_bytes()),
        changed(12, &5_u32.to_be_bytes()),
        changed(16, &0_u64.to_be_bytes()),
        changed(16, &u64::MAX.to_be_bytes()),
        changed(24, &u64::MAX.to_be_bytes()),
        changed(24, &0_u64.to_be_bytes()),
        // As many requests as another row.
        encode(&of([100; 99])),
    ] {
        let (count, quantiles) = added(&broken, 100);
        assert_eq!(count, 100, "{broken:?}");
        assert!(close(quantiles, [100, 200, 300, 400]), "{broken:?}: {quantiles:?}");
    }
}

#[test]
fn the_figures_of_few_and_of_many_requests_count_as_many() {
    for (count, exact) in [
        (1, [400; 4]),
        (2, [100, 400, 400, 400]),
        (1000, [100, 200, 300, 400]),
        (u64::MAX, [100, 200, 300, 400]),
    ] {
        let (counted, quantiles) = added(&[], count);
        assert_eq!(counted, count.min(MOST_REQUESTS));
        assert!(close(quantiles, exact), "{count}: {quantiles:?}");
    }
    let mut times = empty();
    let longest = Figures {
        count: u64::MAX,
        quantiles: [0, 0, u64::MAX, u64::MAX],
    };
    (0..3).for_each(|_| approximate(&mut times, longest));
    assert!(close(quantiles(&times), [1, 1, LONGEST_US, LONGEST_US]));
}

proptest! {
    #[test]
    fn no_bytes_do_any_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        header in any::<bool>(),
        count in 1u64..1000,
    ) {
        let mut encoded = bytes;
        if header {
            let mut sound = encode(&empty())[..HEADER].to_vec();
            sound[4..8].copy_from_slice(&u32::try_from(encoded.len()).unwrap().to_be_bytes());
            sound.extend(encoded);
            encoded = sound;
        }
        let (counted, quantiles) = added(&encoded, count);
        prop_assert_eq!(counted, count);
        prop_assert!(quantiles.is_sorted());
    }

    #[test]
    fn a_bit_that_fell_over_does_no_harm(values in prop::collection::vec(1u64..100_000_000, 1..50), at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let times = of(values);
        let mut encoded = encode(&times);
        *at.get_mut(&mut encoded) ^= 1u8 << bit;
        let (counted, quantiles) = added(&encoded, times.len());
        prop_assert_eq!(counted, times.len());
        prop_assert!(quantiles.is_sorted());
    }
}
