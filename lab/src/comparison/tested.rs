//! What is tested trial by trial: times, and the requests that failed meanwhile.

use super::TOO_FEW;
use super::judge::{Draft, Rule, Test};
use super::model::{Measure, Outcome, Row};
use super::pairs::Pair;
use crate::report::{Event, FaultReport, Timeline, TrialReport};
use crate::statistics::{FEW, difference_interval, mean, median, p95, permutation_test, sorted};

/// What a missed trial is taken to have lasted, milliseconds (30 years), as in the report.
const MISSED_MS: f64 = 1e12;
/// No trial takes longer than this, milliseconds (17 minutes): what is longer depends on a missed one.
const LONGEST_MS: f64 = 1e6;

/// Differences of times that are smaller than this are none, milliseconds: the host alone makes them.
const TIME_FLOOR: f64 = 5.0;
/// Differences of shares that are smaller than this are none: half a percentage point.
const SHARE_FLOOR: f64 = 0.005;

/// The times of a fault, and the requests that failed during it.
pub(super) fn drafts(pair: &Pair<'_>, seed: u64) -> Vec<Draft> {
    let samples = |of: fn(&FaultReport) -> Vec<f64>| [of(pair.a), of(pair.b)];
    let label = pair.label.as_str();
    let mut drafts = Vec::new();
    let mut before = [Vec::new(), Vec::new()];
    for (values, of_median, of_p95) in [
        (samples(ttd), Measure::TtdMedianMs, Measure::TtdP95Ms),
        (samples(ttr), Measure::TtrMedianMs, Measure::TtrP95Ms),
        (samples(repair), Measure::RepairMedianMs, Measure::RepairP95Ms),
    ] {
        // The repair time of a crash is its time to recovery: one test.
        let is_known = values == before;
        let times = Samples { label, values, seed };
        // One test tells whether the times differ at all, and the intervals in what.
        let own = if is_known { Test::Before } else { Test::Own(times.p()) };
        drafts.extend(times.draft(of_median, median, TIME_FLOOR, own));
        let few = times.fewest() < FEW;
        drafts.extend(times.draft(of_p95, p95, TIME_FLOOR, if few { Test::None } else { Test::Before }));
        before = times.values;
    }
    let shares = Samples {
        label,
        values: samples(failed_shares),
        seed,
    };
    drafts.extend(shares.draft(Measure::FailedShare, mean, SHARE_FLOOR, Test::Own(shares.p())));
    drafts
}

/// What both sides measured, trial by trial.
struct Samples<'a> {
    label: &'a str,
    values: [Vec<f64>; 2],
    seed: u64,
}

impl Samples<'_> {
    fn fewest(&self) -> usize {
        self.values[0].len().min(self.values[1].len())
    }

    /// The p-value that both sides have the same distribution, from their means: these see a shift as well as a longer
    /// tail, with fewer trials than medians and percentiles need. `None` if there are too few trials, or if all values are
    /// equal: then there is but one way to deal them out, no test could find anything, and none is counted.
    fn p(&self) -> Option<f64> {
        let [a, b] = &self.values;
        let longest = a.iter().chain(b).copied().filter(|value| *value < LONGEST_MS);
        let longest = longest.max_by(f64::total_cmp).unwrap_or(1.0);
        // A missed trial took longer than any, but must not drown all the others. Any figure that depends on both samples
        // together leaves the test exact.
        let scored = |values: &[f64]| -> Vec<f64> {
            let score = |value: &f64| if *value < LONGEST_MS { *value } else { 2.0 * longest };
            values.iter().map(score).collect()
        };
        let [a, b] = [scored(a), scored(b)];
        let differ = a.iter().chain(&b).any(|value| Some(value) != a.first());
        let enough = self.fewest() >= TOO_FEW;
        (enough && differ)
            .then(|| permutation_test(&a, &b, mean, self.seed))
            .flatten()
    }

    /// A row about a statistic of both; `None` if both samples are empty.
    fn draft(&self, measure: Measure, statistic: fn(&[f64]) -> f64, floor: f64, test: Test) -> Option<Draft> {
        let [a, b] = &self.values;
        if a.is_empty() && b.is_empty() {
            return None;
        }
        let of = |values: &Vec<f64>| Some(statistic(&sorted(values))).filter(|value| !value.is_nan());
        let (of_a, of_b) = (of(a), of(b));
        let known = |value: f64| (value.abs() < LONGEST_MS).then_some(value);
        let (shown_a, shown_b) = (of_a.and_then(known), of_b.and_then(known));
        let enough = self.fewest() >= TOO_FEW;
        let interval = enough
            .then(|| difference_interval(a, b, statistic, self.seed))
            .flatten();
        Some(Draft {
            row: Row {
                fault: Some(self.label.to_owned()),
                measure,
                a: shown_a,
                b: shown_b,
                n: [a.len(), b.len()],
                difference: shown_a.zip(shown_b).map(|(a, b)| b - a),
                ci95: interval.map(|ends| ends.map(known)),
                p: None,
                p_holm: None,
                outcome: match test {
                    Test::Own(_) | Test::Before if enough => Outcome::NoDifference,
                    _ => Outcome::TooFewTrials,
                },
            },
            test,
            rule: Rule::Above(floor),
            from: of_a.unwrap_or(0.0),
            difference: of_a.zip(of_b).map(|(a, b)| b - a),
            interval,
        })
    }
}

/// Those of all trials: one that was missed took longer than any.
fn ttd(fault: &FaultReport) -> Vec<f64> {
    let trials = fault.trials_detail.iter();
    trials.map(|trial| trial.ttd_ms.unwrap_or(MISSED_MS)).collect()
}

/// Those of the trials that recovered.
fn ttr(fault: &FaultReport) -> Vec<f64> {
    fault.trials_detail.iter().filter_map(|trial| trial.ttr_ms).collect()
}

fn repair(fault: &FaultReport) -> Vec<f64> {
    fault.trials_detail.iter().filter_map(|trial| trial.repair_ms).collect()
}

/// One for each trial in which there were requests; none where an older version wrote the report.
fn failed_shares(fault: &FaultReport) -> Vec<f64> {
    fault.trials_detail.iter().filter_map(failed_share).collect()
}

/// By the buckets of the trial's timeline that have a part in the time from activation to the end of the fault, which for
/// a crash is ON.
fn failed_share(trial: &TrialReport) -> Option<f64> {
    let timeline = trial.timeline.as_ref()?;
    let last = |what: Event| {
        let marks = timeline.marks.iter().filter(|mark| mark.what == what);
        marks.map(|mark| mark.at_ms).max_by(f64::total_cmp)
    };
    let end_ms = last(Event::Clear)
        .or_else(|| last(Event::Recover))
        .unwrap_or(timeline.to_ms);
    let Timeline {
        from_ms,
        bucket_ms,
        requests,
        failed,
        ..
    } = timeline;
    let (mut sent, mut lost) = (0_u64, 0_u64);
    for (place, (requests, failed)) in requests.iter().zip(failed).enumerate() {
        let begin_ms = from_ms + place as f64 * bucket_ms;
        if begin_ms < end_ms && begin_ms + bucket_ms > 0.0 {
            sent = sent.saturating_add(*requests);
            lost = lost.saturating_add(*failed);
        }
    }
    (sent > 0).then(|| (lost as f64 / sent as f64).min(1.0))
}
