//! The clients: each sends one request at a time, remembers what it was told, and reads what it wrote.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use tolerancia_core::{OrderId, ProductId};
use tolerancia_orders_svc::desk::{Cancelled, Placed};
use tolerancia_wire::inventory::VotedProduct;
use tolerancia_wire::order::OrderStatus;

use crate::config::{MS, SEC};
use crate::event::{Event, Node};
use crate::queue::Ns;
use crate::world::World;

/// How long a client waits for an answer.
const PATIENCE: Ns = 4 * SEC;

/// What a query got.
#[derive(Debug, Clone)]
pub enum Read {
    /// 200.
    Voted(VotedProduct),
    /// 404: a quorum knows no such product.
    Unknown,
    /// 503: no quorum.
    NoQuorum,
}

/// What a request got.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Of an order.
    Placed(Placed),
    /// Of a cancel.
    Cancelled(Cancelled),
    /// Of a query.
    Read(Read),
    /// Nobody listens there.
    Refused,
}

/// A request that was sent.
#[derive(Debug, Clone)]
pub enum Doing {
    /// An order.
    Place {
        /// Its idempotency key.
        key: Option<String>,
        /// What.
        product: ProductId,
        /// How many.
        quantity: u64,
    },
    /// A cancel.
    Cancel(OrderId),
    /// A query, and the version of the product that it must at least show.
    Read(ProductId, Option<u64>),
}

/// One client.
#[derive(Debug)]
pub struct Client {
    me: usize,
    serial: u64,
    pub(crate) doing: Option<Doing>,
    /// Orders that it was told of.
    orders: Vec<OrderId>,
    /// Keys, with what they were first used for.
    keys: Vec<(String, ProductId, u64)>,
    /// Keys that were used for two different orders.
    pub(crate) reused: BTreeSet<String>,
    /// The newest version of each product that one of its own confirmed writes made.
    pub(crate) least: BTreeMap<ProductId, u64>,
    /// What it reads next: a product that it has just written.
    next_read: Option<ProductId>,
}

impl Client {
    pub(crate) const fn new(me: usize) -> Self {
        Self {
            me,
            serial: 0,
            doing: None,
            orders: Vec::new(),
            keys: Vec::new(),
            reused: BTreeSet::new(),
            least: BTreeMap::new(),
            next_read: None,
        }
    }

    /// The order that is being placed by this request.
    pub(crate) fn placing(&self, request: u64) -> Option<(Option<String>, ProductId, u64)> {
        match &self.doing {
            Some(Doing::Place { key, product, quantity }) if self.serial == request => {
                Some((key.clone(), product.clone(), *quantity))
            }
            _ => None,
        }
    }
}

impl World {
    pub(crate) fn client_acts(&mut self, c: usize) {
        if self.over {
            return;
        }
        let doing = self.choose(c);
        let client = &mut self.clients[c];
        client.serial += 1;
        client.doing = Some(doing.clone());
        let (request, now) = (client.serial, self.now);
        self.trace.say(now, || format!("client {c}: {doing:?}"));
        let (to, event) = match doing {
            Doing::Place { .. } => (Node::Orders, Event::Place(c, request)),
            Doing::Cancel(id) => (Node::Orders, Event::Cancel(c, request, id)),
            Doing::Read(product, _) => (Node::Voter, Event::Ask(c, request, product)),
        };
        self.count("requests");
        if let Some(wait) = self.net.send(&mut self.rng, Node::Clients, to) {
            self.after(wait, event);
        }
        self.after(PATIENCE, Event::GaveUp(c, request));
    }

