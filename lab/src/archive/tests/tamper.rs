//! Somebody changed something.

use serde_json::Value;

use super::super::*;
use super::world::{World, read, rewrite};

/// Changes lines of a file in a good folder, and verifies it.
fn after(name: &str, change: impl FnOnce(&mut Vec<String>)) -> Verification {
    let (dir, _) = World::written();
    let mut lines = read(dir.path(), name);
    change(&mut lines);
    rewrite(dir.path(), name, &lines);
    verify(dir.path()).unwrap()
}

/// Changes one line as JSON.
fn edit(lines: &mut [String], line: usize, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_str(&lines[line - 1]).unwrap();
    change(&mut json);
    lines[line - 1] = json.to_string();
}

fn has(verified: &Verification, file: &str, line: Option<usize>, words: &str) {
    let is_it = |found: &&Contradiction| found.file == file && found.line == line && found.what.contains(words);
    assert!(!verified.agrees);
    assert!(
        verified.found.iter().any(|found| is_it(&found)),
        "{file}:{line:?}: {words} is not in\n{verified}"
    );
}

#[test]
fn a_file_that_was_only_written_anew_agrees() {
    for name in [EVENTS, ANSWERS, LOG] {
        let verified = after(name, |_| {});
        assert!(verified.agrees, "{name}: {verified}");
    }
}

#[test]
fn a_changed_answer_is_named() {
    // The stock, by one.
    let verified = after(ANSWERS, |lines| {
        edit(lines, 4, |answer| {
            answer["told"]["stock"]["stock"]["available"] = 96.into()
        })
    });
    has(
        &verified,
        ANSWERS,
        Some(4),
        "PROD-001 at version 1: the answer was available 96 reserved 5",
    );
    has(
        &verified,
        "report.json",
        None,
        "answers that contradict the log: the report says 0, the files have 1",
    );
    assert!(
        verified.to_string().contains("answers.jsonl.zst:4: PROD-001"),
        "{verified}"
    );
    // The version.
    let verified = after(ANSWERS, |lines| {
        edit(lines, 9, |answer| answer["told"]["stock"]["version"] = 4.into())
    });
    has(&verified, ANSWERS, Some(9), "PROD-001 at version 4");
    // An older value that was right once.
    let verified = after(ANSWERS, |lines| {
        edit(lines, 9, |answer| {
            answer["told"]["stock"]["version"] = 1.into();
            answer["told"]["stock"]["stock"]["available"] = 95.into();
            answer["told"]["stock"]["stock"]["reserved"] = 5.into();
        });
    });
    has(
        &verified,
        ANSWERS,
        Some(9),
        "version 1 was called fresh after version 5",
    );
    // An order that was rejected, and one that was confirmed elsewhere.
    let verified = after(ANSWERS, |lines| {
        edit(lines, 3, |answer| answer["told"]["order"]["answer"] = "rejected".into())
    });
    has(&verified, ANSWERS, Some(3), "was rejected, the log confirms it");
    let verified = after(ANSWERS, |lines| {
        edit(lines, 3, |answer| {
            answer["told"]["order"]["answer"]["confirmed"]["version"] = 2.into()
        });
    });
    has(
        &verified,
        ANSWERS,
        Some(3),
        "was confirmed at version 2, the log has it at 1",
    );
}

#[test]
fn an_answer_that_is_gone_is_noticed() {
    for line in 2..=11 {
        let verified = after(ANSWERS, |lines| drop(lines.remove(line - 1)));
        has(&verified, ANSWERS, Some(1), "10 answers are to follow, 9 do");
        has(
            &verified,
            "report.json",
            None,
            "requests: the report says 10, the files have 9",
        );
    }
    // Not even if the first line is changed too.
    let verified = after(ANSWERS, |lines| {
        lines.pop();
        edit(lines, 1, |header| header["answers"] = 9.into());
    });
    has(
        &verified,
        "report.json",
        None,
        "requests: the report says 10, the files have 9",
    );
    let verified = after(ANSWERS, |lines| lines.push(lines[4].clone()));
    has(&verified, ANSWERS, Some(1), "10 answers are to follow, 11 do");
}

#[test]
fn an_order_that_is_gone_from_the_log_is_named() {
    for (line, partition, offset) in [(2, 0, 0), (3, 0, 1), (6, 0, 4), (7, 0, 5), (8, 1, 0), (9, 1, 1)] {
        let verified = after(LOG, |lines| drop(lines.remove(line - 1)));
        let what = format!("the record of partition {partition} at offset {offset} is missing");
        // It is noticed at the next record of its partition, or at the end.
        let at = (line != 7 && line != 9).then_some(line);
        has(&verified, LOG, at, &what);
        has(&verified, LOG, Some(1), "8 records are to follow, 7 do");
        let judged = verified.checked.orders_lost + verified.checked.wrong_answers;
        assert!(judged > 0, "line {line}: {verified}");
    }
}

