//! The account of evidence against one instance, from which a verdict is explained.
//!
//! It holds what was seen since the suspicion was last nil: what, when, from whom, and what it added to the
//! detector's statistic (for `accrual` a log-likelihood ratio, in nats).

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::detector::{Detector, Seen};

/// Pieces that are kept; the oldest give way.
const MOST_PIECES: usize = 16;

/// One piece of evidence that led to a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// How long before the verdict it was taken, nanoseconds.
    pub ago_ns: u64,
    /// What was seen.
    pub seen: Seen,
    /// By whom: `health check`, or the service that reported it.
    pub from: String,
    /// How many answers it stands for.
    pub count: u32,
    /// How much it counts, 0 to 1.
    pub weight: f64,
    /// What it added to the detector's statistic, in the detector's unit.
    pub gain: f64,
}

/// The evidence against one instance since its suspicion was nil.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// `ago_ns` is the time of the evidence here, until it is told.
    pieces: VecDeque<Piece>,
}

impl Account {
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }

    /// Enters a miss at `now_ns`.
    pub(super) fn add(&mut self, now_ns: u64, seen: Seen, from: &str, count: u32, weight: f64, gain: f64) {
        // Evidence without weight is more of the same: it belongs to the piece whose cause it shares.
        if weight == 0.0
            && let Some(piece) = self.pieces.iter_mut().rev().find(|p| p.seen == seen && p.from == from)
        {
            piece.count = piece.count.saturating_add(count);
            return;
        }
        if self.pieces.len() == MOST_PIECES {
            self.pieces.pop_front();
        }
        self.pieces.push_back(Piece {
            ago_ns: now_ns,
            seen,
            from: from.to_owned(),
            count,
            weight,
            gain,
        });
    }

    /// The evidence as of `now_ns`, oldest first.
    pub(super) fn pieces(&self, now_ns: u64) -> Vec<Piece> {
        let told = |piece: &Piece| Piece {
            ago_ns: now_ns.saturating_sub(piece.ago_ns),
            ..piece.clone()
        };
        self.pieces.iter().map(told).collect()
    }

    /// The kind of miss that most of the evidence is of; none: there is none.
    pub(super) fn mostly(&self) -> Option<Seen> {
        let weight = |kind: Seen| -> f64 { self.pieces.iter().filter(|p| p.seen == kind).map(|p| p.weight).sum() };
        let kinds = self.pieces.iter().map(|piece| piece.seen);
        kinds.max_by(|a, b| weight(*a).total_cmp(&weight(*b)))
    }
}

/// What was seen, in words.
const fn word(seen: Seen) -> &'static str {
    match seen {
        Seen::Good => "good",
        Seen::Unreachable => "unreachable",
        Seen::Late => "late",
        Seen::Error => "error",
        Seen::Stale => "stale",
    }
}

/// The evidence in words: how far the detector is, how many misses of which kind, and then each of them.
pub(super) fn explain(detector: &dyn Detector, pieces: &[Piece], note: Option<&str>) -> String {
    let mut text = format!(
        "{} at {:.1} of {:.1} {}",
        detector.name(),
        detector.statistic(),
        detector.limit(),
        detector.unit()
    );
    // Writing to a String cannot fail.
    if let Some(first) = pieces.first() {
        let _ = write!(text, " within {:.0} ms:", first.ago_ns as f64 / 1e6);
    }
    let mut told: Vec<(Seen, &str)> = Vec::new();
    for piece in pieces {
        let kind = (piece.seen, piece.from.as_str());
        if told.contains(&kind) {
            continue;
        }
        let same = pieces.iter().filter(|p| (p.seen, p.from.as_str()) == kind);
        let count = same.fold(0u32, |count, piece| count.saturating_add(piece.count));
        let comma = if told.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma} {count} × {} ({})", word(piece.seen), piece.from);
        told.push(kind);
    }
    for (i, piece) in pieces.iter().enumerate() {
        let before = if i == 0 { ". In detail: " } else { "; " };
        let _ = write!(
            text,
            "{before}{:.0} ms before, {}, {}, {:+.2}",
            piece.ago_ns as f64 / 1e6,
            word(piece.seen),
            piece.from,
            piece.gain
        );
    }
    if let Some(note) = note {
        let _ = write!(text, ". {note}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::DetectorConfig;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_verdict_says_what_when_from_whom_and_how_much() {
        let mut account = Account::default();
        account.add(0, Seen::Late, "voter-svc", 3, 1.0, 5.7);
        account.add(10 * MS, Seen::Late, "voter-svc", 2, 0.0, 0.0);
        account.add(50 * MS, Seen::Late, "health check", 1, 0.5, 2.85);
        let pieces = account.pieces(60 * MS);
        let text = explain(&*DetectorConfig::default().build(), &pieces, Some("Because."));
        assert!(
            text.contains("within 60 ms: 5 × late (voter-svc), 1 × late (health check)"),
            "{text}"
        );
        assert!(
            text.contains("60 ms before, late, voter-svc, +5.70; 10 ms before, late, health check, +2.85. Because."),
            "{text}"
        );
        assert_eq!(account.mostly(), Some(Seen::Late));
    }

    #[test]
    fn absurd_counts_are_told_all_the_same() {
        let mut account = Account::default();
        (0..2).for_each(|i| account.add(i, Seen::Late, "x", u32::MAX, 1.0, 1.0));
        let text = explain(&*DetectorConfig::default().build(), &account.pieces(2), None);
        assert!(text.contains("4294967295 × late"), "{text}");
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut account = Account::default();
        (0..100).for_each(|i| account.add(i, Seen::Error, "x", 1, 1.0, 1.0));
        let pieces = account.pieces(100);
        assert_eq!((pieces.len(), pieces[0].ago_ns), (MOST_PIECES, MOST_PIECES as u64));
    }
}
