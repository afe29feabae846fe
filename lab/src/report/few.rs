//! What so few trials cannot say.

use super::model::{FaultReport, Report};
use crate::statistics::FEW;

/// With fewer trials than this nothing is said about the spread.
pub(super) const TOO_FEW: usize = 5;

/// What a reader must not read into the numbers; empty if there are trials enough.
pub(super) fn caveats(report: &Report) -> Vec<String> {
    let with = |from: usize, below: usize| {
        let few: Vec<&FaultReport> = report
            .faults
            .iter()
            .filter(|fault| (from..below).contains(&fault.trials))
            .collect();
        (!few.is_empty()).then(|| whose(report, &few))
    };
    let nothing = with(1, TOO_FEW).map(|whose| {
        format!(
            "Fewer than {TOO_FEW} trials ({whose}): nothing is said about the spread, and the 95th percentile says no more \
             than the maximum."
        )
    });
    let little = with(TOO_FEW, FEW)
        .map(|whose| format!("Fewer than {FEW} trials ({whose}): the 95th percentile says no more than the maximum."));
    nothing.into_iter().chain(little).collect()
}

/// The faults with their number of trials; what is the same for all is said once.
fn whose(report: &Report, few: &[&FaultReport]) -> String {
    match few {
        [first, rest @ ..] if few.len() == report.faults.len() && rest.iter().all(|it| it.trials == first.trials) => {
            format!("{} of each fault", first.trials)
        }
        _ => {
            let each: Vec<String> = few
                .iter()
                .map(|fault| format!("{}: {}", report.label(fault), fault.trials))
                .collect();
            each.join("; ")
        }
    }
}
