//! Reading a topic for as long as the monitor runs, whatever becomes of the reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, BusError, Consumer, Message, Start};

/// Pause before a reader that failed is replaced.
const REOPEN: Duration = Duration::from_secs(1);
/// Records taken at a time.
const BATCH: usize = 256;

/// Who takes the records of a topic.
pub(crate) trait Take: Send + 'static {
    /// Takes one record; it may wait.
    fn take(&mut self, message: Message) -> impl Future<Output = ()> + Send;
}

/// Reads one topic.
pub(crate) struct Reader {
    topic: &'static str,
    bus: BusConfig,
    first: Consumer,
    reading: Arc<AtomicBool>,
}

impl Reader {
    /// A reader of what is written to `topic` from now on, and whether it can read.
    ///
    /// # Errors
    /// As [`Consumer::new`].
    pub(crate) async fn open(bus: &BusConfig, topic: &'static str) -> Result<(Self, Arc<AtomicBool>), BusError> {
        let reading = Arc::new(AtomicBool::new(true));
        let reader = Self {
            topic,
            bus: bus.clone(),
            first: Consumer::new(bus, topic, Start::End).await?,
            reading: Arc::clone(&reading),
        };
        Ok((reader, reading))
    }

    /// Hands every record to `taker` until shutdown. A consumer that can go on no more is replaced, by one that
    /// reads what is written after that.
    pub(crate) async fn run(self, mut taker: impl Take, shutdown: CancellationToken) {
        let Self {
            topic,
            bus,
            first,
            reading,
        } = self;
        let mut consumer = Some(first);
        let read = async {
            loop {
                if let Some(consumer) = &mut consumer {
                    reading.store(true, Ordering::Relaxed);
                    let error = hand_over(consumer, &mut taker).await;
                    tracing::error!(%error, topic, "a topic cannot be read; it is opened anew");
                    reading.store(false, Ordering::Relaxed);
                }
                tokio::time::sleep(REOPEN).await;
                consumer = Consumer::new(&bus, topic, Start::End).await.ok();
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(read).await;
    }
}

/// Reads until the consumer fails for good.
async fn hand_over(consumer: &mut Consumer, taker: &mut impl Take) -> BusError {
    loop {
        match consumer.recv_batch(BATCH).await {
            Ok(messages) => {
                for message in messages {
                    taker.take(message).await;
                }
            }
            Err(error) => return error,
        }
    }
}
