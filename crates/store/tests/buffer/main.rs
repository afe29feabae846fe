//! The buffer in front of a store that fails when it is told to. Time is paused: it advances only while
//! everything waits, so what the buffer promises "within" or "after" some time is exact.

#![allow(clippy::unwrap_used)]

mod fake;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{Fake, numbered, transition};
use tokio::time::sleep;
use tolerancia_store::{Buffer, BufferConfig, BufferState};

fn start(fake: Fake, capacity: usize) -> (Arc<Fake>, Buffer) {
    let fake = Arc::new(fake);
    let config = BufferConfig {
        capacity,
        ..BufferConfig::default()
    };
    (fake.clone(), Buffer::start(fake, config))
}

fn dead() -> Fake {
    Fake {
        dead: true.into(),
        ..Fake::default()
    }
}

fn degraded(buffer: &Buffer) -> (String, usize, u64) {
    match buffer.state() {
        BufferState::Degraded {
            error, queued, dropped, ..
        } => (error, queued, dropped),
        BufferState::Up => panic!("up"),
    }
}

/// Longer than the longest pause between two attempts, and than the time between two pings.
const LONG: Duration = Duration::from_secs(6);

#[tokio::test(start_paused = true)]
async fn all_is_written_in_order_and_in_batches() {
    let (fake, buffer) = start(Fake::default(), 10_000);
    for n in 0..1234 {
        assert!(buffer.push(numbered(n)));
    }
    assert_eq!(buffer.queued(), 1234);
    sleep(LONG).await;
    assert_eq!(fake.written(), (0..1234).collect::<Vec<_>>());
    assert_eq!(*fake.batches.lock().unwrap(), [500, 500, 234]);
    assert_eq!((buffer.queued(), buffer.dropped()), (0, 0));
    assert!(buffer.state().is_up());
}

