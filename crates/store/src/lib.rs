//! What people ask about later: instance status, failure audit, request metrics, voting events and
//! orders, in PostgreSQL or in a SQLite file, by one trait.
//!
//! The database is never on the path of an answer. Kafka is the truth, so a dead database may cost a row
//! of history, never a vote, a verdict or an order. Hence two ways in:
//!
//! ```text
//! writes   Buffer::push(Write) -> bool      never blocks; one task writes batches, retries, counts drops
//! reads    Store::{statuses, transitions, request_metrics, voting_events, order, orders, order_by_key}
//!          Err(StoreError::Unavailable) while the database is dead, within seconds also when it hangs
//! ```
//!
//! A service does this, and nothing more:
//!
//! ```no_run
//! # use std::{path::Path, time::Duration};
//! # use tolerancia_store::{Buffer, BufferConfig, BufferState, Write, lazy_store};
//! # async fn service(postgres_url: Option<&str>, status: tolerancia_wire::status::InstanceStatus) {
//! // Opens when first used and again after every failure: the service starts with a dead database too.
//! let store = lazy_store(postgres_url, Path::new("data/tolerancia.db"));
//! let buffer = Buffer::start(store.clone(), BufferConfig::default());
//!
//! buffer.push(Write::Status(status));               // false: dropped and counted
//! match buffer.state() {                            // cheap, for /health
//!     BufferState::Up => {}
//!     degraded => println!("database: {degraded}"), // error, writes waiting, writes dropped
//! }
//! let _page = store.orders(None, 100).await;
//!
//! // After the servers that feed it: the buffer outlives the shutdown signal on purpose.
//! let lost = buffer.close(Duration::from_secs(2)).await;
//! # let _ = lost;
//! # }
//! ```
//!
//! | item | what |
//! | --- | --- |
//! | [`lazy_store`] | the database a service is configured for, opened when used: it must start without |
//! | [`lazy_postgres`], [`lazy_sqlite`] | the same, one kind of database |
//! | [`open_postgres`], [`open_sqlite`] | opens now: a tool wants the error at once |
//! | [`hold_sqlite`] | keeps everybody from writing to a file: an outage on purpose |
//! | [`Store`] | the trait; [`Store::apply`] writes a batch in one transaction, [`Store::prune`] deletes what is old, all else is reading |
//! | [`Write`] | one row to write; every write is idempotent, so a retry after a lost answer is harmless |
//! | [`Buffer`] | the bounded write-behind queue; clone it freely |
//! | [`AuditRow`], [`RequestMetricsRow`], [`VotingEvent`], [`OrderRow`] | the rows |
//! | [`StoreError`] | `Unavailable` (try later), `Rejected` (this write never succeeds), `Unreadable` |
//!
//! Metrics: `store_dropped_total{reason="full"|"rejected"|"closed"}`, `store_written_total`, `store_queued`.

mod buffer;
mod error;
mod lazy;
mod migrations;
mod postgres;
mod rows;
mod sqlite;
mod store;
mod text;

pub use buffer::{Buffer, BufferConfig, BufferState};
pub use error::{Result, StoreError};
pub use lazy::lazy_store;
pub use postgres::{lazy_postgres, open_postgres};
pub use rows::{AuditRow, OrderRow, RequestMetricsRow, VotingEvent, VotingKind};
pub use sqlite::{SqliteHold, hold_sqlite, lazy_sqlite, open_sqlite};
pub use store::{PRUNE_MOST, Store, Write};
