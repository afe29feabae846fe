//! `log.jsonl.zst`: the records of `order-events`, byte by byte.
//!
//! The first line says what the log looked like when it was read:
//!
//! ```json
//! {"format":"tolerancia/log","version":1,"topic":"order-events","records":6,
//!  "partitions":[{"partition":0,"end":7,"records":6,"gaps":[[4,5]]}]}
//! ```
//!
//! Offsets need not be without gaps: Apache Kafka deletes by age where it is told to, and keeps markers of its own among
//! the records. So `gaps` has the offsets below `end` at which there was none, each from the first to the one after the
//! last; null where there were too many to list. Then a line for each record, by partition and offset:
//!
//! ```json
//! {"partition":0,"offset":3,"record":{"event_id":"…","type":"reserve"}}
//! ```
//!
//! `record` is the record itself where it is a JSON object on one line. Any other has its `text` instead or, where it is
//! no text or most of it would have to be escaped, its bytes in `base64` (RFC 4648, section 4).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tolerancia_bus::Message;
use tolerancia_wire::topic::ORDER_EVENTS;

use super::lines::{Reader, Writer};
use super::{ArchiveError, LOG};

const FORMAT: &str = "tolerancia/log";
const VERSION: u32 = 1;
/// More gaps are not listed: a line has its limit.
const MOST_GAPS: usize = 10_000;

/// The log as it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// Its records.
    pub records: Vec<Message>,
    /// Where each partition ended, as the broker said.
    pub ends: BTreeMap<u16, u64>,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: String,
    version: u32,
    topic: String,
    /// Lines that follow.
    pub(super) records: u64,
    pub(super) partitions: Vec<Partition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partition {
    pub(super) partition: u16,
    /// The offset that its next record would have got.
    pub(super) end: u64,
    pub(super) records: u64,
    /// Offsets without a record, from the first to the one after the last.
    pub(super) gaps: Option<Vec<(u64, u64)>>,
}

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    partition: u16,
    offset: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// The record's own JSON, if putting it into a line and taking it out again gives the same bytes.
fn embedded(payload: &[u8]) -> Option<&RawValue> {
    let is_line = payload.first() == Some(&b'{') && !payload.contains(&b'\n');
    let text = std::str::from_utf8(payload).ok().filter(|_| is_line)?;
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    (raw.get() == text).then_some(raw)
}

impl<'a> Line<'a> {
    fn new(message: &'a Message) -> Self {
        let record = embedded(&message.payload);
        let base64 = || STANDARD.encode(&message.payload);
        let (text, base64) = match std::str::from_utf8(&message.payload) {
            _ if record.is_some() => (None, None),
            // What is full of control characters is many times as long as text.
            Ok(text) if escaped_len(text) <= 2 * text.len() + 2 => (Some(text.to_owned()), None),
            _ => (None, Some(base64())),
        };
        Self {
            partition: message.partition,
            offset: message.offset,
            record,
            text,
            base64,
        }
    }

    fn payload(self) -> Result<Vec<u8>, String> {
        match (self.record, self.text, self.base64) {
            (Some(record), None, None) => Ok(record.get().as_bytes().to_vec()),
            (None, Some(text), None) => Ok(text.into_bytes()),
            (None, None, Some(base64)) => {
                let bytes = STANDARD.decode(base64);
                bytes.map_err(|error| format!("this is no record: its base64 cannot be read ({error})"))
            }
            _ => Err("this is no record: a line has one of record, text and base64".to_owned()),
        }
    }
}

/// The length of a text as JSON.
fn escaped_len(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

/// What the log looks like; `records` are in order.
fn header(records: &[&Message], ends: &BTreeMap<u16, u64>) -> Header {
    let mut partitions: BTreeMap<u16, Partition> = BTreeMap::new();
    let begin = |partition: u16, end: u64| Partition {
        partition,
        end,
        records: 0,
        gaps: Some(Vec::new()),
    };
    // The offset that comes next in each.
    let mut next: BTreeMap<u16, u64> = BTreeMap::new();
    for (&partition, &end) in ends {
        partitions.insert(partition, begin(partition, end));
    }
    for record in records {
        let partition = partitions
            .entry(record.partition)
            .or_insert_with(|| begin(record.partition, 0));
        let next = next.entry(record.partition).or_default();
        partition.gap(*next, record.offset);
        partition.records += 1;
        *next = record.offset + 1;
    }
    for partition in partitions.values_mut() {
        let next = next.get(&partition.partition).copied().unwrap_or(0);
        // Somebody may have written between the two looks.
        partition.end = partition.end.max(next);
        partition.gap(next, partition.end);
    }
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        topic: ORDER_EVENTS.to_owned(),
        records: records.len() as u64,
        partitions: partitions.into_values().collect(),
    }
}

impl Partition {
    fn gap(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        match &mut self.gaps {
            Some(gaps) if gaps.len() < MOST_GAPS => gaps.push((from, to)),
            gaps => *gaps = None,
        }
    }
}

/// Writes the file.
pub(super) fn write(dir: &Path, log: &Log) -> io::Result<()> {
    let mut order: Vec<&Message> = log.records.iter().collect();
    order.sort_by_key(|record| (record.partition, record.offset));
    let mut writer = Writer::new(dir, LOG)?;
    writer.line(&header(&order, &log.ends))?;
    for record in order {
        writer.line(&Line::new(record))?;
    }
    writer.finish()
}

/// Opens the file.
pub(super) fn open(dir: &Path) -> Result<(Header, Reader), ArchiveError> {
    let mut reader = Reader::open(dir, LOG)?;
    let header = reader.header(FORMAT, VERSION)?;
    Ok((header, reader))
}

/// The next record: partition, offset and payload; none at the end.
pub(super) fn next(reader: &mut Reader) -> Result<Option<(u16, u64, Vec<u8>)>, ArchiveError> {
    let Some(line) = reader.next::<Line<'_>>()? else {
        return Ok(None);
    };
    let (partition, offset) = (line.partition, line.offset);
    let payload = line.payload();
    match payload {
        Ok(payload) => Ok(Some((partition, offset, payload))),
        Err(message) => Err(reader.garbage(message)),
    }
}
