//! How values are spelt in columns, the same in every database.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tolerancia_wire::order::OrderStatus;
use tolerancia_wire::status::Clue;

use crate::error::{Result, StoreError};

/// An enum without data as the word that JSON shows for it.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("enums without data are words in JSON, this is {other:?}"),
    }
}

/// The enum for a word.
pub(crate) fn from_word<T: DeserializeOwned>(word: String) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(unreadable)
}

/// A value with data.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("rows hold only text keys")
}

/// The value for its JSON.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

/// The evidence of a reason; none for none. No character of it is one that a database cannot hold.
pub(crate) fn evidence(clues: &[Clue]) -> Option<String> {
    let clean = |clue: &Clue| Clue {
        from: clue.from.replace('\0', "\u{fffd}"),
        ..clue.clone()
    };
    (!clues.is_empty()).then(|| json(&clues.iter().map(clean).collect::<Vec<_>>()))
}

/// SQL integers are signed.
pub(crate) fn integer(n: u64) -> Result<i64> {
    i64::try_from(n).map_err(|_| StoreError::Rejected(format!("{n} is larger than the database's integers")))
}

/// 112 bits as text of one length, for a database without such a type.
pub(crate) fn key_part(key_part: u128) -> String {
    format!("{key_part:028x}")
}

/// How far an order has come: it never goes back.
pub(crate) const fn order_step(status: OrderStatus) -> i16 {
    match status {
        OrderStatus::Pending => 0,
        OrderStatus::Confirmed | OrderStatus::Rejected => 1,
        OrderStatus::Cancelled => 2,
    }
}

/// A stored value that this version did not write.
pub(crate) fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable(format!(
        "a stored row cannot be read: {error}. Was it written by another version?"
    ))
}
