//! The tables of objectives.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::super::{FaultObjectives, Objectives};
use super::range::{Placed, count, within};

/// What must hold. Besides, always: every fault is detected and recovered from, no order is lost or doubled, and the
/// replicas are equal in the end.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "objectives")]
pub(super) struct ObjectivesTable {
    /// Every time to detect is below this many milliseconds; without it 1000.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600_000.0))]
    ttd_max_ms: Option<Spanned<f64>>,
    /// 95 % of the answers during a fault take less than this many milliseconds; without it 1000.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600_000.0))]
    p95_ms: Option<Spanned<f64>>,
    /// More than this share of the requests during a fault succeed; without it 0.99.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    success_rate: Option<Spanned<f64>>,
    /// More than this share of the queries during a fault find a quorum; without it 0.95.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    quorum_rate: Option<Spanned<f64>>,
    /// In no trial more changes of verdict while the fault is active; without it not asked for.
    #[schemars(with = "Option<i64>", range(min = 0))]
    transitions_max: Option<Spanned<i64>>,
    /// In no trial more returns to ON while the fault is active; without it not asked for.
    #[schemars(with = "Option<i64>", range(min = 0))]
    readmissions_max: Option<Spanned<i64>>,
    /// In no trial does repair take longer than the quarantine in force and so many milliseconds; without it not asked
    /// for.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600_000.0))]
    repair_over_quarantine_ms: Option<Spanned<f64>>,
    /// At most so many wrong answers; without it 0.
    #[schemars(with = "Option<i64>", range(min = 0))]
    wrong_answers: Option<Spanned<i64>>,
    /// At most so many false alarms; without it 0.
    #[schemars(with = "Option<i64>", range(min = 0))]
    false_alarms: Option<Spanned<i64>>,
}

/// What a fault asks for instead.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "fault_objectives")]
pub(super) struct FaultObjectivesTable {
    /// Every time to detect is below this many milliseconds; without it 1000.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600_000.0))]
    ttd_max_ms: Option<Spanned<f64>>,
    /// 95 % of the answers during a fault take less than this many milliseconds; without it 1000.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600_000.0))]
    p95_ms: Option<Spanned<f64>>,
    /// More than this share of the requests during a fault succeed; without it 0.99.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    success_rate: Option<Spanned<f64>>,
    /// More than this share of the queries during a fault find a quorum; without it 0.95.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    quorum_rate: Option<Spanned<f64>>,
    /// In no trial more changes of verdict while the fault is active; without it not asked for.
    #[schemars(with = "Option<i64>", range(min = 0))]
    transitions_max: Option<Spanned<i64>>,
    /// In no trial more returns to ON while the fault is active; without it not asked for.
    #[schemars(with = "Option<i64>", range(min = 0))]
    readmissions_max: Option<Spanned<i64>>,
    /// In no trial does repair take longer than the quarantine in force and so many milliseconds; without it not asked
    /// for.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600_000.0))]
    repair_over_quarantine_ms: Option<Spanned<f64>>,
}

impl ObjectivesTable {
    /// Refuses what is asked of trials: where there is none, it would be met or missed by nothing.
    pub(super) fn only_of_the_healthy(&self) -> Result<(), Placed> {
        let span = |name, given: Option<Range<usize>>| given.map(|span| (name, span));
        let of_trials = [
            span("ttd_max_ms", self.ttd_max_ms.as_ref().map(Spanned::span)),
            span("transitions_max", self.transitions_max.as_ref().map(Spanned::span)),
            span("readmissions_max", self.readmissions_max.as_ref().map(Spanned::span)),
            span(
                "repair_over_quarantine_ms",
                self.repair_over_quarantine_ms.as_ref().map(Spanned::span),
            ),
        ];
        match of_trials.into_iter().flatten().next() {
            Some((name, span)) => Err((
                Some(span),
                format!("{name} is about faults, and there is none: leave it out"),
            )),
            None => Ok(()),
        }
    }

    pub(super) fn check(self) -> Result<Objectives, Placed> {
        let each = FaultObjectivesTable {
            ttd_max_ms: self.ttd_max_ms,
            p95_ms: self.p95_ms,
            success_rate: self.success_rate,
            quorum_rate: self.quorum_rate,
            transitions_max: self.transitions_max,
            readmissions_max: self.readmissions_max,
            repair_over_quarantine_ms: self.repair_over_quarantine_ms,
        };
        Ok(Objectives {
            each: each.check(FaultObjectives::default())?,
            wrong_answers: count("wrong_answers", self.wrong_answers)?.unwrap_or_default(),
            false_alarms: count("false_alarms", self.false_alarms)?.unwrap_or_default(),
        })
    }
}

impl FaultObjectivesTable {
    /// What is not there is as in `default`.
    pub(super) fn check(self, default: FaultObjectives) -> Result<FaultObjectives, Placed> {
        let ms = || 0.0..=600_000.0;
        let share = || 0.0..=1.0;
        let over = self
            .repair_over_quarantine_ms
            .map(|given| within("repair_over_quarantine_ms", Some(given), 0.0, ms()))
            .transpose()?;
        Ok(FaultObjectives {
            ttd_max_ms: within("ttd_max_ms", self.ttd_max_ms, default.ttd_max_ms, ms())?,
            p95_ms: within("p95_ms", self.p95_ms, default.p95_ms, ms())?,
            success_rate: within("success_rate", self.success_rate, default.success_rate, share())?,
            quorum_rate: within("quorum_rate", self.quorum_rate, default.quorum_rate, share())?,
            transitions_max: count("transitions_max", self.transitions_max)?.or(default.transitions_max),
            readmissions_max: count("readmissions_max", self.readmissions_max)?.or(default.readmissions_max),
            repair_over_quarantine_ms: over.or(default.repair_over_quarantine_ms),
        })
    }
}
