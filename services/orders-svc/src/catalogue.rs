//! The stock of the first start: one `restock` per product, once.
//!
//! Whether a product was restocked is read from the log, product by product, so a crash between two of
//! them leaves nothing out and doubles nothing. The producer is one that waits long for Kafka: an append
//! that is given up might arrive all the same, and then nobody could tell.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tolerancia_bus::{BusConfig, Message, Producer};
use tolerancia_core::ProductId;
use tolerancia_core::ledger::Event;
use tolerancia_wire::order::MAX_QUANTITY;
use tolerancia_wire::record::OrderEvent;
use tolerancia_wire::{partition, topic};

/// A log with this many records had its first start long ago, and is not read through again.
const LONG: u64 = 10_000;
/// How long Kafka has to acknowledge a restock.
const PATIENCE: Duration = Duration::from_secs(30);

/// Products and their first stock: `PROD-001=1000,PROD-002=500`; empty: none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue(Vec<(ProductId, u64)>);

impl FromStr for Catalogue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut items: Vec<(ProductId, u64)> = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (product, quantity) = item
                .split_once('=')
                .ok_or_else(|| format!("{item:?} is not PRODUCT=QUANTITY"))?;
            let product: ProductId = product.trim().parse().map_err(|error| format!("{error}"))?;
            let quantity = match quantity.trim().parse() {
                Ok(quantity @ 1..=MAX_QUANTITY) => quantity,
                _ => return Err(format!("{product}: the quantity is a number from 1 to {MAX_QUANTITY}")),
            };
            if items.iter().any(|(known, _)| *known == product) {
                return Err(format!("{product} is there twice"));
            }
            items.push((product, quantity));
        }
        Ok(Self(items))
    }
}

impl Catalogue {
    /// The products that no record of the log restocks.
    fn missing<'a>(&self, payloads: impl Iterator<Item = &'a [u8]>) -> Vec<&(ProductId, u64)> {
        let restocked: BTreeSet<ProductId> = payloads
            .filter_map(|payload| match OrderEvent::from_bytes(payload).ok()?.body {
                Event::Restock { product_id, .. } => Some(product_id),
                Event::Reserve { .. } | Event::Release { .. } => None,
            })
            .collect();
        self.0
            .iter()
            .filter(|(product, _)| !restocked.contains(product))
            .collect()
    }

    /// Restocks what the log lacks.
    ///
    /// # Errors
    /// When the log cannot be read or written; starting again goes on where this stopped.
    pub(crate) async fn seed(&self, bus: &BusConfig, partitions: u16, source: &str) -> Result<()> {
        let ends = tolerancia_bus::end_offsets(bus, topic::ORDER_EVENTS).await?;
        if ends.values().sum::<u64>() >= LONG {
            return Ok(());
        }
        let log: Vec<Message> = tolerancia_bus::read_all(bus, topic::ORDER_EVENTS).await?;
        let missing = self.missing(log.iter().map(|message| message.payload.as_slice()));
        if missing.is_empty() {
            return Ok(());
        }
        let producer = Producer::new(bus, PATIENCE)?;
        for (product, quantity) in missing {
            let event = Event::Restock {
                product_id: product.clone(),
                quantity: *quantity,
            };
            let record = OrderEvent::new(source, event).to_bytes();
            let partition = partition::of_product(product, partitions);
            producer
                .send(
                    topic::ORDER_EVENTS,
                    Some(partition),
                    Some(product.as_str().as_bytes()),
                    record,
                )
                .await
                .with_context(|| format!("the first stock of {product} could not be written"))?;
            tracing::info!(%product, quantity, "first stock");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn restock(product: &str) -> Vec<u8> {
        let event = Event::Restock {
            product_id: product.parse().unwrap(),
            quantity: 1,
        };
        OrderEvent::new("orders-svc", event).to_bytes()
    }

    #[test]
    fn only_what_the_log_lacks_is_restocked() {
        let catalogue: Catalogue = "A=1, B=2,C=3,".parse().unwrap();
        let missing = |log: &[Vec<u8>]| -> Vec<String> {
            let missing = catalogue.missing(log.iter().map(Vec::as_slice));
            missing.iter().map(|(product, _)| product.to_string()).collect()
        };
        assert_eq!(missing(&[]), ["A", "B", "C"]);
        // A crash after the first append, and a record that nobody can read.
        assert_eq!(missing(&[restock("A"), b"{".to_vec()]), ["B", "C"]);
        assert!(missing(&[restock("C"), restock("B"), restock("A"), restock("X")]).is_empty());
    }

    #[test]
    fn a_catalogue_is_checked() {
        assert_eq!("".parse(), Ok(Catalogue(Vec::new())));
        for bad in [
            "A",
            "A=",
            "A=0",
            "A=-1",
            "A=1.5",
            "=1",
            "a b=1",
            "A=1,A=2",
            "A=9007199254740992",
        ] {
            assert!(bad.parse::<Catalogue>().is_err(), "{bad}");
        }
    }
}