#[test]
fn an_order_that_is_gone_with_all_that_counts_it_is_still_lost() {
    let (dir, mut world) = World::written();
    // As if there never had been the last order.
    let mut lines = read(dir.path(), LOG);
    lines.pop();
    edit(&mut lines, 1, |header| {
        header["records"] = 7.into();
        header["partitions"][1]["records"] = 1.into();
        header["partitions"][1]["end"] = 1.into();
    });
    rewrite(dir.path(), LOG, &lines);
    world.write_report(dir.path());
    world.report["oracle"]["records"] = 7.into();
    world.report["files"] = serde_json::json!({ "answers": 10, "events": 2, "records": 7 });
    world.write_report(dir.path());
    let verified = verify(dir.path()).unwrap();
    has(&verified, ANSWERS, Some(10), "was confirmed and is not in the log");
    assert_eq!(verified.checked.orders_lost, 1);
    has(
        &verified,
        "report.json",
        None,
        "lost orders and cancels: the report says 0, the files have 1",
    );
}

#[test]
fn a_log_that_is_out_of_order_is_not_replayed_so() {
    let verified = after(LOG, |lines| lines.swap(2, 5));
    has(&verified, LOG, Some(4), "comes after that of partition 0 at 4");
    let verified = after(LOG, |lines| lines.insert(3, lines[2].clone()));
    has(
        &verified,
        LOG,
        Some(4),
        "the record of partition 0 at offset 1 comes after",
    );
    let verified = after(LOG, |lines| edit(lines, 9, |record| record["offset"] = 7.into()));
    has(&verified, LOG, Some(9), "no record of partition 1 at offset 7");
    has(
        &verified,
        LOG,
        Some(9),
        "6 records of partition 1 are missing, from offset 1 on",
    );
    let verified = after(LOG, |lines| edit(lines, 9, |record| record["partition"] = 4.into()));
    has(&verified, LOG, Some(9), "knows of no partition 4");
    has(&verified, LOG, None, "the record of partition 1 at offset 1 is missing");
}

#[test]
fn a_first_line_that_does_not_fit_is_named() {
    let partition = |what: &'static str, value: u64| {
        after(LOG, |lines| {
            edit(lines, 1, |header| header["partitions"][0][what] = value.into())
        })
    };
    has(
        &partition("end", 7),
        LOG,
        Some(1),
        "what is said about partition 0 contradicts itself",
    );
    has(
        &partition("records", 7),
        LOG,
        Some(1),
        "what is said about partition 0 contradicts itself",
    );
    let verified = after(LOG, |lines| {
        edit(lines, 1, |header| {
            header["partitions"][0]["records"] = 5.into();
            header["partitions"][0]["gaps"] = serde_json::json!([[2, 3]]);
        });
    });
    has(&verified, LOG, Some(4), "knows of no record of partition 0 at offset 2");
    let verified = after(LOG, |lines| {
        edit(lines, 1, |header| {
            header["partitions"][1]["records"] = 7.into();
            header["partitions"][1]["gaps"] = Value::Null;
        });
    });
    has(&verified, LOG, None, "partition 1 had 7 records, there are 2");
    let verified = after(LOG, |lines| {
        edit(lines, 1, |header| {
            header["partitions"][1] = header["partitions"][0].clone()
        })
    });
    has(&verified, LOG, Some(1), "partition 0 is there twice");
}

#[test]
fn events_that_do_not_bear_out_the_report_are_named() {
    let verified = after(EVENTS, |lines| drop(lines.remove(0)));
    has(
        &verified,
        "report.json",
        None,
        "crash, accrual, trial 1: no OFF of instance 1 at 2023-",
    );
    has(
        &verified,
        ANSWERS,
        Some(1),
        "2 events belong to these answers, events.jsonl has 1",
    );
    let verified = after(EVENTS, |lines| edit(lines, 2, |event| event["instance"] = "2".into()));
    has(
        &verified,
        "report.json",
        None,
        "crash, accrual, trial 1: no ON of instance 1 at 2023-",
    );
    let verified = after(EVENTS, |lines| lines.reverse());
    has(&verified, EVENTS, Some(2), "the event 1100 comes after 1800");
}

