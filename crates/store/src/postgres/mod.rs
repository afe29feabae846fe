//! PostgreSQL through sqlx.
//!
//! Every call takes a connection, opened when there is none, and returns within [`CALL`], whether the server is
//! dead, frozen or cut off. A connection whose call failed is closed together with those that are idle, and the
//! next call opens a new one; that is all there is to coming back from an outage.

mod address;
mod bulk;
mod error;
mod migrate;
mod pool;
mod prune;
mod read;
mod value;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::timeout;
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::DenialEntry;
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::InstanceStatus;

use crate::error::Result;
use crate::rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent};
use crate::store::{Store, Write};
use pool::Pool;

/// How long a call may take, whatever it waits for.
const CALL: Duration = Duration::from_secs(5);

/// Connects to the database at `url`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, and brings its schema up to
/// date. Any number of processes may do so at once.
///
/// # Errors
/// `Unavailable`, saying what to do and never the password, when the URL is none, when the database cannot be
/// reached or used, or was made by a newer version.
pub async fn open_postgres(url: &str) -> Result<Arc<dyn Store>> {
    let store = lazy_postgres(url);
    store.ping().await?;
    Ok(store)
}

/// The same without connecting: that happens when it is first used, and again after every failure. A URL that is
/// none makes every call fail with `Unavailable`.
#[must_use]
pub fn lazy_postgres(url: &str) -> Arc<dyn Store> {
    Arc::new(Postgres {
        pool: Pool::new(url),
        prune_most: prune::Most::default(),
    })
}

struct Postgres {
    pool: Pool,
    prune_most: prune::Most,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.pool.address).finish()
    }
}

impl Postgres {
    /// The outcome of `call`, or that there was none in time.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(CALL, call).await.unwrap_or_else(|_| {
            self.pool.forget();
            Err(self.pool.silent(CALL))
        })
    }
}

/// What `$work` does with a connection, named `$connection`.
macro_rules! with {
    ($store:ident, |$connection:ident| $work:expr) => {
        $store
            .bounded(async {
                let mut lease = $store.pool.lease().await?;
                let $connection = &mut *lease;
                let outcome = $work.await;
                lease.end(outcome)
            })
            .await
    };
}

#[async_trait]
impl Store for Postgres {
    async fn apply(&self, writes: &[Write]) -> Result<()> {
        with!(self, |connection| write::apply(connection, writes))
    }

    async fn ping(&self) -> Result<()> {
        with!(self, |connection| migrate::check(connection))
    }

    async fn statuses(&self) -> Result<Vec<InstanceStatus>> {
        with!(self, |connection| read::statuses(connection))
    }

    async fn transitions(&self, instance: Option<ReplicaId>, limit: usize) -> Result<Vec<AuditRow>> {
        with!(self, |connection| read::transitions(connection, instance, limit))
    }

    async fn request_metrics(&self, since: i64, until: i64) -> Result<Vec<RequestMetricsRow>> {
        with!(self, |connection| read::request_metrics(connection, since, until))
    }

    async fn voting_events(&self, limit: usize) -> Result<Vec<VotingEvent>> {
        with!(self, |connection| read::voting_events(connection, limit))
    }

    async fn denials(&self, limit: usize) -> Result<Vec<DenialEntry>> {
        with!(self, |connection| read::denials(connection, limit))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>> {
        with!(self, |connection| read::order(connection, id))
    }

    async fn orders(&self, status: Option<OrderStatus>, limit: usize) -> Result<Vec<OrderRow>> {
        with!(self, |connection| read::orders(connection, status, limit))
    }

    async fn order_by_key(&self, key_part: u128) -> Result<Option<OrderRow>> {
        with!(self, |connection| read::order_by_key(connection, key_part))
    }

    async fn prune(&self, metrics_before: i64, voting_before: Timestamp) -> Result<u64> {
        let most = self.prune_most.rows();
        let outcome = with!(self, |connection| prune::prune(
            connection,
            metrics_before,
            voting_before,
            most
        ));
        self.prune_most.note(most, outcome.is_ok());
        outcome
    }
}
