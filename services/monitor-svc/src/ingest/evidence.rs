//! The records of `error-queue`: to the judge first, and a copy to those who count votes.

use tokio::sync::mpsc;
use tolerancia_bus::Message;
use tolerancia_wire::evidence::{ErrorBody, ErrorRecord};

use super::reader::Take;

/// Where evidence goes.
pub(crate) struct Evidence {
    /// The judge.
    pub judge: mpsc::Sender<ErrorRecord>,
    /// [`count_votes`](super::count_votes), which is not waited for.
    pub votes: mpsc::Sender<ErrorRecord>,
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
        let mut taker = Evidence { judge, votes };
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
