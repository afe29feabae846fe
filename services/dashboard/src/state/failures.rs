//! The newest transitions and what the audit knows of them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use tolerancia_wire::activation::AuditEntry;
use tolerancia_wire::live::Times;
use tolerancia_wire::status::Transition;

/// Entries that are kept.
pub(crate) const MOST_FAILURES: usize = 500;

/// By number, the newest [`MOST_FAILURES`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Failures(BTreeMap<u64, AuditEntry>);

impl Failures {
    /// Takes a transition in; says whether it was news.
    pub(super) fn transition(&mut self, transition: &Transition) -> bool {
        let known = self.0.get(&transition.seq);
        if known.is_some_and(|known| known.transition == *transition) {
            return false;
        }
        self.put(AuditEntry {
            transition: transition.clone(),
            ttd_ms: known.and_then(|known| known.ttd_ms),
            ttr_ms: known.and_then(|known| known.ttr_ms),
        })
    }

    /// Whether a later transition of the same instance is known.
    pub(super) fn has_later(&self, transition: &Transition) -> bool {
        let mut later = self.0.range(transition.seq.saturating_add(1)..);
        later.any(|(_, entry)| entry.transition.instance == transition.instance)
    }

    /// Takes the times of a transition in, both in the place of what was known: what the audit does not say any more was
    /// another fault's. Says whether that was news.
    pub(super) fn times(&mut self, times: Times) -> bool {
        let Some(entry) = self.0.get_mut(&times.seq) else {
            return false;
        };
        let now = (times.ttd_ms, times.ttr_ms);
        let is_news = now != (entry.ttd_ms, entry.ttr_ms);
        (entry.ttd_ms, entry.ttr_ms) = now;
        is_news
    }

    /// Takes the audit's own list in, which holds for all that is in it; says whether there was news.
    pub(super) fn audit(&mut self, entries: Vec<AuditEntry>) -> bool {
        let mut is_news = false;
        for entry in entries {
            if self.0.get(&entry.transition.seq) != Some(&entry) {
                is_news |= self.put(entry);
            }
        }
        is_news
    }

    /// Says whether there was room for it among the newest.
    fn put(&mut self, entry: AuditEntry) -> bool {
        let seq = entry.transition.seq;
        self.0.insert(seq, entry);
        while self.0.len() > MOST_FAILURES {
            self.0.pop_first();
        }
        self.0.contains_key(&seq)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Newest first.
impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values().rev())
    }
}

#[cfg(test)]
impl<'de> serde::Deserialize<'de> for Failures {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<AuditEntry>::deserialize(deserializer)?;
        let by_seq = |entry: AuditEntry| (entry.transition.seq, entry);
        Ok(Self(entries.into_iter().map(by_seq).collect()))
    }
}
