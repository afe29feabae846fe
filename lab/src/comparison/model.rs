//! What comes out of a comparison. As JSON it is schema 1; readers must accept fields that are not described here.

use serde::Serialize;

use crate::report::{Report, Verdict};

/// Two experiments compared. A difference is what B has more than A.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// 1.
    pub schema: u32,
    /// What it comes to.
    pub conclusion: Conclusion,
    /// What is compared with.
    pub a: Side,
    /// What is compared.
    pub b: Side,
    /// By how much B may be worse, percent of A.
    pub tolerance_percent: f64,
    /// Seed of the bootstrap and of the permutations.
    pub seed: u64,
    /// The tests among which the p-values were corrected.
    pub tests: usize,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Everything that was compared, fault by fault, then the whole.
    pub rows: Vec<Row>,
}

/// One of the experiments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// What it is called, such as its folder.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Its scenario.
    pub scenario: String,
    /// The detector that is judged.
    pub detector: String,
    /// RFC 3339.
    pub started_at: String,
    /// Seed of the experiment.
    pub seed: u64,
    /// Version of the program.
    pub version: String,
    /// The command that repeats it.
    pub repeat: String,
}

impl Side {
    pub(super) fn of(report: &Report, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            verdict: report.verdict,
            scenario: report.scenario.clone(),
            detector: report.environment.detector.clone(),
            started_at: report.started_at.clone(),
            seed: report.seed,
            version: report.environment.version.clone(),
            repeat: report.repeat.clone(),
        }
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// B is worse than is tolerated.
    Regression,
    /// They differ, and B is not worse than is tolerated.
    Difference,
    /// No difference was found; that does not prove that there is none.
    NoDifference,
    /// There are too few trials for any test.
    TooFewTrials,
}

/// One measure of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The fault, with its detector where there are several; null: the whole experiment.
    pub fault: Option<String>,
    /// What was measured.
    pub measure: Measure,
    /// In A; null if it was not measured, or if it depends on a trial that was missed.
    pub a: Option<f64>,
    /// In B.
    pub b: Option<f64>,
    /// Of how many trials, in A and in B; 0 where trials do not count.
    pub n: [usize; 2],
    /// B less A; null if one of them is.
    pub difference: Option<f64>,
    /// Where the difference lies with 95 % confidence; an end is null if it depends on a trial that was missed.
    pub ci95: Option<[Option<f64>; 2]>,
    /// The probability of a difference at least as large if there is none; null if there was no test.
    pub p: Option<f64>,
    /// The same, corrected for the number of tests.
    pub p_holm: Option<f64>,
    /// What that means.
    pub outcome: Outcome,
}

/// What a measure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// B is worse, by more than is tolerated.
    Regression,
    /// B is worse, within the tolerance.
    Worse,
    /// B is better.
    Better,
    /// No difference was found.
    NoDifference,
    /// There are too few trials to conclude anything.
    TooFewTrials,
    /// It is shown, not judged.
    NotTested,
}

/// What is compared. Times are in milliseconds, shares are of 1; of all but the rates, less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Median time to detect; a trial that was missed took longer than any.
    TtdMedianMs,
    /// 95th percentile of the same.
    TtdP95Ms,
    /// Median time to recovery, of the trials that recovered.
    TtrMedianMs,
    /// 95th percentile of the same.
    TtrP95Ms,
    /// Median repair time, of the trials that recovered.
    RepairMedianMs,
    /// 95th percentile of the same.
    RepairP95Ms,
    /// Share of the trials that were not detected.
    Undetected,
    /// Share of the detected trials that did not recover.
    NotRecovered,
    /// Share of the requests of a trial, from activation to the end of the fault, that got no valid answer: mean over the
    /// trials.
    FailedShare,
    /// Share of all requests with a valid answer, while a fault was active or of the baseline.
    SuccessRate,
    /// Share of the queries that were answered with a quorum's value.
    QuorumRate,
    /// 95th percentile of the latency of the baseline.
    P95Ms,
    /// The same from activation to OFF.
    P95UndetectedMs,
    /// The same from OFF to the end of the fault.
    P95DetectedMs,
    /// The same from the end of the fault to ON.
    P95RecoveringMs,
    /// Answers that contradict the log.
    WrongAnswers,
    /// Acknowledged orders that are not in the log.
    OrdersLost,
    /// Orders that took stock more than once.
    OrdersDoubled,
    /// Instances turned OFF without a fault.
    FalseAlarms,
    /// 1 if the replicas, or the replayed log, differed in the end.
    ReplicasUnequal,
}
