//! Voting events: agreements as counts, one row per reporter, replica and second (and one more at the end);
//! disagreements all of them, the same lie in one batch as one row with its count.
//!
//! Every row's id follows from the record that it comes from, so whoever writes it twice writes it once.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tolerancia_core::ReplicaId;
use tolerancia_store::{Buffer, VotingEvent, VotingKind, Write};
use tolerancia_wire::Stamp;
use tolerancia_wire::evidence::{Batch, ErrorBody, ErrorRecord, Lie};
use uuid::Uuid;

use super::remember;

/// How often counts are written.
const EVERY: Duration = Duration::from_secs(1);
/// Reporters and replicas whose agreements are counted at a time; a system has two reporters.
const MOST_COUNTS: usize = 256;
/// How far ahead of the present a record may be stamped. One that is farther ahead would never be pruned.
const FARTHEST: SignedDuration = SignedDuration::from_hours(1);

/// Writes what `records` say about votes until they end, then what is left.
pub(crate) async fn count_votes(replicas: u8, mut records: mpsc::Receiver<ErrorRecord>, store: Buffer) {
    let mut votes = Votes::new(replicas);
    let write = |event| remember(&store, Write::Voting(event));
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            record = records.recv() => match record {
                Some(record) => votes.take(record, Timestamp::now()).into_iter().for_each(write),
                None => break,
            },
            _ = tick.tick() => votes.flush(Stamp::now()).into_iter().for_each(write),
        }
    }
    votes.rest(Stamp::now()).into_iter().for_each(write);
}

/// Agreements of one replica with a quorum, seen by one reporter since the last flush.
struct Count {
    /// Of the first batch that was counted.
    event_id: Uuid,
    count: u64,
}

/// Makes events of evidence.
struct Votes {
    replicas: usize,
    counts: BTreeMap<(String, ReplicaId), Count>,
    /// The second of the last flush, Unix time.
    flushed: i64,
}

impl Votes {
    const fn new(replicas: u8) -> Self {
        Self {
            replicas: replicas as usize,
            counts: BTreeMap::new(),
            flushed: i64::MIN,
        }
    }

    /// Counts the agreements in a record that is read at `now` and returns its disagreements.
    fn take(&mut self, record: ErrorRecord, now: Timestamp) -> Vec<VotingEvent> {
        let (id, source, stamp) = (record.event_id, record.source.clone(), record.stamp());
        let ErrorBody::Evidence { batches } = record.body else {
            return Vec::new();
        };
        if stamp.at.duration_since(now) > FARTHEST {
            metrics::counter!("monitor_history_dropped_total").increment(1);
            tracing::debug!(source, at = %stamp.at, "evidence from the future is not counted");
            return Vec::new();
        }
        let mut events = Vec::new();
        for (nth, batch) in (0..).zip(batches) {
            // The judge warns of replicas that are not configured.
            if batch.instance.index() >= self.replicas {
                continue;
            }
            self.count(id, nth, &source, &batch);
            if batch.unlisted > 0 {
                metrics::counter!("monitor_unlisted_dissents_total").increment(batch.unlisted.into());
            }
            let event = |(lie_nth, Lie { dissent, count }): (u32, Lie)| VotingEvent {
                event_id: derived(id, nth, lie_nth + 1),
                stamp,
                source: source.clone(),
                instance: batch.instance,
                kind: VotingKind::Disagreement {
                    count: u64::from(count.max(1)),
                    dissent,
                },
            };
            events.extend((0..).zip(batch.dissents).map(event));
        }
        events
    }

    fn count(&mut self, id: Uuid, nth: u32, source: &str, batch: &Batch) {
        if batch.good == 0 {
            return;
        }
        let key = (source.to_owned(), batch.instance);
        if self.counts.len() >= MOST_COUNTS && !self.counts.contains_key(&key) {
            metrics::counter!("monitor_history_dropped_total").increment(1);
            return;
        }
        let count = self.counts.entry(key).or_insert_with(|| Count {
            event_id: derived(id, nth, 0),
            count: 0,
        });
        count.count = count.count.saturating_add(batch.good.into());
    }

    /// The agreements that were counted since the last flush, as of `stamp`; none in the same second as that: a
    /// tick may be late, and the next one not.
    fn flush(&mut self, stamp: Stamp) -> Vec<VotingEvent> {
        let second = stamp.at.as_second();
        if std::mem::replace(&mut self.flushed, second) == second {
            return Vec::new();
        }
        self.rest(stamp)
    }

