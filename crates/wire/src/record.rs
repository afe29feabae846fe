//! The envelope of every Kafka record, and the bodies that travel in it.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tolerancia_core::ledger::{Event, Outcome};
use tolerancia_core::{OrderId, ProductId, ReplicaId};
use uuid::Uuid;

use crate::time::{Stamp, micros};

/// A record: JSON, one object, `type` and the body's fields beside the envelope's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<T> {
    /// UUIDv7, unique per record.
    pub event_id: Uuid,
    /// When the record was made, RFC 3339 with microseconds.
    #[serde(with = "micros")]
    pub at: Timestamp,
    /// The same instant on the maker's `CLOCK_MONOTONIC`, in nanoseconds.
    pub mono_ns: u64,
    /// The maker: `orders-svc`, `inventory-svc/2`, …
    pub source: String,
    /// The body, tagged by `type`.
    #[serde(flatten)]
    pub body: T,
}

impl<T> Record<T> {
    /// A record made now.
    pub fn new(source: impl Into<String>, body: T) -> Self {
        let Stamp { at, mono_ns } = Stamp::now();
        Self {
            event_id: event_id(),
            at,
            mono_ns,
            source: source.into(),
            body,
        }
    }

    /// When it was made.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        Stamp {
            at: self.at,
            mono_ns: self.mono_ns,
        }
    }
}

impl<T: Serialize> Record<T> {
    /// The record's bytes on the topic.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("records hold only text keys and finite numbers")
    }
}

impl<T: DeserializeOwned> Record<T> {
    /// Reads a record.
    ///
    /// # Errors
    /// When it is not JSON, lacks a field or has an unknown type. All replicas then skip it alike.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

fn event_id() -> Uuid {
    if let Some(id) = crate::time::virtual_time::event_id() {
        return id;
    }
    Uuid::now_v7()
}

/// A record on `order-events`.
pub type OrderEvent = Record<Event>;

/// The body of a record on `inventory-results`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResultBody {
    /// What one replica made of one event.
    Result {
        /// The replica.
        instance: ReplicaId,
        /// Partition of the event in `order-events`.
        partition: u16,
        /// Offset of the event.
        offset: u64,
        /// The order, for a reserve or a release.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order_id: Option<OrderId>,
        /// The product, for a restock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product_id: Option<ProductId>,
        /// The outcome.
        #[serde(flatten)]
        outcome: Outcome,
    },
}

/// A record on `inventory-results`.
pub type InventoryResult = Record<ResultBody>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_flat_json_and_come_back() {
        let order_id = OrderId::from_random(3, [7; 14]);
        let event = Event::Reserve {
            order_id,
            product_id: "PROD-001".parse().expect("valid"),
            quantity: u64::MAX,
        };
        let record = Record::new("orders-svc", event);
        let bytes = record.to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("json");
        assert_eq!(json["type"], "reserve");
        assert_eq!(json["quantity"], u64::MAX);
        assert_eq!(OrderEvent::from_bytes(&bytes).expect("reads"), record);

        let body = ResultBody::Result {
            instance: ReplicaId::new(2).expect("from 1"),
            partition: 0,
            offset: 9,
            order_id: Some(order_id),
            product_id: None,
            outcome: Outcome::Reserved { version: 9 },
        };
        let record = Record::new("inventory-svc/2", body);
        assert_eq!(InventoryResult::from_bytes(&record.to_bytes()).expect("reads"), record);
    }

    #[test]
    fn bad_records_are_errors() {
        let good = Record::new(
            "x",
            Event::Release {
                order_id: OrderId::from_random(0, [0; 14]),
            },
        );
        let mut json = serde_json::to_value(&good).expect("json");
        for (field, value) in [
            ("type", "refund".into()),
            ("order_id", 7.into()),
            ("at", "yesterday".into()),
            ("order_id", Uuid::nil().to_string().into()),
            ("order_id", Uuid::now_v7().to_string().into()),
        ] {
            let old = json[field].clone();
            json[field] = value;
            assert!(OrderEvent::from_bytes(json.to_string().as_bytes()).is_err(), "{field}");
            json[field] = old;
        }
        assert!(OrderEvent::from_bytes(json.to_string().as_bytes()).is_ok());
        assert!(OrderEvent::from_bytes(b"\xff{").is_err());
        for quantity in ["-1", "1.5", "\"5\"", "18446744073709551616"] {
            let text = format!(
                r#"{{"event_id":"{}","at":"2026-01-01T00:00:00Z","mono_ns":1,"source":"x","type":"restock","product_id":"P","quantity":{quantity}}}"#,
                Uuid::nil()
            );
            assert!(OrderEvent::from_bytes(text.as_bytes()).is_err(), "{quantity}");
        }
    }
}
