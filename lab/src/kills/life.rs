//! One replica: killed, started again, compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokio::process::Child;
use tolerancia_core::ReplicaId;
use tolerancia_wire::health::{Health, HealthState};
use tolerancia_wire::inventory::ReplicaInventory;

use super::place::Place;
use super::{LIMIT, Shared};

/// Between two looks at a replica.
const LOOK: Duration = Duration::from_millis(10);
/// How many kills come while a replica starts, of all.
const EARLY: f64 = 0.35;
/// The longest life after having caught up, in milliseconds. A first snapshot takes a tenth of it: outcomes come first.
const LONGEST: u64 = 1500;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub kills: u32,
    pub before_up: u32,
    pub equal: u32,
    pub compared: u64,
}

/// A replica that is killed again and again.
pub(super) struct Victim {
    id: ReplicaId,
    shared: Arc<Shared>,
    place: Place,
    random: ChaCha8Rng,
    child: Option<Child>,
    /// How long the last start took until it had caught up.
    start: Duration,
    counts: Counts,
}

impl Victim {
    pub(super) fn new(id: ReplicaId, shared: Arc<Shared>, place: Place, random: ChaCha8Rng) -> Self {
        Self {
            id,
            shared,
            place,
            random,
            child: None,
            start: Duration::from_millis(500),
            counts: Counts::default(),
        }
    }

    /// Lives and dies until there were enough deaths, then lives.
    pub(super) async fn live(mut self) -> Result<(Self, Counts)> {
        let mut began = self.start()?;
        // The first start makes the snapshot.
        self.catches_up(began).await?;
        while self.shared.claim() {
            if self.random.random_bool(EARLY) {
                let longest = u64::try_from(self.start.as_micros()).unwrap_or(u64::MAX).max(1);
                let moment = Duration::from_micros(self.random.random_range(0..longest));
                tokio::time::sleep(moment.saturating_sub(began.elapsed())).await;
                let up = self
                    .look()
                    .await
                    .is_some_and(|health| health.status != HealthState::CatchingUp);
                self.counts.before_up += u32::from(!up);
            } else {
                self.catches_up(began).await?;
                let life = Duration::from_millis(self.random.random_range(0..=LONGEST));
                self.watch(life).await?;
            }
            self.kill().await?;
            began = self.start()?;
        }
        self.catches_up(began).await?;
        let counts = std::mem::take(&mut self.counts);
        Ok((self, counts))
    }

    fn start(&mut self) -> Result<Instant> {
        let began = Instant::now();
        self.child = Some(self.place.replica(self.id)?);
        Ok(began)
    }

    async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().expect("it was started");
        if let Some(status) = child.try_wait()? {
            bail!(
                "{} ended by itself ({status}):\n{}",
                self.name(),
                self.place.last_lines(&self.name())
            );
        }
        child
            .kill()
            .await
            .with_context(|| format!("{} cannot be killed", self.name()))?;
        self.counts.kills += 1;
        Ok(())
    }

    fn name(&self) -> String {
        format!("inventory-svc-{}", self.id)
    }

    /// What it says of itself, if it answers.
    async fn look(&self) -> Option<Health> {
        let url = format!("{}/health", self.place.replica_url(self.id));
        self.shared.http.get(url).send().await.ok()?.json().await.ok()
    }

    /// What it says of itself once it has caught up is what the log says.
    async fn compare(&mut self) -> Result<Option<BTreeMap<u16, u64>>> {
        let Some(health) = self
            .look()
            .await
            .filter(|health| health.status != HealthState::CatchingUp)
        else {
            return Ok(None);
        };
        let truth = self.shared.truth.digest(&health.applied).await?;
        ensure!(
            health.digest.as_ref() == Some(&truth),
            "{} at {:?} has the digest {:?}, a replay of the log {truth}",
            self.name(),
            health.applied,
            health.digest
        );
        self.counts.compared += 1;
        Ok(Some(health.applied))
    }

    /// Waits until it has caught up, and compares it.
    async fn catches_up(&mut self, began: Instant) -> Result<()> {
        let waited = Instant::now();
        while self.compare().await?.is_none() {
            if waited.elapsed() > LIMIT {
                bail!(
                    "{} does not catch up:\n{}",
                    self.name(),
                    self.place.last_lines(&self.name())
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        self.start = began.elapsed();
        self.counts.equal += 1;
        Ok(())
    }

    /// Compares it from time to time for so long.
    async fn watch(&mut self, life: Duration) -> Result<()> {
        let until = Instant::now() + life;
        while Instant::now() < until {
            let rest = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(rest.min(5 * LOOK)).await;
            let answer = self.compare().await?;
            ensure!(
                answer.is_some(),
                "{} no longer answers:\n{}",
                self.name(),
                self.place.last_lines(&self.name())
            );
        }
        Ok(())
    }

    /// Waits until it is at the end of the log, and compares all of it.
    pub(super) async fn ends_equal(&mut self, ends: &BTreeMap<u16, u64>) -> Result<()> {
        let began = Instant::now();
        while self.compare().await?.as_ref() != Some(ends) {
            ensure!(
                began.elapsed() < LIMIT,
                "{} does not come to the end of the log, {ends:?}",
                self.name()
            );
            tokio::time::sleep(LOOK).await;
        }
        let url = format!("{}/inventory", self.place.replica_url(self.id));
        let inventory: ReplicaInventory = self.shared.http.get(url).send().await?.json().await?;
        let found = inventory
            .products
            .into_iter()
            .map(|product| (product.product_id, product.versions));
        let found: BTreeMap<_, _> = found.collect();
        let truth = self.shared.truth.products().into_iter();
        let truth: BTreeMap<_, _> = truth.map(|(id, product)| (id, Vec::from(product.history))).collect();
        ensure!(found == truth, "{} has {found:?}, the log {truth:?}", self.name());
        Ok(())
    }
}
