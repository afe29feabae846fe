//! Reports that were written before, and what is none.

use std::path::Path;

use super::super::*;
use super::sample;

fn with(text: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("report.json"), text).unwrap();
    dir
}

#[test]
fn what_was_written_is_read() {
    let report = sample::report(2, &[tolerancia_core::detector::DetectorKind::Accrual]);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &report).unwrap();
    assert_eq!(read(dir.path()).unwrap(), report);

    // Drawn anew, the pages are the same, and the report is not touched.
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let before = FILES.map(text);
    std::fs::remove_file(dir.path().join("report.html")).unwrap();
    redraw(dir.path(), &read(dir.path()).unwrap()).unwrap();
    assert_eq!(FILES.map(text), before);
}

#[test]
fn what_older_versions_wrote_is_read_and_drawn() {
    let old = include_bytes!("old.json");
    let dir = with(old);
    let report = read(dir.path()).unwrap();
    assert_eq!((report.faults.len(), report.series.is_none()), (2, true));
    redraw(dir.path(), &report).unwrap();
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(html.contains("Time to detect") && !html.contains("Latency over time"));
}

#[test]
fn what_is_no_report_is_told_with_what_to_do() {
    let good = json(&sample::report(1, &[tolerancia_core::detector::DetectorKind::Accrual]));
    let cut = &good.as_bytes()[..good.len() / 2];
    let refused: [(&[u8], &str, &str); 6] = [
        (b"", "EOF", "restore the file"),
        (b"\xff\xfe\x00garbage", "line 1 column 1", "restore the file"),
        (cut, "line", "restore the file"),
        (b"[1, 2]", "", "restore the file"),
        (b"{\"schema\": 1}", "missing field", "restore the file"),
        (
            b"{\"schema\": 2, \"more\": [[]]}",
            "schema 2",
            "use the version of tolerancia that wrote it",
        ),
    ];
    for (text, why, what_to_do) in refused {
        let error = read(with(text).path()).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(what_to_do), "{error}");
        assert!(error.contains("report.json"), "{error}");
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let missing = read(Path::new("/nonexistent/results")).unwrap_err().to_string();
    assert!(
        missing.contains("name a folder that `tolerancia experiment --out DIR` has written"),
        "{missing}"
    );

    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("report.json")).unwrap();
    assert!(read(dir.path()).unwrap_err().to_string().contains("not a file"));

    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("report.json")).unwrap();
    // It has holes: nothing is on the disk.
    file.set_len((256 << 20) + 1).unwrap();
    assert!(matches!(read(dir.path()), Err(ReadError::TooLarge { .. })));
}
