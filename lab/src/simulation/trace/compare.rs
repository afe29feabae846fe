//! Live times to detect beside simulated ones.

use serde::Serialize;
use tolerancia_core::detector::{DetectorConfig, DetectorKind};
use tolerancia_core::fault::{Fault, FaultSpec};

use super::{Trace, Trial};
use crate::simulation::model::Model;
use crate::simulation::trials::{Times, Ttd, name, simulate};

/// An experiment waits this long for a detection (10 s): a fault that was cleared sooner was cut short.
const DETECT_NS: u64 = 10_000_000_000;
/// A trial hits all its instances within this time (1 s), and the next one comes after a recovery, which takes longer.
const TOGETHER_NS: u64 = 1_000_000_000;

/// One fault and detector: what the live system took, and what the model takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Agreement {
    pub detector: String,
    pub fault: String,
    pub live: Side,
    pub model: Side,
    /// The model's median by the live one; null where one of them is missing. The model has one faulty instance: a
    /// trial that hits several has no trials of the model beside it.
    pub agreement: Option<f64>,
}

/// Some trials of one fault.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct Side {
    pub trials: usize,
    pub missed: usize,
    pub ttd_ms: Ttd,
}

impl From<&Times> for Side {
    fn from(times: &Times) -> Self {
        Self {
            trials: times.trials(),
            missed: times.missed,
            ttd_ms: times.ttd(),
        }
    }
}

/// Compares every fault of `trace` with `trials` trials of `model`; `each` is told which fault comes next.
pub(crate) fn compare(
    trace: &Trace,
    model: &Model,
    detector: DetectorConfig,
    trials: usize,
    seed: u64,
    mut each: impl FnMut(&str),
) -> Vec<Agreement> {
    let mut all = Vec::new();
    let mut left = groups(&trace.faults);
    // Trials come in random order; a reader wants them by fault, and one detector beside the other.
    left.sort_by_cached_key(place);
    while let Some(first) = left.first().cloned() {
        let (same, others): (Vec<Group<'_>>, _) = left.into_iter().partition(|group| is_same(group, &first));
        left = others;
        let Some(live) = live(&same) else { continue };
        let named = named(&first);
        each(&named);
        let simulated = match first.as_slice() {
            [hit] => {
                let detector = detector.of(hit.detector);
                Side::from(&simulate(model, detector, &hit.faults, trials, seed, |_| {}))
            }
            _ => Side::default(),
        };
        let live = Side::from(&live);
        let medians = live.ttd_ms.median.zip(simulated.ttd_ms.median);
        all.push(Agreement {
            detector: first.first().map(|hit| hit.detector.to_string()).unwrap_or_default(),
            fault: named,
            live,
            model: simulated,
            agreement: medians
                .filter(|(live, _)| *live > 0.0)
                .map(|(live, model)| (model / live * 1e3).round() / 1e3),
        });
    }
    all
}

/// The instances that one trial hit, at least one.
type Group<'a> = Vec<&'a Trial>;

/// Faults of several instances that are active together are one trial; `faults` are in order of time.
fn groups(faults: &[Trial]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for trial in faults {
        let together = |group: &&mut Group<'_>| {
            group.iter().any(|other| trial.activated_ns <= until_ns(other))
                && group
                    .iter()
                    .all(|other| other.instance != trial.instance && other.detector == trial.detector)
        };
        match groups.last_mut().filter(together) {
            Some(group) => group.push(trial),
            None => groups.push(vec![trial]),
        }
    }
    for group in &mut groups {
        group.sort_by_cached_key(|hit| name(&hit.faults));
    }
    groups
}

/// Where a trial comes among others: by its first fault, by its name, by its detector, of which the default is first.
fn place(group: &Group<'_>) -> (usize, String, bool, usize) {
    let first = group.first().and_then(|hit| hit.faults.first());
    let fault = first.map_or(0, |spec| match spec.fault {
        Fault::Crash => 0,
        Fault::Latency { .. } => 1,
        Fault::Intermittent { .. } => 2,
        Fault::Incorrect { .. } => 3,
        Fault::Freeze => 4,
        Fault::Stale => 5,
    });
    let detector = group.first().map(|hit| hit.detector).unwrap_or_default();
    let number = DetectorKind::ALL.iter().position(|kind| *kind == detector);
    let is_other = detector != DetectorKind::default();
    (fault, named(group), is_other, number.unwrap_or(0))
}

/// Until when a fault is surely active, or another one belongs to the same trial. A crash is never cleared.
fn until_ns(trial: &Trial) -> u64 {
    let together_ns = trial.activated_ns.saturating_add(TOGETHER_NS);
    trial.cleared_ns.unwrap_or(together_ns)
}

/// What a trial is called: "crash", "crash ×2" or "crash, freeze ×2".
fn named(group: &Group<'_>) -> String {
    let mut names: Vec<String> = group.iter().map(|hit| name(&hit.faults)).collect();
    names.dedup();
    match group.len() {
        1 => names.concat(),
        hits => format!("{} ×{hits}", names.join(", ")),
    }
}

/// Whether two trials are of the same kind. Which instance and which product it was makes no difference.
fn is_same(one: &Group<'_>, other: &Group<'_>) -> bool {
    let alike = |a: &FaultSpec, b: &FaultSpec| match (&a.fault, &b.fault) {
        (Fault::Incorrect { .. }, Fault::Incorrect { .. }) => a.scope == b.scope,
        _ => a == b,
    };
    let hit = |one: &Trial, other: &Trial| {
        one.detector == other.detector
            && one.faults.len() == other.faults.len()
            && one.faults.iter().zip(&other.faults).all(|(a, b)| alike(a, b))
    };
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| hit(a, b))
}

