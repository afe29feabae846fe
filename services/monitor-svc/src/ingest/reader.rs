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
    first: Option<Consumer>,
    reading: Arc<AtomicBool>,
}

impl Reader {
    /// A reader of what is written to `topic` from now on, and whether it can read.
    ///
    /// # Errors
    /// As [`Consumer::new`].
    pub(crate) async fn open(bus: &BusConfig, topic: &'static str) -> Result<(Self, Arc<AtomicBool>), BusError> {
        let first = Consumer::new(bus, topic, Start::End).await?;
        Ok(Self::with(bus, topic, Some(first)))
    }

    /// The same for a topic that nothing must wait for: it is opened by [`Reader::run`].
    pub(crate) fn lazy(bus: &BusConfig, topic: &'static str) -> (Self, Arc<AtomicBool>) {
        Self::with(bus, topic, None)
    }

    fn with(bus: &BusConfig, topic: &'static str, first: Option<Consumer>) -> (Self, Arc<AtomicBool>) {
        let reading = Arc::new(AtomicBool::new(first.is_some()));
        let reader = Self {
            topic,
            bus: bus.clone(),
            first,
            reading: Arc::clone(&reading),
        };
        (reader, reading)
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
        let mut next = first;
        let read = async {
            // An outage is told of once.
            let mut told = false;
            loop {
                let opened = match next.take() {
                    Some(consumer) => Ok(consumer),
                    None => Consumer::new(&bus, topic, Start::End).await,
                };
                match opened {
                    Ok(mut consumer) => {
                        reading.store(true, Ordering::Relaxed);
                        let error = hand_over(&mut consumer, &mut taker).await;
                        tracing::error!(%error, topic, "a topic cannot be read; it is opened anew");
                        reading.store(false, Ordering::Relaxed);
                        told = true;
                    }
                    Err(error) if !told => {
                        tracing::warn!(%error, topic, "a topic cannot be opened; it is tried again every second");
                        told = true;
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(REOPEN).await;
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
