//! When all replicas were healthy.

use super::Trace;

const SECOND_NS: u64 = 1_000_000_000;
/// After the instance is back, the system settles for this long. What was seen of a fault may turn its instance OFF as
/// long after the fault.
const SETTLE_NS: u64 = SECOND_NS;
/// A fault of which nobody noticed anything, and that nobody cleared, is taken to be over after this time.
const UNSEEN_NS: u64 = 5 * SECOND_NS;

/// A span of time in nanoseconds, its end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub from_ns: u64,
    pub to_ns: u64,
}

impl Span {
    pub(crate) const fn length_ns(self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }
}

/// The spans in which no fault was active or just over, and between which nothing is missing; in order of time.
pub(crate) fn healthy_spans(trace: &Trace) -> Vec<Span> {
    let (Some(first), Some(last)) = (trace.entries.first(), trace.entries.last()) else {
        return Vec::new();
    };
    let whole = Span {
        from_ns: first.at_ns,
        to_ns: last.at_ns.saturating_add(1),
    };
    let mut cuts: Vec<Span> = trace.faults.iter().map(|trial| faulty(trace, trial)).collect();
    cuts.extend(&trace.tears);
    cuts.sort_by_key(|cut| cut.from_ns);
    let mut spans = Vec::new();
    let mut from_ns = whole.from_ns;
    for cut in cuts {
        let to_ns = cut.from_ns.min(whole.to_ns);
        if to_ns > from_ns {
            spans.push(Span { from_ns, to_ns });
        }
        from_ns = from_ns.max(cut.to_ns);
    }
    if whole.to_ns > from_ns {
        spans.push(Span {
            from_ns,
            to_ns: whole.to_ns,
        });
    }
    spans
}

/// From the fault until the instance is back and the system has settled.
fn faulty(trace: &Trace, trial: &super::Trial) -> Span {
    let turns = || trace.verdicts.iter().filter(|turn| turn.instance == trial.instance);
    let gone_ns = trial
        .cleared_ns
        .unwrap_or_else(|| trial.activated_ns.saturating_add(UNSEEN_NS));
    let off_ns = trial.detected_ns.or_else(|| {
        // A later OFF has another cause.
        let own = trial.activated_ns..=gone_ns.saturating_add(SETTLE_NS);
        let mut own = turns().filter(|turn| !turn.on && own.contains(&turn.at_ns));
        own.next().map(|turn| turn.at_ns)
    });
    let over_ns = match off_ns {
        // Nobody knows how long it was there: until its instance was let back in, or for good.
        _ if !trial.over => turns()
            .find(|turn| turn.on && turn.at_ns > trial.activated_ns)
            .map(|turn| turn.at_ns),
        Some(off_ns) => {
            let cleared_ns = off_ns.max(trial.cleared_ns.unwrap_or(0));
            // It may have come back while the fault was still there; if it went OFF again, that does not count.
            match turns().take_while(|turn| turn.at_ns <= cleared_ns).last() {
                Some(turn) if turn.on && turn.at_ns > off_ns => Some(cleared_ns),
                _ => turns()
                    .find(|turn| turn.on && turn.at_ns > cleared_ns)
                    .map(|turn| turn.at_ns),
            }
        }
        None => Some(gone_ns),
    };
    Span {
        from_ns: trial.activated_ns,
        // Never seen to come back: nothing after it is health.
        to_ns: over_ns.map_or(u64::MAX, |at_ns| at_ns.saturating_add(SETTLE_NS)),
    }
}

/// The length of all spans together, seconds.
pub(crate) fn seconds(spans: &[Span]) -> f64 {
    spans.iter().map(|span| span.length_ns() as f64 / 1e9).sum()
}

#[cfg(test)]
mod tests {
    use tolerancia_core::detector::DetectorKind;

    use super::super::tests::{MS, healthy, id};
    use super::super::{Trial, Turn};
    use super::*;

