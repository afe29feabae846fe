//! Evidence on its way to the monitor, in batches on `error-queue`.
//!
//! The first bad finding after a quiet time goes out at once, because detection waits for it. While
//! something is wrong batches keep [`BUSY`] apart, otherwise [`QUIET`]. The rule is [`Pacing`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tolerancia_core::pacing::Pacing;
use tolerancia_wire::Record;
use tolerancia_wire::evidence::ErrorBody;
use tolerancia_wire::time::mono_ns;

use crate::book::Book;

/// Time between batches at least, while something is wrong.
const BUSY: Duration = Duration::from_millis(50);
/// Time between batches while nothing is.
const QUIET: Duration = Duration::from_secs(1);
/// Timers count in whole milliseconds and fire late rather than early. Good findings must not wait longer for that.
const TIMER: Duration = Duration::from_millis(1);

/// Where the bytes of a record go, without waiting; `false`: there is no room for it.
pub type Sink = Box<dyn Fn(Vec<u8>) -> bool + Send>;

/// Reports until `shutdown`, and then once more.
pub async fn report(book: Arc<Book>, source: String, sink: Sink, shutdown: CancellationToken) {
    let clock = Clock(Instant::now());
    let mut pacing = Pacing::new(nanos(BUSY), nanos(QUIET - TIMER));
    loop {
        // Good findings wake nobody, for the sake of votes. One may be written down any moment from now.
        pacing.noted(clock.now_ns(), false);
        let due = async {
            tokio::select! {
                () = book.urgent() => {
                    pacing.noted(clock.now_ns(), true);
                    clock.reaches(pacing.due_ns()).await;
                }
                () = clock.reaches(pacing.due_ns()) => {}
            }
        };
        let stop = shutdown.run_until_cancelled(due).await.is_none();
        let batches = book.take(mono_ns());
        if batches.is_empty() {
            pacing.nothing();
        } else {
            pacing.sent(clock.now_ns());
            let record = Record::new(source.as_str(), ErrorBody::Evidence { batches });
            if !sink(record.to_bytes()) {
                book.dropped();
            }
        }
        if stop {
            return;
        }
    }
}

/// Nanoseconds since the reporter began.
struct Clock(Instant);

impl Clock {
    fn now_ns(&self) -> u64 {
        nanos(self.0.elapsed())
    }

