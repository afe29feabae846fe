//! The same system on Apache Kafka and PostgreSQL, each test with servers of its own.
//!
//! They need Java, Maven and PostgreSQL, so they are run on demand:
//! `cargo test -p tolerancia --test system -- --ignored`.

mod broker_outage;
mod catch_up;
mod cluster;
mod database_outage;
mod experiment;
mod forgetful;
mod partitions;
mod poison;
mod readable;
mod secured;

use std::collections::HashSet;

use tolerancia_wire::order::{OrderStatus, OrderView};

use crate::harness::{System, Told, Truth, eventually};

/// Checks what clients were told about PROD-001, on a system that is steady again: every answer was true, an order
/// answered 201 or 202 is confirmed, any other holds nothing.
async fn keeps_its_word(system: &System, told: &Told) {
    let mut acknowledged = told.confirmed.clone();
    for pending in &told.pending {
        let url = format!("{}/orders/{}", system.orders(), pending.order_id);
        // The last ones may have been told so just now.
        let order = eventually("a pending order is settled", async || {
            let order: OrderView = system.get(&url).await;
            (order.status != OrderStatus::Pending).then_some(order)
        })
        .await;
        assert_eq!(order.status, OrderStatus::Confirmed, "{order:?}");
        acknowledged.push(order);
    }
    let ids: HashSet<_> = acknowledged.iter().map(|order| order.order_id).collect();
    // One that was refused leaves nothing behind, once its release is through.
    let (only_ids, product) = (&ids, "PROD-001".parse().unwrap());
    eventually("what was refused is released", async || {
        let truth = Truth::of(system).await;
        (truth.held(&product) == only_ids.len()).then_some(())
    })
    .await;
    let truth = Truth::of(system).await;
    truth.confirms_answers(&told.answers);
    truth.confirms_orders(&acknowledged);
    system.replicas_are_equal().await;
}
