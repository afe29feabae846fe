//! Values that sqlx does not know, and text that PostgreSQL does not take as it is.

use std::borrow::Cow;

use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH_US: i64 = 946_684_800_000_000;

// Fixed since PostgreSQL has these types: src/include/catalog/pg_type.dat
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// A `timestamptz`: microseconds, as everywhere in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0.as_microsecond() - EPOCH_US, buffer)
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // Infinity is at the end of the range, and beyond that of a timestamp.
        let micros = <i64 as Decode<Postgres>>::decode(value)?.saturating_add(EPOCH_US);
        Ok(Self(Timestamp::from_microsecond(micros)?))
    }
}

/// PostgreSQL's text holds every character but NUL. What a replica said must not cost the row in which it is
/// quoted, so the replacement character stands for it.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        return Cow::Owned(text.replace('\0', "\u{fffd}"));
    }
    Cow::Borrowed(text)
}

/// The 112 bits of an [`OrderId::key_part`](tolerancia_wire::core::OrderId::key_part) as bytes.
pub(super) fn key_part(key_part: u128) -> [u8; 14] {
    let mut bytes = [0; 14];
    bytes.copy_from_slice(&key_part.to_be_bytes()[2..]);
    bytes
}
