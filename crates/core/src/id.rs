//! Names of products, orders and replicas, checked where they enter.

mod schema;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Why a text is not a valid identifier. The message is meant for the caller of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId(String);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidId {}

/// A product's name: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`.
///
/// Cheap to clone: the ledger refers to a product from every order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProductId(Arc<str>);

impl ProductId {
    /// The longest name that is accepted, in characters.
    pub const MAX_LEN: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(InvalidId(format!(
                "a product id has 1 to {} characters, this one has {}",
                Self::MAX_LEN,
                text.chars().count()
            )));
        }
        match text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            Some(bad) => Err(InvalidId(format!(
                "a product id consists of A-Z a-z 0-9 . _ - and cannot contain {bad:?}"
            ))),
            None => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for ProductId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProductId> for String {
    fn from(id: ProductId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of an inventory replica, counted from 1. JSON carries it as text (`"1"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReplicaId(u8);

impl ReplicaId {
    /// The replica with this number.
    ///
    /// # Errors
    /// When the number is 0: replicas are counted from 1.
    pub fn new(number: u8) -> Result<Self, InvalidId> {
        if number == 0 {
            return Err(InvalidId("instances are counted from 1".to_owned()));
        }
        Ok(Self(number))
    }

    /// All replicas of a system with `count` of them: 1, 2, … `count`.
    pub fn all(count: u8) -> impl Iterator<Item = Self> + Clone {
        (1..=count).map(Self)
    }

    /// The number, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The position in a list of all replicas, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl FromStr for ReplicaId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<u8>()
            .map_err(|_| InvalidId(format!("an instance is a number from 1 to 255, not {text:?}")))
            .and_then(Self::new)
    }
}

impl TryFrom<String> for ReplicaId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ReplicaId> for String {
    fn from(id: ReplicaId) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An order's name: a UUIDv8 (RFC 9562, section 5.8) whose first 16 bits are the partition of
/// `order-events` that holds the order, so a cancel finds the partition without a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct OrderId(Uuid);

impl OrderId {
    /// An order id for `partition` made from 112 bits of the caller's randomness.
    #[must_use]
    pub fn from_random(partition: u16, random: [u8; 14]) -> Self {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&partition.to_be_bytes());
        bytes[2..].copy_from_slice(&random);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The order id that an idempotency key stands for: the same key gives the same order.
    #[must_use]
    pub fn from_key(partition: u16, key: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(b"tolerancia/idempotency-key\0")
            .chain_update(key)
            .finalize();
        let mut random = [0; 14];
        random.copy_from_slice(&digest[..14]);
        Self::from_random(partition, random)
    }

    /// The partition of `order-events` that holds this order.
    #[must_use]
    pub fn partition(self) -> u16 {
        let bytes = self.0.as_bytes();
        u16::from_be_bytes([bytes[0], bytes[1]])
    }

    /// The id without its partition: equal for the same idempotency key whatever the product.
    #[must_use]
    pub fn key_part(self) -> u128 {
        self.0.as_u128() & (u128::MAX >> 16)
    }

    /// The id as a UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl TryFrom<Uuid> for OrderId {
    type Error = InvalidId;
    fn try_from(uuid: Uuid) -> Result<Self, Self::Error> {
        // The variant too: whatever is read here must be written and read again as the same id.
        if uuid.get_version_num() == 8 && uuid.get_variant() == uuid::Variant::RFC4122 {
            return Ok(Self(uuid));
        }
        Err(InvalidId(format!("an order id is a UUID of version 8, not {uuid}")))
    }
}

impl From<OrderId> for Uuid {
    fn from(id: OrderId) -> Self {
        id.0
    }
}

impl FromStr for OrderId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Uuid::try_parse(text).map(Self::try_from) {
            Ok(Ok(id)) => Ok(id),
            _ => Err(InvalidId(format!(
                "an order id is the UUID that POST /orders returned, not {:?}",
                text.chars().take(64).collect::<String>()
            ))),
        }
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn product_ids_are_checked() {
        assert!("PROD-001".parse::<ProductId>().is_ok());
        for bad in ["", "a b", "ñ", "../x", &"x".repeat(65), &"x".repeat(10_000)] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn replica_ids_start_at_one() {
        for bad in ["0", "256", "-1", "x", ""] {
            assert!(bad.parse::<ReplicaId>().is_err(), "{bad:?}");
        }
        assert_eq!(serde_json_like(ReplicaId(3)), "3");
    }

    fn serde_json_like(id: ReplicaId) -> String {
        id.into()
    }

    proptest! {
        #[test]
        fn an_order_id_carries_its_partition(partition: u16, random: [u8; 14], key: String) {
            let id = OrderId::from_random(partition, random);
            prop_assert_eq!(id.partition(), partition);
            prop_assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
            let keyed = OrderId::from_key(partition, &key);
            prop_assert_eq!(keyed.partition(), partition);
            prop_assert_eq!(keyed.key_part(), OrderId::from_key(partition ^ 1, &key).key_part());
        }
    }
}
