//! Whether the system was in its steady state around the trials, in words.

use super::model::{Report, SteadyReport};

/// How many checks there were, and those that were given up; empty where an older version has not written any.
pub(super) fn steady(report: &Report) -> Vec<String> {
    let Some(longest_ms) = report.steady.iter().map(|check| check.waited_ms).max_by(f64::total_cmp) else {
        return Vec::new();
    };
    let all = report.steady.len();
    let missing = report.steady.iter().filter_map(missing);
    let said = format!(
        "The system was looked at {all} times, after the baseline and around every trial: every service healthy, every \
         instance ON, a query and an order answered. The longest wait for it was {longest_ms:.0} ms."
    );
    std::iter::once(said).chain(missing).collect()
}

fn missing(check: &SteadyReport) -> Option<String> {
    let trial = check.trial.map(|number| format!(" trial {number}")).unwrap_or_default();
    let when = match check.when.as_str() {
        "baseline" => "after the baseline",
        other => other,
    };
    let missing = check.missing.as_ref()?;
    Some(format!("Given up {when}{trial}, {}: {missing}", check.at))
}
