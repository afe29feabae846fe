//! What the experiment was, and what it ran on.

use super::parts::{escape, paragraph, terms};
use crate::report::model::{Host, Report, Verdict};

/// Below the heading.
pub(super) fn summary(report: &Report) -> String {
    let trials: usize = report.faults.iter().map(|fault| fault.trials).sum();
    let requests = report.series.as_ref().map_or_else(String::new, |series| {
        let sum = series.requests.iter().fold(0, |sum: u64, n| sum.saturating_add(*n));
        format!(", {sum} requests")
    });
    let said = format!(
        "{}, {:.1} s, {trials} trials{requests}, seed {}. {} replicas, detector {}.",
        report.started_at, report.duration_s, report.seed, report.environment.replicas, report.environment.detector
    );
    // What went wrong is not to be looked for.
    let first = match report.verdict {
        Verdict::Error | Verdict::Aborted => report.notes.first().map(|note| paragraph("bad", note)),
        Verdict::Pass | Verdict::Fail => None,
    };
    paragraph("soft", &said) + &first.unwrap_or_default()
}

/// Nothing where an older version has not written about it.
pub(super) fn steady(report: &Report) -> String {
    let said = crate::report::steady::steady(report);
    said.iter().map(|text| paragraph("", text)).collect()
}

pub(super) fn log(report: &Report) -> String {
    let oracle = &report.oracle;
    if !oracle.complete {
        return paragraph("", "Not read: the experiment did not come to its end.");
    }
    let said = format!(
        "{} records replayed, {} of which nobody can read. {} answers checked, {} wrong. {} orders and cancels acknowledged, \
         {} lost, {} doubled. Replicas equal: {}.",
        oracle.records,
        oracle.unreadable_records,
        oracle.answers_checked,
        oracle.wrong_answers,
        oracle.orders_acknowledged,
        oracle.orders_lost,
        oracle.orders_doubled,
        if oracle.replicas_equal { "yes" } else { "no" }
    );
    paragraph("", &said)
}

pub(super) fn environment(report: &Report) -> String {
    let environment = &report.environment;
    let Host {
        os,
        kernel,
        cpu,
        architecture,
        memory_mib,
    } = environment.host.clone();
    let build = if environment.build.is_empty() {
        String::new()
    } else {
        format!(" ({} build)", environment.build)
    };
    terms(&[
        ("tolerancia", format!("{}{build}", environment.version)),
        ("replicas", environment.replicas.to_string()),
        ("detector", environment.detector.clone()),
        ("Kafka", environment.kafka.clone()),
        ("database", environment.database.clone()),
        ("processor", cpu.unwrap_or_default()),
        ("architecture", architecture.unwrap_or_default()),
        ("cores in use", environment.cores.to_string()),
        (
            "memory",
            memory_mib.map_or_else(String::new, |mib| format!("{:.1} GiB", mib as f64 / 1024.0)),
        ),
        ("system", os.unwrap_or_default()),
        ("kernel", kernel.unwrap_or_default()),
    ])
}

pub(super) fn repeat(report: &Report) -> String {
    let outside = if report.environment.kafka == "external" {
        "It ran on a Kafka cluster of its own: set KAFKA_BOOTSTRAP_SERVERS, and POSTGRES_URL where the database is postgres. "
    } else {
        ""
    };
    let told = format!(
        "{outside}The seed {} fixes the order of trials, the instances, the moments and the requests; how long the system \
         takes is not fixed by anything.",
        report.seed
    );
    format!(
        "<pre><code>{}</code></pre>\n{}",
        escape(&report.repeat),
        paragraph("", &told)
    )
}
