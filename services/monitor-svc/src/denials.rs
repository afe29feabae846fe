//! Attempts to break something that were refused: who refuses tells of them on `error-queue`, the monitor keeps and
//! shows them (`GET /denials`). They are no evidence about anybody, and nothing that judges hears of them.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tolerancia_service::fault::DenialSink;
use tolerancia_store::{Buffer, Write};
use tolerancia_wire::denial::{Denial, DenialEntry, MOST_TRIED};
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};

use crate::ingest::remember;

/// Entries that are shown; the store keeps the rest.
pub(crate) const MOST_DENIALS: usize = 1000;
/// The longest name of whoever refused, in bytes.
const LONGEST_SOURCE: usize = 256;

/// What was refused; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Denials {
    /// Newest first.
    newest: Arc<RwLock<VecDeque<DenialEntry>>>,
    store: Buffer,
}

impl Denials {
    pub(crate) fn new(store: Buffer) -> Self {
        Self {
            newest: Arc::default(),
            store,
        }
    }

    /// Takes in a record, if it is one about refused attempts; gives back any other.
    pub(crate) fn take(&self, record: ErrorRecord) -> Option<ErrorRecord> {
        let ErrorBody::Denied(denial) = &record.body else {
            return Some(record);
        };
        if is_sound(denial) && record.source.len() <= LONGEST_SOURCE {
            self.note(DenialEntry {
                event_id: record.event_id,
                stamp: record.stamp(),
                source: record.source.clone(),
                denial: denial.clone(),
            });
        } else {
            metrics::counter!("monitor_unreadable_evidence_total").increment(1);
        }
        None
    }

    /// Takes what this process refuses, which needs no topic.
    pub(crate) fn own(&self, source: String) -> DenialSink {
        let this = self.clone();
        Box::new(move |denial| {
            let record = ErrorRecord::new(source.as_str(), ErrorBody::Denied(denial));
            drop(this.take(record));
        })
    }

    /// Takes over those of earlier runs, newest first.
    pub(crate) fn earlier(&self, rows: Vec<DenialEntry>) {
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_DENIALS.saturating_sub(newest.len());
        let known = |row: &DenialEntry| newest.iter().any(|one| one.event_id == row.event_id);
        let rows: Vec<_> = rows.into_iter().filter(|row| !known(row)).take(room).collect();
        newest.extend(rows);
    }

    /// The newest ones.
    pub(crate) fn newest(&self, limit: usize) -> Vec<DenialEntry> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.iter().take(limit).cloned().collect()
    }

    fn note(&self, entry: DenialEntry) {
        remember(&self.store, Write::Denial(entry.clone()));
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        newest.truncate(MOST_DENIALS - 1);
        newest.push_front(entry);
    }
}

/// The database has signed numbers, and one row that does not fit would cost its whole batch.
fn is_sound(denial: &Denial) -> bool {
    denial.tried.len() <= MOST_TRIED && denial.count > 0 && i64::try_from(denial.count).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tolerancia_store::{BufferConfig, open_sqlite};
    use tolerancia_wire::denial::Why;

    use super::*;

    fn denial(count: u64) -> Denial {
        Denial {
            peer: Some("192.0.2.7".parse().unwrap()),
            tried: "PUT /fault".to_owned(),
            why: Why::WrongToken,
            count,
        }
    }

    fn record(denial: Denial) -> ErrorRecord {
        ErrorRecord::new("inventory-svc/2", ErrorBody::Denied(denial))
    }

    #[tokio::test]
    async fn refused_attempts_are_shown_and_kept_and_a_flood_of_them_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let database = open_sqlite(&dir.path().join("db")).await.unwrap();
        let store = Buffer::start(database.clone(), BufferConfig::default());
        let denials = Denials::new(store.clone());
        let other = ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches: Vec::new() });
        assert_eq!(denials.take(other.clone()), Some(other));

        let absurd = [
            denial(0),
            denial(u64::MAX),
            Denial {
                tried: "/".repeat(MOST_TRIED + 1),
                ..denial(1)
            },
        ];
        for denial in absurd {
            assert_eq!(denials.take(record(denial)), None);
        }
        assert_eq!(denials.newest(10), []);

        for count in 1..=(MOST_DENIALS as u64 + 1) {
            assert_eq!(denials.take(record(denial(count))), None);
        }
        let mut own = denials.own("monitor-svc".to_owned());
        own(denial(7));
        let shown = denials.newest(usize::MAX);
        assert_eq!((shown.len(), shown[0].source.as_str()), (MOST_DENIALS, "monitor-svc"));
        assert_eq!(shown[1].denial.count, MOST_DENIALS as u64 + 1);

        assert_eq!(store.close(std::time::Duration::from_secs(60)).await, 0);
        let kept = database.denials(MOST_DENIALS).await.unwrap();
        // Another monitor shows the same, once.
        let another = Denials::new(store);
        another.earlier(kept.clone());
        another.earlier(kept);
        let mut ids: Vec<_> = another.newest(usize::MAX).iter().map(|one| one.event_id).collect();
        assert_eq!(ids.len(), MOST_DENIALS);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), MOST_DENIALS);
    }
}
