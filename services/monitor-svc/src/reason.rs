//! What the panel says of a change, in the words of the wire.

use jiff::Timestamp;
use tolerancia_core::detector::Seen;
use tolerancia_core::panel::{CauseKind, Change, Piece};
use tolerancia_wire::status::{Clue, Reason, ReasonKind};

/// Why a change was made at `at`.
pub(crate) fn reason(change: &Change, at: Timestamp) -> Reason {
    Reason {
        kind: kind(change.kind),
        text: change.text.clone(),
        evidence: change.evidence.iter().map(|piece| clue(piece, at)).collect(),
    }
}

const fn kind(kind: CauseKind) -> ReasonKind {
    match kind {
        CauseKind::Misses(Seen::Unreachable) => ReasonKind::Unreachable,
        CauseKind::Misses(Seen::Late) => ReasonKind::Late,
        CauseKind::Misses(Seen::Stale) => ReasonKind::Stale,
        CauseKind::Misses(Seen::Error | Seen::Good) => ReasonKind::Errors,
        CauseKind::Dissent => ReasonKind::Dissent,
        CauseKind::QuarantineOver => ReasonKind::QuarantineOver,
        CauseKind::Recovered => ReasonKind::Recovered,
    }
}

/// Cut to microseconds, as all times on the wire, and the figures to what a reader can use: they are the same then
/// wherever they are written and read again.
fn clue(piece: &Piece, at: Timestamp) -> Clue {
    let ago_us = piece.ago_ns / 1000;
    let before = i64::try_from(ago_us)
        .ok()
        .and_then(|us| Timestamp::from_microsecond(at.as_microsecond().saturating_sub(us)).ok());
    Clue {
        at: before.unwrap_or(at),
        ms_before: ago_us as f64 / 1e3,
        what: piece.seen,
        from: piece.from.clone(),
        count: piece.count,
        weight: rounded(piece.weight),
        likelihood: rounded(piece.gain),
    }
}

/// To four decimals; 0 for what is no number, which JSON cannot hold.
fn rounded(x: f64) -> f64 {
    if x.is_finite() { (x * 1e4).round() / 1e4 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn piece(ago_ns: u64, weight: f64, gain: f64) -> Piece {
        Piece {
            ago_ns,
            seen: Seen::Late,
            from: "voter-svc".to_owned(),
            count: 3,
            weight,
            gain,
        }
    }

    #[test]
    fn a_clue_is_as_long_before_as_it_says() {
        let at: Timestamp = "2026-01-01T00:00:01.000000Z".parse().unwrap();
        let clue = clue(&piece(104_125_999, 1.0 / 3.0, 300f64.ln()), at);
        assert_eq!(clue.at, "2026-01-01T00:00:00.895875Z".parse().unwrap());
        assert_eq!(
            (clue.ms_before, clue.weight, clue.likelihood),
            (104.125, 0.3333, 5.7038)
        );
    }

    #[test]
    fn what_is_no_number_is_0() {
        for gain in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(clue(&piece(1, 1.0, gain), Timestamp::UNIX_EPOCH).likelihood, 0.0);
        }
        // Longer ago than there is time.
        let clue = clue(&piece(u64::MAX, 1.0, 1.0), Timestamp::MIN);
        assert_eq!(clue.at, Timestamp::MIN);
    }

    proptest! {
        /// It is read as it was written: `GET /failures` from memory and from the database are the same.
        #[test]
        fn clues_survive_the_wire(ago_ns in 0u64..86_400_000_000_000, weight in 0f64..=1.0, gain in -1e5f64..1e5) {
            let at = Timestamp::from_microsecond(1_767_225_600_000_001).unwrap();
            let clue = clue(&piece(ago_ns, weight, gain), at);
            let text = serde_json::to_string(&clue).unwrap();
            prop_assert_eq!(serde_json::from_str::<Clue>(&text).unwrap(), clue);
        }
    }
}
