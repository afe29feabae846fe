use tolerancia_core::detector::DetectorConfig;

use super::super::healthy_spans;
use super::super::tests::{MS, check, healthy};
use super::*;
use crate::simulation::model::Model;

fn of(trace: &Trace, kind: DetectorKind, years: f64) -> Bootstrap {
    let detector = DetectorConfig::default().of(kind);
    bootstrap(trace, &healthy_spans(trace), Model::default().panel(detector), years, 1).expect("whole blocks")
}

#[test]
fn perfect_health_stays_perfect() {
    for kind in DetectorKind::ALL {
        let found = of(&healthy(100, Vec::new()), kind, 1000.0);
        assert_eq!((found.false_alarms, found.blocks_with_misses), (0, 0), "{kind}");
        assert!(found.instance_years >= 1000.0);
        assert!((found.per_year_upper95 * found.instance_years - 3.0).abs() < 0.01);
    }
}

#[test]
fn a_trace_that_is_too_short_gives_nothing() {
    let trace = healthy(4, Vec::new());
    let panel = Model::default().panel(DetectorConfig::default());
    assert_eq!(bootstrap(&trace, &healthy_spans(&trace), panel, 1.0, 1), None);
}

/// Five of the 97 blocks hold the second in which there is an alarm.
#[test]
fn an_alarm_comes_as_often_as_its_block() {
    let bad = (0..6).map(|i| check(52_500 + i, 2, Seen::Error)).collect();
    let found = of(&healthy(101, bad), DetectorKind::Accrual, 0.05);
    assert_eq!((found.blocks, found.blocks_with_misses), (97, 5));
    let expected = YEAR_S / 5.0 * (5.0 / 97.0) / 3.0;
    assert!(
        (found.per_year / expected - 1.0).abs() < 0.1,
        "{} {expected}",
        found.per_year
    );
    assert!(found.per_year_upper95 > found.per_year);
}

/// Two misses at the end of one block and two at the beginning of another are four when the two meet.
#[test]
fn misses_of_blocks_that_meet_add_up() {
    let bad = vec![
        check(9_999, 2, Seen::Error),
        check(10_000, 2, Seen::Error),
        check(50_002, 2, Seen::Error),
        check(50_003, 2, Seen::Error),
    ];
    let trace = healthy(101, bad);
    let found = of(&trace, DetectorKind::Accrual, 0.5);
    assert_eq!(found.blocks_with_misses, 10);
    // Of the five blocks that hold a pair, one ends with it, and one begins.
    let expected = YEAR_S / 5.0 / (97.0 * 97.0) / 3.0;
    assert!(
        (found.per_year / expected - 1.0).abs() < 0.3,
        "{} {expected}",
        found.per_year
    );
}

/// Every instant of a stretch is in some block, its last one too.
#[test]
fn the_end_of_a_stretch_is_not_left_out() {
    let mut trace = healthy(8, Vec::new());
    let end_ms = trace.entries[trace.entries.len() - 1].at_ns / MS;
    let bad = (0..6).map(|i| check(end_ms + 100 + i, 2, Seen::Error));
    trace.entries.extend(bad);
    let found = of(&trace, DetectorKind::Accrual, 0.01);
    assert_eq!((found.blocks, found.blocks_with_misses), (4, 1));
    assert!(found.false_alarms > 0);
}

#[test]
fn what_comes_with_a_stall_of_the_monitor_counts_and_its_silence_does_not() {
    let bad = (0..6).map(|i| check(53_100 + i, 2, Seen::Error)).collect();
    let mut trace = healthy(101, bad);
    trace.stalls = vec![Span {
        from_ns: 52_000 * MS,
        to_ns: 53_000 * MS,
    }];
    let stood = |entry: &Entry| (52_000 * MS..53_000 * MS).contains(&entry.at_ns);
    trace.entries.retain(|entry| !stood(entry));
    let found = of(&trace, DetectorKind::Accrual, 1.0);
    // Six blocks hold some of that second.
    assert_eq!((found.blocks, found.blocks_with_stalls), (97, 6));
    assert!(found.blocks_with_misses > 0 && found.false_alarms > 0, "{found:?}");
    assert_eq!(of(&trace, DetectorKind::Phi, 1.0).false_alarms, 0);
}
