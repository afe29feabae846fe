//! The recorded health of real replicas, judged by any detector.

use serde::Serialize;
use tolerancia_core::ReplicaId;
use tolerancia_core::panel::{Answers, Change, Panel, PanelConfig, TICK_NS};

use super::{Entry, Evidence, Span, Trace, seconds};
use crate::simulation::count::Alarms;

/// What a detector made of the healthy stretches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Replay {
    pub detector: &'static str,
    /// Instances that were turned OFF, though nothing was wrong with them.
    pub false_alarms: u64,
    pub instance_hours: f64,
    /// With 95 % confidence there are not more per instance-year. The trace alone can say no more than this.
    pub per_year_upper95: f64,
    /// The first of them, to look them up in the trace.
    pub alarms: Vec<FalseAlarm>,
}

/// One instance that was turned OFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct FalseAlarm {
    pub at_ns: u64,
    pub instance: ReplicaId,
}

/// False alarms that are named one by one.
const MOST_NAMED: usize = 100;

pub(crate) const YEAR_S: f64 = 365.25 * 86_400.0;

/// The entries within `span`; `entries` are in order of time.
pub(crate) fn within(entries: &[Entry], span: Span) -> &[Entry] {
    let from = entries.partition_point(|entry| entry.at_ns < span.from_ns);
    let to = entries.partition_point(|entry| entry.at_ns < span.to_ns);
    entries.get(from..to).unwrap_or_default()
}

/// Judges the healthy `spans` of `trace`, each by a new panel.
pub(crate) fn replay(trace: &Trace, spans: &[Span], config: PanelConfig) -> Replay {
    let mut false_alarms = 0;
    let mut named = Vec::new();
    for span in spans {
        let mut player = Player::new(config, span.from_ns);
        for entry in within(&trace.entries, *span) {
            player.advance(entry.at_ns, &trace.stalls);
            player.take(*entry);
        }
        player.advance(span.to_ns, &trace.stalls);
        false_alarms += player.alarms;
        named.extend(player.named);
    }
    named.truncate(MOST_NAMED);
    let instance_s = seconds(spans) * f64::from(trace.begin.replicas);
    let alarms = Alarms {
        events: false_alarms,
        time: instance_s / YEAR_S,
    };
    Replay {
        detector: config.detector.kind.name(),
        false_alarms,
        instance_hours: instance_s / 3600.0,
        per_year_upper95: alarms.upper95(),
        alarms: named,
    }
}

/// A panel that evidence is played to.
#[derive(Debug)]
pub(crate) struct Player {
    pub panel: Panel,
    pub alarms: u64,
    named: Vec<FalseAlarm>,
    tick_ns: u64,
}

impl Player {
    pub(crate) fn new(config: PanelConfig, now_ns: u64) -> Self {
        Self {
            panel: Panel::new(config, now_ns, |_| true),
            alarms: 0,
            named: Vec::new(),
            tick_ns: now_ns,
        }
    }

    /// Time passes up to `to_ns`. While the monitor stood still it did not look, and the panel notices that.
    pub(crate) fn advance(&mut self, to_ns: u64, stalls: &[Span]) {
        while self.tick_ns <= to_ns {
            let now_ns = self.tick_ns;
            self.tick_ns += TICK_NS;
            let next = stalls.partition_point(|stall| stall.from_ns <= now_ns);
            let stood = next
                .checked_sub(1)
                .and_then(|last| stalls.get(last))
                .filter(|stall| stall.from_ns < now_ns && now_ns < stall.to_ns);
            if let Some(stall) = stood {
                self.tick_ns = stall.to_ns;
                continue;
            }
            for change in self.panel.tick(now_ns) {
                self.changed(now_ns, &change);
            }
        }
    }

