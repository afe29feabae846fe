//! The newest disagreements. Those that are alike are one, and no more is told of them than people can follow. Lies are
//! what people must not miss: lags and votes without a quorum make room for them, and none goes before it was told.

use std::collections::VecDeque;

use tolerancia_core::ProductId;
use tolerancia_wire::Stamp;
use tolerancia_wire::live::{Disagreement, KEPT_DISAGREEMENTS, Standing};

use super::standings::Details;

const SECOND: u64 = 1_000_000_000;
/// One that comes after this much peace is another story, even if it is like an earlier one. In nanoseconds.
const PEACE: u64 = 10 * SECOND;
/// Time between two tellings of the same one, in nanoseconds.
const AGAIN: u64 = SECOND;
/// Tellings in any second.
const MOST_TOLD: usize = 20;
/// Votes that are written down with what was said, per second. More of them are only counted, where one like them is
/// kept.
const MOST_WRITTEN: u32 = 400;
/// Besides them, per second, votes that are like none that is kept: one that never ends must not hide the others.
const MOST_NEW: u32 = 100;
/// Besides all these, per second, lies that are like none that is kept: lags without end must not hide them.
const MOST_NEW_LIES: u32 = 100;
/// A lie that was told stays for so long, in nanoseconds, so that the streams find it.
const FOUND: u64 = SECOND;

/// The disagreements that are kept. All times are of one monotonic clock, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Disagreements {
    /// By id.
    kept: VecDeque<Entry>,
    ids: u64,
    revision: u64,
    /// When was told, at most [`MOST_TOLD`] times.
    told: VecDeque<u64>,
    written: Written,
}

/// What those that are alike have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind<'a> {
    /// The product, if it is about one.
    pub product: Option<&'a ProductId>,
    /// How each replica stands, in the order of their numbers.
    pub standings: &'a [Standing],
    /// No quorum decided everything that was voted on.
    pub no_quorum: bool,
}

#[derive(Debug)]
struct Entry {
    now: Disagreement,
    last_ns: u64,
    /// Since when it may be told, if it is to be.
    due_ns: Option<u64>,
    told_ns: Option<u64>,
    /// The revision in which it was told last.
    revision: u64,
}

/// What was written down in the current second.
#[derive(Debug, Default)]
struct Written {
    since_ns: u64,
    count: u32,
}

impl Disagreements {
    /// A vote of this kind ended at `at`. When there are too many, `details` is not called. Says whether there is now
    /// something to tell where there was nothing before.
    pub(super) fn note(&mut self, at: Stamp, kind: Kind<'_>, details: impl FnOnce() -> Details) -> bool {
        let now_ns = at.mono_ns;
        let known = self.kept.iter_mut().find(|entry| entry.is_like(kind, now_ns));
        if let Some(entry) = known {
            entry.last_ns = now_ns;
            entry.now.last = at.at;
            entry.now.count += 1;
            if self.written.one_more(now_ns, MOST_WRITTEN) {
                write(&mut entry.now, details());
            }
            let is_news = entry.due_ns.is_none();
            let turn_ns = entry.told_ns.map_or(now_ns, |told_ns| now_ns.max(told_ns + AGAIN));
            entry.due_ns.get_or_insert(turn_ns);
            return is_news;
        }
        let is_lie = kind.standings.contains(&Standing::Dissents);
        let most = MOST_WRITTEN + MOST_NEW + if is_lie { MOST_NEW_LIES } else { 0 };
        if !self.written.one_more(now_ns, most) || !self.make_room(now_ns) {
            return false;
        }
        self.ids += 1;
        let mut now = Disagreement {
            id: self.ids,
            first: at.at,
            last: at.at,
            count: 1,
            product: kind.product.cloned(),
            no_quorum: kind.no_quorum,
            version: None,
            stock: None,
            voices: Vec::new(),
        };
        write(&mut now, details());
        self.kept.push_back(Entry {
            now,
            last_ns: now_ns,
            due_ns: Some(now_ns),
            told_ns: None,
            revision: 0,
        });
        true
    }

