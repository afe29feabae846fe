//! What the monitor writes down for later without judging by it: request metrics of all services, and what votes
//! said about the replicas.
//!
//! ```text
//! request-metrics ──▶ Reader ──▶ requests: rows ────────────────┐
//! error-queue ──▶ Reader ──▶ judge                              ├──▶ Buffer ──▶ database
//!                    └──▶ votes: counts and events ─────────────┘                  ▲
//!                                                          prune: once a minute ───┘
//! ```
//!
//! History yields to what is more important: nothing here makes the judge wait, and while the database is away
//! half of the write buffer stays free for verdicts and the audit.

mod evidence;
mod prune;
mod reader;
mod requests;
mod votes;

use tolerancia_store::{Buffer, Write};

pub(crate) use evidence::Evidence;
pub(crate) use prune::prune;
pub(crate) use reader::Reader;
pub(crate) use requests::{Requests, own};
pub(crate) use votes::count_votes;

/// History is dropped while so many writes wait: half of what the buffer takes.
const MOST_WAITING: usize = 5000;

/// Writes a row of history, or drops and counts it.
pub(crate) fn remember(store: &Buffer, write: Write) {
    if store.queued() >= MOST_WAITING || !store.push(write) {
        metrics::counter!("monitor_history_dropped_total").increment(1);
    }
}
