//! Request metrics on `request-metrics`: what each process counted, one second at a time.
//!
//! A histogram travels as hexadecimal text. Base64 would be a third shorter, but a row's histogram is a few
//! hundred bytes and the topic keeps an hour, which is not worth a dependency in every reader; and `xxd -r -p`
//! turns it back.

use serde::{Deserialize, Serialize};

use crate::Record;

/// Rows of one record at most; a reader refuses more.
pub const MOST_ROWS: usize = 256;
/// Bytes of one encoded histogram at most; a reader refuses more. Two digits from 1 µs to 60 s take 13 KiB at
/// worst.
pub const MOST_HISTOGRAM: usize = 64 * 1024;

/// The body of a record on `request-metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MetricsBody {
    /// The requests that one process answered within one second. Several records may share a second.
    RequestMetrics {
        /// The instance of the service in `source`; `1` where there is only one.
        instance: String,
        /// The second in which they were answered, Unix time.
        second: i64,
        /// One row per endpoint and status, [`MOST_ROWS`] at most.
        rows: Vec<RequestRow>,
    },
}

/// A record on `request-metrics`.
pub type MetricsRecord = Record<MetricsBody>;

/// The requests to one endpoint that were answered with one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The route, not the path: `/inventory/{product}`; `unmatched` for paths without a route.
    pub endpoint: String,
    /// The HTTP status.
    pub status: u16,
    /// Requests; at least 1.
    pub count: u64,
    /// Median time to the answer's head, microseconds. This and the following are exact to two digits.
    pub p50_us: u64,
    /// 95th percentile, microseconds.
    pub p95_us: u64,
    /// 99th percentile, microseconds.
    pub p99_us: u64,
    /// The longest time, microseconds.
    pub max_us: u64,
    /// All times in microseconds as an encoded HDR histogram (V2, not compressed), so that rows can be merged;
    /// [`MOST_HISTOGRAM`] bytes at most.
    #[serde(with = "hex")]
    pub histogram: Vec<u8>,
}

/// Serde for bytes as hexadecimal text.
mod hex {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    use super::MOST_HISTOGRAM;

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        let text: String = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_str(Text)
    }

    struct Text;

    impl Visitor<'_> for Text {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "hexadecimal text of at most {MOST_HISTOGRAM} bytes")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            let (pairs, rest) = text.as_bytes().as_chunks::<2>();
            if !rest.is_empty() || pairs.len() > MOST_HISTOGRAM {
                return Err(E::invalid_length(text.len(), &self));
            }
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
            let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
            bytes.ok_or_else(|| E::custom("a character that is no hexadecimal digit"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(histogram: Vec<u8>) -> MetricsRecord {
        let row = RequestRow {
            endpoint: "/inventory/{product}".to_owned(),
            status: 200,
            count: u64::MAX,
            p50_us: 850,
            p95_us: 1200,
            p99_us: 2600,
            max_us: 60_000_000,
            histogram,
        };
        let body = MetricsBody::RequestMetrics {
            instance: "1".to_owned(),
            second: 1_767_225_600,
            rows: vec![row],
        };
        MetricsRecord::new("voter-svc", body)
    }

    #[test]
    fn a_record_is_flat_json_and_comes_back() {
        for histogram in [vec![], (0..=255).collect(), vec![7; MOST_HISTOGRAM]] {
            let record = record(histogram);
            let bytes = record.to_bytes();
            assert_eq!(MetricsRecord::from_bytes(&bytes).unwrap(), record);
        }
        let json: serde_json::Value = serde_json::from_slice(&record(vec![0, 0xa5, 0xff]).to_bytes()).unwrap();
        assert_eq!(json["type"], "request_metrics");
        assert_eq!(json["second"], 1_767_225_600);
        assert_eq!(json["rows"][0]["histogram"], "00a5ff");
    }

    #[test]
    fn what_is_no_histogram_is_an_error() {
        let mut json = serde_json::to_value(record(vec![1])).unwrap();
        for (histogram, fits) in [
            ("0aF9".to_owned(), true),
            ("0".to_owned(), false),
            ("0g".to_owned(), false),
            ("é".to_owned(), false),
            ("00".repeat(MOST_HISTOGRAM + 1), false),
        ] {
            json["rows"][0]["histogram"] = histogram.as_str().into();
            let read = MetricsRecord::from_bytes(json.to_string().as_bytes());
            assert_eq!(read.is_ok(), fits, "{histogram:.20}");
        }
    }
}
