//! The one task that owns the ledger: reads the log, applies it, shows the result, has it saved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tolerancia_bus::{BusConfig, BusError, Consumer, Message, Producer, Start};
use tolerancia_core::ReplicaId;
use tolerancia_wire::topic;

use crate::idle::Idle;
use crate::outbox::Outbox;
use crate::replica::Replica;
use crate::saver::{Failing, Saver};
use crate::snapshot::{Fingerprint, Restored, Snapshot};
use crate::view::View;

/// Records that are applied before the result is shown, at most.
const BATCH: usize = 500;
/// Records after which a snapshot is saved without waiting for the interval.
const SAVE_AFTER: usize = 2000;

/// What a replica needs to run.
pub(crate) struct Engine {
    pub me: ReplicaId,
    pub replicas: u8,
    pub source: String,
    pub dir: PathBuf,
    pub bus: BusConfig,
    pub producer: Producer,
    pub save_every: Duration,
    pub view: Arc<View>,
    /// Whether to read the log at present.
    pub consuming: watch::Receiver<bool>,
    /// Told while the log is waited for.
    pub idle: Arc<Idle>,
    pub failing: Arc<Failing>,
}

/// The log, opened where the snapshot ends.
struct Opened {
    consumer: Consumer,
    /// The end of each partition when it was opened.
    ends: BTreeMap<u16, u64>,
    snapshot: Snapshot,
    restored: Restored,
}

/// The log, compared with the snapshot.
enum Log {
    /// The snapshot's, opened where it ends.
    Same {
        consumer: Consumer,
        ends: BTreeMap<u16, u64>,
    },
    /// Another one, and how that shows.
    Other(String),
}

impl Engine {
    /// Runs until `stop`, then saves what is not yet saved.
    ///
    /// # Errors
    /// When the data directory cannot be used, or the log cannot be read (any further).
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let Some(opened) = stop.run_until_cancelled(self.open()).await else {
            return Ok(());
        };
        let Opened {
            mut consumer,
            ends,
            snapshot,
            restored,
        } = opened?;
        let partitions = u16::try_from(ends.len()).context("order-events has too many partitions")?;
        let before = restored.positions.len();
        ensure!(
            before == 0 || before == ends.len(),
            "order-events had {before} partitions and has {partitions} now, so products belong elsewhere than their \
             events are: begin with new topics"
        );
        let mut replica = Replica::new(self.me, self.replicas, self.source.clone(), restored, partitions);
        tracing::info!(from = ?replica.positions(), to = ?ends, orders = replica.ledger().orders().count(), "catching up with the log");
        self.show(&mut replica, &ends);