    async fn reaches(&self, at_ns: Option<u64>) {
        match at_ns {
            Some(at_ns) => sleep_until(self.0 + Duration::from_nanos(at_ns)).await,
            None => std::future::pending().await,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tokio::sync::mpsc;
    use tolerancia_core::ReplicaId;
    use tolerancia_wire::evidence::{Batch, Dissent, ErrorRecord, MOST_LIES};

    use super::*;
    use crate::round::Finding;

    fn start(book: &Arc<Book>, shutdown: &CancellationToken) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(16);
        let sink: Sink = Box::new(move |bytes| sender.try_send(bytes).is_ok());
        tokio::spawn(report(book.clone(), "voter-svc".to_owned(), sink, shutdown.clone()));
        receiver
    }

    async fn next(records: &mut mpsc::Receiver<Vec<u8>>) -> (Duration, Batch) {
        let before = Instant::now();
        let bytes = records.recv().await.unwrap();
        let record = ErrorRecord::from_bytes(&bytes).unwrap();
        let ErrorBody::Evidence { mut batches } = record.body else {
            panic!("evidence expected")
        };
        (before.elapsed(), batches.remove(0))
    }

    #[tokio::test(start_paused = true)]
    async fn bad_findings_go_out_at_once_and_good_ones_every_second() {
        let (book, shutdown) = (Arc::new(Book::new(3, 0)), CancellationToken::new());
        let mut records = start(&book, &shutdown);
        let id = ReplicaId::new(1).unwrap();
        book.note(id, Finding::Good, 1);
        let (waited, batch) = next(&mut records).await;
        assert_eq!(batch.good, 1);
        assert!(waited <= QUIET && waited > BUSY, "{waited:?}");

        tokio::time::sleep(BUSY).await;
        book.note(id, Finding::Failed, 2);
        let (waited, batch) = next(&mut records).await;
        assert_eq!(
            (batch.failed, waited < Duration::from_millis(2)),
            (1, true),
            "{waited:?}"
        );

        for _ in 0..10 {
            book.note(id, Finding::Late, 3);
        }
        let (waited, batch) = next(&mut records).await;
        assert_eq!(batch.late, 10, "gathered while the last batch is young");
        assert!(waited >= BUSY - Duration::from_millis(2), "{waited:?}");

        book.note(id, Finding::Good, 4);
        shutdown.cancel();
        assert_eq!(next(&mut records).await.1.good, 1, "nothing is lost at the end");
        assert!(records.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_at_an_empty_book_delays_no_bad_finding() {
        let (book, shutdown) = (Arc::new(Book::new(3, 0)), CancellationToken::new());
        let mut records = start(&book, &shutdown);
        let id = ReplicaId::new(1).unwrap();
        tokio::time::sleep(QUIET).await;
        book.note(id, Finding::Stale, 1);
        book.note(id, Finding::Failed, 1);
        let (waited, batch) = next(&mut records).await;
        assert_eq!((batch.stale, batch.failed), (1, 1));
        assert!(waited < Duration::from_millis(2), "{waited:?}");
        shutdown.cancel();
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_sent_is_counted() {
        let (book, shutdown) = (Arc::new(Book::new(3, 0)), CancellationToken::new());
        let records = start(&book, &shutdown);
        drop(records);
        book.note(ReplicaId::new(1).unwrap(), Finding::Good, 1);
        tokio::time::sleep(QUIET).await;
        assert_eq!(book.count_dropped(), 1);
        shutdown.cancel();
    }

    /// Everything that is reported about `lies`, told one after the other with pauses of milliseconds.
    fn reported(lies: Vec<(u8, u64, u64)>) -> Vec<Batch> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (book, shutdown) = (Arc::new(Book::new(3, 0)), CancellationToken::new());
            let (sender, mut records) = mpsc::unbounded_channel();
            let sink: Sink = Box::new(move |bytes| sender.send(bytes).is_ok());
            tokio::spawn(report(book.clone(), "voter-svc".to_owned(), sink, shutdown.clone()));
            for (replica, version, pause) in lies {
                let dissent = Dissent::Stock {
                    product: "PROD-001".parse().unwrap(),
                    version,
                    said: None,
                    agreed: None,
                    robust_z: None,
                };
                book.note(ReplicaId::new(replica).unwrap(), Finding::Dissent(dissent), 1);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            shutdown.cancel();
            let mut all = Vec::new();
            while let Some(bytes) = records.recv().await {
                match ErrorRecord::from_bytes(&bytes).unwrap().body {
                    ErrorBody::Evidence { batches } => all.extend(batches),
                    ErrorBody::BadRecord { .. } | ErrorBody::Denied(_) => panic!("evidence expected"),
                }
            }
            all
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However many lies are told and whenever: every one is in the count of its like in one batch, or among
        /// those that a full batch could only count.
        #[test]
        fn no_lie_is_lost(
            lies in prop::collection::vec(
                (1u8..=3, prop_oneof![1 => 0u64..4, 3 => 0u64..5000], prop_oneof![299 => Just(0u64), 1 => 0u64..70]),
                0..3000,
            ),
        ) {
            let mut told: BTreeMap<(u8, u64), u64> = BTreeMap::new();
            for (replica, version, _) in &lies {
                *told.entry((*replica, *version)).or_default() += 1;
            }
            let mut unlisted = BTreeMap::new();
            for batch in reported(lies) {
                let replica = batch.instance.number();
                prop_assert!(batch.unlisted == 0 || batch.dissents.len() == MOST_LIES);
                *unlisted.entry(replica).or_insert(0u64) += u64::from(batch.unlisted);
                for lie in batch.dissents {
                    let Dissent::Stock { version, .. } = lie.dissent else {
                        panic!("{lie:?}")
                    };
                    let left = told.get_mut(&(replica, version)).unwrap();
                    *left = left.checked_sub(lie.count.into()).expect("told no more often than that");
                }
            }
            for replica in 1..=3 {
                let left: u64 = told.iter().filter(|((r, _), _)| *r == replica).map(|(_, left)| left).sum();
                prop_assert_eq!(left, unlisted.get(&replica).copied().unwrap_or(0));
            }
        }
    }
}
