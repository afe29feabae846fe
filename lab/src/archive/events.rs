//! `events.jsonl`: what the monitor told, a transition on each line, oldest first.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use tolerancia_core::ReplicaId;
use tolerancia_wire::status::Transition;
use tolerancia_wire::time::rfc3339;

use super::lines::{self, Reader};
use super::{ArchiveError, EVENTS};
use crate::experiment::record::{is_off, is_on};

/// A monitor that changed its mind every millisecond for an hour would have told fewer.
const MOST_EVENTS: usize = 4_000_000;

/// Writes the file.
pub(super) fn write(dir: &Path, transitions: &[Transition]) -> io::Result<()> {
    let mut text = Vec::new();
    for transition in transitions {
        lines::push(&mut text, transition)?;
    }
    lines::put(dir, EVENTS, &text)
}

/// What a check of the report's times has to know.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// How many there are.
    pub(super) count: u64,
    /// Lines that do not follow those before them, and why.
    pub(super) misplaced: Vec<(usize, String)>,
    /// Each OFF.
    offs: HashSet<(ReplicaId, String)>,
    /// Each ON.
    ons: HashSet<(ReplicaId, String)>,
}

impl Events {
    /// Reads the file.
    pub(super) fn read(dir: &Path) -> Result<Self, ArchiveError> {
        let mut reader = Reader::open(dir, EVENTS)?;
        let mut events = Self::default();
        let mut last = None;
        while let Some(transition) = reader.next::<Transition>()? {
            if reader.number() > MOST_EVENTS {
                return Err(reader.garbage(format!("a monitor does not tell more than {MOST_EVENTS} transitions")));
            }
            events.count += 1;
            if last.is_some_and(|last| transition.seq <= last) && events.misplaced.len() < super::verify::MOST {
                let what = format!("the event {} comes after {}", transition.seq, last.unwrap_or(0));
                events.misplaced.push((reader.number(), what));
            }
            last = last.max(Some(transition.seq));
            let key = || (transition.instance, rfc3339(transition.stamp.at));
            if is_off(&transition) {
                events.offs.insert(key());
            } else if is_on(&transition) {
                events.ons.insert(key());
            }
        }
        Ok(events)
    }

    /// Whether the instance was turned OFF at this time, as reports write it.
    pub(super) fn has_off(&self, instance: ReplicaId, at: &str) -> bool {
        self.offs.contains(&(instance, at.to_owned()))
    }

    /// Whether the instance was turned ON at this time.
    pub(super) fn has_on(&self, instance: ReplicaId, at: &str) -> bool {
        self.ons.contains(&(instance, at.to_owned()))
    }
}
