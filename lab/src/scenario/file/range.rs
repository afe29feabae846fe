//! Numbers in their ranges, and the place of those that are not.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;

/// An error and the bytes of the file that it is about.
pub(super) type Placed = (Option<Range<usize>>, String);

/// A number of requests per second: none, or as many as the generator can make.
pub(super) fn rate(name: &str, given: Option<Spanned<f64>>, default: f64) -> Result<f64, Placed> {
    match given {
        Some(given) if *given.get_ref() != 0.0 => within(name, Some(given), default, 0.1..=100_000.0)
            .map_err(|(span, message)| (span, format!("{message}; 0 means none"))),
        Some(_) => Ok(0.0),
        None => Ok(default),
    }
}

/// A number that is counted up to.
pub(super) fn count(name: &str, given: Option<Spanned<i64>>) -> Result<Option<u64>, Placed> {
    given
        .map(|given| within(name, Some(given), 0, 0..=i64::MAX).map(i64::unsigned_abs))
        .transpose()
}

/// The value given, if it is in the range (which a value that is not a number never is), or the default.
pub(super) fn within<T>(
    name: &str,
    given: Option<Spanned<T>>,
    default: T,
    range: RangeInclusive<T>,
) -> Result<T, Placed>
where
    T: PartialOrd + Copy + std::fmt::Display,
{
    let Some(given) = given else { return Ok(default) };
    let value = *given.get_ref();
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start(), range.end());
    Err((
        Some(given.span()),
        format!("{name} must be {low} to {high}, not {value}"),
    ))
}
