//! Whole numbers as JSON has them: `5.0` and `5e0` are the number 5 (RFC 8259, section 6), and some writers know no others.
//!
//! For `#[serde(deserialize_with)]` where bodies of requests are read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a whole number, however it is written.
///
/// # Errors
/// When it is none, or out of the type's range.
pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<i128>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Whole(PhantomData))
}

/// Reads a whole number or null.
///
/// # Errors
/// When it is neither, or out of the type's range.
pub fn option<'de, D: Deserializer<'de>, T: TryFrom<i128>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Number<T>>::deserialize(deserializer)?.map(|Number(number)| number))
}

struct Number<T>(T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<i128>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number in range")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number.into()).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number.into()).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let wrong = || E::invalid_value(Unexpected::Float(number), &self);
        // A cast cuts off at the ends of i128, which no type here reaches.
        let whole = (number.fract() == 0.0).then_some(number as i128);
        whole.and_then(|whole| T::try_from(whole).ok()).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    fn read<T: TryFrom<i128>>(number: f64) -> Option<T> {
        deserialize::<_, T>(IntoDeserializer::<Error>::into_deserializer(number)).ok()
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        assert_eq!(read::<u64>(5.0), Some(5));
        assert_eq!(read::<u64>(-0.0), Some(0));
        assert_eq!(read::<i64>(-5.0), Some(-5));
        assert_eq!(read::<u64>(9_007_199_254_740_991.0), Some((1 << 53) - 1));
        for none in [1.5, -1.0, 18_446_744_073_709_551_616.0, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(read::<u64>(none), None, "{none}");
        }
        let whole = |number: u64| deserialize::<_, u64>(IntoDeserializer::<Error>::into_deserializer(number));
        assert_eq!(whole(u64::MAX).unwrap(), u64::MAX);
        let signed = |number: i64| deserialize::<_, u64>(IntoDeserializer::<Error>::into_deserializer(number));
        assert!(signed(-1).is_err());
        let text = deserialize::<_, u64>(IntoDeserializer::<Error>::into_deserializer("5"));
        assert!(text.is_err());
    }
}