#[tokio::test(start_paused = true)]
async fn writes_that_come_one_by_one_share_a_transaction() {
    let (fake, buffer) = start(Fake::default(), 10_000);
    sleep(Duration::from_millis(1)).await;
    for n in 0..10 {
        buffer.push(numbered(n));
        sleep(Duration::from_millis(1)).await;
    }
    sleep(LONG).await;
    assert_eq!(*fake.batches.lock().unwrap(), [10]);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_waits_for_no_company() {
    let (fake, buffer) = start(Fake::default(), 10_000);
    sleep(LONG / 2).await;
    for n in [0, 2, 4] {
        buffer.push(numbered(n));
        sleep(Duration::from_millis(1)).await;
        buffer.push(transition(n + 1));
        // Others work meanwhile, but no time passes.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.written(), (0..n + 2).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_database_loses_nothing_within_the_capacity() {
    let (fake, buffer) = start(dead(), 100);
    for n in 0..40 {
        assert!(buffer.push(numbered(n)));
    }
    sleep(LONG).await;
    for n in 40..100 {
        assert!(buffer.push(numbered(n)));
    }
    sleep(LONG * 10).await;
    assert_eq!(degraded(&buffer), ("switched dead".to_owned(), 100, 0));
    fake.set_dead(false);
    sleep(LONG).await;
    assert!(buffer.state().is_up());
    assert_eq!(fake.written(), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_exceeds_the_capacity_is_dropped_and_counted_and_the_oldest_kept() {
    let (fake, buffer) = start(dead(), 100);
    sleep(LONG).await;
    let accepted = (0..130).filter(|&n| buffer.push(numbered(n))).count();
    assert_eq!(accepted, 100);
    assert_eq!(degraded(&buffer), ("switched dead".to_owned(), 100, 30));
    fake.set_dead(false);
    sleep(LONG).await;
    assert_eq!(fake.written(), (0..100).collect::<Vec<_>>());
    assert!(buffer.push(numbered(500)), "there is room again");
    sleep(LONG).await;
    assert_eq!(fake.written().last(), Some(&500));
    assert_eq!((buffer.dropped(), buffer.queued()), (30, 0));
}

#[tokio::test(start_paused = true)]
async fn the_batch_under_way_counts_against_the_capacity() {
    let (fake, buffer) = start(Fake::default(), 10);
    sleep(LONG).await;
    fake.set_dead(true);
    buffer.push(numbered(0));
    // Taken by the writer, which fails with it.
    sleep(Duration::from_millis(50)).await;
    let accepted = (1..20).filter(|&n| buffer.push(numbered(n))).count();
    assert_eq!((accepted, buffer.queued(), buffer.dropped()), (9, 10, 10));
}

#[tokio::test(start_paused = true)]
async fn dying_between_two_batches_loses_nothing() {
    let fake = Fake {
        dies_after: Mutex::new(Some(1)),
        ..Fake::default()
    };
    let (fake, buffer) = start(fake, 10_000);
    for n in 0..1500 {
        buffer.push(numbered(n));
    }
    sleep(LONG).await;
    assert_eq!(degraded(&buffer).1, 1000);
    *fake.dies_after.lock().unwrap() = None;
    fake.set_dead(false);
    sleep(LONG).await;
    assert_eq!(fake.written(), (0..1500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_at_once_for_a_slow_database_is_written_in_parts() {
    for poison in [vec![], vec![3, 700]] {
        let fake = Fake {
            most: Some(10),
            poison: poison.clone(),
            ..Fake::default()
        };
        let (fake, buffer) = start(fake, 10_000);
        for n in 0..1234 {
            buffer.push(numbered(n));
        }
        // Some hundred transactions, and after each that succeeds one that does not.
        sleep(LONG * 100).await;
        let expected: Vec<_> = (0..1234).filter(|n| !poison.contains(n)).collect();
        assert_eq!(fake.written(), expected);
        assert_eq!((buffer.queued(), buffer.dropped()), (0, poison.len() as u64));
        assert!(buffer.state().is_up());
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_grow_rarer_up_to_the_longest_pause() {
    let (fake, buffer) = start(Fake::default(), 100);
    sleep(Duration::from_millis(1)).await;
    fake.set_dead(true);
    buffer.push(numbered(0));
    // After 20 ms of linger: attempts at 0, 100, 300, 700, 1500, 3100, 6300, 11300 ms, then every 5 s.
    let pushed = tokio::time::Instant::now();
    for (ms, attempts) in [
        (30, 1),
        (130, 2),
        (330, 3),
        (1_530, 5),
        (6_330, 7),
        (11_330, 8),
        (61_330, 18),
    ] {
        tokio::time::sleep_until(pushed + Duration::from_millis(ms)).await;
        assert_eq!(fake.attempts.load(Ordering::SeqCst), attempts, "after {ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_can_never_succeed_is_dropped_alone() {
    let fake = Fake {
        poison: vec![3, 7],
        ..Fake::default()
    };
    let (fake, buffer) = start(fake, 100);
    for n in 0..10 {
        buffer.push(numbered(n));
    }
    sleep(LONG).await;
    assert_eq!(fake.written(), [0, 1, 2, 4, 5, 6, 8, 9]);
    assert_eq!((buffer.queued(), buffer.dropped()), (0, 2));
    assert!(buffer.state().is_up(), "the database is well");
}

#[tokio::test(start_paused = true)]
async fn dying_while_a_bad_write_is_looked_for_loses_nothing() {
    let fake = Fake {
        poison: vec![3],
        dies_after: Mutex::new(Some(5)),
        ..Fake::default()
    };
    let (fake, buffer) = start(fake, 100);
    for n in 0..10 {
        buffer.push(numbered(n));
    }
    sleep(LONG).await;
    assert_eq!(fake.written(), [0, 1, 2, 4, 5]);
    assert_eq!(degraded(&buffer), ("switched dead".to_owned(), 4, 1));
    *fake.dies_after.lock().unwrap() = None;
    fake.set_dead(false);
    sleep(LONG).await;
    assert_eq!(fake.written(), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_buffer_notices_that_the_database_died_and_came_back() {
    let (fake, buffer) = start(Fake::default(), 100);
    assert!(!buffer.state().is_up(), "not known yet");
    sleep(LONG).await;
    assert!(buffer.state().is_up());
    fake.set_dead(true);
    sleep(LONG).await;
    assert_eq!(degraded(&buffer), ("switched dead".to_owned(), 0, 0));
    fake.set_dead(false);
    sleep(LONG).await;
    assert!(buffer.state().is_up());
    assert!(fake.pings.load(Ordering::SeqCst) < 20, "it does not ask all the time");
}

#[tokio::test(start_paused = true)]
async fn close_writes_what_waits_and_takes_no_more() {
    let (fake, buffer) = start(Fake::default(), 10_000);
    for n in 0..1200 {
        buffer.push(numbered(n));
    }
    assert_eq!(buffer.close(LONG).await, 0);
    assert_eq!(fake.written().len(), 1200);
    assert!(!buffer.push(numbered(1)));
    assert_eq!(buffer.dropped(), 1);
    assert_eq!(buffer.close(LONG).await, 0, "a second time");
}

#[tokio::test(start_paused = true)]
async fn close_keeps_trying_within_its_bound() {
    let (fake, buffer) = start(dead(), 100);
    buffer.push(numbered(0));
    let (lost, ()) = tokio::join!(buffer.close(Duration::from_secs(10)), async {
        sleep(Duration::from_secs(3)).await;
        fake.set_dead(false);
    });
    assert_eq!(lost, 0);
    assert_eq!(fake.written(), [0]);
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_after_its_bound_and_counts_what_is_lost() {
    let (_fake, buffer) = start(dead(), 100);
    for n in 0..7 {
        buffer.push(numbered(n));
    }
    let start = tokio::time::Instant::now();
    assert_eq!(buffer.close(Duration::from_secs(2)).await, 7);
    assert!(start.elapsed() <= Duration::from_secs(2));
    assert_eq!((buffer.dropped(), buffer.queued()), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn the_writer_ends_with_the_last_handle() {
    let (fake, buffer) = start(dead(), 100);
    let clone = buffer.clone();
    buffer.push(numbered(0));
    drop(buffer);
    sleep(LONG).await;
    fake.set_dead(false);
    drop(clone);
    sleep(LONG).await;
    assert_eq!(fake.written(), [0], "one more attempt");
    assert_eq!(Arc::strong_count(&fake), 1, "the task is gone");
}
