//! A comparison for people: Markdown that a pull request shows, and that can be read as it is.

use comfy_table::{Table, presets};

use super::TOO_FEW;
use super::model::{Comparison, Conclusion, Measure, Outcome, Row, Side};
use crate::report::Verdict;
use crate::statistics::FEW;

/// The same in Markdown. It says first what it comes to.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let mut parts = vec![
        format!("## Comparison: {}", headline(comparison)),
        format!("{}\n{}", side("A", &comparison.a), side("B", &comparison.b)),
    ];
    for (outcome, head) in [
        (Outcome::Regression, "Regressions"),
        (Outcome::Worse, "Worse, within the tolerance"),
        (Outcome::Better, "Better"),
    ] {
        let found: Vec<String> = comparison
            .rows
            .iter()
            .filter(|row| row.outcome == outcome)
            .map(|row| format!("- {}", sentence(row)))
            .collect();
        if !found.is_empty() {
            parts.push(format!("**{head}**\n\n{}", found.join("\n")));
        }
    }
    let faults = faults(comparison);
    if !faults.is_empty() {
        parts.push(format!(
            "### Times\n\nMilliseconds; the difference is B less A, with its 95 % interval.\n\n{}",
            times(comparison, &faults)
        ));
        parts.push(format!(
            "### Misses and clients\n\nA → B. *Failed*: requests without a valid answer while the fault was active, mean \
             over the trials. Success, quorum and the 95th percentile of the latency are over all requests and not \
             tested.\n\n{}",
            clients(comparison, &faults)
        ));
    }
    parts.push(format!("### The whole\n\n{}", whole(comparison)));
    parts.push(method(comparison));
    if !comparison.notes.is_empty() {
        let notes: Vec<String> = comparison
            .notes
            .iter()
            .map(|note| format!("- {}", cell(note)))
            .collect();
        parts.push(notes.join("\n"));
    }
    parts.join("\n\n")
}

fn headline(comparison: &Comparison) -> String {
    match comparison.conclusion {
        Conclusion::Regression => format!(
            "regression (B is worse by more than {} %)",
            comparison.tolerance_percent
        ),
        Conclusion::Difference => "differences, no regression".to_owned(),
        Conclusion::NoDifference => "no difference found".to_owned(),
        Conclusion::TooFewTrials => "too few trials to conclude anything".to_owned(),
    }
}

fn side(letter: &str, side: &Side) -> String {
    format!(
        "- {letter}: {}, scenario {}, detector {}, seed {}, version {}, {}, {}",
        cell(&side.name),
        cell(&side.scenario),
        cell(&side.detector),
        side.seed,
        cell(&side.version),
        cell(&side.started_at),
        match side.verdict {
            Verdict::Pass => "passed",
            _ => "**failed**",
        }
    )
}

/// What a row says, in words.
fn sentence(row: &Row) -> String {
    let about = row
        .fault
        .as_ref()
        .map_or_else(String::new, |fault| format!("{}: ", cell(fault)));
    let (a, b) = (value(row.measure, row.a), value(row.measure, row.b));
    let mut text = format!("{about}{} {a} → {b}", name(row.measure));
    if row.p.is_some() && row.difference.is_some() {
        text += &format!(" ({})", difference(row));
    }
    if row.n != [0, 0] {
        text += &format!(", {} and {} trials", row.n[0], row.n[1]);
    }
    if let Some(p) = row.p_holm {
        text += &format!(", p {}", below(p));
    }
    text
}

const fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::TtdMedianMs => "time to detect, median ms",
        Measure::TtdP95Ms => "time to detect, 95th percentile ms",
        Measure::TtrMedianMs => "time to recovery, median ms",
        Measure::TtrP95Ms => "time to recovery, 95th percentile ms",
        Measure::RepairMedianMs => "repair time, median ms",
        Measure::RepairP95Ms => "repair time, 95th percentile ms",
        Measure::Undetected => "trials not detected",
        Measure::NotRecovered => "detected trials without recovery",
        Measure::FailedShare => "failed requests of a trial, mean",
        Measure::SuccessRate => "success",
        Measure::QuorumRate => "quorum",
        Measure::P95Ms => "latency, 95th percentile ms",
        Measure::P95UndetectedMs => "latency until OFF, 95th percentile ms",
        Measure::P95DetectedMs => "latency from OFF to the end, 95th percentile ms",
        Measure::P95RecoveringMs => "latency while recovering, 95th percentile ms",
        Measure::WrongAnswers => "wrong answers",
        Measure::OrdersLost => "orders lost",
        Measure::OrdersDoubled => "orders doubled",
        Measure::FalseAlarms => "false alarms",
        Measure::ReplicasUnequal => "replicas unequal in the end",
    }
}

