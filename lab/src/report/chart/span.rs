//! When the faults were active.

use crate::report::model::{Event, Report, Timeline, TrialReport};

/// A stretch of the run, in seconds from its start.
pub(super) type Span = [f64; 2];

/// From activation to the end of the fault, as far as it is known.
fn of(timeline: &Timeline) -> Span {
    let last = |what: Event| {
        let own = timeline.marks.iter().filter(|mark| mark.what == what);
        own.map(|mark| mark.at_ms).max_by(f64::total_cmp)
    };
    let end_ms = last(Event::Clear)
        .or_else(|| last(Event::Recover))
        .unwrap_or(timeline.to_ms);
    [timeline.start_s, timeline.start_s + end_ms / 1000.0]
}

/// When each fault was active, in the order of the report; the trials of all detectors together.
pub(super) fn by_fault(report: &Report) -> Vec<(&str, Vec<Span>)> {
    let mut faults: Vec<(&str, Vec<Span>)> = Vec::new();
    for fault in &report.faults {
        let known = |trial: &TrialReport| trial.timeline.as_ref().map(of);
        let spans = fault.trials_detail.iter().filter_map(known);
        match faults.iter_mut().find(|(name, _)| *name == fault.fault) {
            Some((_, own)) => own.extend(spans),
            None => faults.push((&fault.fault, spans.collect())),
        }
    }
    faults
}

/// The same in order, with gaps closed that are no wider than `least`: nobody could see them.
pub(super) fn joined(spans: impl IntoIterator<Item = Span>, least: f64) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.into_iter().filter(|[from, to]| from <= to).collect();
    spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span[0] - last[1] <= least => last[1] = last[1].max(span[1]),
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_nobody_sees_are_closed() {
        let spans = [[5.0, 6.0], [1.0, 2.0], [2.4, 3.0], [f64::NAN, 1.0]];
        assert_eq!(joined(spans, 0.5), [[1.0, 3.0], [5.0, 6.0]]);
        assert!(joined([], 1.0).is_empty());
    }
}
