#![allow(clippy::unwrap_used)]

use super::super::junit::tests::failing;
use super::super::model::Verdict;
use super::*;

#[test]
fn what_was_missed_comes_first() {
    let text = render(&failing());
    assert!(
        text.starts_with(
            "## Experiment a&lt;b\\|c: FAIL\n\n**3 of 6 objectives were missed.**\n\n\
             | objective | fault | measured | limit | met |\n| --- | --- | ---: | ---: | --- |\n\
             | detected | latency | 1 | 2 | **no** |\n"
        ),
        "{text}"
    );
    let first_fold = text.find("<details>").unwrap();
    assert!(text.find("### Faults").unwrap() < first_fold);
    assert!(text.find("| detected | crash | 2 | 2 | yes |").unwrap() > first_fold);
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}

#[test]
fn a_fault_has_its_times_with_their_intervals() {
    let text = render(&failing());
    assert!(
        text.contains(
            "| crash | 2 | 2 | 2 | 56.2 (40.0–80.5) | 107.0 (80.0–123.0) | 123.0 | 56.2 (40.0–80.5) | – | 0 |"
        ),
        "{text}"
    );
    // What was missed stands out.
    assert!(text.contains("| latency | 2 | **1** | **1** |"), "{text}");
    // Two trials say little.
    assert!(text.contains("Fewer than 5 trials"), "{text}");
}

#[test]
fn tables_are_whole_and_text_stays_text() {
    let text = render(&failing());
    let mut columns = 0;
    for line in text.lines() {
        let here = line.replace("\\|", "").matches('|').count();
        assert!(!line.starts_with('|') || columns == 0 || here == columns, "{line}");
        columns = if line.starts_with('|') { here } else { 0 };
    }
    assert!(text.contains("PROD-001 &lt;was>") && !text.contains("<was>"), "{text}");
    assert!(
        text.contains("\n\n    tolerancia experiment --scenario 'a<b' --seed 7\n"),
        "{text}"
    );
}

#[test]
fn good_and_partial_experiments_say_what_they_are() {
    let mut report = failing();
    report.objectives.retain(|objective| objective.met);
    report.verdict = Verdict::Pass;
    assert!(render(&report).contains(": PASS\n\nAll 3 objectives were met.\n"));
    report.objectives.clear();
    report.verdict = Verdict::Aborted;
    report.oracle.complete = false;
    let text = render(&report);
    assert!(
        text.contains(": ABORTED\n\nNothing was judged") && text.contains("The log was not read."),
        "{text}"
    );
}

#[test]
fn a_summary_stays_small() {
    let mut report = failing();
    report.objectives = vec![report.objectives[2].clone(); 5000];
    report.notes = vec!["note".to_owned(); 5000];
    let text = render(&report);
    assert!(
        text.len() < 200_000 && text.contains("and 4800 more: see report.html."),
        "{}",
        text.len()
    );
}
