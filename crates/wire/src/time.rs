//! One instant, read from two clocks.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An instant on the wall clock (for people) and on `CLOCK_MONOTONIC` (for differences).
///
/// All processes of one host share the monotonic clock, so a difference between two stamps is exact to
/// the resolution of the clock, whatever the wall clock does meanwhile. Across hosts only `at` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// Wall clock, RFC 3339 in UTC with microseconds.
    #[serde(with = "micros")]
    #[schemars(with = "Rfc3339")]
    pub at: Timestamp,
    /// `CLOCK_MONOTONIC` in nanoseconds.
    #[serde(deserialize_with = "tolerancia_core::whole::deserialize")]
    #[schemars(range(max = u64::MAX))]
    pub mono_ns: u64,
}

impl Stamp {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        // Cut to the microseconds that are written: a stamp that was sent equals the one that is received.
        let at = wall_clock();
        Self {
            at: Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at),
            mono_ns: mono_ns(),
        }
    }

    /// Milliseconds from `earlier` to this stamp on the monotonic clock; negative if it is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> f64 {
        (self.mono_ns as f64 - earlier.mono_ns as f64) / 1e6
    }
}

fn wall_clock() -> Timestamp {
    if let Some((_, at)) = virtual_time::now() {
        return at;
    }
    Timestamp::now()
}

/// `CLOCK_MONOTONIC` now, in nanoseconds.
#[must_use]
pub fn mono_ns() -> u64 {
    if let Some((mono_ns, _)) = virtual_time::now() {
        return mono_ns;
    }
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// What a wall clock's reading looks like on the wire, for the descriptions of interfaces.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339;

impl JsonSchema for Rfc3339 {
    fn schema_name() -> Cow<'static, str> {
        "Rfc3339".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "RFC 3339 in UTC with microseconds.",
            "format": "date-time",
        })
    }
}

/// Clocks that a simulation sets, each thread its own. No service does.
///
/// Not behind a cargo feature: a build of the whole workspace, with the simulation in it, would then test other code than what is
/// shipped, and build everything twice.
pub mod virtual_time {
    use std::cell::Cell;

    use jiff::Timestamp;

    thread_local! {
        static IDS: Cell<u64> = const { Cell::new(0) };
        static NOW: Cell<Option<(u64, Timestamp)>> = const { Cell::new(None) };
    }

    /// From now on this thread's monotonic clock shows `mono_ns`, in nanoseconds, and its wall clock `at`; with `None` it
    /// reads the host's clocks again.
    pub fn set(clocks: Option<(u64, Timestamp)>) {
        NOW.set(clocks);
        if clocks.is_none() {
            IDS.set(0);
        }
    }

    /// The id of a record that is made now: the how manieth it is, instead of anything random.
    pub(crate) fn event_id() -> Option<uuid::Uuid> {
        let (_, at) = NOW.get()?;
        let nth = IDS.replace(IDS.get() + 1);
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&nth.to_be_bytes());
        let ms = at.as_millisecond().unsigned_abs();
        Some(uuid::Builder::from_unix_timestamp_millis(ms, &rest).into_uuid())
    }

    pub(super) fn now() -> Option<(u64, Timestamp)> {
        NOW.get()
    }
}

/// A timestamp as RFC 3339 text with exactly six decimals.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Serde for RFC 3339 with microseconds.
pub mod micros {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes six decimals.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.6}"))
    }

    /// Reads RFC 3339.
    ///
    /// # Errors
    /// When the text is not RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_microseconds() {
        let json = serde_json::to_string(&Stamp::now()).expect("serializes");
        let at = serde_json::from_str::<serde_json::Value>(&json).expect("parses")["at"]
            .as_str()
            .expect("text")
            .to_owned();
        assert_eq!(at.len(), "2026-01-01T00:00:00.000000Z".len(), "{at}");
        assert!(serde_json::from_str::<Stamp>(&json).is_ok());
    }
}