    pub(crate) fn take(&mut self, entry: Entry) {
        let Entry { at_ns, instance, .. } = entry;
        let change = match entry.evidence {
            Evidence::Check { seen, .. } => self.panel.check(at_ns, instance, seen, None).1,
            Evidence::Report {
                good,
                good_first,
                late,
                late_us_ago,
                failed,
                lies,
            } => {
                if lies && let Some(change) = self.panel.dissent(at_ns, instance, None, String::new()) {
                    self.changed(at_ns, &change);
                }
                let answers = Answers {
                    good,
                    good_first,
                    late,
                    late_ago_ns: u64::from(late_us_ago.unwrap_or(0)) * 1000,
                    failed,
                };
                self.answers(at_ns, instance, answers)
            }
        };
        if let Some(change) = change {
            self.changed(at_ns, &change);
        }
    }

    /// Good answers without a report of their own.
    pub(crate) fn good(&mut self, at_ns: u64, instance: ReplicaId, good: u32) {
        let answers = Answers {
            good,
            ..Answers::default()
        };
        if let Some(change) = self.answers(at_ns, instance, answers) {
            self.changed(at_ns, &change);
        }
    }

    fn answers(&mut self, at_ns: u64, instance: ReplicaId, answers: Answers) -> Option<Change> {
        self.panel.answers(at_ns, instance, "voter-svc", answers)
    }

    fn changed(&mut self, at_ns: u64, change: &Change) {
        if change.was_on && !change.is_on() {
            self.alarms += 1;
            if self.named.len() < MOST_NAMED {
                let instance = change.instance;
                self.named.push(FalseAlarm { at_ns, instance });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tolerancia_core::detector::{DetectorConfig, DetectorKind, Seen};

    use super::super::healthy_spans;
    use super::super::tests::{MS, check, healthy, report};
    use super::*;
    use crate::simulation::model::Model;

    fn alarms(trace: &Trace, kind: DetectorKind) -> u64 {
        let detector = DetectorConfig::default().of(kind);
        replay(trace, &healthy_spans(trace), Model::default().panel(detector)).false_alarms
    }

    #[test]
    fn perfect_health_alarms_nobody() {
        let trace = healthy(60, Vec::new());
        for kind in DetectorKind::ALL {
            assert_eq!(alarms(&trace, kind), 0, "{kind}");
        }
        let detector = DetectorConfig::default();
        let replay = replay(&trace, &healthy_spans(&trace), Model::default().panel(detector));
        assert!((replay.instance_hours - 0.05).abs() < 0.001, "{replay:?}");
        assert!(replay.per_year_upper95 > 0.0);
    }

    #[test]
    fn errors_in_a_row_alarm_those_that_count_them() {
        let bad = (0..6).map(|i| check(30_000 + i, 2, Seen::Error)).collect();
        let trace = healthy(60, bad);
        assert_eq!(alarms(&trace, DetectorKind::Accrual), 1);
        assert_eq!(alarms(&trace, DetectorKind::Consecutive), 1);
        assert_eq!(alarms(&trace, DetectorKind::Phi), 0);
        let bad = vec![report(30_000, 2, [0, 0, 6])];
        assert_eq!(alarms(&healthy(60, bad), DetectorKind::Accrual), 1);
    }

    /// No checks of instance 3 for a second: silence, unless the monitor itself stood still.
    #[test]
    fn silence_while_the_monitor_stood_still_is_not_held_against_anybody() {
        let mut trace = healthy(60, Vec::new());
        let gap = Span {
            from_ns: 30_000 * MS,
            to_ns: 31_500 * MS,
        };
        trace
            .entries
            .retain(|entry| entry.instance.number() < 3 || entry.at_ns < gap.from_ns || entry.at_ns >= gap.to_ns);
        assert_eq!(alarms(&trace, DetectorKind::Phi), 1);
        trace
            .entries
            .retain(|entry| entry.at_ns < gap.from_ns || entry.at_ns >= gap.to_ns);
        trace.stalls = vec![gap];
        assert_eq!(alarms(&trace, DetectorKind::Phi), 0);
    }
}
