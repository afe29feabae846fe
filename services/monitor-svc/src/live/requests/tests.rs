#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::live::histogram::quantiles;
use crate::live::histogram::tests::{encode, of};

const NOW: i64 = 1_800_000_000;

fn row(service: &str, endpoint: &str, status: u16, second: i64, values: &[u64]) -> RequestMetricsRow {
    let times = of(values.iter().copied());
    let [p50_us, p95_us, p99_us, max_us] = quantiles(&times);
    RequestMetricsRow {
        service: service.to_owned(),
        instance: "1".to_owned(),
        endpoint: endpoint.to_owned(),
        status,
        second,
        count: times.len(),
        p50_us,
        p95_us,
        p99_us,
        max_us,
        histogram: encode(&times),
    }
}

/// A record of one row.
fn batch(service: &str, second: i64, values: &[u64]) -> Batch {
    Batch::of(&[row(service, "/inventory", 200, second, values)]).unwrap()
}

fn brief(rows: &[RequestsSecond]) -> Vec<(i64, &str, u64)> {
    rows.iter()
        .map(|row| (row.second, row.service.as_str(), row.count))
        .collect()
}

#[test]
fn what_clients_ask_for_counts_and_nothing_else() {
    let counted = |endpoint| Batch::of(&[row("voter-svc", endpoint, 200, NOW, &[5])]).is_some();
    for endpoint in [
        "/inventory",
        "/inventory/{product}",
        "/voter/inventory",
        "/voter/inventory/{product}",
        "/orders",
        "/orders/{id}",
        "/orders/{id}/cancel",
    ] {
        assert!(counted(endpoint), "{endpoint}");
    }
    for endpoint in [
        "/health",
        "/metrics",
        "/status",
        "/events",
        "/live",
        "/voter/live",
        "/voting-stats",
        "/fault",
        "unmatched",
        "/inventory-of-another-kind",
        "/ordersmith",
        "/monitor/inventory",
        "",
    ] {
        assert!(!counted(endpoint), "{endpoint}");
    }
}

#[test]
fn the_rows_of_all_instances_are_one_row_with_exact_quantiles() {
    let mut ring = Ring::default();
    let slow: Vec<u64> = (1..=40).map(|n| n * 25_000).collect();
    let quick: Vec<u64> = (1..=160).map(|n| n * 10).collect();
    let record = |values: &[u64], status| {
        Batch::of(&[
            row("inventory-svc", "/inventory/{product}", status, NOW, values),
            row("inventory-svc", "/inventory", 200, NOW, &[1]),
            row("inventory-svc", "/health", 500, NOW, &[99_000_000]),
        ])
        .unwrap()
    };
    assert!(ring.add(NOW, record(&slow, 503)));
    assert!(ring.add(NOW + 1, record(&quick, 404)));
    let all = of(slow.into_iter().chain(quick).chain([1, 1]));
    let [p50_us, p95_us, p99_us, max_us] = quantiles(&all);
    let expected = RequestsSecond {
        second: NOW,
        service: "inventory-svc".to_owned(),
        count: 202,
        failed: 40,
        p50_us,
        p95_us,
        p99_us,
        max_us,
    };
    assert_eq!(ring.all(), [expected]);
}

#[test]
fn only_what_changed_is_told_again() {
    let mut ring = Ring::default();
    ring.add(NOW, batch("voter-svc", NOW, &[1]));
    ring.add(NOW, batch("orders-svc", NOW - 1, &[1]));
    let changed = ring.changed(NOW);
    assert_eq!(brief(&changed), [(NOW - 1, "orders-svc", 1), (NOW, "voter-svc", 1)]);
    assert!(ring.changed(NOW).is_empty());
    ring.add(NOW, batch("voter-svc", NOW, &[1]));
    assert_eq!(brief(&ring.changed(NOW)), [(NOW, "voter-svc", 2)]);
    assert_eq!(brief(&ring.all()), [(NOW - 1, "orders-svc", 1), (NOW, "voter-svc", 2)]);
}

