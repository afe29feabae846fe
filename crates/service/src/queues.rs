//! How full everything is that something can wait in: `queue_length` and `queue_capacity` in `GET /metrics`, one series for each
//! queue, by its name. `docs/limits.md` lists them all.
//!
//! A length is asked for when the metrics are, so that a queue costs nothing on the way through it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, mpsc};
use tolerancia_bus::{MOST_QUEUED, Producer};

struct Queue {
    name: String,
    capacity: usize,
    length: Box<dyn Fn() -> usize + Send>,
}

static QUEUES: Mutex<Vec<Queue>> = Mutex::new(Vec::new());

/// Held for a few look-ups, never across an await.
fn queues() -> MutexGuard<'static, Vec<Queue>> {
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the length of the queue `name`, which holds `capacity` at most. A further queue of that name takes its place.
/// `length` must be quick and never wait.
pub fn watch(name: impl Into<String>, capacity: usize, length: impl Fn() -> usize + Send + 'static) {
    let queue = Queue {
        name: name.into(),
        capacity,
        length: Box::new(length),
    };
    let mut queues = queues();
    match queues.iter_mut().find(|other| other.name == queue.name) {
        Some(old) => *old = queue,
        None => queues.push(queue),
    }
}

/// Shows the length of a channel, for as long as somebody else can send into it.
pub fn watch_channel<T: Send + 'static>(name: impl Into<String>, channel: &mpsc::Sender<T>) {
    let (capacity, channel) = (channel.max_capacity(), channel.downgrade());
    watch(name, capacity, move || {
        channel
            .upgrade()
            .map_or(0, |channel| channel.max_capacity() - channel.capacity())
    });
}

/// Shows how much of a broadcast somebody has still to take, for as long as it can be sent into. Who falls behind by more than
/// `capacity` misses the oldest.
pub fn watch_broadcast<T: Clone + Send + 'static>(
    name: impl Into<String>,
    capacity: usize,
    channel: &broadcast::Sender<T>,
) {
    let channel = channel.downgrade();
    watch(name, capacity, move || {
        channel.upgrade().map_or(0, |channel| channel.len())
    });
}

/// Shows the records that wait in a producer to be sent or acknowledged.
pub fn watch_producer(producer: &Producer) {
    let producer = producer.clone();
    watch("kafka_producer", MOST_QUEUED, move || producer.queued());
}

/// Takes all lengths. Metrics may have been installed after a queue was made.
pub(crate) fn sample() {
    for queue in queues().iter() {
        metrics::gauge!("queue_capacity", "queue" => queue.name.clone()).set(as_f64(queue.capacity));
        metrics::gauge!("queue_length", "queue" => queue.name.clone()).set(as_f64((queue.length)()));
    }
}

#[allow(clippy::cast_precision_loss)]
const fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_channel_shows_what_waits_in_it_and_is_not_kept_open() {
        let metrics = crate::metrics::install();
        let (sender, mut receiver) = mpsc::channel(7);
        watch_channel("of_a_test", &sender);
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        let text = metrics.render();
        assert!(text.contains("queue_capacity{queue=\"of_a_test\"} 7"), "{text}");
        assert!(text.contains("queue_length{queue=\"of_a_test\"} 2"), "{text}");
        drop(sender);
        assert_eq!(
            (receiver.recv().await, receiver.recv().await, receiver.recv().await),
            (Some(1), Some(2), None)
        );
        assert!(metrics.render().contains("queue_length{queue=\"of_a_test\"} 0"));
    }
}
