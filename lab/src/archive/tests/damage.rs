//! Files that are damaged, cut off, or something else.

use std::path::Path;

use super::super::*;
use super::world::{World, read, rewrite};

/// An error that says what to do.
fn refused(dir: &Path, words: &str) {
    let error = verify(dir).unwrap_err().to_string();
    assert!(error.contains(words), "{words} is not in: {error}");
    let what_to_do = ["copy", "name a folder", "restore", "repeat", "use the version"];
    assert!(what_to_do.iter().any(|words| error.contains(words)), "{error}");
}

#[test]
fn a_file_that_is_missing_is_named() {
    for name in ["report.json", SCENARIO, EVENTS, ANSWERS, LOG] {
        let (dir, _) = World::written();
        std::fs::remove_file(dir.path().join(name)).unwrap();
        refused(dir.path(), name);
        std::fs::create_dir(dir.path().join(name)).unwrap();
        // A scenario that cannot be read contradicts the report; nothing else can go on without its file.
        if name == SCENARIO {
            assert!(!verify(dir.path()).unwrap().agrees);
        } else {
            refused(dir.path(), name);
        }
    }
    refused(Path::new("/nonexistent"), "report.json");
}

#[test]
fn a_file_that_is_cut_off_anywhere_never_passes() {
    let (dir, _) = World::written();
    for name in ["report.json", EVENTS, ANSWERS, LOG] {
        let path = dir.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            if let Ok(verified) = verify(dir.path()) {
                assert!(
                    !verified.agrees,
                    "{name}, cut off after {length} of {} bytes",
                    whole.len()
                );
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(verify(dir.path()).unwrap().agrees);
}

#[test]
fn a_changed_byte_never_passes() {
    let (dir, _) = World::written();
    for name in [ANSWERS, LOG] {
        let path = dir.path().join(name);
        let (whole, lines) = (std::fs::read(&path).unwrap(), read(dir.path(), name));
        for place in 0..whole.len() {
            for change in [0x01, 0x10, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] ^= change;
                std::fs::write(&path, &bytes).unwrap();
                if let Ok(verified) = verify(dir.path()) {
                    // A few bits of the frame's header, such as how much memory it asks for, change nothing that is read.
                    assert!(
                        !verified.agrees || read(dir.path(), name) == lines,
                        "{name}, byte {place} ^ {change:#x}"
                    );
                }
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn garbage_is_refused_with_its_place() {
    let with = |name: &str, lines: &[&str], words: &str| {
        let (dir, _) = World::written();
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        rewrite(dir.path(), name, &lines);
        refused(dir.path(), words);
    };
    with(ANSWERS, &[], "answers.jsonl.zst:1: the file is empty");
    with(ANSWERS, &["hello"], "answers.jsonl.zst:1: this is no line");
    with(
        ANSWERS,
        &[r#"{"format":"tolerancia/log","version":1}"#],
        "answers.jsonl.zst:1: this begins a file of",
    );
    with(
        ANSWERS,
        &[r#"{"format":"tolerancia/answers","version":2}"#],
        "has version 2, this program reads 1",
    );
    with(
        LOG,
        &[r#"{"format":"tolerancia/log","version":1}"#],
        "log.jsonl.zst:1: this is no first line",
    );
    with(EVENTS, &["{}"], "events.jsonl:1: this is no line");

    let second = |name: &str, line: &str, words: &str| {
        let (dir, _) = World::written();
        let mut lines = read(dir.path(), name);
        lines[1] = line.to_owned();
        rewrite(dir.path(), name, &lines);
        refused(dir.path(), words);
    };
    let long = format!("\"{}\"", "x".repeat(5 << 20));
    second(ANSWERS, &long, "answers.jsonl.zst:2: the line is longer than 4 MiB");
    second(LOG, &long, "log.jsonl.zst:2: the line is longer than 4 MiB");
    second(EVENTS, &long, "events.jsonl:2: the line is longer than 4 MiB");
    second(ANSWERS, "", "answers.jsonl.zst:2: this is no line");
    second(
        LOG,
        r#"{"partition":0,"offset":0}"#,
        "log.jsonl.zst:2: this is no record",
    );
    second(
        LOG,
        r#"{"partition":0,"offset":0,"text":"a","base64":""}"#,
        "log.jsonl.zst:2: this is no record",
    );
    second(
        LOG,
        r#"{"partition":0,"offset":0,"base64":"?"}"#,
        "base64 cannot be read",
    );
    second(
        LOG,
        r#"{"partition":70000,"offset":0,"text":"a"}"#,
        "log.jsonl.zst:2: this is no line",
    );

    let (dir, _) = World::written();
    std::fs::write(dir.path().join(LOG), b"not compressed at all").unwrap();
    refused(dir.path(), "log.jsonl.zst cannot be read");
    let (dir, _) = World::written();
    let mut bytes = std::fs::read(dir.path().join(LOG)).unwrap();
    bytes.extend_from_slice(b"and more");
    std::fs::write(dir.path().join(LOG), bytes).unwrap();
    refused(dir.path(), "log.jsonl.zst cannot be read");
}

#[test]
fn what_does_not_fit_into_a_line_is_not_written() {
    let mut world = World::good();
    world.log.records[2].payload = vec![0xff; 4 << 20];
    let dir = tempfile::tempdir().unwrap();
    let contents = Contents {
        scenario: &world.scenario,
        repeat: "",
        transitions: &world.transitions,
        observations: &world.observations,
        log: Some(&world.log),
    };
    let error = write(dir.path(), &contents).unwrap_err().to_string();
    assert!(error.contains("longer than 4 MiB"), "{error}");
    // What could be written stays; of the rest there is nothing.
    let mut left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [ANSWERS, EVENTS, SCENARIO]);
}