    /// The agreements that were counted since the last flush, as of `stamp`.
    fn rest(&mut self, stamp: Stamp) -> Vec<VotingEvent> {
        let counts = std::mem::take(&mut self.counts).into_iter();
        let event = |((source, instance), Count { event_id, count }): ((String, ReplicaId), Count)| VotingEvent {
            event_id,
            stamp,
            source,
            instance,
            kind: VotingKind::Agreements { count },
        };
        counts.map(event).collect()
    }
}

/// A UUIDv8 for one part of a record: its first 48 bits are the record's, which are its time, so that ids sort as
/// those of records do; the others are hashed from the record's id and the part.
fn derived(record: Uuid, batch: u32, part: u32) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(record.as_bytes());
    hash.update(batch.to_be_bytes());
    hash.update(part.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[..6].copy_from_slice(&record.as_bytes()[..6]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tolerancia_core::Stock;
    use tolerancia_wire::evidence::Dissent;

    use super::*;

    fn id(n: u8) -> ReplicaId {
        ReplicaId::new(n).unwrap()
    }

    fn dissent(version: u64) -> Dissent {
        Dissent::Stock {
            product: "PROD-001".parse().unwrap(),
            version,
            said: Some(Stock {
                available: 1,
                reserved: 0,
            }),
            agreed: None,
            robust_z: Some(2.5),
        }
    }

    fn batch(replica: u8, good: u32, lies: &[u64]) -> Batch {
        let mut batch = Batch::new(id(replica));
        batch.good = good;
        lies.iter().for_each(|version| batch.add_dissent(dissent(*version)));
        batch
    }

    fn record(source: &str, batches: Vec<Batch>) -> ErrorRecord {
        ErrorRecord::new(source, ErrorBody::Evidence { batches })
    }

    fn take(votes: &mut Votes, record: ErrorRecord) -> Vec<VotingEvent> {
        let now = record.at;
        votes.take(record, now)
    }

    fn later(stamp: Stamp, seconds: i64) -> Stamp {
        let at = stamp.at.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
        Stamp { at, ..stamp }
    }

    fn agreements(event: &VotingEvent) -> u64 {
        match event.kind {
            VotingKind::Agreements { count } => count,
            VotingKind::Disagreement { .. } => 0,
        }
    }

    #[test]
    fn agreements_are_one_row_per_reporter_and_replica() {
        let mut votes = Votes::new(3);
        for _ in 0..20 {
            assert_eq!(
                take(
                    &mut votes,
                    record("voter-svc", vec![batch(1, 5, &[]), batch(2, 1, &[])])
                ),
                []
            );
        }
        take(
            &mut votes,
            record("orders-svc", vec![batch(1, 7, &[]), batch(3, 0, &[])]),
        );
        let stamp = Stamp::now();
        let told = votes.flush(stamp);
        let brief: Vec<_> = told
            .iter()
            .map(|event| (event.source.as_str(), event.instance.number(), agreements(event)))
            .collect();
        assert_eq!(
            brief,
            [("orders-svc", 1, 7), ("voter-svc", 1, 100), ("voter-svc", 2, 20)]
        );
        assert!(told.iter().all(|event| event.stamp == stamp));
        assert_eq!(votes.rest(stamp), [], "nothing is told twice");
        take(&mut votes, record("voter-svc", vec![batch(1, 2, &[])]));
        assert_eq!(votes.flush(stamp), [], "one row a second");
        assert_eq!(votes.flush(later(stamp, 1)).len(), 1);
    }

    #[test]
    fn every_different_lie_is_an_event_with_its_count() {
        let mut votes = Votes::new(3);
        let record = record("voter-svc", vec![batch(1, 3, &[]), batch(2, 0, &[7, 7, 8, 7])]);
        let events = take(&mut votes, record.clone());
        let brief: Vec<_> = events
            .iter()
            .map(|event| (event.instance.number(), &event.kind))
            .collect();
        let lie = |count, version| VotingKind::Disagreement {
            count,
            dissent: dissent(version),
        };
        assert_eq!(brief, [(2, &lie(3, 7)), (2, &lie(1, 8))]);
        assert!(
            events
                .iter()
                .all(|e| e.stamp == record.stamp() && e.source == "voter-svc")
        );
        assert_eq!(
            take(&mut votes, record),
            events,
            "the same record gives the same events"
        );
    }

    #[test]
    fn what_is_not_about_a_configured_replica_is_left_out() {
        let mut votes = Votes::new(3);
        let bad = ErrorBody::BadRecord {
            topic: "order-events".to_owned(),
            partition: 0,
            offset: 1,
            error: "not JSON".to_owned(),
        };
        assert_eq!(take(&mut votes, ErrorRecord::new("inventory-svc/1", bad)), []);
        assert_eq!(take(&mut votes, record("voter-svc", vec![batch(4, 9, &[7])])), []);
        assert_eq!(votes.flush(Stamp::now()), []);
    }

    #[test]
    fn a_count_of_nothing_is_once_and_memory_is_bounded() {
        let mut votes = Votes::new(3);
        let mut never = batch(1, 0, &[7]);
        never.dissents[0].count = 0;
        let events = take(&mut votes, record("voter-svc", vec![never]));
        assert!(matches!(events[0].kind, VotingKind::Disagreement { count: 1, .. }));
        for n in 0..2 * MOST_COUNTS {
            take(&mut votes, record(&format!("stranger-{n}"), vec![batch(1, 1, &[])]));
        }
        assert_eq!(votes.flush(Stamp::now()).len(), MOST_COUNTS);
    }

    #[test]
    fn what_comes_from_the_future_is_left_out() {
        let now = Stamp::now();
        for (seconds, counted) in [(0, 1), (3600, 1), (3601, 0), (-7200, 1)] {
            let mut votes = Votes::new(3);
            let mut record = record("voter-svc", vec![batch(1, 5, &[]), batch(2, 0, &[7])]);
            record.at = later(now, seconds).at;
            assert_eq!(votes.take(record, now.at).len(), counted, "{seconds}");
            assert_eq!(votes.rest(now).len(), counted, "{seconds}");
        }
    }

    #[test]
    fn ids_are_valid_and_begin_with_the_records_time() {
        let record = Uuid::now_v7();
        let mut all = BTreeSet::new();
        for (nth, part) in [(0, 0), (0, 1), (1, 0), (1, 1), (256, 0), (0, 256)] {
            let id = derived(record, nth, part);
            assert_eq!(
                (id.get_version_num(), &id.as_bytes()[..6]),
                (8, &record.as_bytes()[..6])
            );
            assert!(all.insert(id));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However evidence comes and counts are taken: every agreement is in one row, every lie in one event, and
        /// no two rows share an id.
        #[test]
        fn nothing_is_lost_or_counted_twice(
            steps in prop::collection::vec(
                (0usize..2, prop::collection::vec((1u8..=3, 0u32..9, prop::collection::vec(0u64..5, 0..5)), 0..4), 0i64..3),
                0..60,
            ),
        ) {
            let (mut votes, mut now) = (Votes::new(3), Stamp::now());
            let (mut good, mut lies) = (0, 0);
            let mut events = Vec::new();
            for (source, batches, seconds) in steps {
                let batches: Vec<_> = batches.iter().map(|(replica, n, told)| batch(*replica, *n, told)).collect();
                good += batches.iter().map(|batch| u64::from(batch.good)).sum::<u64>();
                lies += batches.iter().map(Batch::lies).sum::<u64>();
                events.extend(take(&mut votes, record(["voter-svc", "orders-svc"][source], batches)));
                now = later(now, seconds);
                events.extend(votes.flush(now));
            }
            let counts = |event: &&VotingEvent| agreements(event) > 0;
            let key = |event: &VotingEvent| (event.source.clone(), event.instance, event.stamp.at.as_second());
            let rows: Vec<_> = events.iter().filter(counts).map(key).collect();
            prop_assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "one row a second");
            events.extend(votes.rest(now));
            prop_assert_eq!(events.iter().map(agreements).sum::<u64>(), good);
            let told = events.iter().map(|event| match event.kind {
                VotingKind::Disagreement { count, .. } => count,
                VotingKind::Agreements { .. } => 0,
            });
            prop_assert_eq!(told.sum::<u64>(), lies);
            let ids: BTreeSet<_> = events.iter().map(|event| event.event_id).collect();
            prop_assert_eq!(ids.len(), events.len());
        }
    }
}
