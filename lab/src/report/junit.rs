//! The report as JUnit XML, which most CI systems read: a suite for each fault, one for the whole, and a case for each
//! objective.

use std::fmt::Write as _;

use super::model::{FaultReport, Objective, Report, TrialReport, Verdict};
use super::table::{sentence, verdict};

/// Lines that a failure says at most, beside its first.
const MOST_LINES: usize = 20;

/// A suite's name and duration in seconds, and its cases.
struct Suite<'a> {
    name: String,
    seconds: f64,
    objectives: Vec<&'a Objective>,
    /// The fault; `None`: the whole.
    fault: Option<&'a FaultReport>,
}

/// Draws the report. An experiment that was not carried out to its end is an error, so that it cannot pass for a success.
/// Durations are in seconds; the duration of a suite is that of its trials, from activation to ON.
#[must_use]
pub fn render(report: &Report) -> String {
    let suites = suites(report);
    let failures = report.objectives.iter().filter(|objective| !objective.met).count();
    let errors = usize::from(is_partial(report));
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"tolerancia experiment {}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" \
         time=\"{:.3}\">",
        escape(&report.scenario),
        report.objectives.len() + errors,
        report.duration_s
    );
    for it in &suites {
        let _ = suite(&mut xml, report, it);
    }
    xml + "</testsuites>\n"
}

fn is_partial(report: &Report) -> bool {
    matches!(report.verdict, Verdict::Aborted | Verdict::Error)
}

/// Those of the faults, in their order, then the whole with every objective that is about none of them.
fn suites(report: &Report) -> Vec<Suite<'_>> {
    let mut left: Vec<&Objective> = report.objectives.iter().collect();
    let mut suites: Vec<Suite<'_>> = Vec::new();
    for fault in &report.faults {
        // What is judged goes by the name alone; the judged detector comes first, and takes it.
        let with_detector = format!("{}, {}", fault.fault, fault.detector);
        let is_about = |objective: &&Objective| {
            let name = objective.fault.as_deref();
            name == Some(fault.fault.as_str()) || name == Some(with_detector.as_str())
        };
        let (objectives, others) = left.into_iter().partition(is_about);
        left = others;
        suites.push(Suite {
            name: report.label(fault),
            seconds: fault.trials_detail.iter().filter_map(lasted_ms).sum::<f64>() / 1000.0,
            objectives,
            fault: Some(fault),
        });
    }
    suites.push(Suite {
        name: "experiment".to_owned(),
        seconds: report.duration_s,
        objectives: left,
        fault: None,
    });
    suites
}

fn lasted_ms(trial: &TrialReport) -> Option<f64> {
    trial.ttr_ms.or(trial.ttd_ms)
}

fn suite(xml: &mut String, report: &Report, suite: &Suite<'_>) -> std::fmt::Result {
    let failures = suite.objectives.iter().filter(|objective| !objective.met).count();
    let errors = usize::from(suite.fault.is_none() && is_partial(report));
    writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" time=\"{:.3}\" \
         timestamp=\"{}\">",
        escape(&suite.name),
        suite.objectives.len() + errors,
        suite.seconds,
        escape(&report.started_at)
    )?;
    if suite.fault.is_none() {
        properties(xml, report)?;
    }
    let class = format!("{}.{}", report.scenario, suite.name);
    for objective in &suite.objectives {
        case(xml, report, suite, objective, &class)?;
    }
    if errors > 0 {
        let told = lines(report.notes.clone());
        writeln!(
            xml,
            "    <testcase classname=\"{}\" name=\"carried out to its end\">\n      <error message=\"{}\" \
             type=\"experiment\">{told}</error>\n    </testcase>",
            escape(&class),
            verdict(report.verdict)
        )?;
    }
    writeln!(xml, "  </testsuite>")
}

fn properties(xml: &mut String, report: &Report) -> std::fmt::Result {
    let environment = &report.environment;
    writeln!(xml, "    <properties>")?;
    for (name, value) in [
        ("repeat", report.repeat.as_str()),
        ("seed", &report.seed.to_string()),
        ("detector", &environment.detector),
        ("kafka", &environment.kafka),
        ("database", &environment.database),
        ("replicas", &environment.replicas.to_string()),
        ("version", &environment.version),
    ] {
        writeln!(xml, "      <property name=\"{name}\" value=\"{}\"/>", escape(value))?;
    }
    writeln!(xml, "    </properties>")
}

fn case(xml: &mut String, report: &Report, suite: &Suite<'_>, objective: &Objective, class: &str) -> std::fmt::Result {
    // What is itself a time lasted so long.
    let seconds = objective
        .value
        .filter(|_| objective.name.ends_with("_ms"))
        .unwrap_or_default()
        / 1000.0;
    write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\"",
        escape(class),
        escape(&name(suite, objective))
    )?;
    if objective.met {
        return writeln!(xml, "/>");
    }
    writeln!(
        xml,
        ">\n      <failure message=\"{}\" type=\"objective\">{}</failure>\n    </testcase>",
        escape(&sentence(objective)),
        lines(details(report, suite, objective))
    )
}

/// The objective's name, and of what, if that is not what the suite is about.
fn name(suite: &Suite<'_>, objective: &Objective) -> String {
    match (&objective.fault, suite.fault) {
        (Some(fault), None) => format!("{} ({fault})", objective.name),
        _ => objective.name.clone(),
    }
}

/// Which trials, answers or alarms it was.
fn details(report: &Report, suite: &Suite<'_>, objective: &Objective) -> Vec<String> {
    let trials = |which: fn(&TrialReport) -> bool| -> Vec<String> {
        let all = suite.fault.into_iter().flat_map(|fault| &fault.trials_detail);
        all.filter(|trial| which(trial))
            .map(|trial| format!("instance {}, activated at {}", trial.instances(), trial.activated_at))
            .collect()
    };
    match objective.name.as_str() {
        "detected" => trials(|trial| trial.detected_at.is_none()),
        "recovered" => trials(|trial| trial.recovered_at.is_none()),
        "alarm" => trials(|trial| !trial.alarmed),
        "ttd_max_ms" => {
            let all = suite.fault.into_iter().flat_map(|fault| &fault.trials_detail);
            let slow = all.filter(|trial| trial.ttd_ms.is_none_or(|ms| ms >= objective.limit));
            slow.map(|trial| {
                let took = trial
                    .ttd_ms
                    .map_or_else(|| "not detected".to_owned(), |ms| format!("{ms:.1} ms"));
                let why = trial.reason.as_deref().unwrap_or_default();
                format!(
                    "instance {}, activated at {}: {took} {why}",
                    trial.instances(),
                    trial.activated_at
                )
            })
            .collect()
        }
        "wrong_answers" | "orders_lost" | "orders_doubled" => report.oracle.findings.clone(),
        "replicas_equal" | "steady" => report.notes.clone(),
        "false_alarms" => {
            let all = report.false_alarms.iter();
            all.map(|alarm| format!("instance {} at {}: {}", alarm.instance, alarm.at, alarm.reason))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn lines(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(MOST_LINES);
    all.truncate(MOST_LINES);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    let all: Vec<String> = all.iter().map(|line| escape(line)).collect();
    all.join("\n")
}

/// Text as it may stand in XML 1.0, in an attribute too. Characters that XML cannot express are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&apos;",
            // As they are, an attribute would turn them into spaces.
            '\t' => escaped += "&#9;",
            '\n' => escaped += "&#10;",
            '\r' => escaped += "&#13;",
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            control if control.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
pub(super) mod tests;