/// Changes the report of a good folder, and verifies it.
fn after_report(change: impl FnOnce(&mut Value)) -> Verification {
    let (dir, mut world) = World::written();
    world.report["files"] = serde_json::json!({ "answers": 10, "events": 2, "records": 8 });
    change(&mut world.report);
    world.write_report(dir.path());
    verify(dir.path()).unwrap()
}

#[test]
fn a_report_that_says_otherwise_is_named() {
    assert!(after_report(|_| {}).agrees);
    for (field, words) in [
        ("answers_checked", "answers to queries"),
        ("wrong_answers", "answers that contradict the log"),
        ("orders_acknowledged", "acknowledged orders and cancels"),
        ("orders_lost", "lost orders and cancels"),
        ("orders_doubled", "doubled orders"),
        ("records", "records of the log"),
        ("unreadable_records", "unreadable records"),
    ] {
        let verified = after_report(|report| {
            let said = report["oracle"][field].as_u64().unwrap();
            report["oracle"][field] = (said + 1).into();
        });
        has(&verified, "report.json", None, words);
        assert_eq!(verified.contradictions, 1, "{verified}");
    }
    for field in ["answers", "events", "records"] {
        let verified = after_report(|report| report["files"][field] = 7.into());
        assert_eq!(verified.contradictions, 1, "{verified}");
    }
    let verified = after_report(|report| report["scenario"] = "other".into());
    has(&verified, SCENARIO, None, "the report is about \"other\"");
    let verified = after_report(|report| report["faults"][0]["parameters"] = serde_json::json!({ "fault": "freeze" }));
    has(&verified, SCENARIO, None, "its faults are not those of the report");
}

#[test]
fn times_that_the_monitor_did_not_tell_are_named() {
    let earlier = "2023-11-14T22:13:21.050000Z";
    for (field, words) in [
        ("detected_at", "no OFF of instance 1 at"),
        ("recovered_at", "no ON of instance 1 at"),
    ] {
        let verified = after_report(|report| report["faults"][0]["trials_detail"][0][field] = earlier.into());
        has(&verified, "report.json", None, words);
    }
    // It was ON when the fault ended.
    let cleared = after_report(|report| {
        report["faults"][0]["trials_detail"][0]["cleared_at"] = earlier.into();
        report["faults"][0]["trials_detail"][0]["recovered_at"] = earlier.into();
    });
    assert!(cleared.agrees, "{cleared}");
    let verified = after_report(|report| {
        report["false_alarms"] = serde_json::json!([{ "instance": "3", "at": earlier, "reason": "because" }]);
    });
    has(&verified, "report.json", None, "a false alarm of instance 3");
    let verified = after_report(|report| report["faults"][0]["trials"] = 2.into());
    has(&verified, "report.json", None, "2 trials are to follow, 1 do");
}

#[test]
fn of_several_instances_each_must_have_been_told_of() {
    let hit = |instance: &str, detected: Value| {
        serde_json::json!({ "instance": instance, "activated_at": "", "detected_at": detected, "cleared_at": null,
            "recovered_at": null, "reason": null, "ttd_ms": null, "ttr_ms": null, "repair_ms": null,
            "quarantine_ms": null })
    };
    let with = |hits: Vec<Value>| {
        after_report(|report| {
            let trial = &mut report["faults"][0]["trials_detail"][0];
            trial["recovered_at"] = Value::Null;
            trial["hits"] = hits.into();
        })
    };
    let at = "2023-11-14T22:13:21.100000Z";
    let verified = with(vec![hit("1", at.into()), hit("2", at.into())]);
    has(&verified, "report.json", None, "no OFF of instance 2 at");
    assert_eq!(verified.contradictions, 1, "{verified}");
    let verified = with(vec![hit("1", at.into()), hit("2", Value::Null)]);
    has(&verified, "report.json", None, "detected_at is Some");
}

#[test]
fn no_more_than_a_hundred_are_spelt_out() {
    let (dir, mut world) = World::written();
    let wrong = world.observations[2].clone();
    world.observations.extend(std::iter::repeat_n(wrong, 300));
    for seen in world.observations.iter_mut().skip(10) {
        if let Some(crate::oracle::Told::Stock { version, .. }) = &mut seen.told {
            *version = 77;
        }
    }
    world.write(dir.path(), true);
    let verified = verify(dir.path()).unwrap();
    assert_eq!(verified.found.len(), 100);
    assert_eq!(
        verified.contradictions, 302,
        "300 answers, and two counts of the report"
    );
    assert!(
        verified
            .to_string()
            .ends_with("302 contradictions, the first 100 above"),
        "{verified}"
    );
}
