//! Outcomes on their way to Kafka.
//!
//! None is lost: each is sent until the brokers have it (a second copy does no harm, readers know each
//! outcome by its replica and offset), and a snapshot is saved only when all outcomes before its position
//! are out. So a replica that dies repeats outcomes after its restart but never leaves one out.
//! Their number is bounded; when too many wait, applying waits too.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tolerancia_bus::{BusError, Producer};
use tolerancia_service::queues;

use crate::replica::Letter;

/// Letters on their way at most; far above the largest batch.
const ON_THE_WAY: u32 = 10_000;
/// Pause before a letter that was not taken is sent again.
const FULL_PAUSE: Duration = Duration::from_millis(5);
const LOST_PAUSE: Duration = Duration::from_millis(200);

/// Sends letters.
#[derive(Debug)]
pub(crate) struct Outbox {
    producer: Producer,
    permits: Arc<Semaphore>,
    sending: JoinSet<()>,
}

impl Outbox {
    pub(crate) fn new(producer: Producer) -> Self {
        let permits = Arc::new(Semaphore::new(ON_THE_WAY as usize));
        let shown = Arc::clone(&permits);
        queues::watch("outbox", ON_THE_WAY as usize, move || {
            (ON_THE_WAY as usize).saturating_sub(shown.available_permits())
        });
        Self {
            producer,
            permits,
            sending: JoinSet::new(),
        }
    }

    /// Takes the letters of one batch; waits while too many are on their way.
    pub(crate) async fn post(&mut self, letters: Vec<Letter>) {
        while self.sending.try_join_next().is_some() {}
        if letters.is_empty() {
            return;
        }
        let count = u32::try_from(letters.len()).unwrap_or(u32::MAX).min(ON_THE_WAY);
        let permit = Arc::clone(&self.permits)
            .acquire_many_owned(count)
            .await
            .expect("the semaphore is never closed");
        let producer = self.producer.clone();
        self.sending.spawn(async move {
            join_all(letters.iter().map(|letter| deliver(&producer, letter))).await;
            drop(permit);
        });
    }

    /// Everything that is on its way now.
    pub(crate) fn take_sending(&mut self) -> JoinSet<()> {
        std::mem::take(&mut self.sending)
    }
}

async fn deliver(producer: &Producer, letter: &Letter) {
    loop {
        let pause = match producer
            .send(letter.topic, None, Some(&letter.key), letter.payload.clone())
            .await
        {
            Ok(_) => return,
            Err(BusError::QueueFull) => FULL_PAUSE,
            Err(error) => {
                metrics::counter!("inventory_outcomes_repeated_total").increment(1);
                tracing::debug!(%error, topic = letter.topic, "an outcome is sent again");
                LOST_PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}