    fn choose(&mut self, c: usize) -> Doing {
        let names = &self.config.products;
        let client = &mut self.clients[c];
        let rng = &mut self.rng;
        let product = |name: &str| -> ProductId { name.parse().expect("a short name") };
        if let Some(product) = client.next_read.take() {
            let least = client.least.get(&product).copied();
            return Doing::Read(product, least);
        }
        let (name, stock) = names.choose(rng).expect("not empty");
        let quantity = match rng.random_range(0..10) {
            0 => stock + rng.random_range(1..5),
            1..=3 => rng.random_range(1..=*stock),
            _ => rng.random_range(1..=3),
        };
        let all: u32 = self.config.mix.iter().sum();
        let mut choice = rng.random_range(0..all.max(1));
        let mut chosen = 0;
        for (nth, share) in self.config.mix.iter().enumerate() {
            if choice < *share {
                chosen = nth;
                break;
            }
            choice -= share;
        }
        let place = |key| Doing::Place {
            key,
            product: product(if rng_unknown(stock, quantity) { "NONE" } else { name }),
            quantity,
        };
        match chosen {
            1 => place(None),
            2 => {
                let key = format!("key-{}-{}", client.me, client.keys.len());
                let doing = place(Some(key.clone()));
                if let Doing::Place { product, quantity, .. } = &doing {
                    client.keys.push((key, product.clone(), *quantity));
                }
                doing
            }
            3 if !client.keys.is_empty() => {
                let newest = client.keys.len().saturating_sub(4);
                let (key, product, quantity) = client.keys[newest..].choose(rng).expect("not empty").clone();
                let quantity = if rng.random_bool(0.1) {
                    client.reused.insert(key.clone());
                    quantity + 1
                } else {
                    quantity
                };
                Doing::Place {
                    key: Some(key),
                    product,
                    quantity,
                }
            }
            4 => match client.orders.choose(rng) {
                Some(id) if !rng.random_bool(0.05) => Doing::Cancel(*id),
                _ => Doing::Cancel(OrderId::from_random(
                    rng.random_range(0..self.config.partitions),
                    rng.random(),
                )),
            },
            _ => {
                let product = product(name);
                let least = client.least.get(&product).copied();
                Doing::Read(product, least)
            }
        }
    }

    /// Sends an answer to a client.
    pub(crate) fn answer_client(&mut self, client: usize, request: u64, from: Node, answer: Answer) {
        if let Some(wait) = self.net.send(&mut self.rng, from, Node::Clients) {
            self.after(wait, Event::Answered(client, request, Box::new(answer)));
        }
    }

    pub(crate) fn answered(&mut self, c: usize, request: u64, answer: Answer) {
        if self.clients[c].serial != request {
            return;
        }
        let Some(doing) = self.clients[c].doing.take() else {
            return;
        };
        let now = self.now;
        self.trace.say(now, || format!("client {c} was told: {answer:?}"));
        match (&doing, &answer) {
            (Doing::Place { key, product, quantity }, Answer::Placed(placed)) => {
                self.check_placed(c, key.as_deref(), product, *quantity, placed);
                if let Placed::Stands(order) = placed {
                    self.remember(c, order.order_id, product, order.status, order.version);
                }
            }
            (Doing::Cancel(id), Answer::Cancelled(cancelled)) => {
                self.check_cancelled(*id, cancelled);
                if let Cancelled::Stands(order) = cancelled
                    && let Some(product) = order.product_id.clone()
                    && order.status == OrderStatus::Cancelled
                {
                    self.remember(c, *id, &product, order.status, order.version);
                }
            }
            (Doing::Read(product, least), Answer::Read(read)) => self.check_read(product, *least, read),
            (_, Answer::Refused) => self.count("refused"),
            (doing, answer) => unreachable!("{doing:?} is never answered with {answer:?}"),
        }
        self.next_request(c);
    }

    fn remember(&mut self, c: usize, id: OrderId, product: &ProductId, status: OrderStatus, version: Option<u64>) {
        let read = self.rng.random_bool(0.7);
        let client = &mut self.clients[c];
        if !client.orders.contains(&id) {
            client.orders.push(id);
        }
        if let (OrderStatus::Confirmed | OrderStatus::Cancelled, Some(version)) = (status, version) {
            let least = client.least.entry(product.clone()).or_default();
            *least = (*least).max(version);
            client.next_read = read.then(|| product.clone());
        }
    }

    fn next_request(&mut self, c: usize) {
        let own = self.clients[c].next_read.is_some();
        let think = if own { 5 * MS } else { self.config.think };
        let wait = self.rng.random_range(0..think);
        self.after(wait, Event::ClientActs(c));
    }

    pub(crate) fn gave_up(&mut self, c: usize, request: u64) {
        if self.clients[c].serial == request && self.clients[c].doing.take().is_some() {
            self.count("gave up");
            self.next_request(c);
        }
    }
}

/// Now and then an order names a product that nobody has.
const fn rng_unknown(stock: &u64, quantity: u64) -> bool {
    quantity == *stock + 4
}
