//! What the log says: everything that clients were told can be compared with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tolerancia_bus::{BusConfig, Producer};
use tolerancia_wire::core::ledger::{Event, Ledger, OrderState};
use tolerancia_wire::core::{OrderId, ProductId, Stock};
use tolerancia_wire::health::Health;
use tolerancia_wire::inventory::VotedProduct;
use tolerancia_wire::order::OrderView;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::{Record, topic};

use super::{System, Told};

/// The state that the log leads to, and every state on the way.
pub struct Truth {
    ledger: Ledger,
    /// Where the log ended.
    end: BTreeMap<u16, u64>,
    versions: HashMap<(ProductId, u64), Stock>,
}

impl Truth {
    /// Replays the log of a system.
    pub async fn of(system: &System) -> Self {
        let mut ledger = Ledger::new();
        let (mut versions, mut end) = (HashMap::new(), BTreeMap::new());
        for message in tolerancia_bus::read_all(&system.bus(), topic::ORDER_EVENTS)
            .await
            .unwrap()
        {
            end.insert(message.partition, message.offset + 1);
            let Ok(record) = OrderEvent::from_bytes(&message.payload) else {
                continue;
            };
            let applied = ledger.apply(message.partition, message.offset, &record.body);
            if let Some(product) = applied.product {
                let newest = ledger.product(&product).unwrap().newest();
                versions.insert((product, newest.version), newest.stock);
            }
        }
        Self { ledger, end, versions }
    }

    /// Every answer is a state that the product had at that version.
    pub fn confirms_answers(&self, answers: &[VotedProduct]) {
        for answer in answers {
            let truth = self.versions.get(&(answer.product_id.clone(), answer.version));
            assert_eq!(truth, Some(&answer.stock), "{answer:?}");
        }
    }

    /// How many orders hold units of a product.
    pub fn held(&self, product: &ProductId) -> usize {
        let held = |state| matches!(state, OrderState::Confirmed(_));
        let orders = self.ledger.orders();
        orders
            .filter(|(_, order)| order.product == *product && held(order.state))
            .count()
    }

    /// Every acknowledged order is in the log as it was acknowledged, none took more than it should, and none was
    /// acknowledged to two clients.
    pub fn confirms_orders(&self, orders: &[OrderView]) {
        for order in orders {
            let found = self
                .ledger
                .order(order.order_id)
                .unwrap_or_else(|| panic!("lost: {order:?}"));
            assert_eq!(Some(&found.product), order.product_id.as_ref(), "{order:?}");
            assert_eq!(Some(found.quantity), order.quantity, "{order:?}");
            assert_eq!(Some(found.state), order.version.map(OrderState::Confirmed), "{order:?}");
        }
        let ids: HashSet<OrderId> = orders.iter().map(|order| order.order_id).collect();
        assert_eq!(ids.len(), orders.len(), "an order was acknowledged twice");
        for (id, product) in self.ledger.products() {
            let held = |state| matches!(state, OrderState::Confirmed(_));
            let orders = self
                .ledger
                .orders()
                .filter(|(_, order)| order.product == *id && held(order.state));
            let reserved: u64 = orders.map(|(_, order)| order.quantity).sum();
            assert_eq!(product.newest().stock.reserved, reserved, "{id}");
        }
    }
}

impl System {
    /// How to reach this system's Kafka.
    pub fn bus(&self) -> BusConfig {
        BusConfig {
            bootstrap: self.bootstrap(),
            client_id: "test".to_owned(),
            fetch_wait: Duration::from_millis(100),
            partitions: 1,
            replication: 1,
            extra: Vec::new(),
        }
    }

    /// What clients were told is so, and in the end all replicas are equal.
    pub async fn holds(&self, told: &Told) {
        let truth = Truth::of(self).await;
        truth.confirms_answers(&told.answers);
        truth.confirms_orders(&told.confirmed);
        self.replicas_are_equal().await;
    }

    /// Waits until all replicas are at the end of the log, and checks that their states are what it leads to.
    pub async fn replicas_are_equal(&self) {
        super::eventually("all replicas are at the end of the log", async || {
            let mut replicas = Vec::new();
            for number in 1..=3 {
                let (_, health) = self.look(&format!("{}/health", self.inventory(number))).await?;
                replicas.push(serde_json::from_value::<Health>(health).ok()?);
            }
            let truth = Truth::of(self).await;
            for replica in &replicas {
                // A partition without records has no end here.
                let mut applied = replica.applied.clone();
                applied.retain(|_, next| *next > 0);
                (applied == truth.end).then_some(())?;
                assert_eq!(replica.digest, Some(truth.ledger.digest().to_string()), "{replicas:#?}");
            }
            Some(())
        })
        .await;
    }

    /// Adds units of a product, so that orders do not run out of it.
    pub async fn restock(&self, product: &str, quantity: u64) {
        let before = self.stock(product).await.stock.available;
        let event = Event::Restock {
            product_id: product.parse().unwrap(),
            quantity,
        };
        let producer = Producer::new(&self.bus(), Duration::from_secs(5)).unwrap();
        let record = Record::new("test", event).to_bytes();
        // The key decides, as for every tool.
        producer
            .send(topic::ORDER_EVENTS, None, Some(product.as_bytes()), record)
            .await
            .unwrap();
        super::eventually("the restock shows", async || {
            (self.stock(product).await.stock.available == before + quantity).then_some(())
        })
        .await;
    }
}
