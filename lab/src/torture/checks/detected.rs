//! Every fault that can be seen is seen.
//!
//! While a replica has such a fault, the monitor has it OFF, but for a while at the beginning: **no stretch of the fault's
//! window in which the replica was ON is longer than the time that the fault is given**. So it is not enough to turn a
//! replica OFF once: if it comes back while it is still faulty, it must be OFF again as soon.
//!
//! | fault | is given | needs |
//! | --- | --- | --- |
//! | `crash`, `kill`, `freeze`, `stop` | 2 s | the monitor |
//! | `latency`, if every answer is later than 250 ms (uniform 500 to 1500 ms, or a mean from 320 ms) | 2 s | the monitor; for queries alone voter and broker too |
//! | `intermittent`, probability from 0.9 | 2 s | the same |
//! | `intermittent`, from 0.4 | 4 s; health checks alone 8 s | the same |
//! | `intermittent`, from 0.1, queries too | 12 s | the same |
//! | `incorrect`, queries too | 2 s | monitor, voter, broker; a quorum of the others without any trouble |
//! | `stale` | 3 s after the first record that it leaves out (the lag budget is 1 s) | monitor, broker; a quorum of the others without any trouble |
//!
//! The times for `intermittent` are those in which chance makes the `accrual` detector miss less than once in 100,000 times
//! at 5 checks/s and 10 votes/s. Anything milder is not demanded; nor are `disk_full` and `clock_step`, which a replica may
//! well serve through, or a fault that is shorter than the time it is given.
//!
//! Excused are stretches in which something that is needed was away (killed or stopped, and 3 s after its return), and those
//! in which this host stood still, and 1 s after. Where evidence comes through Kafka (voter or broker are needed), a step of
//! the wall clock of one of those that are needed excuses too, and 3 s after: librdkafka times some of its waits by the wall
//! clock and then sends and fetches late. Health checks know no such excuse.

use tolerancia_core::fault::{Fault, FaultSpec, Scope};

use super::Checked;
use super::excuse::{SECOND, Stretch, away, stalled, stepped, without, without_quorum};
use crate::torture::action::{Kind, Target, Window};
use crate::torture::evidence::Evidence;
use crate::torture::shortest;

/// What a fault takes to be seen.
struct Needs {
    /// How long it is given, in nanoseconds.
    given_ns: u64,
    /// What must be there.
    parts: &'static [Target],
    /// Whether others must contradict.
    quorum: bool,
    /// Whether nothing shows before the next record of the log.
    record: bool,
}

const MONITOR: &[Target] = &[Target::Monitor];
const EVIDENCE: &[Target] = &[Target::Monitor, Target::Voter, Target::Broker];
const LOG: &[Target] = &[Target::Monitor, Target::Broker];

/// Looks at every fault that lasted long enough.
#[must_use]
pub fn check(evidence: &Evidence) -> Checked {
    let mut checked = Checked::new("faults_detected");
    for window in evidence.windows.iter().filter(|window| window.applied) {
        let (Some(replica), Some(needs)) = (window.target.replica(), needs(window)) else {
            continue;
        };
        let to_ns = end(evidence, window);
        if to_ns.saturating_sub(window.from_ns) <= needs.given_ns {
            continue;
        }
        checked.looked_at += 1;
        let mut excused = away(evidence, needs.parts);
        excused.extend(stalled(evidence));
        if needs.parts.contains(&Target::Broker) {
            excused.extend(stepped(evidence, needs.parts));
        }
        if needs.quorum {
            excused.extend(without_quorum(evidence, replica));
        }
        for on in evidence.stretches_on(replica, window.from_ns, to_ns) {
            for stretch in without(on, excused.clone()) {
                let Some((from, to)) = shows(evidence, &needs, stretch) else {
                    continue;
                };
                let unseen_ns = to - from;
                if unseen_ns > needs.given_ns {
                    let what = format!(
                        "{} of instance {replica} went unseen for {:.1} s, which is given {:.1} s",
                        window.kind,
                        unseen_ns as f64 / 1e9,
                        needs.given_ns as f64 / 1e9
                    );
                    checked.violation(what, || {
                        shortest::of_replica(
                            evidence,
                            replica,
                            window.from_ns.saturating_sub(5 * SECOND),
                            to_ns + 5 * SECOND,
                        )
                    });
                }
            }
        }
    }
    if let Some(deaf) = &evidence.deaf {
        checked.notes.push(deaf.clone());
    }
    checked
}

/// The part of a stretch in which the fault showed.
fn shows(evidence: &Evidence, needs: &Needs, (from, to): Stretch) -> Option<Stretch> {
    if !needs.record {
        return Some((from, to));
    }
    let made = evidence.log.iter().map(|record| record.made_ns);
    let first = made.filter(|at| (from..to).contains(at)).min()?;
    Some((first, to))
}

/// A fault that was injected ends with its process, whatever else was planned.
fn end(evidence: &Evidence, window: &Window) -> u64 {
    let deaths = evidence.windows.iter().filter(|other| {
        other.applied
            && other.target == window.target
            && matches!(other.kind, Kind::Kill | Kind::Crash)
            && window.fault.is_some()
            && window.kind != Kind::Crash
            && (window.from_ns..window.to_ns).contains(&other.from_ns)
    });
    deaths.map(|death| death.from_ns).min().unwrap_or(window.to_ns)
}

fn needs(window: &Window) -> Option<Needs> {
    let needs = |given_s: u64, parts| Needs {
        given_ns: given_s * SECOND,
        parts,
        quorum: false,
        record: false,
    };
    match (window.kind, &window.fault) {
        (Kind::Crash | Kind::Kill | Kind::Freeze | Kind::Stop, _) => Some(needs(2, MONITOR)),
        (_, Some(FaultSpec { fault, scope })) => {
            // Health checks go straight to the replica, everything else by voter and broker.
            let parts = if *scope == Scope::Queries { EVIDENCE } else { MONITOR };
            match fault {
                Fault::Latency { latency_ms } if latency_ms.is_none_or(|mean| mean >= 320) => Some(needs(2, parts)),
                Fault::Intermittent { probability } => match (*probability, *scope) {
                    (0.9.., _) => Some(needs(2, parts)),
                    (0.4.., Scope::Health) => Some(needs(8, parts)),
                    (0.4.., _) => Some(needs(4, EVIDENCE)),
                    (0.1.., Scope::All | Scope::Queries) => Some(needs(12, EVIDENCE)),
                    _ => None,
                },
                Fault::Incorrect { .. } if *scope != Scope::Health => Some(Needs {
                    quorum: true,
                    ..needs(2, EVIDENCE)
                }),
                Fault::Stale => Some(Needs {
                    quorum: true,
                    record: true,
                    ..needs(3, LOG)
                }),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