/// What a figure is written as.
enum Unit {
    Ms,
    Share,
    Count,
    YesNo,
}

const fn unit(measure: Measure) -> Unit {
    match measure {
        Measure::Undetected
        | Measure::NotRecovered
        | Measure::FailedShare
        | Measure::SuccessRate
        | Measure::QuorumRate => Unit::Share,
        Measure::WrongAnswers | Measure::OrdersLost | Measure::OrdersDoubled | Measure::FalseAlarms => Unit::Count,
        Measure::ReplicasUnequal => Unit::YesNo,
        _ => Unit::Ms,
    }
}

fn value(measure: Measure, value: Option<f64>) -> String {
    let Some(value) = value else {
        return "–".to_owned();
    };
    match unit(measure) {
        Unit::Ms => format!("{value:.1}"),
        Unit::Share => format!("{:.2} %", value * 100.0),
        Unit::Count => format!("{value:.0}"),
        Unit::YesNo if value > 0.0 => "yes".to_owned(),
        Unit::YesNo => "no".to_owned(),
    }
}

/// The difference and its interval; shares in percentage points.
fn difference(row: &Row) -> String {
    let scale = if matches!(unit(row.measure), Unit::Share) {
        100.0
    } else {
        1.0
    };
    let digits = if scale > 1.0 { 2 } else { 1 };
    // No "-0.0".
    let number = |value: f64| format!("{:+.digits$}", value * scale + 0.0);
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), number);
    let Some(difference) = row.difference else {
        return "–".to_owned();
    };
    let interval = row
        .ci95
        .map_or_else(String::new, |[low, high]| format!(", {} to {}", end(low), end(high)));
    format!("{}{interval}", number(difference))
}

fn below(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Regression => "**regression**",
        Outcome::Worse => "worse",
        Outcome::Better => "better",
        Outcome::NoDifference => "none found",
        Outcome::TooFewTrials => "too few",
        Outcome::NotTested => "",
    }
}

/// The faults in their order.
fn faults(comparison: &Comparison) -> Vec<&str> {
    let mut faults: Vec<&str> = Vec::new();
    for fault in comparison.rows.iter().filter_map(|row| row.fault.as_deref()) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

fn find<'a>(comparison: &'a Comparison, fault: Option<&str>, measure: Measure) -> Option<&'a Row> {
    let mut rows = comparison.rows.iter();
    rows.find(|row| row.fault.as_deref() == fault && row.measure == measure)
}

fn times(comparison: &Comparison, faults: &[&str]) -> String {
    let mut table = markdown([
        "fault",
        "time",
        "trials",
        "median A",
        "median B",
        "difference",
        "p95 A",
        "p95 B",
        "difference",
        "p",
        "found",
    ]);
    for fault in faults {
        for (time, of_median, of_p95) in [
            ("TTD", Measure::TtdMedianMs, Measure::TtdP95Ms),
            ("TTR", Measure::TtrMedianMs, Measure::TtrP95Ms),
            ("repair", Measure::RepairMedianMs, Measure::RepairP95Ms),
        ] {
            let find = |measure| find(comparison, Some(fault), measure);
            let (Some(median), Some(p95)) = (find(of_median), find(of_p95)) else {
                continue;
            };
            let both = |row: &Row| [value(row.measure, row.a), value(row.measure, row.b), difference(row)];
            let mut cells = vec![cell(fault), time.to_owned(), trials(median)];
            cells.extend(both(median));
            cells.extend(both(p95));
            cells.push(median.p_holm.map_or_else(String::new, below));
            cells.push(found(median, p95));
            table.add_row(cells);
        }
    }
    table.to_string()
}