    fn trial(activated_ms: u64, detected_ms: Option<u64>, cleared_ms: Option<u64>) -> Trial {
        Trial {
            activated_ns: activated_ms * MS,
            cleared_ns: cleared_ms.map(|ms| ms * MS),
            detected_ns: detected_ms.map(|ms| ms * MS),
            instance: id(1),
            faults: Vec::new(),
            detector: DetectorKind::Accrual,
            over: true,
        }
    }

    fn turn(at_ms: u64, on: bool) -> Turn {
        Turn {
            at_ns: at_ms * MS,
            instance: id(1),
            on,
        }
    }

    fn spans(trace: &Trace) -> Vec<[u64; 2]> {
        let ms = |ns: u64| ns / MS;
        healthy_spans(trace)
            .iter()
            .map(|span| [ms(span.from_ns), ms(span.to_ns)])
            .collect()
    }

    #[test]
    fn a_fault_is_cut_out_until_its_instance_is_back() {
        let mut trace = healthy(60, Vec::new());
        let end = trace.entries.last().expect("entries").at_ns / MS;
        assert_eq!(spans(&trace), [[1, end]]);
        trace.faults = vec![trial(10_000, Some(10_100), Some(11_000))];
        trace.verdicts = vec![turn(10_100, false), turn(12_500, true)];
        assert_eq!(spans(&trace), [[1, 10_000], [13_500, end]]);
        // Back while the fault was still there, and OFF again.
        trace.verdicts = vec![
            turn(10_100, false),
            turn(10_500, true),
            turn(10_600, false),
            turn(14_000, true),
        ];
        assert_eq!(spans(&trace), [[1, 10_000], [15_000, end]]);
        // Back before it was cleared, for good.
        trace.verdicts = vec![turn(10_100, false), turn(10_500, true)];
        assert_eq!(spans(&trace), [[1, 10_000], [12_000, end]]);
        // Never back.
        trace.verdicts = vec![turn(10_100, false)];
        assert_eq!(spans(&trace), [[1, 10_000]]);
    }

    #[test]
    fn a_fault_that_nobody_noticed_is_cut_out_too() {
        let mut trace = healthy(60, Vec::new());
        let end = trace.entries.last().expect("entries").at_ns / MS;
        trace.faults = vec![trial(10_000, None, Some(20_000)), trial(30_000, None, None)];
        assert_eq!(spans(&trace), [[1, 10_000], [21_000, 30_000], [36_000, end]]);
        assert!((seconds(&healthy_spans(&trace)) - (9.999 + 9.0 + (end - 36_000) as f64 / 1e3)).abs() < 0.01);
    }

    /// An OFF long after an undetected fault is a false alarm, and what lies between is health.
    #[test]
    fn a_fault_that_nobody_noticed_explains_no_later_off() {
        let mut trace = healthy(60, Vec::new());
        let end = trace.entries.last().expect("entries").at_ns / MS;
        trace.faults = vec![trial(10_000, None, Some(20_000))];
        trace.verdicts = vec![turn(40_000, false), turn(42_000, true)];
        assert_eq!(spans(&trace), [[1, 10_000], [21_000, end]]);
        trace.verdicts = vec![turn(20_500, false), turn(23_000, true)];
        assert_eq!(spans(&trace), [[1, 10_000], [24_000, end]]);
    }

    #[test]
    fn a_fault_during_which_the_recording_ended_is_no_health() {
        let mut trace = healthy(60, Vec::new());
        let end = trace.entries.last().expect("entries").at_ns / MS;
        let mut unknown = trial(50_000, None, None);
        unknown.over = false;
        trace.faults = vec![unknown];
        assert_eq!(spans(&trace), [[1, 50_000]]);
        trace.verdicts = vec![turn(50_100, false), turn(53_000, true)];
        assert_eq!(spans(&trace), [[1, 50_000], [54_000, end]]);
    }

    #[test]
    fn what_a_tear_hides_is_in_no_span() {
        let mut trace = healthy(10, Vec::new());
        let end = trace.entries.last().expect("entries").at_ns / MS;
        trace.tears = vec![Span {
            from_ns: 5_000 * MS,
            to_ns: 7_000 * MS,
        }];
        assert_eq!(spans(&trace), [[1, 5_000], [7_000, end]]);
    }
}