        let saver = Saver::spawn(snapshot, Arc::clone(&self.failing));
        let mut outbox = Outbox::new(self.producer.clone());
        let mut consuming = self.consuming.clone();
        let mut tick = interval(self.save_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            let reading = *consuming.borrow_and_update();
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                Ok(()) = consuming.changed() => continue,
                _ = tick.tick() => {
                    save(&mut replica, &mut outbox, &saver);
                    continue;
                }
                batch = self.idle.wait_for(consumer.recv_batch(BATCH)), if reading => batch,
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => break Err(error),
            };
            let letters = self.apply(&mut replica, &batch, &ends);
            let posted = self.idle.wait_for(outbox.post(letters));
            if stop.run_until_cancelled(posted).await.is_none() {
                // Outcomes were left out: what made them must be read again.
                saver.close(None).await;
                return Ok(());
            }
            if replica.unsaved() >= SAVE_AFTER {
                save(&mut replica, &mut outbox, &saver);
            }
        };
        let last = (replica.unsaved() > 0).then(|| (replica.take_delta(), outbox.take_sending()));
        saver.close(last).await;
        ended.context("the replica cannot go on")
    }

    fn apply(
        &self,
        replica: &mut Replica,
        batch: &[Message],
        ends: &BTreeMap<u16, u64>,
    ) -> Vec<crate::replica::Letter> {
        let letters = batch.iter().filter_map(|message| replica.apply(message)).collect();
        metrics::counter!("inventory_records_total").increment(batch.len() as u64);
        self.show(replica, ends);
        letters
    }

    fn show(&self, replica: &mut Replica, ends: &BTreeMap<u16, u64>) {
        let unseen = replica.take_unseen();
        let changed = unseen
            .iter()
            .filter_map(|id| replica.product(id).map(|product| (id, product)));
        self.view
            .publish(changed, replica.positions(), replica.ledger().digest());
        let reached = |(partition, end): (&u16, &u64)| replica.positions().get(partition).is_some_and(|at| at >= end);
        if !self.view.is_ready() && ends.iter().all(reached) {
            self.view.set_ready();
            tracing::info!(applied = ?replica.positions(), digest = %replica.ledger().digest(), "up");
        }
    }

    /// Opens the snapshot and the log. Kafka is waited for; a snapshot that does not come from this log, as
    /// after a change of clusters, gives way to it.
    async fn open(&self) -> Result<Opened> {
        let dir = self.dir.clone();
        let (mut snapshot, mut restored) = blocking(move || Snapshot::open(&dir)).await?;
        loop {
            match self.idle.wait_for(self.open_log(&restored)).await {
                Ok(Log::Same { consumer, ends }) => {
                    return Ok(Opened {
                        consumer,
                        ends,
                        snapshot,
                        restored,
                    });
                }
                Ok(Log::Other(why)) => {
                    tracing::warn!(why, dir = %self.dir.display(), "the snapshot is not of this log; it is set aside and the state is rebuilt from the log");
                    let dir: PathBuf = Path::to_owned(&self.dir);
                    snapshot = blocking(move || snapshot.start_over(&dir)).await?;
                    restored = Restored::default();
                }
                Err(error @ (BusError::Unreachable { .. } | BusError::Stalled { .. })) => {
                    tracing::warn!(%error, "waiting for Kafka");
                }
                Err(error) => return Err(error).context("the log cannot be opened"),
            }
        }
    }

    async fn open_log(&self, restored: &Restored) -> Result<Log, BusError> {
        tolerancia_bus::ensure_topics(&self.bus).await?;
        if let Some(why) = self.difference(restored).await? {
            return Ok(Log::Other(why));
        }
        let start = Start::At(restored.positions.clone());
        let consumer = Consumer::new(&self.bus, topic::ORDER_EVENTS, start).await?;
        let ends = tolerancia_bus::end_offsets(&self.bus, topic::ORDER_EVENTS).await?;
        Ok(Log::Same { consumer, ends })
    }

    /// How the log differs from the one that the state was made from, as far as its last records show.
    async fn difference(&self, restored: &Restored) -> Result<Option<String>, BusError> {
        let last = restored.positions.iter().filter(|(_, next)| **next > 0);
        let last = last.map(|(&partition, next)| (partition, next - 1)).collect();
        let found = match tolerancia_bus::records_at(&self.bus, topic::ORDER_EVENTS, &last).await {
            Ok(found) => found,
            Err(error @ BusError::NoSuchPosition { .. }) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let other = last.iter().find(|(partition, offset)| {
            let same = |message: &Message| {
                message.offset == **offset && restored.last.get(*partition) == Some(&Fingerprint::of(&message.payload))
            };
            !found.get(*partition).is_some_and(same)
        });
        Ok(other.map(|(partition, offset)| {
            format!("the record at offset {offset} of partition {partition} is not the one that was applied")
        }))
    }
}

fn save(replica: &mut Replica, outbox: &mut Outbox, saver: &Saver) {
    if saver.wants_everything() {
        replica.forget_saved();
    }
    if replica.unsaved() > 0 && saver.is_free() {
        saver.save(replica.take_delta(), outbox.take_sending());
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("reading the snapshot failed")?
}
