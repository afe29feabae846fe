//! The one trait both databases implement, and one conformance suite tests (`tests/conformance`).

use async_trait::async_trait;
use jiff::Timestamp;
use tolerancia_wire::core::{OrderId, ReplicaId};
use tolerancia_wire::denial::DenialEntry;
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::InstanceStatus;

use crate::error::Result;
use crate::rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent};

/// The rows of one table that one call of [`Store::prune`] deletes at most.
pub const PRUNE_MOST: u32 = 10_000;

/// One row to write. All are idempotent: an answer can be lost after the commit, and then the write is
/// tried again.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Replaces the status of an instance.
    Status(InstanceStatus),
    /// Appends to the failure audit.
    Transition(AuditRow),
    /// Adds times to an entry of the failure audit. `None` leaves a time as it is, with one exception: a `ttd_ms`
    /// other than the known one is another fault's, and then `ttr_ms` is replaced, by `None` too. An unknown `seq`
    /// is no error, because the entry may have been dropped while the database was dead.
    AuditTimes {
        /// The entry.
        seq: u64,
        /// Milliseconds from the activation of the fault to OFF.
        ttd_ms: Option<f64>,
        /// Milliseconds from the activation of the fault to ON again.
        ttr_ms: Option<f64>,
    },
    /// Adds one second of requests. Of two rows with the same key the one with the larger count stays.
    RequestMetrics(RequestMetricsRow),
    /// Adds a voting event.
    Voting(VotingEvent),
    /// Adds refused attempts.
    Denial(DenialEntry),
    /// Adds an order or moves it forward: PENDING, then CONFIRMED or REJECTED, then CANCELLED. An older or
    /// contradicting status is ignored; a product and a quantity that were missing are filled in.
    Order(OrderRow),
}

impl Write {
    /// Whether it is written at once. Verdicts are rare, and they are what is looked for after a crash of whoever
    /// gave them.
    pub(crate) const fn is_urgent(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Transition(_))
    }
}

/// A database. Times are kept to the microsecond.
///
/// Every call returns within a bounded time, also when the database hangs: the implementation sets the
/// timeouts. Every call but `apply` and `prune` is a read and fails with `Unavailable` while the database is
/// dead, or `Unreadable` when a row is not what this version writes.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Writes all of `writes` in their order in one transaction, or nothing.
    ///
    /// # Errors
    /// `Unavailable` when trying again later may help, `Rejected` when one of the writes never succeeds.
    async fn apply(&self, writes: &[Write]) -> Result<()>;

    /// Whether the database answers and has the right schema.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ping(&self) -> Result<()>;

    /// The last known status of every instance, by service and instance.
    ///
    /// # Errors
    /// See the trait.
    async fn statuses(&self) -> Result<Vec<InstanceStatus>>;

    /// The failure audit, newest (largest `seq`) first, at most `limit` entries.
    ///
    /// # Errors
    /// See the trait.
    async fn transitions(&self, instance: Option<ReplicaId>, limit: usize) -> Result<Vec<AuditRow>>;

    /// Request metrics of the seconds `since <= second < until` (Unix time), oldest first.
    ///
    /// # Errors
    /// See the trait.
    async fn request_metrics(&self, since: i64, until: i64) -> Result<Vec<RequestMetricsRow>>;

    /// Voting events, newest first, at most `limit`.
    ///
    /// # Errors
    /// See the trait.
    async fn voting_events(&self, limit: usize) -> Result<Vec<VotingEvent>>;

    /// Refused attempts, newest first, at most `limit`.
    ///
    /// # Errors
    /// See the trait.
    async fn denials(&self, limit: usize) -> Result<Vec<DenialEntry>>;

    /// An order.
    ///
    /// # Errors
    /// See the trait.
    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>>;

    /// Orders, newest (by `created`) first, at most `limit`.
    ///
    /// # Errors
    /// See the trait.
    async fn orders(&self, status: Option<OrderStatus>, limit: usize) -> Result<Vec<OrderRow>>;

    /// The order with this [`OrderId::key_part`], in whatever partition. Of several the oldest: the first
    /// use of an idempotency key is what later uses are compared with.
    ///
    /// # Errors
    /// See the trait.
    async fn order_by_key(&self, key_part: u128) -> Result<Option<OrderRow>>;

    /// Deletes the oldest request metrics of seconds before `metrics_before` (Unix time), and the oldest voting
    /// events and refused attempts before `voting_before`, of each at most [`PRUNE_MOST`] rows, so that writers wait only briefly.
    /// Returns how many were deleted: as long as it is not 0, there may be more. Statuses, the failure audit and
    /// orders are kept for ever.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prune(&self, metrics_before: i64, voting_before: Timestamp) -> Result<u64>;

    /// Replaces the status of an instance now. Services push to a [`Buffer`](crate::Buffer) instead.
    ///
    /// # Errors
    /// As [`Store::apply`].
    async fn upsert_status(&self, status: &InstanceStatus) -> Result<()> {
        self.apply(&[Write::Status(status.clone())]).await
    }

    /// Appends to the failure audit now.
    ///
    /// # Errors
    /// As [`Store::apply`].
    async fn append_transition(&self, row: &AuditRow) -> Result<()> {
        self.apply(&[Write::Transition(row.clone())]).await
    }

    /// Adds request metrics now, in one transaction.
    ///
    /// # Errors
    /// As [`Store::apply`].
    async fn add_request_metrics(&self, rows: &[RequestMetricsRow]) -> Result<()> {
        self.apply(&rows.iter().cloned().map(Write::RequestMetrics).collect::<Vec<_>>())
            .await
    }

    /// Adds voting events now, in one transaction.
    ///
    /// # Errors
    /// As [`Store::apply`].
    async fn add_voting_events(&self, events: &[VotingEvent]) -> Result<()> {
        self.apply(&events.iter().cloned().map(Write::Voting).collect::<Vec<_>>())
            .await
    }

    /// Adds orders or moves them forward now, in one transaction.
    ///
    /// # Errors
    /// As [`Store::apply`].
    async fn upsert_orders(&self, orders: &[OrderRow]) -> Result<()> {
        self.apply(&orders.iter().cloned().map(Write::Order).collect::<Vec<_>>())
            .await
    }
}