/// The times of those trials that were carried through; none if none was. A trial is detected when all its instances
/// are OFF.
fn live(groups: &[Group<'_>]) -> Option<Times> {
    let whole: Vec<_> = groups
        .iter()
        .filter(|group| group.iter().all(|hit| is_whole(hit)))
        .collect();
    let ttd_ms: Vec<f64> = whole
        .iter()
        .filter_map(|group| {
            let from_ns = group.iter().map(|hit| hit.activated_ns).min()?;
            let off_ns: Option<Vec<u64>> = group.iter().map(|hit| hit.detected_ns).collect();
            Some(off_ns?.into_iter().max()?.saturating_sub(from_ns) as f64 / 1e6)
        })
        .collect();
    let missed = whole.len() - ttd_ms.len();
    (!whole.is_empty()).then(|| Times::new(ttd_ms, missed, 0))
}

/// Whether there was time enough to detect it.
fn is_whole(trial: &Trial) -> bool {
    let lasted_ns = trial.cleared_ns.map(|ns| ns.saturating_sub(trial.activated_ns));
    trial.over && (trial.detected_ns.is_some() || lasted_ns.is_none_or(|ns| ns >= DETECT_NS))
}

#[cfg(test)]
mod tests {
    use tolerancia_core::detector::DetectorKind;
    use tolerancia_core::fault::Scope;

    use super::super::tests::{MS, empty, id};
    use super::*;

    fn trial(fault: Fault, kind: DetectorKind, ttd_ms: Option<u64>) -> Trial {
        Trial {
            activated_ns: 1000 * MS,
            cleared_ns: None,
            detected_ns: ttd_ms.map(|ms| (1000 + ms) * MS),
            instance: id(1),
            faults: vec![FaultSpec {
                fault,
                scope: Scope::All,
            }],
            detector: kind,
            over: true,
        }
    }

    fn incorrect(product: &str) -> Fault {
        Fault::Incorrect {
            product: product.parse().expect("valid"),
        }
    }

    #[test]
    fn trials_of_a_kind_are_compared_together() {
        let mut trace = empty();
        trace.faults = vec![
            trial(Fault::Crash, DetectorKind::Accrual, Some(8)),
            trial(incorrect("A"), DetectorKind::Accrual, Some(30)),
            trial(Fault::Crash, DetectorKind::Accrual, Some(10)),
            trial(incorrect("B"), DetectorKind::Accrual, None),
            trial(Fault::Crash, DetectorKind::Consecutive, None),
        ];
        let all = compare(&trace, &Model::default(), DetectorConfig::default(), 10, 1, |_| {});
        let sizes: Vec<_> = all
            .iter()
            .map(|one| {
                (
                    one.fault.as_str(),
                    one.detector.as_str(),
                    one.live.trials,
                    one.live.missed,
                )
            })
            .collect();
        assert_eq!(
            sizes,
            [
                ("crash", "accrual", 2, 0),
                ("crash", "consecutive", 1, 1),
                ("incorrect", "accrual", 2, 1)
            ]
        );
        assert_eq!(all[0].live.ttd_ms.median, Some(9.0));
        let ratio = all[0].agreement.expect("both have a median");
        assert!((0.3..3.0).contains(&ratio), "{ratio}");
        assert_eq!(all[1].agreement, None);
        assert_eq!(all[2].live.ttd_ms.median, None, "half of them were missed");
    }

    fn compared(faults: Vec<Trial>) -> Vec<Agreement> {
        let trace = Trace { faults, ..empty() };
        compare(&trace, &Model::default(), DetectorConfig::default(), 10, 1, |_| {})
    }

    #[test]
    fn instances_that_are_hit_together_are_one_trial_without_a_model() {
        let hit = |n, late_ms, ttd_ms: u64| {
            let mut hit = trial(Fault::Freeze, DetectorKind::Accrual, Some(ttd_ms));
            hit.instance = id(n);
            hit.activated_ns += late_ms * MS;
            hit.cleared_ns = Some(5000 * MS);
            hit
        };
        let all = compared(vec![hit(1, 0, 100), hit(2, 3, 250)]);
        assert_eq!((all.len(), all[0].fault.as_str()), (1, "freeze ×2"));
        assert_eq!((all[0].live.trials, all[0].live.ttd_ms.median), (1, Some(250.0)));
        assert_eq!((all[0].agreement, all[0].model), (None, Side::default()));
        assert_eq!(compared(vec![hit(1, 0, 100), hit(2, 4001, 4251)])[0].live.trials, 2);
    }

    #[test]
    fn a_trial_that_was_cut_short_is_no_missed_one() {
        let mut short = trial(Fault::Freeze, DetectorKind::Accrual, None);
        short.cleared_ns = Some(3000 * MS);
        let mut unknown = trial(Fault::Freeze, DetectorKind::Accrual, None);
        unknown.over = false;
        assert_eq!(compared(vec![short.clone(), unknown]), []);
        short.cleared_ns = Some(11_000 * MS);
        let all = compared(vec![short]);
        assert_eq!((all[0].live.trials, all[0].live.missed), (1, 1));
    }
}
