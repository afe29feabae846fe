//! The records of `error-queue`: to the judge first, and a copy to those who count votes. Refused attempts go past both.

use tokio::sync::mpsc;
use tolerancia_bus::Message;
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};

use super::reader::Take;
use crate::denials::Denials;

/// Where evidence goes.
pub(crate) struct Evidence {
    /// The judge.
    pub judge: mpsc::Sender<ErrorRecord>,
    /// [`count_votes`](super::count_votes), which is not waited for.
    pub votes: mpsc::Sender<ErrorRecord>,
    /// What was refused.
    pub denials: Denials,
}

impl Take for Evidence {
    async fn take(&mut self, message: Message) {
        let record = match ErrorRecord::from_bytes(&message.payload) {
            Ok(record) => record,
            Err(error) => {
                metrics::counter!("monitor_unreadable_evidence_total").increment(1);
                tracing::warn!(%error, offset = message.offset, "a record on error-queue could not be read");
                return;
            }
        };
        let Some(record) = self.denials.take(record) else {
            return;
        };
        let copy = matches!(record.body, ErrorBody::Evidence { .. }).then(|| record.clone());
        // The judge is gone only at shutdown.
        drop(self.judge.send(record).await);
        if let Some(record) = copy
            && self.votes.try_send(record).is_err()
        {
            metrics::counter!("monitor_history_dropped_total").increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tolerancia_store::{Buffer, BufferConfig, lazy_sqlite};
    use tolerancia_wire::denial::{Denial, Why};
    use tolerancia_wire::evidence::Batch;

    use super::*;

    fn message(payload: Vec<u8>) -> Message {
        Message {
            partition: 0,
            offset: 0,
            key: None,
            payload,
        }
    }

    #[tokio::test]
    async fn the_judge_gets_everything_and_waits_for_nobody_who_counts() {
        let (judge, mut judged) = mpsc::channel(16);
        let (votes, mut counted) = mpsc::channel(2);
        let dir = tempfile::tempdir().unwrap();
        let store = Buffer::start(
            Arc::clone(&lazy_sqlite(&dir.path().join("db"))),
            BufferConfig::default(),
        );
        let denials = Denials::new(store);
        let shown = denials.clone();
        let mut taker = Evidence { judge, votes, denials };
        let batches = vec![Batch::new("1".parse().unwrap())];
        let record = ErrorRecord::new("voter-svc", ErrorBody::Evidence { batches });
        taker.take(message(b"not a record".to_vec())).await;
        for _ in 0..5 {
            taker.take(message(record.to_bytes())).await;
        }
        let bad = ErrorBody::BadRecord {
            topic: "order-events".to_owned(),
            partition: 0,
            offset: 1,
            error: "not JSON".to_owned(),
        };
        taker
            .take(message(ErrorRecord::new("inventory-svc/1", bad).to_bytes()))
            .await;
        // That somebody may not break a replica says nothing about it.
        let denied = ErrorBody::Denied(Denial {
            peer: None,
            tried: "PUT /fault".to_owned(),
            why: Why::NoToken,
            count: 1,
        });
        taker
            .take(message(ErrorRecord::new("inventory-svc/1", denied).to_bytes()))
            .await;
        assert_eq!(shown.newest(9).len(), 1);
        drop(taker);
        let mut all = Vec::new();
        while let Some(record) = judged.recv().await {
            all.push(record);
        }
        assert_eq!((all.len(), &all[4]), (6, &record));
        for _ in 0..2 {
            assert_eq!(counted.recv().await, Some(record.clone()));
        }
        assert_eq!(counted.recv().await, None);
    }
}
