//! The results on a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::args::Plan;
use super::curve::Point;
use super::run::{Findings, Pair};
use super::trace::{Agreement, Health};

fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, texts: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Milliseconds, or a dash.
fn ms(value: Option<f64>) -> String {
    match value {
        Some(ms) if ms < 100.0 => format!("{ms:.1}"),
        Some(ms) => format!("{ms:.0}"),
        None => "–".to_owned(),
    }
}

/// A rate, or the bound below which it is.
fn rate(rate: f64, upper95: f64) -> String {
    if rate > 0.0 {
        short(rate)
    } else {
        format!("< {}", short(upper95))
    }
}

fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if !(0.001..100_000.0).contains(&v) => format!("{v:.1e}"),
        v if v < 1.0 => format!("{v:.4}"),
        v => format!("{v:.2}"),
    }
}

/// How long instances were watched, all together.
fn lasted(hours: f64) -> String {
    if hours < 1.0 {
        format!("{:.1} instance-minutes", hours * 60.0)
    } else {
        format!("{hours:.2} instance-hours")
    }
}

/// One row per detector and fault, and one per threshold.
pub(super) fn pairs(plan: &Plan, pairs: &[&Pair], points: &[Point]) -> String {
    let header = [
        "detector",
        "fault",
        "trials",
        "missed",
        "TTD ms med",
        "p95",
        "p99",
        "max",
        "false alarms/instance-day",
    ];
    let rows = pairs.iter().map(|pair| {
        vec![
            pair.detector.to_owned(),
            pair.fault.clone(),
            pair.trials.to_string(),
            pair.missed.to_string(),
            ms(pair.ttd_ms.median),
            ms(pair.ttd_ms.p95),
            ms(pair.ttd_ms.p99),
            ms(pair.ttd_ms.max),
            rate(pair.false_alarms_per_day, pair.false_alarms_per_day_upper95),
        ]
    });
    let mut text = table(&header, rows, 2);
    let _ = write!(
        text,
        "\n{} queries/s, seed {}; health: {} of the answers are errors, {} stalls per hour",
        plan.model.queries_rps, plan.seed, plan.model.healthy_miss, plan.model.stalls_per_hour
    );
    if !points.is_empty() {
        let header = [
            "detector",
            "threshold",
            "unit",
            "fault",
            "TTD ms med",
            "p99",
            "missed",
            "false alarms/instance-day",
        ];
        let rows = points.iter().map(|point| {
            vec![
                point.detector.to_owned(),
                short(point.threshold),
                point.unit.to_owned(),
                point.fault.clone(),
                ms(point.ttd_median_ms),
                ms(point.ttd_p99_ms),
                format!("{:.1} %", point.missed * 100.0),
                rate(point.false_alarms_per_day, point.false_alarms_per_day_upper95),
            ]
        });
        let _ = write!(
            text,
            "\n\n{}\nhealth for these: {} of the answers are errors, {} stalls of {} ms per hour",
            table(&header, rows, 1),
            plan.noisy.healthy_miss,
            plan.noisy.stalls_per_hour,
            plan.noisy.stall_mean_ns / 1e6
        );
    }
    text
}

/// What a trace said.
pub(super) fn findings(findings: &Findings) -> String {
    let mut text = String::new();
    if findings.agreement.is_empty() {
        text.push_str("The trace holds no fault: there is nothing to compare the model with.\n");
    } else {
        let header = [
            "detector",
            "fault",
            "live trials",
            "missed",
            "TTD ms med",
            "p95",
            "model trials",
            "missed",
            "TTD ms med",
            "p95",
            "agreement",
        ];
        text.push_str(&table(&header, findings.agreement.iter().map(agreement), 2));
        text.push_str("\nagreement: median of the model by the live one\n");
    }
    text.push('\n');
    text.push_str(&health(&findings.health));
    let header = [
        "detector",
        "replayed hours",
        "false alarms",
        "per year at most",
        "resampled years",
        "false alarms",
        "per year",
        "at most",
    ];
    let rows = findings.replay.iter().map(|replay| {
        let mut row = vec![
            replay.detector.to_owned(),
            short(replay.instance_hours),
            replay.false_alarms.to_string(),
            short(replay.per_year_upper95),
        ];
        match findings
            .bootstrap
            .iter()
            .find(|other| other.detector == replay.detector)
        {
            Some(found) => row.extend([
                format!("{:.1}", found.instance_years),
                found.false_alarms.to_string(),
                short(found.per_year),
                short(found.per_year_upper95),
            ]),
            None => row.extend(["–"; 4].map(str::to_owned)),
        }
        row
    });
    let _ = write!(
        text,
        "\n{}\nper instance; at most: with 95 % confidence. Resampling shows how misses that were seen may meet, not \
         misses that were never seen: the bound of the replayed hours holds for those too.",
        table(&header, rows, 1)
    );
    if findings
        .bootstrap
        .iter()
        .any(|found| found.instance_years < findings.years)
    {
        let _ = write!(
            text,
            "\nFewer than {} years were resampled where misses are so frequent that most blocks have to be played.",
            findings.years
        );
    }
    if findings.bootstrap.is_empty() {
        text.push_str("\nNothing was resampled: no stretch of health is as long as a block, 5 s. Record for longer.");
    }
    text
}

fn agreement(one: &Agreement) -> Vec<String> {
    let mut row = vec![one.detector.clone(), one.fault.clone()];
    for side in [one.live, one.model] {
        row.extend([
            side.trials.to_string(),
            side.missed.to_string(),
            ms(side.ttd_ms.median),
            ms(side.ttd_ms.p95),
        ]);
    }
    row.push(
        one.agreement
            .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
    );
    row
}

fn health(health: &Health) -> String {
    let threshold = health.accrual_threshold.map_or_else(
        || "no threshold of accrual keeps".to_owned(),
        |nats| format!("accrual needs a threshold of {nats:.1} nats for"),
    );
    format!(
        "Health: {} answers in {}, {:.1} misses: {} per answer, at most {} (95 %).\n\
         With that, {threshold} {} false alarms per instance-year at {:.0} answers/s, if misses are independent.\n\
         The monitor itself stood still {} times.\n",
        health.answers,
        lasted(health.instance_hours),
        health.misses,
        short(health.miss_rate),
        short(health.miss_rate_upper95),
        health.wanted_per_year,
        health.answers_per_s,
        health.monitor_stalls
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_nothing_is_a_dash() {
        assert_eq!([ms(Some(7.94)), ms(Some(123.4)), ms(None)], ["7.9", "123", "–"]);
        assert_eq!(rate(0.0, 0.003), "< 0.0030");
        assert_eq!(
            [lasted(0.0025), lasted(2.5)],
            ["0.1 instance-minutes", "2.50 instance-hours"]
        );
        assert_eq!(
            [short(0.0), short(1e-9), short(0.25), short(12.0)],
            ["0", "1.0e-9", "0.2500", "12.00"]
        );
    }
}