/// What was found, and in which of the two.
fn found(median: &Row, p95: &Row) -> String {
    let is_found = |row: &&Row| matches!(row.outcome, Outcome::Regression | Outcome::Worse | Outcome::Better);
    match (is_found(&median), is_found(&p95)) {
        (false, false) => word(median.outcome).to_owned(),
        (true, true) if median.outcome == p95.outcome => word(median.outcome).to_owned(),
        (true, true) => format!("{} (median), {} (p95)", word(median.outcome), word(p95.outcome)),
        (true, false) => format!("{} (median)", word(median.outcome)),
        (false, true) => format!("{} (p95)", word(p95.outcome)),
    }
}

fn trials(row: &Row) -> String {
    match row.n {
        [a, b] if a == b => a.to_string(),
        [a, b] => format!("{a}, {b}"),
    }
}

fn clients(comparison: &Comparison, faults: &[&str]) -> String {
    let mut table = markdown([
        "fault",
        "not detected",
        "not recovered",
        "failed",
        "difference",
        "p",
        "found",
        "success",
        "quorum",
        "p95 ms until OFF",
        "from OFF",
        "recovering",
    ]);
    for fault in faults {
        let row = |measure| find(comparison, Some(fault), measure);
        let failed = row(Measure::FailedShare);
        table.add_row([
            cell(fault),
            of_trials(row(Measure::Undetected)),
            of_trials(row(Measure::NotRecovered)),
            both(failed),
            failed.map_or_else(String::new, difference),
            failed.and_then(|row| row.p_holm).map_or_else(String::new, below),
            failed.map_or_else(String::new, |row| word(row.outcome).to_owned()),
            both(row(Measure::SuccessRate)),
            both(row(Measure::QuorumRate)),
            both(row(Measure::P95UndetectedMs)),
            both(row(Measure::P95DetectedMs)),
            both(row(Measure::P95RecoveringMs)),
        ]);
    }
    table.to_string()
}

fn both(row: Option<&Row>) -> String {
    row.map_or_else(
        || "–".to_owned(),
        |row| format!("{} → {}", value(row.measure, row.a), value(row.measure, row.b)),
    )
}

/// Shares of trials as what they are.
fn of_trials(row: Option<&Row>) -> String {
    let Some(row) = row else {
        return "–".to_owned();
    };
    let part = |share: Option<f64>, n: usize| format!("{:.0}/{n}", share.unwrap_or_default() * n as f64);
    let text = format!("{} → {}", part(row.a, row.n[0]), part(row.b, row.n[1]));
    match row.outcome {
        Outcome::Regression | Outcome::Better => format!("{text} {}", word(row.outcome)),
        _ => text,
    }
}

fn whole(comparison: &Comparison) -> String {
    let mut table = markdown(["", "A", "B", "found"]);
    let rows = comparison.rows.iter().filter(|row| row.fault.is_none());
    for row in rows {
        let of_baseline = matches!(row.measure, Measure::SuccessRate | Measure::QuorumRate | Measure::P95Ms);
        let prefix = if of_baseline { "baseline: " } else { "" };
        table.add_row([
            format!("{prefix}{}", name(row.measure)),
            value(row.measure, row.a),
            value(row.measure, row.b),
            word(row.outcome).to_owned(),
        ]);
    }
    table.to_string()
}

fn method(comparison: &Comparison) -> String {
    format!(
        "p: permutation test over the trials, two-sided, of the mean (a missed trial counts as twice the longest): whether \
         the times, or the shares of failed requests, differ at all. Fisher's exact test for missed trials. All {} are \
         corrected together (Holm 1979). Intervals: bootstrap, percentile method, 95 %, seed {}, not corrected. A \
         difference of medians or 95th percentiles counts if p < 0.05, if its interval excludes 0, and from 5 ms or half a \
         percentage point. It is a regression if B is then worse by more than {} %; so is a trial that B missed where A \
         missed none, and more of what must not happen. With fewer than {TOO_FEW} trials on a side nothing is concluded, \
         with fewer than {FEW} nothing about 95th percentiles. That no difference was found does not prove that there is \
         none.",
        comparison.tests, comparison.seed, comparison.tolerance_percent
    )
}

/// A table in Markdown whose columns are in line without being drawn.
fn markdown<const N: usize>(heads: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(heads);
    table
}

/// Text that stays in its cell and is only text.
fn cell(text: &str) -> String {
    text.replace(|char: char| char.is_control(), " ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}
