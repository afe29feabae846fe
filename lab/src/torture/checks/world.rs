//! A small world for the checks' own tests: a log, clients, faults and verdicts, put together by hand.

#![allow(clippy::unwrap_used)]

use tolerancia_bus::Message;
use tolerancia_core::fault::FaultSpec;
use tolerancia_core::ledger::{Event, Versioned};
use tolerancia_core::{OrderId, ProductId, ReplicaId, Stock};
use tolerancia_wire::partition;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::status::{Phase, ReasonKind, Verdict};

use crate::load::api::Failure;
use crate::torture::action::{Kind, Target, Window};
use crate::torture::evidence::{Change, Evidence, Final, Stall};
use crate::torture::history::{Answer, Entry, History, Request};
use crate::torture::model::Model;

const PARTITIONS: u16 = 3;
const SECOND: u64 = 1_000_000_000;

/// A product with 1000 units, another one with 500 in another partition, three replicas, no faults.
#[derive(Debug)]
pub(crate) struct World {
    log: Vec<Message>,
    evidence: Evidence,
    now_ns: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            log: Vec::new(),
            evidence: Evidence {
                replicas: 3,
                began_ns: 1,
                history: History {
                    run: "run".to_owned(),
                    ..History::default()
                },
                ..Evidence::default()
            },
            now_ns: SECOND,
        };
        for (product_id, quantity) in [(product(), 1000), other()] {
            world.append(&Event::Restock { product_id, quantity });
        }
        world
    }

    pub(crate) fn replica(number: u8) -> Target {
        Target::Replica(ReplicaId::new(number).unwrap())
    }

    /// It is so many seconds after the beginning of the clock.
    pub(crate) fn at(&mut self, seconds: u64) {
        self.now_ns = seconds * SECOND;
    }

    /// The id of the order of the product with this key.
    pub(crate) fn order(&self, key: u32) -> OrderId {
        OrderId::from_key(of(&product()), &self.evidence.history.key(key))
    }

    /// Writes a reserve of the product.
    pub(crate) fn reserve(&mut self, key: u32, quantity: u64) -> OrderId {
        let order_id = self.order(key);
        self.append(&Event::Reserve {
            order_id,
            product_id: product(),
            quantity,
        });
        order_id
    }

    /// Writes a reserve of the other product.
    pub(crate) fn reserve_other(&mut self, key: u32, quantity: u64) -> OrderId {
        let order_id = OrderId::from_key(of(&other().0), &self.evidence.history.key(key));
        self.append(&Event::Reserve {
            order_id,
            product_id: other().0,
            quantity,
        });
        order_id
    }

    pub(crate) fn release(&mut self, order_id: OrderId) {
        self.append(&Event::Release { order_id });
    }

    fn append(&mut self, event: &Event) {
        let partition = match event {
            Event::Restock { product_id, .. } | Event::Reserve { product_id, .. } => of(product_id),
            Event::Release { order_id } => order_id.partition(),
        };
        let offset = self.next(partition);
        let mut record = OrderEvent::new("test", event.clone());
        record.mono_ns = self.tick();
        self.log.push(Message {
            partition,
            offset,
            key: None,
            payload: record.to_bytes(),
        });
    }

    fn next(&self, partition: u16) -> u64 {
        self.log.iter().filter(|message| message.partition == partition).count() as u64
    }

    /// The offset of the newest record in the product's partition.
    pub(crate) fn last_offset(&self) -> u64 {
        self.next(of(&product())) - 1
    }

    pub(crate) fn asked(&self, key: u32, quantity: u64) -> Request {
        Request::Order {
            key,
            product: product(),
            quantity,
            attempt: 0,
        }
    }

    pub(crate) fn cancels(&self, order: OrderId) -> Request {
        Request::Cancel { order, key: None }
    }

    pub(crate) fn reads(&self, known: Option<u64>) -> Request {
        Request::Read {
            product: product(),
            known,
            all: false,
        }
    }

    pub(crate) fn told(&mut self, request: Request, answer: Answer) {
        let (sent_ns, ended_ns) = (self.tick(), self.tick());
        self.evidence.history.entries.push(Entry {
            client: 0,
            sent_ns,
            ended_ns,
            request,
            answer,
        });
    }

    /// 201, at the version that the log has.
    pub(crate) fn told_confirmed(&mut self, key: u32, quantity: u64, order: OrderId) {
        let (model, _) = Model::replay(&self.log, PARTITIONS);
        let version = model.orders.get(&order).and_then(|order| order.held());
        self.told(self.asked(key, quantity), Answer::Confirmed { order, version });
    }

    /// The same for an order of the other product.
    pub(crate) fn told_confirmed_other(&mut self, key: u32, quantity: u64, order: OrderId) {
        let request = Request::Order {
            key,
            product: other().0,
            quantity,
            attempt: 1,
        };
        self.told(request, Answer::Confirmed { order, version: None });
    }

    pub(crate) fn told_cancelled(&mut self, order: OrderId) {
        self.told(self.cancels(order), Answer::Cancelled { version: None });
    }

    pub(crate) fn told_nothing(&mut self, key: u32, quantity: u64) {
        let why = Failure::Timeout;
        self.told(self.asked(key, quantity), Answer::Failed { why });
    }

    pub(crate) fn read(&mut self, version: u64, available: u64, reserved: u64, fresh: bool, known: Option<u64>) {
        let answer = Answer::Stock {
            product: product(),
            version,
            stock: Stock { available, reserved },
            fresh,
            votes: Vec::new(),
        };
        self.told(self.reads(known), answer);
    }

    /// A right and fresh answer.
    pub(crate) fn read_newest(&mut self) {
        let (model, _) = Model::replay(&self.log, PARTITIONS);
        let made = *model.products[&product()].newest().unwrap();
        self.read(made.version, made.stock.available, made.stock.reserved, true, None);
    }

    pub(crate) fn window(&mut self, target: Target, kind: Kind, fault: Option<FaultSpec>, from_s: u64, to_s: u64) {
        self.evidence.windows.push(Window {
            target,
            kind,
            fault,
            from_ns: from_s * SECOND,
            to_ns: to_s * SECOND,
            applied: true,
            note: String::new(),
        });
    }

    pub(crate) fn verdict(&mut self, instance: u8, at_s: u64, verdict: Verdict, reason: ReasonKind) {
        let phase = if verdict == Verdict::On {
            Phase::On
        } else {
            Phase::Quarantine
        };
        self.evidence.verdicts.push(Change {
            at_ns: at_s * SECOND,
            instance: ReplicaId::new(instance).unwrap(),
            verdict,
            phase,
            reason,
            text: "because".to_owned(),
        });
    }

    pub(crate) fn stall(&mut self, from_s: u64, to_s: u64) {
        self.evidence.stalls.push(Stall {
            from_ns: from_s * SECOND,
            to_ns: to_s * SECOND,
        });
    }

    /// All of it, with three replicas that end as the log says.
    pub(crate) fn evidence(self) -> Evidence {
        let (model, log) = Model::replay(&self.log, PARTITIONS);
        let products: Vec<_> = model
            .products
            .iter()
            .map(|(id, product)| {
                let newest = product.versions.iter().rev().take(8);
                let listed = newest.map(|made| Versioned {
                    version: made.version,
                    stock: made.stock,
                });
                (id.clone(), listed.collect())
            })
            .collect();
        let last = |instance| {
            Ok(Final {
                instance,
                digest: "same".to_owned(),
                products: products.clone(),
            })
        };
        let mut evidence = self.evidence;
        evidence.finals = ReplicaId::all(3).map(last).collect();
        evidence.digest = Some("same".to_owned());
        evidence.ended_ns = self.now_ns;
        evidence.model = model;
        evidence.log = log;
        evidence.verdicts.sort_by_key(|change| change.at_ns);
        evidence
    }

    fn tick(&mut self) -> u64 {
        self.now_ns += 1_000;
        self.now_ns
    }
}

/// Puts one more version of the product in front of what a replica lists at the end.
pub(crate) fn set_final(evidence: &mut Evidence, instance: usize, version: u64, available: u64, reserved: u64) {
    let last = evidence.finals[instance - 1].as_mut().unwrap();
    let (_, listed) = last.products.iter_mut().find(|(id, _)| *id == product()).unwrap();
    listed.insert(
        0,
        Versioned {
            version,
            stock: Stock { available, reserved },
        },
    );
}

fn product() -> ProductId {
    "PROD-001".parse().unwrap()
}

/// The first product in another partition, and its units.
fn other() -> (ProductId, u64) {
    let names = (2..100).map(|n| format!("PROD-{n:03}").parse::<ProductId>().unwrap());
    let other = names.into_iter().find(|name| of(name) != of(&product())).unwrap();
    (other, 500)
}

fn of(product: &ProductId) -> u16 {
    partition::of_product(product, PARTITIONS)
}