#[test]
fn five_minutes_are_kept_and_what_is_too_far_away_is_ignored() {
    let mut ring = Ring::default();
    for (second, kept) in [
        (NOW - KEPT, false),
        (NOW - KEPT + 1, true),
        (NOW + AHEAD, true),
        (NOW + AHEAD + 1, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        assert_eq!(ring.add(NOW, batch("voter-svc", second, &[1])), kept, "{second}");
    }
    // As the second passes, and as a clock jumps.
    ring.changed(NOW + 1);
    assert_eq!(brief(&ring.all()), [(NOW + AHEAD, "voter-svc", 1)]);
    ring.changed(NOW - 3600);
    assert!(ring.all().is_empty() && ring.services.is_empty());
    for second in 0..2000 {
        ring.add(NOW + second, batch("voter-svc", NOW + second, &[1]));
        ring.changed(NOW + second);
    }
    assert_eq!(ring.all().len(), KEPT_SECONDS);
    let open = ring.services["voter-svc"].values().filter(|cell| cell.times.is_some());
    assert_eq!(open.count(), 30);
}

#[test]
fn there_are_only_so_many_services_at_a_time() {
    let mut ring = Ring::default();
    let name = |n: usize| format!("service-{n}");
    for n in 0..MOST_SERVICES {
        assert!(ring.add(NOW, batch(&name(n), NOW, &[1])));
    }
    assert!(!ring.add(NOW, batch("another", NOW, &[1])));
    assert!(ring.add(NOW, batch(&name(3), NOW, &[1])));
    assert_eq!(ring.all().len(), MOST_SERVICES);
    // Nothing was heard of the others for as long as anything is kept.
    ring.changed(NOW + KEPT);
    assert!(ring.add(NOW + KEPT, batch("another", NOW + KEPT, &[1])));
}

#[test]
fn what_comes_long_after_its_second_is_added_by_quantiles() {
    let mut ring = Ring::default();
    let quick: Vec<u64> = (1..=300).map(|n| n * 10).collect();
    ring.add(NOW, batch("voter-svc", NOW, &quick));
    ring.changed(NOW + OPEN);
    assert!(ring.services["voter-svc"][&NOW].times.is_none());
    ring.add(NOW + OPEN, batch("voter-svc", NOW, &[5_000_000; 100]));
    let row = &ring.all()[0];
    assert_eq!(row.count, 400);
    assert!(
        (1500..=1600).contains(&row.p50_us) || (2800..=2900).contains(&row.p50_us),
        "{row:?}"
    );
    assert!(row.p95_us >= 5_000_000 && row.max_us < 5_100_000, "{row:?}");
}

#[test]
fn a_broken_histogram_costs_nothing_but_exactness() {
    let mut broken = row("voter-svc", "/inventory", 200, NOW, &[100; 50]);
    broken.histogram = vec![7; 100];
    let batch = Batch::of(&[broken, row("voter-svc", "/inventory", 500, NOW, &[100; 50])]).unwrap();
    let mut ring = Ring::default();
    ring.add(NOW, batch);
    let row = &ring.all()[0];
    assert_eq!((row.count, row.failed, row.p50_us, row.max_us), (100, 50, 100, 100));
}

#[test]
fn numbers_too_large_stay_large() {
    let mut huge = row("voter-svc", "/inventory", 500, NOW, &[100]);
    huge.count = i64::MAX.unsigned_abs();
    let rows = vec![huge; 5];
    let mut ring = Ring::default();
    (0..3).for_each(|_| assert!(ring.add(NOW, Batch::of(&rows).unwrap())));
    let row = &ring.all()[0];
    assert_eq!((row.count, row.failed, row.max_us), (u64::MAX, u64::MAX, 100));
}

proptest! {
    /// Whatever comes in whatever order: no request is counted twice or not at all, and what was told, put together as
    /// a listener does it, is what is kept.
    #[test]
    fn who_puts_together_what_is_told_has_all(
        records in prop::collection::vec((0usize..4, 0i64..40, 1u64..5, any::<bool>()), 1..200),
    ) {
        let mut ring = Ring::default();
        let (mut counted, mut heard) = (BTreeMap::new(), BTreeMap::new());
        let names = ["orders-svc", "voter-svc", "inventory-svc", "another"];
        let mut now = NOW;
        for (which, ago, count, tell) in records {
            now += i64::from(tell);
            let values = vec![100; usize::try_from(count).unwrap()];
            prop_assert!(ring.add(now, batch(names[which], now - ago, &values)));
            *counted.entry((now - ago, names[which].to_owned())).or_insert(0) += count;
            if tell {
                for row in ring.changed(now) {
                    heard.insert((row.second, row.service.clone()), row);
                }
            }
        }
        for row in ring.changed(now) {
            heard.insert((row.second, row.service.clone()), row);
        }
        let heard: Vec<_> = heard.into_values().collect();
        let mut kept = ring.all();
        kept.sort_by(|a, b| (a.second, &a.service).cmp(&(b.second, &b.service)));
        prop_assert_eq!(&heard, &kept);
        let counts: Vec<_> = kept.iter().map(|row| ((row.second, row.service.clone()), row.count)).collect();
        prop_assert_eq!(counts, counted.into_iter().collect::<Vec<_>>());
    }
}
