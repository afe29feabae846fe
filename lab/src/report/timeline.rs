//! What happened around each trial.

use tolerancia_core::ReplicaId;
use tolerancia_wire::Stamp;
use tolerancia_wire::status::{Phase as Standing, Transition};

use super::model::{Event, Interval, Mark, States, Timeline};
use super::rounded;
use super::seen::{Seen, failed, latencies_ms};
use crate::experiment::record::{Trial, Window};
use crate::statistics::quantile;

const MOST_BUCKETS: u64 = 60;
/// The least length of a bucket, nanoseconds.
const LEAST_NS: u64 = 100_000_000;
/// Lengths are multiples of it, nanoseconds.
const GRAIN_NS: u64 = 10_000_000;
/// What is shown before the activation and after the recovery, nanoseconds.
const AROUND_NS: u64 = 1_000_000_000;

/// Everything that timelines are made of.
pub(super) struct Clock<'a> {
    pub seen: &'a Seen<'a>,
    pub transitions: &'a [Transition],
    /// The start of the experiment.
    pub started: Stamp,
    /// Its end: what was not over by then was not recorded further.
    pub ended: Stamp,
}

impl Clock<'_> {
    pub fn timeline(&self, trial: &Trial) -> Timeline {
        let zero = trial.activated();
        let end = trial.recovered().or(trial.over).unwrap_or(self.ended);
        // An instance that was hit a little later may have to show for it.
        let last = trial.hits.iter().map(|hit| hit.activated.mono_ns);
        let end_ns = last.fold(end.mono_ns, u64::max);
        let window = Window {
            from_ns: zero.mono_ns.saturating_sub(AROUND_NS),
            to_ns: end_ns.saturating_add(AROUND_NS),
        };
        let span_ns = window.to_ns - window.from_ns;
        let bucket_ns = span_ns.div_ceil(MOST_BUCKETS).next_multiple_of(GRAIN_NS).max(LEAST_NS);
        let at_ms = |ns: u64| rounded((ns as f64 - zero.mono_ns as f64) / 1e6, 2);
        let mut timeline = Timeline {
            start_s: rounded(zero.ms_since(self.started) / 1000.0, 3),
            from_ms: at_ms(window.from_ns),
            to_ms: at_ms(window.to_ns),
            bucket_ms: bucket_ns as f64 / 1e6,
            requests: Vec::new(),
            failed: Vec::new(),
            p95_ms: Vec::new(),
            marks: marks(trial, at_ms),
            states: Vec::new(),
        };
        let mut from_ns = window.from_ns;
        while from_ns < window.to_ns {
            let next_ns = from_ns.saturating_add(bucket_ns).min(window.to_ns);
            let requests = self.seen.within(Window {
                from_ns,
                to_ns: next_ns - 1,
            });
            timeline.requests.push(requests.len() as u64);
            timeline.failed.push(failed(requests));
            timeline
                .p95_ms
                .push(quantile(&latencies_ms(requests), 0.95).map(|ms| rounded(ms, 2)));
            from_ns = next_ns;
        }
        timeline.states = self.states(trial, window, at_ms);
        timeline
    }

    fn states(&self, trial: &Trial, window: Window, at_ms: impl Fn(u64) -> f64) -> Vec<States> {
        let hit: Vec<ReplicaId> = trial.hits.iter().map(|hit| hit.instance).collect();
        let mut instances: Vec<ReplicaId> = self.transitions.iter().map(|t| t.instance).chain(hit.clone()).collect();
        instances.sort_unstable();
        instances.dedup();
        let mut states: Vec<States> = instances
            .into_iter()
            .map(|instance| States {
                instance,
                intervals: self.intervals(instance, window, &at_ms),
            })
            .collect();
        let is_on = |interval: &Interval| interval.state == Standing::On;
        states.retain(|own| hit.contains(&own.instance) || !own.intervals.iter().all(is_on));
        states
    }

    /// How an instance was judged in the window; before its first transition it was ON.
    fn intervals(&self, instance: ReplicaId, window: Window, at_ms: impl Fn(u64) -> f64) -> Vec<Interval> {
        let mut own: Vec<&Transition> = self.transitions.iter().filter(|t| t.instance == instance).collect();
        own.sort_by_key(|t| (t.stamp.mono_ns, t.seq));
        let before = own.partition_point(|t| t.stamp.mono_ns <= window.from_ns);
        let mut state = before
            .checked_sub(1)
            .and_then(|last| own.get(last))
            .map_or(Standing::On, |t| t.phase);
        let mut intervals = Vec::new();
        let mut from_ms = at_ms(window.from_ns);
        let meanwhile = own.iter().skip(before);
        for t in meanwhile.take_while(|t| t.stamp.mono_ns < window.to_ns) {
            if t.phase != state {
                let to_ms = at_ms(t.stamp.mono_ns);
                intervals.push(Interval { from_ms, to_ms, state });
                (from_ms, state) = (to_ms, t.phase);
            }
        }
        let to_ms = at_ms(window.to_ns);
        intervals.push(Interval { from_ms, to_ms, state });
        intervals
    }
}

fn marks(trial: &Trial, at_ms: impl Fn(u64) -> f64) -> Vec<Mark> {
    let mut marks = Vec::new();
    for hit in &trial.hits {
        let happened = [
            (Event::Inject, Some(hit.activated)),
            (Event::Detect, hit.detected.as_ref().map(|off| off.stamp)),
            (Event::Clear, hit.cleared),
            (Event::Recover, hit.recovered),
        ];
        let known = happened
            .into_iter()
            .filter_map(|(what, stamp)| stamp.map(|stamp| (what, stamp)));
        marks.extend(known.map(|(what, stamp)| Mark {
            at_ms: at_ms(stamp.mono_ns),
            instance: hit.instance,
            what,
        }));
    }
    marks.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    marks
}
