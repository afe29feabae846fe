//! `answers.jsonl.zst`: every request of the load and what the client was told.
//!
//! The first line says what the file is:
//!
//! ```json
//! {"format":"tolerancia/answers","version":1,"answers":21600,"events":133,
//!  "written":{"at":"2026-01-01T00:00:00.000000Z","mono_ns":5000000000}}
//! ```
//!
//! `answers` and `events` count the lines that follow and those of `events.jsonl`; `written` is one instant on both
//! clocks, so that the others can be told as times of day. Then a line for each request, in the order in which they
//! were meant to start:
//!
//! ```json
//! {"at_ns":1000000,"latency_ns":1500000,"operation":"query_inventory","end":"success","told":{"stock":
//!  {"asked":"PROD-001","product":"PROD-001","version":4,"stock":{"available":93,"reserved":7},"fresh":true,"known":3}}}
//! ```
//!
//! | field | |
//! | --- | --- |
//! | `at_ns` | when it was meant to start, `CLOCK_MONOTONIC` in nanoseconds |
//! | `latency_ns` | from then to its end |
//! | `operation` | `query_inventory`, `create_order`, `cancel_order` |
//! | `end` | `"success"`, `{"rejected":REASON}` or `{"failed":KIND}`, where KIND is `"timeout"`, `{"status":503}`, … |
//! | `told` | what the oracle judges, as in [`Told`]; null where there is nothing to judge |

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tolerancia_wire::Stamp;

use super::lines::{Reader, Writer};
use super::{ANSWERS, ArchiveError};
use crate::experiment::record::Observation;
use crate::load::Operation;
use crate::load::stats::End;
use crate::oracle::Told;

const FORMAT: &str = "tolerancia/answers";
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: String,
    version: u32,
    /// Lines that follow.
    pub(super) answers: u64,
    /// Lines of `events.jsonl`.
    pub(super) events: u64,
    written: Stamp,
}

/// A line that is written.
#[derive(Serialize)]
struct Line<'a> {
    at_ns: u64,
    latency_ns: u64,
    operation: Operation,
    end: &'a End,
    told: &'a Option<Told>,
}

/// A line that was read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) at_ns: u64,
    pub(super) latency_ns: u64,
    pub(super) operation: Operation,
    pub(super) end: End,
    pub(super) told: Option<Told>,
}

impl<'a> From<&'a Observation> for Line<'a> {
    fn from(seen: &'a Observation) -> Self {
        Self {
            at_ns: seen.intended_ns,
            latency_ns: seen.latency_ns,
            operation: seen.operation,
            end: &seen.end,
            told: &seen.told,
        }
    }
}

/// Writes the file.
pub(super) fn write(dir: &Path, observations: &[Observation], events: u64, written: Stamp) -> io::Result<()> {
    // Answers were kept in the order in which they came. Only where all that is cheap to compare is equal, the text
    // decides, so that the same answers are the same file.
    let text = |seen: &Observation| serde_json::to_string(&Line::from(seen)).unwrap_or_default();
    let mut order: Vec<&Observation> = observations.iter().collect();
    order.sort_by(|one, other| {
        let key = |seen: &Observation| (seen.intended_ns, seen.operation, seen.latency_ns);
        key(one).cmp(&key(other)).then_with(|| text(one).cmp(&text(other)))
    });
    let mut writer = Writer::new(dir, ANSWERS)?;
    writer.line(&Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        answers: order.len() as u64,
        events,
        written,
    })?;
    for seen in order {
        writer.line(&Line::from(seen))?;
    }
    writer.finish()
}

/// Opens the file.
pub(super) fn open(dir: &Path) -> Result<(Header, Reader), ArchiveError> {
    let mut reader = Reader::open(dir, ANSWERS)?;
    let header = reader.header(FORMAT, VERSION)?;
    Ok((header, reader))
}
