//! The files beside the report.

use super::*;
use crate::archive::{self, ANSWERS, ArchiveError, EVENTS, LOG, SCENARIO};

#[tokio::test]
async fn an_interruption_leaves_a_partial_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = args(dir.path());
    args.junit = Some(dir.path().join("junit.xml"));
    args.summary = Some(dir.path().join("summary.md"));
    std::fs::write(args.junit.as_ref().unwrap(), "an older result").unwrap();
    std::fs::write(args.summary.as_ref().unwrap(), "what was said before\n").unwrap();
    std::fs::create_dir_all(&args.out).unwrap();
    std::fs::write(args.out.join(LOG), "an older log").unwrap();
    let paper = Paper::default();
    interrupted(&paper, &args).await;

    let report = report(&args);
    let files = report.files.unwrap();
    assert!(files.answers >= 100, "{files:?}");
    assert_eq!((files.events, files.records), (0, None));
    assert!(
        report.notes.iter().any(|note| note.contains("partial")),
        "{:?}",
        report.notes
    );
    for name in [ANSWERS, EVENTS, SCENARIO] {
        assert!(args.out.join(name).exists(), "{name}");
    }
    assert!(!args.out.join(LOG).exists());
    let again = scenario::load(&args.out.join(SCENARIO)).unwrap();
    assert_eq!(again, args.plan().unwrap());
    let error = archive::verify(&args.out).unwrap_err();
    assert!(matches!(error, ArchiveError::Partial { .. }), "{error}");

    let junit = std::fs::read_to_string(args.junit.unwrap()).unwrap();
    assert!(junit.starts_with("<?xml") && junit.contains("errors=\"1\""), "{junit}");
    let summary = std::fs::read_to_string(args.summary.unwrap()).unwrap();
    let added = summary.strip_prefix("what was said before\n").unwrap();
    assert_eq!(
        added,
        crate::report::summary::render(&report),
        "once, and for the result"
    );
}

#[tokio::test]
async fn a_failure_at_the_start_replaces_an_older_result_for_ci() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = args(dir.path());
    args.junit = Some(dir.path().join("junit.xml"));
    args.summary = Some(dir.path().join("summary.md"));
    std::fs::create_dir_all(&args.out).unwrap();
    let target = Paper::default().serve().await;
    announce(&mut args, &target, None).unwrap();
    let junit = std::fs::read_to_string(args.junit.as_ref().unwrap()).unwrap();
    assert!(junit.contains("errors=\"1\""), "{junit}");
    assert!(!args.summary.as_ref().unwrap().exists(), "the result is still to come");
    announce(&mut args, &target, Some("no broker".to_owned())).unwrap();
    let summary = std::fs::read_to_string(args.summary.as_ref().unwrap()).unwrap();
    assert!(summary.contains("no broker"), "{summary}");
}

#[tokio::test]
async fn files_of_an_older_experiment_go_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let args = args(dir.path());
    std::fs::create_dir_all(&args.out).unwrap();
    for name in [ANSWERS, EVENTS, SCENARIO, LOG] {
        std::fs::write(args.out.join(name), "old").unwrap();
    }
    args.check().unwrap();
    assert_eq!(std::fs::read_dir(&args.out).unwrap().count(), 0);
}

#[test]
fn the_scenario_of_a_folder_can_be_run_again_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = args(dir.path());
    std::fs::create_dir_all(&args.out).unwrap();
    std::fs::rename(args.scenario.as_ref().unwrap(), args.out.join(SCENARIO)).unwrap();
    std::fs::write(args.out.join(LOG), "old").unwrap();
    // However it is written.
    args.scenario = Some(args.out.join("..").join("out").join(SCENARIO));
    args.check().unwrap();
    args.plan().unwrap();
    assert!(!args.out.join(LOG).exists());
}