    /// When the next telling is due.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.next().map(|(_, due_ns)| due_ns)
    }

    /// Tells what is due at `now_ns`. Says whether there was something.
    pub(super) fn tell(&mut self, now_ns: u64) -> bool {
        let before = self.revision;
        while let Some((index, due_ns)) = self.next()
            && due_ns <= now_ns
        {
            if self.told.len() == MOST_TOLD {
                self.told.pop_front();
            }
            self.told.push_back(now_ns);
            self.revision += 1;
            let entry = &mut self.kept[index];
            entry.due_ns = None;
            entry.told_ns = Some(now_ns);
            entry.revision = self.revision;
        }
        self.revision > before
    }

    /// Rises with each telling.
    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// All that are kept, oldest first.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Disagreement> {
        self.kept.iter().map(|entry| &entry.now)
    }

    /// Those that were told after `revision`, each once, as they are by now.
    pub(super) fn since(&self, revision: u64) -> Vec<&Disagreement> {
        let mut told: Vec<&Entry> = self.kept.iter().filter(|entry| entry.revision > revision).collect();
        told.sort_unstable_by_key(|entry| entry.revision);
        told.into_iter().map(|entry| &entry.now).collect()
    }

    /// Whose turn it is, and when: whoever is due for longest, once there is room in the second.
    fn next(&self) -> Option<(usize, u64)> {
        let due = self.kept.iter().enumerate();
        let due = due.filter_map(|(index, entry)| Some((index, entry.due_ns?)));
        let (index, due_ns) = due.min_by_key(|(_, due_ns)| *due_ns)?;
        let room_ns = match self.told.front() {
            Some(oldest_ns) if self.told.len() == MOST_TOLD => oldest_ns + SECOND,
            _ => 0,
        };
        Some((index, due_ns.max(room_ns)))
    }

    /// Says whether there is room for one more, for which another may have to go: a lag before a loss of the quorum, a
    /// lie last, and of those the one that has been at peace for longest. There is none while all are lies that nobody
    /// may have heard of: they come first, and the next one finds room as they are told.
    fn make_room(&mut self, now_ns: u64) -> bool {
        if self.kept.len() < KEPT_DISAGREEMENTS {
            return true;
        }
        let entries = self.kept.iter().enumerate();
        let spare = entries.filter(|(_, entry)| !entry.is_lie() || entry.was_heard(now_ns));
        let worth = |(index, entry): &(usize, &Entry)| (entry.is_lie(), entry.now.no_quorum, entry.last_ns, *index);
        let least = spare.min_by_key(worth).map(|(index, _)| index);
        least.is_some_and(|index| self.kept.remove(index).is_some())
    }
}

impl Entry {
    fn is_like(&self, kind: Kind<'_>, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_ns) < PEACE
            && self.now.product.as_ref() == kind.product
            && self.now.no_quorum == kind.no_quorum
            && self.standings().eq(kind.standings.iter().copied())
    }

    fn is_lie(&self) -> bool {
        self.standings().any(|standing| standing == Standing::Dissents)
    }

    /// Whether it was told, and long enough ago for those who watch to have it.
    fn was_heard(&self, now_ns: u64) -> bool {
        self.told_ns
            .is_some_and(|told_ns| now_ns.saturating_sub(told_ns) >= FOUND)
    }

    fn standings(&self) -> impl Iterator<Item = Standing> {
        self.now.voices.iter().map(|voice| voice.standing)
    }
}

impl Written {
    /// Whether one more may be written down at `now_ns`, where `most` may be.
    fn one_more(&mut self, now_ns: u64, most: u32) -> bool {
        if now_ns.saturating_sub(self.since_ns) >= SECOND {
            *self = Self {
                since_ns: now_ns,
                count: 0,
            };
        }
        let room = self.count < most;
        self.count += u32::from(room);
        room
    }
}

fn write(to: &mut Disagreement, Details { decided, voices }: Details) {
    to.version = decided.map(|decided| decided.version);
    to.stock = decided.map(|decided| decided.stock);
    to.voices = voices;
}

#[cfg(test)]
mod tests;
