#![allow(clippy::unwrap_used)]

mod keys;
mod restart;

use std::collections::VecDeque;

use tolerancia_core::ReplicaId;
use tolerancia_core::ledger::Ledger;

use tolerancia_wire::order::OrderRequest;
use tolerancia_wire::partition;

use super::*;
use crate::log::NotAppended;

/// A log in memory, and what Kafka does to the next appends.
#[derive(Clone, Default)]
pub(crate) struct FakeLog {
    events: Arc<Mutex<Vec<Event>>>,
    next: Arc<Mutex<VecDeque<Kafka>>>,
}

#[derive(Clone, Copy)]
enum Kafka {
    Refuses,
    /// The event is in the log, or not, and no acknowledgement comes.
    Loses {
        written: bool,
    },
    NeverAnswers,
}

impl FakeLog {
    fn fail_next(&self, how: Kafka) {
        self.next.lock().unwrap().push_back(how);
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

impl Log for FakeLog {
    async fn append(&self, _: u16, _: &str, event: Event) -> Result<u64, NotAppended> {
        let failure = self.next.lock().unwrap().pop_front();
        match failure {
            Some(Kafka::Refuses) => return Err(NotAppended::Never),
            Some(Kafka::Loses { written: false }) => return Err(NotAppended::Unknown),
            Some(Kafka::NeverAnswers) => std::future::pending().await,
            Some(Kafka::Loses { written: true }) | None => {}
        }
        let mut events = self.events.lock().unwrap();
        events.push(event);
        match failure {
            None => Ok(events.len() as u64 - 1),
            Some(_) => Err(NotAppended::Unknown),
        }
    }
}

/// An archive whose database is dead.
pub(crate) fn archive() -> Archive {
    Archive::open(None, "/dev/null/orders.db".as_ref())
}

/// A desk, its log, and replicas that apply it when they are told to.
struct Bench {
    desk: Arc<Desk<FakeLog>>,
    log: FakeLog,
    undos: tokio::sync::mpsc::Receiver<OrderId>,
    ledger: Ledger,
    applied: usize,
}

impl Bench {
    fn new(partitions: u16) -> Self {
        Self::with(partitions, archive())
    }

    fn with(partitions: u16, archive: Archive) -> Self {
        let rules = Rules {
            replicas: 3,
            partitions,
            order_timeout: Duration::from_secs(2),
            max_in_flight: 4,
        };
        let log = FakeLog::default();
        let (undo, mut undos) = Undo::channel(partitions);
        let product_id = "P".parse().unwrap();
        let restock = Event::Restock {
            product_id,
            quantity: 10,
        };
        log.events.lock().unwrap().push(restock);
        Self {
            desk: Desk::new(rules, log.clone(), undo, archive),
            log,
            undos: undos.remove(0),
            ledger: Ledger::new(),
            applied: 0,
        }
    }

    /// The replicas apply what is new in the log, and these report.
    fn replicas(&mut self, reporters: &[u8]) {
        for (offset, event) in self.log.events().iter().enumerate().skip(self.applied) {
            self.applied = offset + 1;
            let outcome = self.ledger.apply(0, offset as u64, event).outcome;
            let order = match event {
                Event::Reserve { order_id, .. } | Event::Release { order_id } => Some(*order_id),
                Event::Restock { .. } => None,
            };
            let report = |n: &u8| Report {
                partition: 0,
                offset: offset as u64,
                order,
                replica: ReplicaId::new(*n).unwrap(),
                outcome,
                fresh: true,
            };
            self.desk.hear(reporters.iter().map(|n| (Stamp::now(), report(n))));
        }
    }

    fn place(&self, key: Option<&'static str>, product: &str, quantity: u64) -> tokio::task::JoinHandle<Placed> {
        let desk = Arc::clone(&self.desk);
        let request = OrderRequest {
            product_id: product.parse().unwrap(),
            quantity,
        };
        tokio::spawn(async move { desk.place(key, request).await })
    }

    fn cancel(&self, id: OrderId) -> tokio::task::JoinHandle<Cancelled> {
        let desk = Arc::clone(&self.desk);
        tokio::spawn(async move { desk.cancel(id).await })
    }
}

/// Lets every task run until it waits: time that is paused moves on only then.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn order(placed: Placed) -> OrderView {
    match placed {
        Placed::Stands(order) => order,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_what_a_quorum_says_and_its_cancel_too() {
    let mut bench = Bench::new(1);
    let (good, bad) = (bench.place(None, "P", 10), bench.place(None, "Q", 1));
    settle().await;
    bench.replicas(&[3, 1]);
    let (good, bad) = (order(good.await.unwrap()), order(bad.await.unwrap()));
    assert_eq!((good.status, good.version), (OrderStatus::Confirmed, Some(1)));
    assert_eq!(bad.reason.as_deref(), Some("unknown_product"));

    let cancels = [
        good.order_id,
        good.order_id,
        bad.order_id,
        OrderId::from_random(0, [9; 14]),
    ]
    .map(|id| bench.cancel(id));
    settle().await;
    bench.replicas(&[1, 2]);
    let [first, second, never, unknown] = cancels;
    assert!(matches!(first.await.unwrap(), Cancelled::Stands(order) if order.status == OrderStatus::Cancelled));
    assert_eq!(second.await.unwrap(), Cancelled::Refused(Refusal::AlreadyReleased));
    assert_eq!(never.await.unwrap(), Cancelled::Refused(Refusal::NeverConfirmed));
    assert_eq!(unknown.await.unwrap(), Cancelled::Unknown);
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_an_order_is_pending_and_confirmed_later() {
    let mut bench = Bench::new(1);
    let placing = bench.place(None, "P", 1);
    settle().await;
    bench.replicas(&[2]);
    let pending = order(placing.await.unwrap());
    assert_eq!(pending.status, OrderStatus::Pending);
    bench.applied = 0;
    bench.ledger = Ledger::new();
    bench.replicas(&[1]);
    let later = bench.desk.find(pending.order_id).await.unwrap();
    assert_eq!((later.status, later.quantity), (OrderStatus::Confirmed, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn what_kafka_does_not_acknowledge_is_not_accepted() {
    let mut bench = Bench::new(1);
    for (how, keyed, undone) in [
        (Kafka::Refuses, false, false),
        (Kafka::Loses { written: false }, false, true),
        (Kafka::NeverAnswers, false, true),
        (Kafka::Loses { written: false }, true, false),
    ] {
        bench.log.fail_next(how);
        let placed = bench.place(keyed.then_some("k"), "P", 1).await.unwrap();
        assert_eq!(placed, Placed::NotAccepted);
        assert_eq!(bench.undos.try_recv().is_ok(), undone);
        assert!(bench.desk.list(None, 10).await.is_empty());
    }
    // The key is still good.
    let again = bench.place(Some("k"), "P", 1);
    settle().await;
    bench.replicas(&[1, 2]);
    assert_eq!(order(again.await.unwrap()).status, OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn an_unacknowledged_order_that_is_in_the_log_is_released() {
    let mut bench = Bench::new(1);
    bench.log.fail_next(Kafka::Loses { written: true });
    assert_eq!(bench.place(None, "P", 4).await.unwrap(), Placed::NotAccepted);
    let id = bench.undos.recv().await.unwrap();
    let (undo, undos) = Undo::channel(1);
    undo.push(id);
    bench.log.fail_next(Kafka::Loses { written: false });
    let shutdown = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(crate::log::undo(bench.log.clone(), undos, shutdown.clone()));
    drop(undo);
    task.await.unwrap();
    bench.replicas(&[1, 2, 3]);
    let stock = bench.ledger.product(&"P".parse().unwrap()).unwrap().newest().stock;
    assert_eq!((stock.available, stock.reserved), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_takes_nothing_holds_up_no_other() {
    /// Partition 0 has no leader.
    #[derive(Clone)]
    struct Half(Arc<Mutex<Vec<u16>>>);
    impl Log for Half {
        async fn append(&self, partition: u16, _: &str, _: Event) -> Result<u64, NotAppended> {
            if partition == 0 {
                return Err(NotAppended::Unknown);
            }
            self.0.lock().unwrap().push(partition);
            Ok(0)
        }
    }
    let log = Half(Arc::default());
    let (undo, undos) = Undo::channel(2);
    for n in 0..10 {
        undo.push(OrderId::from_random(0, [n; 14]));
        undo.push(OrderId::from_random(1, [n; 14]));
    }
    let shutdown = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(crate::log::undo(log.clone(), undos, shutdown.clone()));
    settle().await;
    assert_eq!(log.0.lock().unwrap().len(), 10);
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_bounded_and_those_who_went_away_count() {
    let bench = Bench::new(1);
    let waiting: Vec<_> = (0..4).map(|_| bench.place(None, "P", 1)).collect();
    settle().await;
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    assert_eq!(bench.place(None, "P", 1).await.unwrap(), Placed::Busy);
    assert_eq!(
        bench.cancel(OrderId::from_random(0, [1; 14])).await.unwrap(),
        Cancelled::Busy
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        order(bench.place(None, "P", 1).await.unwrap()).status,
        OrderStatus::Pending
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_beyond_the_partitions_appends_nothing() {
    let bench = Bench::new(2);
    assert_eq!(
        bench.cancel(OrderId::from_random(2, [1; 14])).await.unwrap(),
        Cancelled::Unknown
    );
    assert_eq!(bench.log.events().len(), 1);
    bench.log.fail_next(Kafka::NeverAnswers);
    assert_eq!(
        bench.cancel(OrderId::from_random(1, [1; 14])).await.unwrap(),
        Cancelled::NotAccepted
    );
}

/// A replica may make up places in the log; what it says of them is not kept.
#[tokio::test]
async fn reports_about_partitions_that_are_not_there_take_no_memory() {
    let bench = Bench::new(1);
    let report = |partition: u16, offset: u64| Report {
        partition,
        offset,
        order: None,
        replica: ReplicaId::new(1).unwrap(),
        outcome: tolerancia_core::ledger::Outcome::Conflict,
        fresh: true,
    };
    let size = || format!("{:?}", bench.desk.state().outcomes).len();
    let before = size();
    let made_up = (1..=u16::MAX).flat_map(|partition| [report(partition, 0), report(partition, u64::MAX)]);
    bench.desk.hear(made_up.map(|report| (Stamp::now(), report)));
    assert_eq!(size(), before);
    bench.desk.hear([(Stamp::now(), report(0, u64::MAX))]);
    assert!(size() > before);
}
