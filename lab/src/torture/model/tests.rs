#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tolerancia_core::ledger::{Ledger, OrderState};

use super::*;

/// One record as a property test makes it up: kind, order, product, quantity, partition.
type Made = (u8, u8, u8, u64, u16);

const PARTITIONS: u16 = 2;

fn product(number: u8) -> ProductId {
    format!("PROD-{number:03}").parse().unwrap()
}

fn event((kind, order, of, quantity, partition): Made) -> Event {
    let order_id = OrderId::from_key(partition, &order.to_string());
    let product_id = product(of);
    match kind {
        0 => Event::Restock { product_id, quantity },
        1 => Event::Release { order_id },
        _ => Event::Reserve {
            order_id,
            product_id,
            quantity,
        },
    }
}

fn log(made: &[Made]) -> Vec<Message> {
    let mut next = [0_u64; PARTITIONS as usize];
    let message = |made: &Made| {
        let event = event(*made);
        let partition = match &event {
            Event::Restock { product_id, .. } => partition::of_product(product_id, PARTITIONS),
            _ => made.4,
        };
        let offset = next[usize::from(partition)];
        next[usize::from(partition)] += 1;
        Message {
            partition,
            offset,
            key: None,
            payload: OrderEvent::new("test", event).to_bytes(),
        }
    };
    made.iter().map(message).collect()
}

/// What the replicas make of it: they skip what is not where it belongs before the ledger sees it.
fn ledger(log: &[Message]) -> Ledger {
    let mut ledger = Ledger::new();
    let mut sorted: Vec<&Message> = log.iter().collect();
    sorted.sort_by_key(|message| (message.partition, message.offset));
    for message in sorted {
        let event = OrderEvent::from_bytes(&message.payload).unwrap().body;
        let home = |product: &ProductId| partition::of_product(product, PARTITIONS) == message.partition;
        let here = match &event {
            Event::Restock { product_id, .. } => home(product_id),
            Event::Reserve {
                order_id, product_id, ..
            } => home(product_id) && order_id.partition() == message.partition,
            Event::Release { order_id } => order_id.partition() == message.partition,
        };
        if here {
            ledger.apply(message.partition, message.offset, &event);
        }
    }
    ledger
}

fn quantity() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..20_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

proptest! {
    /// Two that were written apart from each other: if one is wrong, they differ.
    #[test]
    fn the_model_and_the_ledger_agree_on_every_log(
        made in proptest::collection::vec((0..6_u8, 0..12_u8, 0..4_u8, quantity(), 0..PARTITIONS), 0..200)
    ) {
        let log = log(&made);
        let (model, records) = Model::replay(&log, PARTITIONS);
        let ledger = ledger(&log);
        prop_assert_eq!(records.len(), log.len());
        prop_assert_eq!(ledger.products().count(), model.products.len());
        for (id, product) in ledger.products() {
            let ours = &model.products[id];
            prop_assert_eq!(ours.partition, product.partition);
            for at in &product.history {
                prop_assert_eq!(ours.at(at.version).map(|made| made.stock), Some(at.stock));
            }
            prop_assert_eq!(ours.newest().unwrap().version, product.newest().version);
            prop_assert_eq!(ours.newest().unwrap().restocked, product.restocked);
        }
        prop_assert_eq!(ledger.orders().count(), model.orders.len());
        for (id, order) in ledger.orders() {
            let ours = &model.orders[id];
            prop_assert_eq!((&ours.product, ours.quantity), (&order.product, order.quantity));
            let same = match (ours.state, order.state) {
                (State::Held(one), OrderState::Confirmed(other)) => one == other,
                (State::Released { held, .. }, OrderState::Cancelled(other)) => held == other,
                (State::Rejected(one), OrderState::Rejected(other)) => one == other,
                _ => false,
            };
            prop_assert!(same, "{:?} {:?}", ours, order);
        }
    }
}

#[test]
fn what_cannot_be_read_counts_for_nothing() {
    let mut log = log(&[(0, 0, 1, 10, 0)]);
    let partition = log[0].partition;
    log.push(Message {
        partition,
        offset: 1,
        key: None,
        payload: b"{".to_vec(),
    });
    let (model, records) = Model::replay(&log, PARTITIONS);
    assert_eq!(records[1].effect, Effect::Skipped);
    assert_eq!(model.products[&product(1)].versions.len(), 1);
}
