#![allow(clippy::unwrap_used)]
use tolerancia_core::detector::Seen;

use super::super::tests::{MS, check, id, report};
use super::*;

const BEGIN: &str = r#"{"type":"begin","schema":1,"at":"2026-01-01T00:00:00.000000Z","mono_ns":1,"replicas":3,"detector":"accrual","interval_ms":200,"timeout_ms":1000,"late_floor_ms":50,"late_cap_ms":200,"lag_budget_ms":1000}"#;

fn parse(text: &str) -> Result<Trace, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path())
}

#[test]
fn lines_are_sorted_by_time_and_kept_by_kind() {
    let lines = [
        BEGIN,
        r#"{"type":"load","queries_rps":50.0,"orders_rps":10.0}"#,
        r#"{"type":"check","at_ns":8000000,"instance":"2","seen":"late"}"#,
        r#"{"type":"check","at_ns":5000000,"instance":"1","seen":"good","took_us":900}"#,
        r#"{"type":"report","at_ns":9000000,"made_ns":3000000,"instance":"3","from":"voter-svc","good":7,"late":1,"failed":2,"lies":0}"#,
        r#"{"type":"verdict","at_ns":9500000,"instance":"3","on":false,"kind":"late"}"#,
        r#"{"type":"stall","at_ns":9000000,"for_ns":4000000}"#,
        r#"{"type":"lost","lines":3}"#,
        r#"{"type":"fault","activated_ns":1000000,"detected_ns":2000000,"instance":"1","faults":[{"fault":"crash"}],"detector":"accrual"}"#,
    ];
    let trace = parse(&(lines.join("\n") + "\n")).unwrap();
    assert_eq!(
        trace.entries,
        [
            check(5, 1, Seen::Good),
            check(8, 2, Seen::Late),
            report(9, 3, [7, 1, 2])
        ]
    );
    assert_eq!(trace.load, Some([50.0, 10.0]));
    assert_eq!(trace.report_delays_ns, [6 * MS]);
    assert_eq!((trace.tears, trace.stalls[0].from_ns), (Vec::new(), 5 * MS));
    assert_eq!((trace.verdicts[0].instance, trace.verdicts[0].on), (id(3), false));
    assert_eq!(trace.faults[0].detected_ns, Some(2 * MS));
}

const CHECK: &str = r#"{"type":"check","at_ns":8000000,"instance":"2","seen":"late"}"#;

#[test]
fn a_tear_lasts_until_the_next_line() {
    let later = CHECK.replace("8000000", "9000000");
    let again = BEGIN.replace("\"mono_ns\":1", "\"mono_ns\":8700000");
    let lost = r#"{"type":"lost","lines":3}"#;
    for (lines, to_ns) in [
        ([BEGIN, CHECK, lost, &later], 9_000_000),
        ([BEGIN, CHECK, &again, &later], 8_700_000),
    ] {
        let from_ns = 8_000_001;
        assert_eq!(
            parse(&(lines.join("\n") + "\n")).unwrap().tears,
            [Span { from_ns, to_ns }]
        );
    }
}

#[test]
fn the_last_line_about_a_fault_holds() {
    let begun = r#"{"type":"fault","activated_ns":8,"instance":"1","faults":[{"fault":"crash"}],"detector":"phi"}"#;
    let over = begun.replace("\"inst", "\"cleared_ns\":9,\"inst");
    let trial = |lines: &[&str]| {
        let trace = parse(&([&[BEGIN, CHECK], lines].concat().join("\n") + "\n")).unwrap();
        assert_eq!(trace.faults.len(), 1);
        (trace.faults[0].cleared_ns, trace.faults[0].over)
    };
    assert_eq!(trial(&[begun]), (None, false));
    assert_eq!(trial(&[&over]), (Some(9), true));
    assert_eq!(trial(&[begun, &over]), (Some(9), true));
    assert_eq!(trial(&[begun, begun]), (None, true), "a crash that nobody noticed");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let check = r#"{"type":"check","at_ns":8,"instance":"4","seen":"late"}"#;
    for (text, said) in [
        (String::new(), "is empty"),
        ("x\n".to_owned(), "line 1: this is no line of a trace"),
        (
            format!("{check}\n"),
            "line 1: a trace starts with a line of type \"begin\"",
        ),
        (format!("{BEGIN}\n"), "holds no evidence"),
        (format!("{BEGIN}\n{check}\n"), "line 2: there is no instance 4"),
        (format!("{BEGIN}\n{}", &check[..20]), "line 2: the line is cut off"),
        (
            format!("{BEGIN}\n{}\n", &check[..20]),
            "line 2: this is no line of a trace",
        ),
        (
            format!("{BEGIN}\n{}\n", "x".repeat(70_000)),
            "line 2: this is no line of a trace: it is longer",
        ),
        (
            format!("{BEGIN}\n{CHECK}\n{BEGIN}\n"),
            "line 3: the clock begins anew here",
        ),
        (
            format!(
                "{BEGIN}\n{}\n",
                BEGIN.replace("\"interval_ms\":200", "\"interval_ms\":100")
            ),
            "line 2: another system begins here",
        ),
        (
            BEGIN.replace("\"schema\":1", "\"schema\":2") + "\n",
            "line 1: this trace has schema 2",
        ),
        (
            BEGIN.replace("\"replicas\":3", "\"replicas\":4") + "\n",
            "line 1: a system has 3, 5 or 7",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert!(
        read(Path::new("/nowhere/trace"))
            .unwrap_err()
            .contains("/nowhere/trace cannot be read")
    );
}
